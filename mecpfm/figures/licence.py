"""Size of each program against the number of requests, and where Gurobi's restricted licence ends."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLACK, BLUE, GREY, RED, figure

LOOKS = {
    "NLIP, columns": {"color": BLACK, "dash": "solid"},
    "ILP and LP, columns": {"color": BLUE, "dash": "solid"},
    "ILP and LP, rows": {"color": BLUE, "dash": "dot"},
    "source-free LP, columns": {"color": GREY, "dash": "dash"},
}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: count (a key of ``LOOKS``), requests, size, built: whether the size was read off a built model.

    Rows of count ``limit`` are level lines instead, named by column ``words``.
    """
    drawn = figure("The restricted licence ends before the problem begins", "requests", "columns or rows", height=460)
    for name, look in LOOKS.items():
        rows, built = (frame[(frame["count"] == name) & (frame["built"] == flag)] for flag in (False, True))
        group = {"legendgroup": name, "name": name}
        drawn.add_trace(go.Scatter(x=rows["requests"], y=rows["size"], mode="lines", line=look, **group))
        marker = {"color": look["color"], "size": 8, "symbol": "circle-open", "line": {"width": 2}}
        marks = {"x": built["requests"], "y": built["size"], "mode": "markers", "marker": marker}
        drawn.add_trace(go.Scatter(**marks, **group, showlegend=False))
    ends = [frame["requests"].min(), frame["requests"].max()]
    for row in frame[frame["count"] == "limit"].itertuples():
        level = {"x": ends, "y": [row.size, row.size], "mode": "lines+text", "line": {"color": RED, "width": 1}}
        words = {"text": ["", row.words], "textposition": "bottom left", "textfont": {"color": RED}}
        drawn.add_trace(go.Scatter(**level, **words, showlegend=False))
    drawn.update_xaxes(type="log", tickvals=sorted(set(frame.loc[frame["built"], "requests"])))
    drawn.update_yaxes(type="log", exponentformat="power", dtick=1)
    return drawn
