"""Map of a coupled plan: who holds which backbone, who serves whom."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLACK, FAMILY_COLORS, GREY, figure


def draw(frame: pd.DataFrame) -> go.Figure:
    """Rows of kind site, holds (family, gb), serves (to lon_to, lat_to; family, count) and remote (count)."""
    scale = 1 / math.cos(math.radians(frame["lat"].mean()))
    drawn = figure(
        "A backbone is pulled once and serves its neighbours: lines lead to who serves",
        "longitude (degrees)",
        "latitude (degrees)",
        height=720,
        legend={"orientation": "h", "y": -0.1, "x": 0},
        yaxis={"scaleanchor": "x", "scaleratio": scale, "showgrid": False},
        xaxis={"showgrid": False},
    )
    sites, holds = frame[frame["kind"] == "site"], frame[frame["kind"] == "holds"]
    span = 0.008 * (sites["lat"].max() - sites["lat"].min() or 1)
    for row in frame[frame["kind"] == "serves"].to_dict("records"):
        color, ends = FAMILY_COLORS[int(row["family"])], _beside(row, span, scale)
        style = {"color": color, "width": 1 + 1.5 * math.sqrt(row["count"])}
        x, y = zip(*ends, strict=True)
        words = {"text": row["name"], "hovertemplate": "%{text}<extra></extra>", "showlegend": False, "opacity": 0.7}
        drawn.add_trace(go.Scatter(x=x, y=y, mode="lines", line=style, **words))
    marker = {"symbol": "circle", "size": 9, "color": "white", "line": {"color": GREY, "width": 2}}
    names = {"text": sites["name"], "textposition": "bottom center", "textfont": {"size": 10, "color": "#555555"}}
    drawn.add_trace(
        go.Scatter(x=sites["lon"], y=sites["lat"], mode="markers+text", name="Cloudlet", marker=marker, **names)
    )
    drawn.add_traces(_holders(holds, 0.025 * (sites["lat"].max() - sites["lat"].min() or 1)))
    far = frame[frame["kind"] == "remote"]
    cross = {"symbol": "x-thin", "size": 6 + 2 * far["count"], "line": {"color": BLACK, "width": 1.5}}
    drawn.add_trace(
        go.Scatter(x=far["lon"], y=far["lat"], text=far["name"], mode="markers", name="Served remotely", marker=cross)
    )
    return drawn


def _beside(row: dict[Hashable, Any], step: float, scale: float) -> list[tuple[float, float]]:
    """Ends of a line, moved sideways by family so that two families on one way stay apart."""
    east, north = (row["lon_to"] - row["lon"]) / scale, row["lat_to"] - row["lat"]
    length, side = math.hypot(east, north) or 1.0, step * (int(row["family"]) - 0.5)
    dx, dy = -north / length * side * scale, east / length * side
    return [(row["lon"] + dx, row["lat"] + dy), (row["lon_to"] + dx, row["lat_to"] + dy)]


def _holders(rows: pd.DataFrame, step: float) -> list[go.Scatter]:
    """Squares side by side above the site, one a backbone."""
    place = rows.groupby(["lon", "lat"]).cumcount()
    rows = rows.assign(x=rows["lon"] + 1.8 * step * place, y=rows["lat"] + 1.5 * step)
    traces = []
    for family in sorted(set(rows["family"].astype(int))):
        of, marker = rows[rows["family"] == family], {"symbol": "square", "size": 12, "color": FAMILY_COLORS[family]}
        words = {"text": of["name"], "hovertemplate": "%{text}<extra></extra>"}
        name = f"backbone of family {family}"
        traces.append(go.Scatter(x=of["x"], y=of["y"], mode="markers", name=name, marker=marker, **words))
    return traces
