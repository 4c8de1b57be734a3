"""Map of a network: who holds which part of which model, and what travels to serve the requests."""

from __future__ import annotations

import itertools
import math

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import FAMILY_COLORS, GREY, figure

SYMBOLS = {"shared": "square", "private": "circle"}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Draw rows of kind link, site, centre, holds and pull (columns: figures/README.md)."""
    latitude = math.radians(frame["lat"].mean())
    drawn = figure(
        "Only what is missing travels: shareable parts (squares, thick) come from any sibling",
        "longitude (degrees)",
        "latitude (degrees)",
        height=760,
        legend={"orientation": "h", "y": -0.09, "x": 0},
        yaxis={"scaleanchor": "x", "scaleratio": 1 / math.cos(latitude), "showgrid": False},
        xaxis={"showgrid": False},
    )
    drawn.add_trace(_links(frame[frame.kind == "link"]))
    drawn.add_traces(_pulls(frame[frame.kind == "pull"]))
    drawn.add_trace(_sites(frame[frame.kind == "site"], "Cloudlet", "circle", 9))
    drawn.add_trace(_sites(frame[frame.kind == "centre"], "Remote data centre (holds everything)", "star", 20))
    drawn.add_traces(_holders(frame[frame.kind == "holds"]))
    return drawn


def _links(rows: pd.DataFrame) -> go.Scatter:
    x = [value for row in rows.itertuples() for value in (row.lon, row.lon_to, None)]
    y = [value for row in rows.itertuples() for value in (row.lat, row.lat_to, None)]
    return go.Scatter(x=x, y=y, mode="lines", line={"color": "#D0D0D0", "width": 1}, hoverinfo="skip", showlegend=False)


def _sites(rows: pd.DataFrame, name: str, symbol: str, size: int) -> go.Scatter:
    return go.Scatter(
        x=rows["lon"],
        y=rows["lat"],
        text=rows["name"],
        name=name,
        mode="markers+text",
        textposition="bottom center",
        textfont={"size": 10, "color": "#555555"},
        marker={"symbol": symbol, "size": size, "color": "white", "line": {"color": GREY, "width": 2}},
    )


def _holders(rows: pd.DataFrame) -> list[go.Scatter]:
    """One trace a (family, part): markers side by side above the site."""
    step = 0.02 * (rows["lat"].max() - rows["lat"].min() or 1)
    place = rows.groupby(["lon", "lat"]).cumcount()
    rows = rows.assign(x=rows["lon"] + 2.2 * step * place, y=rows["lat"] + 2 * step)
    traces = []
    for family, part in itertools.product(sorted(set(rows["family"].astype(int))), SYMBOLS):
        group = rows[(rows["family"] == family) & (rows["part"] == part)]
        traces.append(
            go.Scatter(
                x=group["x"],
                y=group["y"],
                text=group["name"],
                mode="markers",
                name=f"{part} part, family {family}",
                hovertemplate="%{text}<extra></extra>",
                marker={"symbol": SYMBOLS[part], "size": 11, "color": FAMILY_COLORS[family]},
            )
        )
    return traces


def _pulls(rows: pd.DataFrame) -> list[go.Scatter]:
    """Curved arrows; thick for shareable parts, thin and dotted for private ones."""
    traces = []
    for row in rows.to_dict("records"):
        shared = row["part"] == "shared"
        x, y = _arc((row["lon"], row["lat"]), (row["lon_to"], row["lat_to"]), 0.12 if shared else -0.12)
        color = FAMILY_COLORS[int(row["family"])]
        traces.append(
            go.Scatter(
                x=x,
                y=y,
                mode="lines+markers",
                name=f"pull of a {row['part']} part",
                showlegend=False,
                text=f"{row['name']}: {row['gb']:.2f} GB in {row['seconds']:.1f} s",
                hovertemplate="%{text}<extra></extra>",
                line={"color": color, "width": 4 if shared else 2, "dash": "solid" if shared else "dot"},
                marker={
                    "symbol": "arrow",
                    "angleref": "previous",
                    "color": color,
                    "size": [0] * (len(x) - 1) + [16 if shared else 11],
                },
            )
        )
    return traces


def _arc(start: tuple[float, float], end: tuple[float, float], bend: float) -> tuple[list[float], list[float]]:
    """Quadratic curve from start to end that bulges by ``bend`` of its length."""
    (x0, y0), (x1, y1) = start, end
    cx, cy = (x0 + x1) / 2 - bend * (y1 - y0), (y0 + y1) / 2 + bend * (x1 - x0)
    steps = [i / 20 for i in range(21)]
    x = [(1 - t) ** 2 * x0 + 2 * t * (1 - t) * cx + t**2 * x1 for t in steps]
    y = [(1 - t) ** 2 * y0 + 2 * t * (1 - t) * cy + t**2 * y1 for t in steps]
    return x, y
