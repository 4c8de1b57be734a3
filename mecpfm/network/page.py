"""One self-contained page for a plan: a map as SVG, sortable tables, no script or style from elsewhere."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import pandas as pd

from mecpfm.network.answer import AT_CENTRE, Answer

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#B8A800", "#8A8A8A")
WIDTH, HEIGHT, MARGIN = 720.0, 480.0, 56.0
WORDS = {
    "latitude_deg": "latitude", "longitude_deg": "longitude", "gpu_s": "GPU time used, s",
    "gpu_s_available": "GPU time there, s", "memory_gb": "memory used, GB", "memory_gb_available": "memory there, GB",
    "pulled_gb": "pulled, GB", "pulling_s": "pulling, s", "worth_of_a_gb_s": "one more GB saves at most, s",
    "worth_of_a_gpu_s": "one more GPU second saves at most, s", "served_at": "served at", "delay_s": "delay, s",
    "path_s": "of that path, s", "inference_s": "of that inference, s", "remote_s": "in the data centre, s",
    "second_choice": "second choice", "second_costs_s": "which costs more, s", "gb": "GB", "seconds": "s",
    "models": "for models",
}  # fmt: skip
LEGEND = (
    "Circles are sites, as large as what they serve; dots are users in the colour of the site that serves them, grey "
    "in the data centre; arrows are pulls."
)
HEAD = (
    "<meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'><link rel=icon href='data:,'>"
)
ARROW = (
    "<defs><marker id=a viewBox='0 0 8 8' refX=7 refY=4 markerWidth=7 markerHeight=7 orient=auto>"
    "<path d='M0 0L8 4L0 8z' fill='#333'/></marker></defs>"
)
STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1180px;padding:12px 16px;color:#1a1a1a}
h1{font-size:1.35em;margin:.4em 0}h2{font-size:1.1em;margin:1.4em 0 .3em}
.facts{display:flex;flex-wrap:wrap;gap:8px}.facts div{border:1px solid #ddd;border-radius:6px;padding:6px 12px}
.facts b{display:block;font-size:1.15em}.wide{overflow-x:auto}svg{width:100%;height:auto;border:1px solid #eee}
table{border-collapse:collapse;font-size:.9em}th{cursor:pointer;text-align:left;border-bottom:2px solid #999;
vertical-align:bottom;padding:3px 10px 3px 0}td{border-bottom:1px solid #eee;padding:3px 10px 3px 0}
td.n,th.n{text-align:right}tr.full td{font-weight:600}
"""
SCRIPT = """
document.querySelectorAll("th").forEach(th => th.addEventListener("click", () => {
  const body = th.closest("table").tBodies[0], i = [...th.parentNode.children].indexOf(th);
  const up = th.dataset.up = th.dataset.up === "1" ? "" : "1";
  const key = row => row.children[i].dataset.v ?? row.children[i].textContent;
  const order = (a, b) => isNaN(key(a)) || isNaN(key(b)) ? key(a).localeCompare(key(b)) : key(a) - key(b);
  [...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)).forEach(row => body.append(row));
}));
"""


def page(found: Answer) -> str:
    """The page as HTML text."""
    s = found.summary
    scarce = found.sites[(found.sites["worth_of_a_gb_s"] > 1e-9) | (found.sites["worth_of_a_gpu_s"] > 1e-9)]
    facts = [
        (f"{s['objective_s']:.6g} s", f"delay in {s['period_s']:g} s, {s['status']}"),
        (f"{s['bound_s']:.6g} s", f"no plan is better than this; gap {100 * s['gap']:.2g} %"),
        (f"{s['users_at_edge']} of {s['users']}", "users served at the edge"),
        (f"{s['pulled_gb']:.4g} GB", f"pulled by {(found.sites['pulled_gb'] > 0).sum()} sites"),
        (str(len(scarce)), "sites where memory or GPU time is scarce"),
        (str(s["deadlines_missed"]), "deadlines missed"),
    ]
    shown = "".join(f"<div><b>{escape(value)}</b>{escape(word)}</div>" for value, word in facts)
    parts = [
        f"<h1>Who serves whom, what is pulled from where: {escape(str(s['network']))}</h1>",
        f"<div class=facts>{shown}</div><h2>Map</h2><p>{LEGEND}</p>{_map(found)}",
        f"<h2>Sites</h2>{_table(found.sites)}",
        f"<h2>Pulls</h2>{_table(found.pulls)}",
        f"<h2>Users</h2>{_table(found.users)}",
    ]
    title = escape(f"mecpfm: {s['network']}")
    body = "\n".join(parts)
    return (
        f"<!doctype html><html lang=en><head>{HEAD}<title>{title}</title><style>{STYLE}</style></head>"
        f"<body>{body}<script>{SCRIPT}</script></body></html>\n"
    )


def _table(frame: pd.DataFrame) -> str:
    if not len(frame):
        return "<p>None.</p>"
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame]
    head = "".join(
        f"<th{' class=n' if n else ''}>{escape(WORDS.get(str(name), str(name)))}</th>"
        for name, n in zip(frame, numeric, strict=True)
    )
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in frame.to_numpy(object).tolist())
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"


def _cell(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        shown = "" if math.isnan(value) else f"{value:.4g}"
        return f"<td class=n data-v='{'' if math.isnan(value) else repr(value)}'>{shown}</td>"
    return f"<td>{'' if value is None else escape(str(value))}</td>"


class _Frame:
    """From degrees to the picture: equal scale east and north at the middle latitude."""

    def __init__(self, sites: pd.DataFrame) -> None:
        north, east = sites["latitude_deg"], sites["longitude_deg"]
        self.shrink = math.cos(math.radians((north.min() + north.max()) / 2))
        self.low = (float(east.min()) * self.shrink, float(north.min()))
        wide = max(float(east.max()) * self.shrink - self.low[0], 1e-6)
        high = max(float(north.max()) - self.low[1], 1e-6)
        self.scale = min((WIDTH - 2 * MARGIN) / wide, (HEIGHT - 2 * MARGIN) / high)
        self.left = (WIDTH - wide * self.scale) / 2
        self.top = (HEIGHT - high * self.scale) / 2
        self.high = high

    def place(self, latitude: float, longitude: float) -> tuple[float, float]:
        x = self.left + (longitude * self.shrink - self.low[0]) * self.scale
        return x, self.top + (self.high - (latitude - self.low[1])) * self.scale


def _map(found: Answer) -> str:
    frame = _Frame(found.sites)
    at = {row.site: frame.place(row.latitude_deg, row.longitude_deg) for row in found.sites.itertuples()}  # type: ignore[arg-type]
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(at)}
    corners = [(x, y) for x in (40.0, WIDTH - 40) for y in (24.0, HEIGHT - 24)]
    at[AT_CENTRE] = max(corners, key=lambda corner: min(math.dist(corner, place) for place in at.values()))
    parts = [
        f"<line x1={at[a][0]:.1f} y1={at[a][1]:.1f} x2={at[b][0]:.1f} y2={at[b][1]:.1f} stroke='#ccc'/>"
        for a, b in found.map["links"]
    ]
    parts += _pull_arrows(found, at)
    parts += _user_dots(found, at, colour)
    largest = max(float(found.sites["requests"].max()), 1e-9)
    for row in found.sites.itertuples():
        x, y = at[row.site]
        size = 5 + 13 * math.sqrt(float(str(row.requests)) / largest)
        name = escape(str(row.site))
        parts.append(
            f"<circle cx={x:.1f} cy={y:.1f} r={size:.1f} fill='{colour[row.site]}' stroke=white><title>{name}: "
            f"{row.users} users, {float(str(row.pulled_gb)):.4g} GB pulled</title></circle>"
            f"<text x={x:.1f} y={y - size - 4:.1f} text-anchor=middle font-size=13>{name}</text>"
        )
    if (found.pulls["from"] == AT_CENTRE).any():
        x, y = at[AT_CENTRE]
        parts.append(f"<rect x={x - 8:.1f} y={y - 8:.1f} width=16 height=16 fill='#444'/>")
        side, anchor = (14, "start") if x < WIDTH / 2 else (-14, "end")
        parts.append(f"<text x={x + side:.1f} y={y + 5:.1f} text-anchor={anchor} font-size=13>{AT_CENTRE}</text>")
    body = "".join(parts)
    return f"<svg viewBox='0 0 {WIDTH:g} {HEIGHT:g}' role=img aria-label='map of the plan'>{ARROW}{body}</svg>"


def _pull_arrows(found: Answer, at: dict[Any, tuple[float, float]]) -> list[str]:
    """One arrow a pair of holder and site, as wide as what goes along."""
    arrows = []
    for (source, site), group in found.pulls.groupby(["from", "site"], sort=False):
        (x, y), (u, v) = at[source], at[site]
        gb, blocks = float(group["gb"].sum()), escape(", ".join(group["block"]))
        label = f"{escape(str(source))} to {escape(str(site))}: {gb:.4g} GB ({blocks})"
        bend = (x + u) / 2 + (v - y) / 8, (y + v) / 2 - (u - x) / 8
        arrows.append(
            f"<path d='M{x:.1f} {y:.1f}Q{bend[0]:.1f} {bend[1]:.1f} {u:.1f} {v:.1f}' fill=none stroke='#333' "
            f"opacity=.55 stroke-width={1 + min(gb / 10, 3):.1f} marker-end='url(#a)'><title>{label}</title></path>"
        )
    return arrows


def _user_dots(found: Answer, at: dict[Any, tuple[float, float]], colour: dict[Any, str]) -> list[str]:
    """Users around their own site, on rings."""
    seen: dict[str, int] = {}
    dots = []
    for row in found.users.itertuples():
        i = seen[str(row.home)] = seen.get(str(row.home), -1) + 1
        x, y = at[row.home]
        ring, angle = 24 + 6 * (i // 24), 2 * math.pi * (i % 24) / 24
        label = escape(f"{row.user}: {row.served_at}")
        dots.append(
            f"<circle cx={x + ring * math.cos(angle):.1f} cy={y + ring * math.sin(angle):.1f} r=2.4 "
            f"fill='{colour.get(row.served_at, '#999')}'><title>{label}</title></circle>"
        )
    return dots
