"""Where everything of a plan's map stands, in the points of one drawing: the page and the figure show the same.

Rows of ``kind`` link, pull, user, site and centre; x to the right, y down, in a drawing of WIDTH x HEIGHT.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mecpfm.network.tables import AT_CENTRE

if TYPE_CHECKING:
    from mecpfm.network.named import NamedPlan

WIDTH, HEIGHT, MARGIN = 760.0, 520.0, 84.0
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#B8A800", "#7B5EA7")
IDLE, FAR = "#B0B0B0", "#444444"
"""Sites that serve nobody; the data centre and who is served there."""
LONGEST = 24
"""Most letters of a name on the map."""
TURN = math.pi * (3 - math.sqrt(5))
"""Golden angle: dots around a site never line up."""
Place = tuple[float, float]


def frame(plan: NamedPlan) -> pd.DataFrame:
    """All that is drawn, a row each: kind, name, x, y, x_to, y_to, size, colour, label, named.

    A pull also has x_bend and y_bend, the control point of its curve.
    """
    sites, pulls = plan.sites, plan.pulls
    at = _places(sites)
    at[AT_CENTRE] = _centre(list(at.values()))
    colour = colours(plan)
    most = max(float(sites["requests"].max()), 1e-9)
    room = min(1.0, math.sqrt(16 / len(sites)))
    size = {row["site"]: (6 + 10 * math.sqrt(row["requests"] / most)) * room for row in sites.to_dict("records")}
    rows = [_row("link", f"{a} - {b}", at[a], at[b]) for a, b in plan.links]
    rows += _pulls(pulls, at, size)
    rows += _users(plan.users, at, colour, size)
    for row in sites.to_dict("records"):
        name = row["site"]
        label = f"{name}: {row['users']:g} users, {row['pulled_gb']:.4g} GB pulled"
        rows.append(_row("site", name, at[name], size=size[name], colour=colour[name], label=label))
    far = int((plan.users["served_at"] == AT_CENTRE).sum())
    label = f"{AT_CENTRE}: {far} users, {pulls.loc[pulls['from'] == AT_CENTRE, 'gb'].sum():.4g} GB pulled from it"
    rows.append(_row("centre", AT_CENTRE, at[AT_CENTRE], size=9, colour=FAR, label=label))
    found = pd.DataFrame(rows)
    return found.assign(named=_named(found))


def _named(rows: pd.DataFrame) -> list[bool]:
    """Which sites have their name beside them: the largest first, where there is room; the others when pointed at."""
    taken: list[tuple[float, float, float]] = []
    kept = {AT_CENTRE}
    for row in rows[rows["kind"] == "site"].sort_values("size", ascending=False, kind="stable").itertuples():
        half = 4.5 * min(len(str(row.name)), LONGEST)
        if all(abs(float(str(row.x)) - x) > half + other or abs(float(str(row.y)) - y) > 18 for x, y, other in taken):
            taken.append((float(str(row.x)), float(str(row.y)), half))
            kept.add(str(row.name))
    return [kind in ("site", "centre") and name in kept for kind, name in zip(rows["kind"], rows["name"], strict=True)]


def colours(plan: NamedPlan) -> dict[str, str]:
    """A colour for each site that serves anybody, the busiest first; they repeat after eight."""
    busy = plan.sites[plan.sites["users"] > 0].sort_values("users", ascending=False, kind="stable")["site"]
    found = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(busy)}
    return {AT_CENTRE: FAR, **{name: found.get(name, IDLE) for name in plan.sites["site"]}}


def _row(kind: str, name: str, at: Place, to: Place | None = None, **more: Any) -> dict[str, Any]:
    end = at if to is None else to
    row = {"kind": kind, "name": name, "x": at[0], "y": at[1], "x_to": end[0], "y_to": end[1], "size": 1.0}
    return {**row, "colour": "#DDDDDD", "label": name, **more}


def _places(sites: pd.DataFrame) -> dict[str, Place]:
    """Sites on the map, as large as the drawing allows; on a circle where they have no coordinates."""
    count = len(sites)
    if "latitude_deg" in sites and sites[["latitude_deg", "longitude_deg"]].notna().all(axis=None):
        north = -sites["latitude_deg"].to_numpy(dtype=float)
        middle = math.radians((north.min() + north.max()) / 2)
        east = sites["longitude_deg"].to_numpy(dtype=float) * max(math.cos(middle), 1e-3)
    else:
        turn = 2 * math.pi * np.arange(count) / count
        east, north = np.array([math.sin(t) for t in turn]), np.array([-math.cos(t) for t in turn])
    wide, high = np.ptp(east), np.ptp(north)
    scale = min((WIDTH - 2 * MARGIN) / max(wide, 1e-9), (HEIGHT - 2 * MARGIN) / max(high, 1e-9))
    scale = 0.0 if wide == high == 0 else scale
    x = WIDTH / 2 + (east - (east.min() + east.max()) / 2) * scale
    y = HEIGHT / 2 + (north - (north.min() + north.max()) / 2) * scale
    return dict(zip(sites["site"], zip(x.tolist(), y.tolist(), strict=True), strict=True))


def _centre(taken: list[Place]) -> Place:
    """The corner that is farthest from every site."""
    corners = [(x, y) for x in (46.0, WIDTH - 46) for y in (34.0, HEIGHT - 34)]
    return max(corners, key=lambda corner: min(math.dist(corner, place) for place in taken))


def _pulls(pulls: pd.DataFrame, at: dict[str, Place], size: dict[str, float]) -> list[dict[str, Any]]:
    """One arrow a pair of holder and site, as wide as what goes along, to the rim of the site."""
    rows = []
    largest = max(float(pulls.groupby(["from", "site"])["gb"].sum().max()), 1e-9) if len(pulls) else 1.0
    for key, group in pulls.groupby(["from", "site"], sort=False):
        source, site = map(str, key)
        gb = float(group["gb"].sum())
        (x, y), (u, v) = at[source], at[site]
        short = min((size[site] + 5) / max(math.dist((x, y), (u, v)), 1e-9), 0.5)
        label = f"{source} to {site}: {gb:.4g} GB ({', '.join(group['block'])})"
        # The curve bends to the left of its way, so that two ways stay apart.
        bent = {"x_bend": (x + u) / 2 + (v - y) / 8, "y_bend": (y + v) / 2 - (u - x) / 8}
        end, width = (u + (x - u) * short, v + (y - v) * short), 1.2 + 4.8 * gb / largest
        rows.append(_row("pull", f"{gb:.3g} GB", (x, y), end, size=width, colour="#333333", label=label, **bent))
    return rows


def _users(
    users: pd.DataFrame, at: dict[str, Place], colour: dict[str, str], size: dict[str, float]
) -> list[dict[str, Any]]:
    """Dots around each user's own site; where that is not known, around who serves it."""
    homes = users["home"] if "home" in users else users["served_at"]
    crowd = max(Counter(homes).values(), default=1)
    step = min(7.5, 46 / math.sqrt(crowd))
    seen: Counter[str] = Counter()
    rows = []
    columns = (homes, users["user"], users["served_at"], users["model"], users["delay_s"])
    for home, user, served, model, delay in zip(*columns, strict=True):
        i, start = seen[home], (size.get(home, 9.0) + 5) / step
        seen[home] += 1
        far, angle = step * math.sqrt(start * start + 1.5 * i), i * TURN
        place = (at[home][0] + far * math.cos(angle), at[home][1] + far * math.sin(angle))
        label = f"{user}: {', '.join(filter(None, (served, model)))}, {delay:.4g} s"
        rows.append(_row("user", user, place, size=min(2.6, 0.42 * step), colour=colour[served], label=label))
    return rows
