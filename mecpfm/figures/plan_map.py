"""Map of a plan by name: sites, pulls as arrows as wide as their GB, users in the colour of who serves them."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import figure

WIDTH, HEIGHT = 760, 520


def draw(frame: pd.DataFrame) -> go.Figure:
    """Rows of kind link, pull, user, site and centre, in points of the drawing (``mecpfm.network.picture``)."""
    drawn = figure("Who serves whom, what is pulled from where", "", "", height=620)
    hidden = {"visible": False, "fixedrange": False}
    drawn.update_xaxes(range=[0, WIDTH], **hidden)
    drawn.update_yaxes(range=[HEIGHT, 0], scaleanchor="x", **hidden)
    drawn.update_layout(margin={"l": 10, "r": 10, "t": 50, "b": 10}, legend={"orientation": "h", "y": 0})
    kinds = dict(iter(frame.groupby("kind")))
    drawn.add_trace(_links(kinds.get("link", frame[:0])))
    drawn.add_traces(_pulls(kinds.get("pull", frame[:0])))
    for served, rows in kinds.get("user", frame[:0]).groupby("colour", sort=False):
        drawn.add_trace(
            _dots(rows, "", marker={"size": 2 * rows["size"], "color": served, "opacity": 1}, showlegend=False)
        )
    for kind, symbol, name in (("site", "circle", "site, as large as what it serves"), ("centre", "square", "")):
        rows = kinds[kind]
        marker = {"size": 2 * rows["size"], "color": rows["colour"], "symbol": symbol, "opacity": 1}
        words = {
            "text": rows["name"].where(rows["named"], ""),
            "customdata": rows["label"],
            "hovertemplate": "%{customdata}<extra></extra>",
        }
        drawn.add_trace(_dots(rows, name or "data centre", mode="markers+text", marker=marker, **words))
    return drawn


def _dots(rows: pd.DataFrame, name: str, **more: object) -> go.Scatter:
    words = {"text": rows["label"], "hovertemplate": "%{text}<extra></extra>", "mode": "markers"}
    return go.Scatter(x=rows["x"], y=rows["y"], name=name, **{**words, "textposition": "top center", **more})


def _links(rows: pd.DataFrame) -> go.Scatter:
    x = [value for row in rows.itertuples() for value in (row.x, row.x_to, None)]
    y = [value for row in rows.itertuples() for value in (row.y, row.y_to, None)]
    return go.Scatter(x=x, y=y, mode="lines", line={"color": "#D0D0D0", "width": 1}, hoverinfo="skip", name="link")


def _pulls(rows: pd.DataFrame) -> list[go.Scatter]:
    """Curved arrows from the holder."""
    traces = []
    for i, row in enumerate(rows.to_dict("records")):
        x, y = _curve(row["x"], row["y"], row["x_bend"], row["y_bend"], row["x_to"], row["y_to"])
        traces.append(
            go.Scatter(
                x=x, y=y, mode="lines+markers", name="pull, as wide as its GB", showlegend=not i,
                legendgroup="pull", opacity=0.6, text=row["label"], hovertemplate="%{text}<extra></extra>",
                line={"color": row["colour"], "width": row["size"]},
                marker={
                    "symbol": "arrow", "angleref": "previous", "color": row["colour"],
                    "size": [0] * (len(x) - 1) + [9 + row["size"]],
                },
            )
        )  # fmt: skip
    return traces


def _curve(x: float, y: float, u: float, v: float, x_to: float, y_to: float) -> tuple[list[float], list[float]]:
    """Points of the quadratic curve with control point (u, v)."""
    steps = [i / 20 for i in range(21)]
    return (
        [(1 - t) ** 2 * x + 2 * t * (1 - t) * u + t**2 * x_to for t in steps],
        [(1 - t) ** 2 * y + 2 * t * (1 - t) * v + t**2 * y_to for t in steps],
    )
