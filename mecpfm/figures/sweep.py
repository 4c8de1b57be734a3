"""One sweep of the evaluation: four metrics against the swept quantity, a line a method, bands for 95 % intervals."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE, band, line

AXES = {
    "cloudlets": "cloudlets",
    "requests": "requests",
    "models": "models",
    "capacity_gb": "capacity of a cloudlet (GB)",
    "cost_budget": "cost budget of a request",
    "accuracy_requirement": "accuracy requirement",
    "shared_fraction": "shared fraction of a model",
}
METRICS = {
    "total_delay_s": "total delay (s)",
    "average_cost": "average cost (W s)",
    "average_accuracy": "average accuracy",
    "total_penalty": "total penalty",
    "total_regret": "total regret",
    "runtime_s": "running time (s)",
}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: axis, value, method, metric, mean, ci_low, ci_high (figures/README.md)."""
    metrics = [metric for metric in METRICS if metric in set(frame["metric"])]
    cols = 3 if len(metrics) == 3 else min(2, len(metrics))
    rows = -(-len(metrics) // cols)
    drawn = make_subplots(rows=rows, cols=cols, horizontal_spacing=0.27 / cols, vertical_spacing=0.14)
    axis = str(frame["axis"].iloc[0])
    for place, metric in enumerate(metrics):
        cell = {"row": place // cols + 1, "col": place % cols + 1}
        _panel(drawn, frame[frame["metric"] == metric], first=place == 0, cell=cell)
        drawn.update_yaxes(title_text=METRICS[metric], **cell)
        drawn.update_xaxes(title_text=AXES[axis], **cell)
        if metric == "runtime_s":
            drawn.update_yaxes(type="log", exponentformat="power", dtick=1, **cell)
    drawn.update_layout(
        template=TEMPLATE,
        width=380 * cols + 100 if cols < 3 else 1150,
        height=360 * rows + 80,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"t": 90},
    )
    return drawn


def _panel(drawn: go.Figure, rows: pd.DataFrame, *, first: bool, cell: dict[str, int]) -> None:
    for method in [name for name in LOOKS if name in set(rows["method"])]:
        of = rows[rows["method"] == method].sort_values("value")
        if of["ci_low"].notna().all():
            drawn.add_trace(band(method, of["value"], of["ci_low"], of["ci_high"]), **cell)
        drawn.add_trace(line(method, x=of["value"], y=of["mean"], legendgroup=method, showlegend=first), **cell)
