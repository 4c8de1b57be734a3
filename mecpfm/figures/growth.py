"""Cost, bound and gap against the size of the problem."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE, band, line

PANELS = {"objective": "cost and bound (s)", "bound": "cost and bound (s)", "gap": "certified gap"}
SERIES = {"objective": "polish", "bound": "dual", "gap": "polish"}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: axis (requests or cloudlets), value, metric (objective, bound, gap), mean, ci_low, ci_high."""
    axes = list(dict.fromkeys(frame["axis"]))
    drawn = make_subplots(rows=2, cols=len(axes), shared_xaxes=True, vertical_spacing=0.08)
    for col, axis in enumerate(axes, 1):
        for metric, method in SERIES.items():
            of = frame[(frame["axis"] == axis) & (frame["metric"] == metric)].sort_values("value")
            cell = {"row": 2 if metric == "gap" else 1, "col": col}
            low = of["ci_low"].clip(lower=0)  # neither costs nor gaps are negative
            drawn.add_trace(band(method, of["value"], low, of["ci_high"]), **cell)
            shown = {"showlegend": col == 1 and metric != "gap", "name": LOOKS[method].name}
            drawn.add_trace(line(method, x=of["value"], y=of["mean"], **shown), **cell)
            drawn.update_yaxes(title_text=PANELS[metric] if col == 1 else "", **cell)
        drawn.update_xaxes(title_text=axis, row=2, col=col)
    drawn.update_yaxes(tickformat=".1%", row=2)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return drawn.update_layout(template=TEMPLATE, width=860, height=560, legend=legend)
