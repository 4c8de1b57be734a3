"""Share x source x learner: total delay of every combination, as a table of colours."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE

SOURCES = ("cloud", "last", "nearest")


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method, share, source, mean (total delay, s)."""
    drawn = make_subplots(cols=2, subplot_titles=["without sharing", "with sharing"], shared_yaxes=True)
    methods = [name for name in LOOKS if name in set(frame["method"])]
    for col, share in enumerate((False, True), 1):
        table = frame[frame["share"] == share].pivot(index="method", columns="source", values="mean")
        values = table.loc[methods, list(SOURCES)].to_numpy() / 1000
        drawn.add_trace(
            go.Heatmap(
                x=SOURCES,
                y=[LOOKS[name].name for name in methods],
                z=values,
                zmin=0,
                zmax=frame["mean"].max() / 1000,
                colorscale="Cividis",
                reversescale=True,
                texttemplate="%{z:.1f}",
                colorbar={"title": {"text": "total delay<br>(1000 s)"}},
                showscale=col == 2,
            ),
            row=1,
            col=col,
        )
    drawn.update_xaxes(title_text="where parts are pulled from")
    drawn.update_yaxes(autorange="reversed", row=1)
    drawn.update_layout(template=TEMPLATE, width=860, height=480, margin={"l": 190})
    return drawn
