"""Distribution of what independent roundings cost, with the values that matter marked."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import BLUE, GREY, ORANGE, figure

SERIES = {"lp": ("LP as published", ORANGE), "lp-dual": ("strengthened LP", BLUE)}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: kind (bar or level), name, value (s), share: of a bar the draws in it, of a level where its words stand.

    Bars are named by method (lp, lp-dual), levels by what they show.
    """
    drawn = figure(
        "As published draws are cheap and forbidden; strengthened, one coin is left", "objective (s)", "share"
    )
    for method, (name, color) in SERIES.items():
        of = frame[(frame["kind"] == "bar") & (frame["name"] == method)]
        drawn.add_trace(go.Bar(x=of["value"], y=of["share"], name=f"draws from the {name}", marker_color=color))
    for row in frame[frame["kind"] == "level"].itertuples():
        drawn.add_vline(x=row.value, line={"color": GREY, "dash": "dash"})
        drawn.add_annotation(
            x=row.value, y=row.share, text=row.name, showarrow=False, xanchor="left", bgcolor="rgba(255,255,255,0.8)"
        )
    return drawn.update_layout(bargap=0, barmode="overlay", legend={"orientation": "h", "y": -0.2, "x": 0}, height=460)
