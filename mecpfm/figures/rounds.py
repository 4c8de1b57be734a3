"""Cumulative regret and penalty by round, released pull rules beside the common one."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE, band, line

RULES = {"released": "pull rules as released", "common": "one rule for all: share, nearest"}
METRICS = {"cumulative_regret": "cumulative regret (empirical)", "cumulative_penalty": "cumulative penalty"}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method, rule, round, metric, mean, ci_low, ci_high."""
    drawn = make_subplots(rows=2, cols=2, subplot_titles=list(RULES.values()), shared_yaxes="rows", shared_xaxes=True)
    for place, (metric, title) in enumerate(METRICS.items()):
        for col, rule in enumerate(RULES, 1):
            _panel(drawn, frame[(frame["metric"] == metric) & (frame["rule"] == rule)], place + 1, col)
        drawn.update_yaxes(title_text=title, row=place + 1, col=1)
    drawn.update_xaxes(title_text="round", row=2)
    drawn.update_yaxes(rangemode="tozero")
    drawn.update_layout(template=TEMPLATE, width=900, height=720, legend={"orientation": "h", "y": -0.12, "x": 0})
    return drawn


def _panel(drawn: go.Figure, rows: pd.DataFrame, row: int, col: int) -> None:
    for method in [name for name in LOOKS if name in set(rows["method"])]:
        of = rows[rows["method"] == method].sort_values("round")
        if of["ci_low"].notna().all():
            drawn.add_trace(band(method, of["round"], of["ci_low"], of["ci_high"]), row=row, col=col)
        every = [*range(0, len(of) - 1, 5), len(of) - 1]
        drawn.add_trace(
            line(
                method,
                x=of["round"].iloc[every],
                y=of["mean"].iloc[every],
                legendgroup=method,
                showlegend=(row, col) == (1, 1),
            ),
            row=row,
            col=col,
        )
