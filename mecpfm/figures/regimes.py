"""Cost of every method over its certified bound, a panel a regime."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: regime, method, mean, ci_low, ci_high of cost over bound, minus 1."""
    regimes = list(dict.fromkeys(frame["regime"]))
    methods = list(dict.fromkeys(frame.sort_values("mean")["method"]))
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
    drawn.update_xaxes(type="log", tickformat="~%", tickangle=0, tickvals=[0.001, 0.01, 0.1, 1, 10], range=[-3.3, 1.3])
    drawn.update_layout(template=TEMPLATE, width=1150, height=520, margin={"l": 190})
    return drawn.add_annotation(
        text="cost over certified bound, minus 1", x=0.5, y=-0.14, xref="paper", yref="paper", showarrow=False
    )
