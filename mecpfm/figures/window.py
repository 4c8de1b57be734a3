"""What a window is worth: WTSRC minus TSRC on the same seeds, under drift and without."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLUE, GREY, ORANGE, figure

LINES = {"drift": ("after a change", BLUE, "circle"), "steady": ("without a change", ORANGE, "triangle-up")}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: problem (drift or steady), window, mean, ci_low, ci_high of the paired difference in reward."""
    drawn = figure("Forgetting pays after a change and costs little before", "window (rounds)", "WTSRC minus TSRC")
    for problem, (words, color, symbol) in LINES.items():
        of = frame[frame["problem"] == problem].sort_values("window")
        spread = {"array": of["ci_high"] - of["mean"], "arrayminus": of["mean"] - of["ci_low"]}
        drawn.add_trace(
            go.Scatter(
                x=of["window"],
                y=of["mean"],
                error_y={"type": "data", "symmetric": False, **spread},
                name=words,
                mode="lines+markers",
                line={"color": color},
                marker={"symbol": symbol, "size": 9},
            )
        )
    drawn.add_hline(y=0, line={"color": GREY, "dash": "dash"})
    return drawn.update_xaxes(type="log", tickvals=sorted(set(frame["window"])))
