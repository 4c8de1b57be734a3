"""Delay saved and quality of prediction against the number of observed features, by how they are chosen."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import GREEN, LOOKS, TEMPLATE, band, line

PANELS = {"saved": "delay saved against observing nothing", "demand_r2": "R² of the prediction, while learning"}
CREDITS = ("priced-tsrc", "priced-tsrc-delay")


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method, observed, features (how many there are), metric (saved, demand_r2), mean, ci_low, ci_high.

    ``saved`` is paired seed by seed (a share). Rows that observe all features become level lines.
    """
    features = int(frame["features"].iloc[0])
    drawn = make_subplots(cols=len(PANELS), subplot_titles=list(PANELS.values()), horizontal_spacing=0.09)
    inner = frame[frame["observed"].between(1, features - 1)]
    for col, metric in enumerate(PANELS, 1):
        for method in [name for name in LOOKS if name in set(inner["method"])]:
            of = inner[(inner["method"] == method) & (inner["metric"] == metric)].sort_values("observed")
            # Bands of all would hide each other: the two credits are what is compared.
            if method in CREDITS and of["ci_low"].notna().all():
                drawn.add_trace(band(method, of["observed"], of["ci_low"], of["ci_high"]), row=1, col=col)
            trace = line(method, x=of["observed"], y=of["mean"], legendgroup=method, showlegend=col == 1)
            drawn.add_trace(trace, row=1, col=col)
        level = frame.loc[(frame["observed"] == features) & (frame["metric"] == metric), "mean"]
        if len(level):
            look = {"line": {"color": GREEN, "dash": "dash"}, "annotation_text": f"all {features}"}
            drawn.add_hline(y=level.mean(), annotation_position="top left", row=1, col=col, **look)
    drawn.update_xaxes(title_text="features observed, d", type="log", tickvals=sorted(set(inner["observed"])))
    drawn.update_yaxes(title_text="delay saved", tickformat=".0%", col=1)
    drawn.update_yaxes(title_text="R²", rangemode="tozero", col=2)
    title = "What d features are worth, by how they are chosen"
    legend = {"orientation": "h", "y": -0.2, "x": 0}
    return drawn.update_layout(
        template=TEMPLATE, title_text=title, width=1050, height=500, margin={"t": 80}, legend=legend
    )
