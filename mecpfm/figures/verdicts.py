"""Claims of a reduction or gain against their thresholds: range over all points, middle point, verdict."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLACK, BLUE, GREY, ORANGE, RED, figure

COLORS = {"reproduced": BLUE, "partly": ORANGE, "not-reproduced": RED}
SYMBOLS = {"reproduced": "circle", "partly": "diamond", "not-reproduced": "x"}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns as written by mecpfm.experiments.report.table."""
    height = 34 * len(frame) + 150
    drawn = figure(
        "What holds, and by how much",
        "relative reduction (delay, cost) or gain (accuracy)",
        "",
        height=height,
        width=900,
    )
    for row in frame.to_dict("records"):
        drawn.add_trace(
            go.Scatter(
                x=[row["worst"], row["best"]],
                y=[row["id"], row["id"]],
                mode="lines",
                line={"color": GREY, "width": 2},
                showlegend=False,
                hoverinfo="skip",
            )
        )
    for verdict, rows in frame.groupby("verdict"):
        drawn.add_trace(
            go.Scatter(
                x=rows["median"],
                y=rows["id"],
                name=str(verdict),
                mode="markers",
                marker={"color": COLORS[str(verdict)], "symbol": SYMBOLS[str(verdict)], "size": 11},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": rows["ci_high"] - rows["median"],
                    "arrayminus": rows["median"] - rows["ci_low"],
                },
            )
        )
    drawn.add_trace(
        go.Scatter(
            x=frame["threshold"],
            y=frame["id"],
            name="threshold",
            mode="markers",
            marker={"color": BLACK, "symbol": "line-ns-open", "size": 16},
        )
    )
    drawn.update_xaxes(tickformat=".0%")
    drawn.update_yaxes(categoryorder="array", categoryarray=frame["id"][::-1], automargin=True, range=[-1, len(frame)])
    return drawn.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
