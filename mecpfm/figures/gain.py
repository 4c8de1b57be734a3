"""What sharing saves against the shared fraction: reduction of cost, paired seed by seed."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import band, figure, line


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: baseline (a method), value (shared fraction), reduction, ci_low, ci_high against that baseline."""
    drawn = figure("The more is shared, the more joint planning saves", "shared fraction of a model", "cost saved")
    for method, of in frame.groupby("baseline", sort=False):
        drawn.add_trace(band(str(method), of["value"], of["ci_low"], of["ci_high"]))
        trace = line(str(method), x=of["value"], y=of["reduction"])
        drawn.add_trace(trace.update(name=f"against {trace.name}"))
    return drawn.update_yaxes(tickformat=".0%")
