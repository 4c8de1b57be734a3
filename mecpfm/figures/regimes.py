"""Cost of every method over its certified bound, a panel a regime."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE

LEAST = 1e-3
"""A logarithmic axis has no zero: smaller means are drawn here."""


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: regime, method, mean, ci_low, ci_high of cost over bound, minus 1; best on geometric average below."""
    frame = frame.assign(mean=frame["mean"].clip(lower=LEAST))
    regimes = list(dict.fromkeys(frame["regime"]))
    methods = list(np.log(frame.set_index("method")["mean"]).groupby("method").mean().sort_values().index)
    drawn = make_subplots(cols=len(regimes), subplot_titles=regimes, shared_yaxes=True, horizontal_spacing=0.03)
    for col, regime in enumerate(regimes, 1):
        of = frame[frame["regime"] == regime].set_index("method").reindex(methods).dropna().reset_index()
        spread = {"array": of["ci_high"] - of["mean"], "arrayminus": of["mean"] - of["ci_low"]}
        looks = [LOOKS[name] for name in of["method"]]
        drawn.add_trace(
            go.Scatter(
                x=of["mean"],
                y=[look.name for look in looks],
                error_x={"type": "data", "symmetric": False, **spread},
                mode="markers",
                marker={"color": [look.color for look in looks], "symbol": [look.symbol for look in looks], "size": 10},
                showlegend=False,
            ),
            row=1,
            col=col,
        )
    marks = {LEAST: "≤0.1%", 0.01: "1%", 0.1: "10%", 1: "100%", 10: "1000%"}
    ticks = {"tickvals": list(marks), "ticktext": list(marks.values()), "tickangle": 0}
    drawn.update_xaxes(type="log", range=[-3.3, 1.3], **ticks)
    drawn.update_layout(template=TEMPLATE, width=1150, height=520, margin={"l": 190})
    return drawn.add_annotation(
        text="cost over certified bound, minus 1", x=0.5, y=-0.14, xref="paper", yref="paper", showarrow=False
    )
