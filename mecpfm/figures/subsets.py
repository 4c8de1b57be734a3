"""How often a policy ends on a best subset of features, known by enumeration."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import LOOKS, figure


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: problem, observed, method, hit (share of seeds within 0.01 of the best worth)."""
    drawn = figure(
        "TSRC can lock in a useless feature; a window lets it out again",
        "problem, features observed",
        "runs that end on a best subset",
        barmode="group",
    )
    for method in [name for name in LOOKS if name in set(frame["method"])]:
        of = frame[frame["method"] == method]
        labels = [f"{problem}<br>d = {count}" for problem, count in zip(of["problem"], of["observed"], strict=True)]
        look = LOOKS[method]
        drawn.add_trace(go.Bar(x=labels, y=of["hit"], name=look.name, marker={"color": look.color}))
    return drawn.update_yaxes(range=[0, 1], tickformat=".0%")
