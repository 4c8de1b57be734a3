"""One change at a time, from a baseline to the compared algorithm: what each change is worth."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLUE, GREEN, GREY, figure


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: step, mean, ci_low, ci_high (total delay, s), in order; the first row is the start, the last the end."""
    drawn = figure("From MAB as released to OL, one change at a time", "", "total delay (s)", height=460)
    change = frame["mean"].diff().fillna(frame["mean"])
    base = frame["mean"].where(change < 0, frame["mean"] - change)
    base.iloc[0] = base.iloc[-1] = 0
    height = change.abs()
    height.iloc[-1] = frame["mean"].iloc[-1]
    colors = [GREY, *[GREEN] * (len(frame) - 2), BLUE]
    steps = [f"{step}<br>{mean:,.0f} s" for step, mean in zip(frame["step"], frame["mean"], strict=True)]
    drawn.add_trace(go.Bar(x=steps, y=height, base=base, marker={"color": colors}, showlegend=False))
    spread = {"array": frame["ci_high"] - frame["mean"], "arrayminus": frame["mean"] - frame["ci_low"]}
    drawn.add_trace(
        go.Scatter(
            x=steps,
            y=frame["mean"],
            error_y={"type": "data", "symmetric": False, **spread, "color": "#333333"},
            mode="markers",
            marker={"color": "#333333", "size": 4},
            showlegend=False,
        )
    )
    return drawn
