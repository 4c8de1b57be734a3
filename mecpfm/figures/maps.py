"""Maps: who holds what, and what travels to serve whom."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.lines import Draw
from mecpfm.figures.style import BLACK, FAMILY_COLORS, GREY, figure

SYMBOLS = {"shared": "square", "private": "circle"}
"""Markers of the parts of a model."""
PICTURE = (760, 520)
"""Width and height of the drawing of a plan by name, in the points of ``mecpfm.network.picture``."""
HOVER = {"hovertemplate": "%{text}<extra></extra>"}
"""What is shown of a marker that is pointed at: its text alone."""
Place = tuple[float, float]
"""x and y: degrees, or points of the drawing."""


def network_map(frame: pd.DataFrame) -> go.Figure:
    """Who asks, who holds which part of which model, and what travels to serve the requests.

    Rows of kind link, site, centre, holds, request and pull (columns: figures/README.md).
    """
    title = "Only what is missing travels: shareable parts (squares, thick) come from any sibling"
    drawn = _map(frame, title, height=720)
    drawn.add_trace(_links(frame[frame.kind == "link"], "lon", "lat").update(showlegend=False))
    drawn.add_traces([_pull(row) for row in frame[frame.kind == "pull"].to_dict("records")])
    drawn.add_trace(_sites(frame[frame.kind == "site"], "cloudlet", "circle", 9))
    drawn.add_trace(_sites(frame[frame.kind == "centre"], "data centre (holds everything)", "star", 20))
    placed = _above(frame[frame.kind.isin(["holds", "request"])], 0.02, 2.4, 2.2)
    holds, asked = placed[placed.kind == "holds"], placed[placed.kind == "request"]
    for family, part in itertools.product(sorted(set(holds["family"].astype(int))), SYMBOLS):
        of = holds[(holds["family"] == family) & (holds["part"] == part)]
        marker = {"symbol": SYMBOLS[part], "size": 11, "color": FAMILY_COLORS[family]}
        drawn.add_trace(_marks(of, f"{part} part, family {family}", marker))
    lines = {"color": [FAMILY_COLORS[int(family)] for family in asked["family"]], "width": 2}
    diamonds = {"symbol": "diamond", "size": 13, "color": "white", "line": lines}
    return drawn.add_trace(_marks(asked, "request (colour: the family it gets)", diamonds))


def coupled_map(frame: pd.DataFrame) -> go.Figure:
    """Who holds which backbone, who serves whom.

    Rows of kind site, holds (family, gb), serves (to lon_to, lat_to; family, count) and remote (count).
    """
    title = "A backbone is pulled once and serves its neighbours: lines lead to who serves"
    drawn = _map(frame, title, height=720, legend={"orientation": "h", "y": -0.13, "x": 0})
    sites, scale = frame[frame["kind"] == "site"], drawn.layout.yaxis.scaleratio
    span = sites["lat"].max() - sites["lat"].min() or 1
    for row in frame[frame["kind"] == "serves"].to_dict("records"):
        look = {"color": FAMILY_COLORS[int(row["family"])], "width": 1 + 1.5 * math.sqrt(row["count"])}
        x, y = zip(*_beside(row, 0.008 * span, scale), strict=True)
        words = {"text": row["name"], "showlegend": False, "opacity": 0.7, **HOVER}
        drawn.add_trace(go.Scatter(x=x, y=y, mode="lines", line=look, **words))
    drawn.add_trace(_sites(sites, "Cloudlet", "circle", 9))
    holds = _above(frame[frame["kind"] == "holds"], 0.025, 1.8, 1.5, span)
    for family in sorted(set(holds["family"].astype(int))):
        marker = {"symbol": "square", "size": 12, "color": FAMILY_COLORS[family]}
        drawn.add_trace(_marks(holds[holds["family"] == family], f"backbone of family {family}", marker))
    far = frame[frame["kind"] == "remote"]
    cross = {"symbol": "x-thin", "size": 6 + 2 * far["count"], "line": {"color": BLACK, "width": 1.5}}
    words = {"text": far["name"], "mode": "markers", "name": "Served remotely"}
    return drawn.add_trace(go.Scatter(x=far["lon"], y=far["lat"], marker=cross, **words))


def plan_map(frame: pd.DataFrame) -> go.Figure:
    """A plan by name: sites, pulls as arrows as wide as their GB, users in the colour of who serves them.

    Rows of kind link, pull, user, site and centre, in points of the drawing (``mecpfm.network.picture``).
    """
    margin, legend = {"l": 10, "r": 10, "t": 50, "b": 10}, {"orientation": "h", "y": 0}
    kinds = dict(iter(frame.groupby("kind")))
    pulls, centre = kinds.get("pull", frame[:0]), kinds["centre"].iloc[0]
    far = int(((pulls["x"] == centre["x"]) & (pulls["y"] == centre["y"])).sum())
    title = f"{far} of {len(pulls)} pulls come from the data centre; a dot is a user, in the colour of who serves it"
    drawn = figure(title, "", "", height=620, margin=margin, legend=legend)
    drawn.update_xaxes(range=[0, PICTURE[0]], visible=False, fixedrange=False)
    drawn.update_yaxes(range=[PICTURE[1], 0], scaleanchor="x", visible=False, fixedrange=False)
    drawn.add_trace(_links(kinds.get("link", frame[:0]), "x", "y").update(name="link"))
    for i, row in enumerate(pulls.to_dict("records")):
        x, y = curve(*((row[f"x{end}"], row[f"y{end}"]) for end in ("", "_bend", "_to")))
        look = {"name": "pull, as wide as its GB", "showlegend": not i, "legendgroup": "pull", "opacity": 0.6}
        drawn.add_trace(_arrow(x, y, row["label"], row["colour"], row["size"], 9 + row["size"], **look))
    for served, rows in kinds.get("user", frame[:0]).groupby("colour", sort=False):
        marker = {"size": 2 * rows["size"], "color": served, "opacity": 1}
        users = {"name": "", "mode": "markers", "text": rows["label"], "showlegend": False, **HOVER}
        drawn.add_trace(go.Scatter(x=rows["x"], y=rows["y"], marker=marker, textposition="top center", **users))
    for kind, symbol, name in (("site", "circle", "site, as large as what it serves"), ("centre", "square", "")):
        rows = kinds[kind]
        marker = {"size": 2 * rows["size"], "color": rows["colour"], "symbol": symbol, "opacity": 1}
        words = {"text": rows["name"].where(rows["named"], ""), "customdata": rows["label"]}
        above = "top center" if kind == "site" else "bottom center"  # arrows leave the centre upwards, to the sites
        hover = {"hovertemplate": "%{customdata}<extra></extra>", "textposition": above, "mode": "markers+text"}
        look = {"name": name or "data centre", "marker": marker}
        drawn.add_trace(go.Scatter(x=rows["x"], y=rows["y"], **look, **words, **hover))
    return drawn


def _map(frame: pd.DataFrame, title: str, **layout: Any) -> go.Figure:
    """Empty map on which a kilometre is as long to the east as to the north."""
    ratio = 1 / math.cos(math.radians(frame["lat"].mean()))
    north = {"scaleanchor": "x", "scaleratio": ratio, "showgrid": False}
    drawn = figure(title, "longitude (degrees)", "latitude (degrees)", **layout)
    return drawn.update_xaxes(showgrid=False).update_yaxes(**north)


def _links(rows: pd.DataFrame, x: str, y: str) -> go.Scatter:
    """Thin lines, all in one trace."""
    ends = ([end for a, b in rows[[at, f"{at}_to"]].to_numpy() for end in (a, b, None)] for at in (x, y))
    look = {"mode": "lines", "line": {"color": "#D0D0D0", "width": 1}, "hoverinfo": "skip"}
    return go.Scatter(**dict(zip("xy", ends, strict=True)), **look)


def _sites(rows: pd.DataFrame, name: str, symbol: str, size: int) -> go.Scatter:
    marker = {"symbol": symbol, "size": size, "color": "white", "line": {"color": GREY, "width": 2}}
    words = {"text": rows["name"], "textposition": "bottom center", "textfont": {"size": 10, "color": "#555555"}}
    return go.Scatter(x=rows["lon"], y=rows["lat"], mode="markers+text", name=name, marker=marker, **words)


def _marks(rows: pd.DataFrame, name: str, marker: dict[str, Any]) -> go.Scatter:
    return go.Scatter(x=rows["x"], y=rows["y"], text=rows["name"], mode="markers", name=name, marker=marker, **HOVER)


def _above(rows: pd.DataFrame, size: float, aside: float, up: float, span: float | None = None) -> pd.DataFrame:
    """Places (x, y) side by side above the site: ``size`` of the map's span, so many sizes apart and up."""
    step = size * (span or rows["lat"].max() - rows["lat"].min() or 1)
    place = rows.groupby(["lon", "lat"]).cumcount()
    return rows.assign(x=rows["lon"] + aside * step * place, y=rows["lat"] + up * step)


def _beside(row: dict[Hashable, Any], step: float, scale: float) -> list[Place]:
    """Ends of a line, moved sideways by family so that two families on one way stay apart."""
    east, north = (row["lon_to"] - row["lon"]) / scale, row["lat_to"] - row["lat"]
    length, side = math.hypot(east, north) or 1.0, step * (int(row["family"]) - 0.5)
    dx, dy = -north / length * side * scale, east / length * side
    return [(row["lon"] + dx, row["lat"] + dy), (row["lon_to"] + dx, row["lat_to"] + dy)]


def _pull(row: dict[Hashable, Any]) -> go.Scatter:
    """Curved arrow; thick for shareable parts, thin and dotted for private ones."""
    shared = row["part"] == "shared"
    bend, width, head, dash = (0.12, 4, 16, "solid") if shared else (-0.12, 2, 11, "dot")
    (x0, y0), (x1, y1) = start, end = (row["lon"], row["lat"]), (row["lon_to"], row["lat_to"])
    middle = (x0 + x1) / 2 - bend * (y1 - y0), (y0 + y1) / 2 + bend * (x1 - x0)
    words = f"{row['name']}: {row['gb']:.2f} GB in {row['seconds']:.1f} s"
    arrow = _arrow(*curve(start, middle, end), words, FAMILY_COLORS[int(row["family"])], width, head)
    return arrow.update(name=f"pull of a {row['part']} part", showlegend=False, line={"dash": dash})


def _arrow(x: list[float], y: list[float], text: str, color: str, width: float, head: float, **more: Any) -> go.Scatter:
    """Line along given points that ends in an arrow head."""
    marker = {"symbol": "arrow", "angleref": "previous", "color": color, "size": [0] * (len(x) - 1) + [head]}
    look = {"mode": "lines+markers", "line": {"color": color, "width": width}, "marker": marker}
    return go.Scatter(x=x, y=y, text=text, **look, **HOVER, **more)


def curve(start: Place, control: Place, end: Place) -> tuple[list[float], list[float]]:
    """Points of the quadratic curve from start to end with this control point."""
    steps = [i / 20 for i in range(21)]
    x, y = (
        [(1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c for t in steps]
        for a, b, c in zip(start, control, end, strict=True)
    )
    return x, y


FIGURES: dict[str, Draw] = {"network_map": network_map, "coupled_map": coupled_map, "plan_map": plan_map}
