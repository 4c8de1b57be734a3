"""Rewards over time when the deciding feature changes half way, and when it does not."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.panels import panels
from mecpfm.figures.style import GREY

TITLES = {"drift": "another feature decides from half way on", "steady": "nothing changes"}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: problem (drift or steady), method, round (last of its block), mean, ci_low, ci_high of the reward."""
    drawn = panels(frame, "problem", TITLES, "round", width=420)
    drawn.add_vline(x=frame["round"].max() / 2, line={"color": GREY, "dash": "dot"}, row=1, col=1)
    drawn.update_xaxes(title_text="round")
    return drawn.update_yaxes(title_text="share of right guesses", col=1)
