"""Mean ratio of a rounding to its relaxation against the number of requests, under the theorem's bound."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLUE, ORANGE, RED, figure

LOOKS: dict[str, dict[str, Any]] = {
    "one coin a request (worst case)": {"color": RED, "symbol": "triangle-up"},
    "LP as published": {"color": ORANGE, "symbol": "square"},
    "strengthened LP": {"color": BLUE, "symbol": "circle"},
}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: series (a key of ``LOOKS``), requests, excess = mean ratio - 1, bound = the theorem's, minus 1."""
    drawn = figure(
        "The worst case meets the bound of 2, and both tend to 1", "requests, J", "mean ratio to the LP, minus 1"
    )
    for name, look in LOOKS.items():
        of = frame[frame["series"] == name].sort_values("requests")
        marker = {"symbol": look["symbol"], "size": 8}
        line = {"color": look["color"], "width": 2}
        drawn.add_trace(
            go.Scatter(x=of["requests"], y=of["excess"], name=name, mode="lines+markers", line=line, marker=marker)
        )
        dotted = line | {"dash": "dot"}
        words = f"bound of theorem T4: {name}"
        drawn.add_trace(go.Scatter(x=of["requests"], y=of["bound"], name=words, mode="lines", line=dotted))
    drawn.update_layout(height=520, legend={"orientation": "h", "y": -0.2, "x": 0})
    drawn.update_xaxes(type="log", tickvals=sorted(set(frame["requests"])))
    drawn.update_yaxes(type="log", exponentformat="power", dtick=1)
    return drawn
