"""Panels of lines with bands side by side, for the figures that compare policies on several problems."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE, band, line


def panels(frame: pd.DataFrame, by: str, titles: Mapping[str, str], x: str, *, width: int = 340) -> go.Figure:
    """One panel a key of ``titles`` (values of column ``by``); columns x, method, mean, ci_low, ci_high."""
    drawn = make_subplots(cols=len(titles), subplot_titles=list(titles.values()), shared_yaxes=True)
    methods = [name for name in LOOKS if name in set(frame["method"])]
    named = set()
    for col, panel in enumerate(titles, 1):
        for method in methods:
            of = frame[(frame[by] == panel) & (frame["method"] == method)].sort_values(x)
            if of.empty:
                continue
            if of["ci_low"].notna().all():
                drawn.add_trace(band(method, of[x], of["ci_low"], of["ci_high"]), row=1, col=col)
            trace = line(method, x=of[x], y=of["mean"], legendgroup=method, showlegend=method not in named)
            drawn.add_trace(trace, row=1, col=col)
            named.add(method)
    drawn.update_layout(template=TEMPLATE, width=width * len(titles) + 180, height=420, margin={"t": 80})
    return drawn
