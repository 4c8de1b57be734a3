"""Delay against the number of cloudlets whose state is looked at, by how they are chosen."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import GREEN, LOOKS, band, figure, line

ALL = "probe-all"


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method, probes, mean, ci_low, ci_high (s); ``probe-all`` becomes a level line."""
    drawn = figure(
        "Seeing one or two of the reachable queues is nearly enough, if one asks the right ones",
        "cloudlets probed for each request",
        "mean delay (s)",
        width=780,
    )
    curves = frame[frame["method"] != ALL]
    for method in [name for name in LOOKS if name in set(curves["method"])]:
        of = curves[curves["method"] == method].sort_values("probes")
        if of["ci_low"].notna().all():
            drawn.add_trace(band(method, of["probes"], of["ci_low"], of["ci_high"]))
        drawn.add_trace(line(method, x=of["probes"], y=of["mean"]))
    for level, seen in frame.loc[frame["method"] == ALL, ["mean", "probes"]].to_numpy():
        words = f"all {seen:.0f} seen"
        drawn.add_hline(
            y=level, line={"color": GREEN, "dash": "dash"}, annotation_text=words, annotation_position="bottom left"
        )
    return drawn.update_xaxes(dtick=1)
