"""What more draws buy: mean excess of the best of r roundings over the certified optimum."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLUE, GREEN, ORANGE, RED, figure

LOOKS = ((BLUE, "circle"), (ORANGE, "square"), (GREEN, "diamond"), (RED, "triangle-up"))


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: requests, draws r, excess = mean of (best of r) / optimum - 1."""
    title = "A few draws see both sides of the coin; more draws do not close the gap"
    drawn = figure(title, "independent draws, r", "mean excess over the optimum")
    for (color, symbol), (requests, of) in zip(LOOKS, frame.groupby("requests"), strict=False):
        marker = {"color": color, "symbol": symbol, "size": 8}
        trace = {"mode": "lines+markers", "name": f"{requests} requests", "line": {"color": color}, "marker": marker}
        drawn.add_trace(go.Scatter(x=of["draws"], y=of["excess"], **trace))
    drawn.update_xaxes(type="log", tickvals=sorted(set(frame["draws"])))
    drawn.update_yaxes(rangemode="tozero", tickformat=".2%")
    return drawn
