"""Incumbent and bound against the local search's iterations: the gap is what may still be won."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLUE, GREY, figure


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: instance, iterations, cost, bound (s); drawn relative to each instance's bound."""
    drawn = figure("Most of the gap closes at once; the certificate says how much is left", "iterations", "gap")
    dashes = ("solid", "dash", "dot", "dashdot")
    for dash, (name, of) in zip(dashes, frame.groupby("instance", sort=False), strict=False):
        stairs = {"color": BLUE if dash == "solid" else GREY, "dash": dash, "shape": "hv"}
        gap = (of["cost"] - of["bound"]) / of["cost"]
        drawn.add_trace(go.Scatter(x=of["iterations"], y=gap, mode="lines", name=str(name), line=stairs))
    drawn.update_xaxes(type="log", tickvals=[m * 10**e for e in range(1, 6) for m in (1, 2, 5)])
    return drawn.update_yaxes(tickformat=".1%", rangemode="tozero")
