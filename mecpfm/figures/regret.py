"""Cumulative empirical regret on a trace, and cumulative squared error of the predictions behind it."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE, line

PANELS = {
    "cumulative_regret": "empirical regret, against the best place in the same state",
    "squared_error": "squared error of the predictions",
}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method, round, metric (cumulative_regret, squared_error), mean.

    Lines are means over seeds without bands: seeds differ more than learners do, so only paired differences say much.
    """
    drawn = make_subplots(cols=len(PANELS), subplot_titles=list(PANELS.values()), horizontal_spacing=0.09)
    methods = [name for name in LOOKS if name in set(frame["method"])]
    for col, metric in enumerate(PANELS, 1):
        for method in methods:
            of = frame[(frame["method"] == method) & (frame["metric"] == metric)].sort_values("round")
            every = [*range(0, len(of) - 1, 5), len(of) - 1]
            trace = line(method, x=of["round"].iloc[every], y=of["mean"].iloc[every], legendgroup=method)
            drawn.add_trace(trace.update(showlegend=col == 1), row=1, col=col)
    drawn.update_xaxes(title_text="requests served")
    drawn.update_yaxes(rangemode="tozero", zeroline=False)
    drawn.update_xaxes(zeroline=False)
    drawn.update_yaxes(title_text="cumulative (s)", col=1)
    drawn.update_yaxes(title_text="cumulative (s²)", col=2)
    title = "Empirical regret and squared error, cumulative over requests, means over seeds"
    legend = {"orientation": "h", "y": -0.2, "x": 0}
    return drawn.update_layout(
        template=TEMPLATE, width=1050, height=500, margin={"t": 80}, title_text=title, legend=legend
    )
