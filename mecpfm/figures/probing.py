"""Delay against the number of cloudlets whose state is looked at, by how they are chosen."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import GREEN, LOOKS, band, figure, line


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method, probes, change, ci_low, ci_high (shares, paired, against seeing all states)."""
    drawn = figure(
        "What seeing fewer queues costs, by who is asked",
        "cloudlets probed for each request",
        "delay above seeing all",
        width=780,
    )
    for method in [name for name in LOOKS if name in set(frame["method"])]:
        of = frame[frame["method"] == method].sort_values("probes")
        if of["ci_low"].notna().all():
            drawn.add_trace(band(method, of["probes"], of["ci_low"], of["ci_high"]))
        drawn.add_trace(line(method, x=of["probes"], y=of["change"]))
    look = {"line": {"color": GREEN, "dash": "dash"}, "annotation_text": "all seen"}
    drawn.add_hline(y=0, annotation_position="bottom left", **look)
    drawn.update_yaxes(tickformat=".0%", zeroline=False)
    return drawn.update_xaxes(dtick=1)
