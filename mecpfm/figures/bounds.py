"""Squared errors of online ridge against what is proved about them, a panel a delay of the feedback."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import BLACK, BLUE, GREY, ORANGE, TEMPLATE

LINES = {
    "squared": ("measured", BLUE, "solid"),
    "best": ("best linear rule in hindsight", BLACK, "dot"),
    "bound": ("bound O2, from own errors", ORANGE, "dash"),
    "worst_case": ("bound O2, worst case", GREY, "dashdot"),
}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: lag, round, and the means of squared, best, bound and worst_case per request, in s^2."""
    lags = sorted(set(frame["lag"]))
    words = [f"{lag:g} arrivals late" if lag else "known at once" for lag in lags]
    drawn = make_subplots(cols=len(lags), subplot_titles=words, shared_yaxes=True)
    for col, lag in enumerate(lags, 1):
        of = frame[frame["lag"] == lag].sort_values("round")
        for name, (label, color, dash) in LINES.items():
            look = {"color": color, "dash": dash, "width": 2}
            drawn.add_trace(
                go.Scatter(x=of["round"], y=of[name], name=label, mode="lines", line=look, showlegend=col == 1),
                row=1,
                col=col,
            )
    drawn.update_xaxes(title_text="requests", type="log", dtick=1)
    drawn.update_yaxes(type="log", exponentformat="power", dtick=1)
    drawn.update_yaxes(title_text="squared error per request (s²)", col=1)
    return drawn.update_layout(template=TEMPLATE, width=1050, height=420, margin={"t": 80})
