"""The dual function of one multiplier: concave, made of lines, and as high as the linear program is low."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLUE, GREY, RED, figure


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: kind (dual, line, maximum or level), u, value (s); ``name`` tells lines apart and labels levels."""
    drawn = figure("One multiplier solves the LP: every line lies above, the top is the LP's value", "u", "delay (s)")
    for _, of in frame[frame["kind"] == "line"].groupby("name"):
        thin = {"color": GREY, "width": 1}
        drawn.add_trace(go.Scatter(x=of["u"], y=of["value"], mode="lines", line=thin, showlegend=False))
    dual, top = frame[frame["kind"] == "dual"], frame[frame["kind"] == "maximum"]
    curve = {"color": BLUE, "width": 3}
    drawn.add_trace(go.Scatter(x=dual["u"], y=dual["value"], mode="lines", name="dual function g(u)", line=curve))
    star = {"color": RED, "symbol": "star", "size": 15}
    drawn.add_trace(go.Scatter(x=top["u"], y=top["value"], mode="markers", name="its maximum", marker=star))
    for row in frame[frame["kind"] == "level"].itertuples():
        drawn.add_hline(
            y=row.value,
            line={"color": RED, "dash": "dash", "width": 1},
            annotation_text=row.name,
            annotation_position="top left",
        )
    height = dual["value"].max() - dual["value"].min()
    drawn.update_yaxes(range=[dual["value"].min() - 0.05 * height, dual["value"].max() + 0.25 * height])
    return drawn.update_layout(legend={"x": 0.4, "y": 0.05})
