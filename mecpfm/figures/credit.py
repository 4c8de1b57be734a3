"""What a feature is credited with: forecast error and lost delay against the number of features seen."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.panels import panels

TITLES = {"squared": "squared error of the forecast (s²)", "excess_s": "delay lost to the oracle (s)"}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: metric (squared or excess_s), method, observed, mean, ci_low, ci_high."""
    drawn = panels(frame, "metric", TITLES, "observed", width=400)
    drawn.update_yaxes(matches=None, showticklabels=True, rangemode="tozero")
    return drawn.update_xaxes(title_text="features observed, d", type="log", tickvals=sorted(set(frame["observed"])))
