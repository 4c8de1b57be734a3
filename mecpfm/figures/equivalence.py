"""Optima of the linear and the non-linear program against enumeration: all on the diagonal, or not equivalent."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import GREY, figure, line

SIZES = {"nlip": 14, "ilp": 6}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: enumerated optimum (s), method (nlip or ilp), objective (s); one row an instance and method."""
    ends = [0, 1.05 * frame["enumerated"].max()]
    drawn = figure(
        "NLIP = ILP = enumeration: every optimum lies on the diagonal",
        "optimum by enumeration (s)",
        "optimum by a solver (s)",
        height=460,
    )
    drawn.add_trace(go.Scatter(x=ends, y=ends, mode="lines", name="equal", line={"color": GREY, "dash": "dot"}))
    for method, size in SIZES.items():
        rows = frame[frame["method"] == method]
        points = line(method, x=rows["enumerated"], y=rows["objective"], mode="markers")
        drawn.add_trace(points.update(marker={"size": size, "line": {"width": 1.5}}))
    drawn.update_yaxes(range=ends)
    return drawn.update_layout(legend={"x": 0.02, "y": 0.98})
