"""Share of right guesses on public tables against the number of features that may be seen."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.panels import panels
from mecpfm.figures.style import GREY

WORDS = {"centred": "digits, centred", "raw": "digits, raw pixels", "breast_cancer": "breast cancer"}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: panel, method, observed, features, mean, ci_low, ci_high; all or no features become level lines."""
    titles = {name: WORDS.get(name, name) for name in dict.fromkeys(frame["panel"])}
    curves = frame[(frame["observed"] > 0) & (frame["observed"] < frame["features"])]
    drawn = panels(curves, "panel", titles, "observed")
    for col, name in enumerate(titles, 1):
        rows = frame[frame["panel"] == name]
        levels = {"all features": rows["observed"] == rows["features"], "no context": rows["observed"] == 0}
        for words, mask in levels.items():
            if mask.any():
                look = {"color": GREY, "dash": "dash"}
                place = {"annotation_text": words, "annotation_position": "top right"}
                drawn.add_hline(y=rows.loc[mask, "mean"].max(), line=look, row=1, col=col, **place)
        ticks = sorted(set(curves.loc[curves["panel"] == name, "observed"]))
        drawn.update_xaxes(title_text="features observed, d", type="log", tickvals=ticks, row=1, col=col)
    drawn.update_yaxes(range=[0, 1.08])
    return drawn.update_yaxes(title_text="share of right guesses", col=1)
