"""Cost and certified gap against wall time, local search and HiGHS's MIP in equal time, a column an instance class."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE, band, line

PANELS = {"over_bound": "cost over the best bound", "gap": "gap to the own bound"}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: case, method, seconds, metric (over_bound, gap), mean, ci_low, ci_high."""
    cases = list(dict.fromkeys(frame["case"]))
    drawn = make_subplots(
        rows=2, cols=len(cases), shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.02, vertical_spacing=0.06,
        column_titles=[case.replace(", ", "<br>") for case in cases],
    )  # fmt: skip
    for col, case in enumerate(cases, 1):
        for row, metric in enumerate(PANELS, 1):
            rows = frame[(frame["case"] == case) & (frame["metric"] == metric)]
            for method in [name for name in LOOKS if name in set(rows["method"])]:
                of = rows[rows["method"] == method].sort_values("seconds")
                low, high = of["ci_low"].clip(lower=0), of["ci_high"].clip(upper=1 if metric == "gap" else None)
                drawn.add_trace(band(method, of["seconds"], low, high), row=row, col=col)
                shown = {"legendgroup": method, "showlegend": row == col == 1}
                drawn.add_trace(line(method, x=of["seconds"], y=of["mean"], **shown), row=row, col=col)
        ticks = sorted(set(frame.loc[frame["case"] == case, "seconds"]))
        drawn.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks], col=col)
        drawn.update_xaxes(title_text="seconds", row=2, col=col)
    for row, title in enumerate(PANELS.values(), 1):
        drawn.update_yaxes(title_text=title, row=row, col=1)
    drawn.update_yaxes(tickformat=".0%", rangemode="tozero")
    legend = {"orientation": "h", "y": 1.12, "yanchor": "bottom", "x": 0}
    return drawn.update_layout(
        template=TEMPLATE, width=230 * len(cases) + 100, height=560, legend=legend, margin={"t": 110}
    )
