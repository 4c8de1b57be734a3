"""Reward against the number of features a policy may observe."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import GREY, band, figure, line


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method, observed, mean, ci_low, ci_high, features; rows of all or no features become level lines."""
    features = int(frame["features"].iloc[0])
    drawn = figure(
        f"Digits: what {features} features are worth when only d may be seen",
        "features observed, d",
        "share of digits recognised",
    )
    drawn.update_xaxes(type="log", tickvals=sorted(set(frame["observed"]) - {0}))
    for method, rows in frame[frame["observed"].between(1, features - 1)].groupby("method"):
        rows = rows.sort_values("observed")
        if rows["ci_low"].notna().all():
            drawn.add_trace(band(str(method), rows["observed"], rows["ci_low"], rows["ci_high"]))
        drawn.add_trace(line(str(method), x=rows["observed"], y=rows["mean"]))
    for level, words in ((features, "all features"), (0, "no context")):
        for value in frame.loc[frame["observed"] == level, "mean"]:
            drawn.add_hline(y=value, line={"color": GREY, "dash": "dash"}, annotation_text=words)
    drawn.update_yaxes(range=[0, 1])
    return drawn
