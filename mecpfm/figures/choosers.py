"""Delay and quality of prediction against the number of observed features, by how they are chosen."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import GREEN, GREY, LOOKS, TEMPLATE, band, line

PANELS = {"loss_s": "mean delay (s)", "demand_r2": "R² of the prediction, while learning"}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method, observed, features (how many there are), metric (loss_s, demand_r2), mean, ci_low, ci_high.

    Rows that observe no feature, or all of them, become level lines.
    """
    features = int(frame["features"].iloc[0])
    drawn = make_subplots(cols=len(PANELS), subplot_titles=list(PANELS.values()), horizontal_spacing=0.09)
    inner = frame[frame["observed"].between(1, features - 1)]
    for col, metric in enumerate(PANELS, 1):
        for method in [name for name in LOOKS if name in set(inner["method"])]:
            of = inner[(inner["method"] == method) & (inner["metric"] == metric)].sort_values("observed")
            trace = line(method, x=of["observed"], y=of["mean"], legendgroup=method, showlegend=col == 1)
            drawn.add_trace(trace, row=1, col=col)
            # Seeds differ more than methods do; the paired table has the intervals, one band shows how wide they are.
            if method == "priced-cov" and of["ci_low"].notna().all():
                drawn.add_trace(band(method, of["observed"], of["ci_low"], of["ci_high"]), row=1, col=col)
        for level, words, color in ((0, "none", GREY), (features, f"all {features}", GREEN)):
            of = frame[(frame["observed"] == level) & (frame["metric"] == metric)]
            if len(of):
                look = {"line": {"color": color, "dash": "dash"}, "annotation_text": words}
                drawn.add_hline(y=of["mean"].mean(), annotation_position="bottom right", row=1, col=col, **look)
    drawn.update_xaxes(title_text="features observed, d", type="log", tickvals=sorted(set(inner["observed"])))
    drawn.update_yaxes(title_text="mean delay (s)", col=1)
    drawn.update_yaxes(title_text="R²", col=2)
    return drawn.update_layout(template=TEMPLATE, width=1150, height=460, margin={"t": 90})
