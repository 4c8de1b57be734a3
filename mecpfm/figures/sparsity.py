"""The matrix of a small integer linear program: one mark a non-zero, coloured by the kind of its row."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY, YELLOW, figure

COLORS = {
    "pull": RED, "assign": BLACK, "link": BLUE, "budget": ORANGE, "capacity": GREEN, "accuracy": PINK,
    "product": SKY, "cover": YELLOW,
}  # fmt: skip


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: row and column of a non-zero, kind of its row (pull, assign, ...), group of its column (x, ys, ...)."""
    drawn = figure("Two dense rows couple everything; the rest is small blocks", "column", "row", height=620)
    for kind, color in COLORS.items():
        of = frame[frame["kind"] == kind]
        marker = {"color": color, "symbol": "square", "size": 4.5}
        drawn.add_trace(go.Scatter(x=of["column"], y=of["row"], mode="markers", name=kind, marker=marker))
    for group, columns in frame.groupby("group", sort=False)["column"]:
        drawn.add_vline(x=columns.min() - 0.5, line={"color": GREY, "width": 0.7})
        middle = (columns.min() + columns.max()) / 2
        drawn.add_annotation(x=middle, y=1.0, yref="paper", yanchor="bottom", text=f"<b>{group}</b>", showarrow=False)
    drawn.update_xaxes(showgrid=False, zeroline=False, range=[-1, frame["column"].max() + 1])
    drawn.update_yaxes(showgrid=False, zeroline=False, range=[frame["row"].max() + 1, -1], dtick=20)
    drawn.update_layout(margin={"t": 70})
    return drawn
