"""One self-contained page for a plan, and the short form of it in a notebook: no script or style from elsewhere."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import pandas as pd

from mecpfm.network.named import NamedPlan
from mecpfm.network.picture import FAR, HEIGHT, IDLE, LONGEST, WIDTH, colours, frame
from mecpfm.network.summary import said
from mecpfm.network.tables import AT_CENTRE, PRICES

WORDS = {
    "latitude_deg": "latitude", "longitude_deg": "longitude", "gpu_s": "GPU time used, s",
    "gpu_s_available": "GPU time there, s", "memory_gb": "memory used, GB", "memory_gb_available": "memory there, GB",
    "pulled_gb": "pulled, GB", "pulling_s": "pulling, s", "price_s_per_gb": "price of a GB, s",
    "price_s_per_gpu_s": "price of a GPU second, s", "served_at": "served at", "delay_s": "delay, s",
    "access_s": "access, s", "path_s": "path, s", "prefill_s": "prefill, s", "decode_s": "decode, s",
    "pull_s": "pull, s", "inference_s": "inference, s", "queue_s": "queue, s", "transmission_s": "transmission, s",
    "remote_s": "in the data centre, s", "second_choice": "second choice", "second_costs_s": "which costs more, s",
    "gb": "GB", "seconds": "s", "models": "for models",
}  # fmt: skip
"""Headings of columns; others are called as in the files."""
LISTED = 8
"""Most sites in the legend, most arrows with their GB beside them."""
SHORT = ("site", "users", "gpu_s", "gpu_s_available", "memory_gb", "memory_gb_available", "pulled_gb", *PRICES)
"""Columns in a notebook."""
HEAD = (
    "<meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'><link rel=icon href='data:,'>"
)
ARROW = (
    "<defs><marker id=mecpfm-arrow viewBox='0 0 8 8' refX=6 refY=4 markerWidth=13 markerHeight=13 orient=auto "
    "markerUnits=userSpaceOnUse><path d='M0 0L8 4L0 8z' fill='#333'/></marker></defs>"
)
STYLE = """
.mecpfm{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:1180px;margin:0 auto;
padding:12px 16px;box-sizing:border-box;overflow-wrap:anywhere}
.mecpfm h1{font-size:1.35em;margin:.4em 0}.mecpfm h2{font-size:1.1em;margin:1.4em 0 .3em}
.mecpfm .facts{display:flex;flex-wrap:wrap;gap:8px}
.mecpfm .facts div{border:1px solid #ddd;border-radius:6px;padding:6px 12px}
.mecpfm .facts b{display:block;font-size:1.15em}.mecpfm .wide{overflow-x:auto;max-height:70vh}
.mecpfm svg{display:block;width:100%;max-width:980px;height:auto;border:1px solid #eee}
.mecpfm svg text{font-size:13px;fill:#1a1a1a;paint-order:stroke;stroke:#fff;stroke-width:3.5px;stroke-linejoin:round}
.mecpfm svg text.gb{font-size:11px;fill:#555}
.mecpfm .key{display:flex;flex-wrap:wrap;gap:4px 16px;margin:6px 0;font-size:.9em;padding:0;list-style:none}
.mecpfm .key i{display:inline-block;width:12px;height:12px;border-radius:50%;margin-right:5px;vertical-align:-1px}
.mecpfm table{border-collapse:collapse;font-size:.9em;overflow-wrap:normal}
.mecpfm th{text-align:left;border-bottom:2px solid #999;vertical-align:bottom;padding:3px 10px 3px 0;background:#fff}
.mecpfm td{border-bottom:1px solid #eee;padding:3px 10px 3px 0;text-align:left}
.mecpfm td.n,.mecpfm th.n{text-align:right}.mecpfm th button{all:unset;cursor:pointer}
.mecpfm th button:focus-visible{outline:2px solid #0072B2}
.mecpfm th[aria-sort=ascending] button::after{content:" \\25B2"}
.mecpfm th[aria-sort=descending] button::after{content:" \\25BC"}
@media(max-width:600px){.mecpfm svg text{font-size:25px;stroke-width:6px}.mecpfm svg text.gb{font-size:20px}
.mecpfm .facts div{flex:1 1 40%}}
"""
SCRIPT = """
document.querySelectorAll(".mecpfm th button").forEach(button => button.addEventListener("click", () => {
  const th = button.parentNode, i = [...th.parentNode.children].indexOf(th), body = th.closest("table").tBodies[0];
  const up = th.getAttribute("aria-sort") !== "ascending", number = th.className === "n";
  [...th.parentNode.children].forEach(other => other.removeAttribute("aria-sort"));
  th.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = row => number ? row.children[i].dataset.v : row.children[i].textContent;
  const order = (a, b) => number ? a - b : a.localeCompare(b, undefined, {numeric: true});
  const rows = [...body.rows].map(row => [key(row), row]);
  const empty = rows.filter(([k]) => k === ""), full = rows.filter(([k]) => k !== "");
  full.sort(([a], [b]) => up ? order(a, b) : order(b, a));
  [...full, ...empty].forEach(([, row]) => body.append(row));
}));
"""


def page(plan: NamedPlan) -> str:
    """The page as HTML text: facts, map, tables that sort."""
    title = f"Who serves whom, what is pulled from where: {plan.summary['network']}"
    parts = [
        f"<h1>{escape(title)}</h1>{_facts(plan)}{_broken(plan)}<h2>Map</h2>{_map(plan)}",
        f"<h2>Sites</h2>{_about_prices(plan)}{_table(plan.sites)}",
        f"<h2>Pulls</h2>{_table(plan.pulls)}",
        f"<h2>Users</h2>{_table(plan.users)}",
    ]
    head = f"{HEAD}<title>{escape('mecpfm: ' + str(plan.summary['network']))}</title><style>body{{margin:0}}{STYLE}"
    body = "\n".join(parts)
    return (
        f"<!doctype html><html lang=en><head>{head}</style></head><body><main class=mecpfm>{body}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def fragment(plan: NamedPlan) -> str:
    """Summary, map and sites, for a notebook; works without a network, and where scripts do not run."""
    columns = [name for name in SHORT if name in plan.sites]
    busy = plan.sites.loc[plan.sites["users"] > 0, columns]
    tables = _table(busy, sortable=False)
    return f"<style>{STYLE}</style><div class=mecpfm><p>{escape(said(plan))}</p>{_map(plan)}{tables}</div>"


def _facts(plan: NamedPlan) -> str:
    s, sites = plan.summary, plan.sites
    period = f" in {s['period_s']:g} s" if s.get("period_s") else ""
    facts = [(f"{plan.objective:.6g} s", f"cost{period}, {s['status']}")]
    if not math.isnan(plan.gap):
        facts.append((f"{plan.bound:.6g} s", f"no plan costs less: proved; gap {100 * plan.gap:.2g} %"))
    facts += [
        (f"{s['users_at_edge']} of {s['users']}", "users served at the edge"),
        (f"{s['pulled_gb']:.4g} GB", f"pulled by {(sites['pulled_gb'] > 0).sum()} sites"),
    ]
    if len(plan.prices):
        facts.append((str((plan.prices[[*PRICES]] > 1e-9).any(axis=1).sum()), "sites where memory or GPU is scarce"))
    if s.get("deadlines_missed") is not None:
        facts.append((str(s["deadlines_missed"]), "deadlines missed"))
    shown = "".join(f"<div><b>{escape(value)}</b>{escape(word)}</div>" for value, word in facts)
    return f"<div class=facts>{shown}</div>"


def _broken(plan: NamedPlan) -> str:
    if not plan.violations:
        return ""
    return f"<h2>Broken rows</h2><ul>{''.join(f'<li>{escape(row)}</li>' for row in plan.violations)}</ul>"


def _about_prices(plan: NamedPlan) -> str:
    if not len(plan.prices):
        return ""
    return "<p>A price is what one more GB, or GPU second, saves at most; 0 where one more alone saves nothing.</p>"


def _table(table: pd.DataFrame, sortable: bool = True) -> str:
    if not len(table):
        return "<p>None.</p>"
    head = ""
    for name in table:
        word = escape(WORDS.get(str(name), str(name)))
        numeric = " class=n" if pd.api.types.is_numeric_dtype(table[name]) else ""
        head += f"<th{numeric}>{f'<button>{word}</button>' if sortable else word}</th>"
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.to_numpy(object).tolist())
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"


def _cell(value: Any) -> str:
    if isinstance(value, (int, float)):
        known = not math.isnan(value)
        return f"<td class=n data-v='{value!r}'>{value:.4g}</td>" if known else "<td class=n data-v=''></td>"
    return f"<td>{escape(str(value))}</td>"


def _map(plan: NamedPlan) -> str:
    rows = frame(plan)
    few = (rows["kind"] == "pull").sum() <= LISTED
    drawn = "".join(_shape(row) for row in rows.itertuples())
    words = "".join(_name(row, few) for row in rows.itertuples())
    return (
        f"<svg viewBox='0 0 {WIDTH:g} {HEIGHT:g}' role=img aria-label='map of the plan'>{ARROW}{drawn}{words}</svg>"
        f"{_key(plan)}"
    )


def _shape(row: Any) -> str:
    title, place = f"<title>{escape(row.label)}</title>", f"cx={row.x:.1f} cy={row.y:.1f} r={row.size:.1f}"
    match row.kind:
        case "link":
            return f"<path d='M{row.x:.1f} {row.y:.1f}L{row.x_to:.1f} {row.y_to:.1f}' stroke='{row.colour}'/>"
        case "pull":
            way = f"M{row.x:.1f} {row.y:.1f}Q{row.x_bend:.1f} {row.y_bend:.1f} {row.x_to:.1f} {row.y_to:.1f}"
            return (
                f"<path d='{way}' fill=none stroke='{row.colour}' opacity=.6 stroke-width={row.size:.1f} "
                f"marker-end='url(#mecpfm-arrow)'>{title}</path>"
            )
        case "centre":
            corner = f"x={row.x - row.size:.1f} y={row.y - row.size:.1f}"
            return f"<rect {corner} width={2 * row.size:g} height={2 * row.size:g} fill='{row.colour}'>{title}</rect>"
        case "user":
            return f"<circle {place} fill='{row.colour}'>{title}</circle>"
    return f"<circle {place} fill='{row.colour}' stroke=white>{title}</circle>"


def _name(row: Any, few: bool) -> str:
    if row.kind == "pull" and few:
        x, y = (row.x + 2 * row.x_bend + row.x_to) / 4, (row.y + 2 * row.y_bend + row.y_to) / 4
        return f"<text class=gb x={x:.1f} y={y:.1f} text-anchor=middle>{escape(row.name)}</text>"
    if not row.named:
        return ""
    anchor = "start" if row.x < WIDTH / 4 else "end" if row.x > WIDTH * 3 / 4 else "middle"
    x = row.x + {"start": -row.size, "end": row.size, "middle": 0}[anchor]
    short = row.name if len(row.name) <= LONGEST else f"{row.name[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
    below = row.kind == "centre" and row.y < HEIGHT / 2
    y = row.y + row.size + 16 if below else row.y - row.size - 5
    return f"<text x={x:.1f} y={y:.1f} text-anchor={anchor}>{escape(short)}</text>"


def _key(plan: NamedPlan) -> str:
    """Legend: whose users have which colour, and what else is drawn."""
    colour = colours(plan)
    served = [name for name in colour if name != AT_CENTRE and colour[name] != IDLE]
    entries = [(f"background:{colour[name]}", f"{name} and whom it serves") for name in served[:LISTED]]
    if len(served) > LISTED:
        entries.append(("", f"{len(served) - LISTED} more sites; colours repeat"))
    if any(value == IDLE for value in colour.values()):
        entries.append((f"background:{IDLE}", "site that serves nobody"))
    entries.append((f"background:{FAR};border-radius:0", f"{AT_CENTRE} and whom it serves"))
    arrow = "<li><span aria-hidden=true>&#10230;</span> pull, as wide as its GB</li>" if len(plan.pulls) else ""
    link = "<li><span style='color:#bbb' aria-hidden=true>&#8213;</span> link</li>" if plan.links else ""
    shown = "".join(f"<li><i style='{style}'></i>{escape(word)}</li>" for style, word in entries)
    return f"<ul class=key>{shown}<li>small dots: users</li>{arrow}{link}</ul>"
