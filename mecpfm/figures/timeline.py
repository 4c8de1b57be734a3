"""One cloudlet over time: how many requests are in system, what it serves, which backbones it holds and pulls."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import BLACK, FAMILY_COLORS, GREY, TEMPLATE

QUEUE, SERVING, IDLE = "in system", "serving", "waiting for a pull"
"""Lanes that are no backbones, and what a cloudlet does that serves nobody although somebody waits."""


def _look(color: str, mark: str) -> dict[str, Any]:
    """Colour of a bar and the marks on it."""
    pattern = {"shape": mark, "fgcolor": "white", "size": 6, "fillmode": "overlay", "solidity": 0.35}
    return {"color": color, "pattern": pattern}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: lane, start_s, end_s, what, level (mecpfm.experiments.timeline)."""
    drawn = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.34, 0.66], vertical_spacing=0.05)
    queue = frame[frame["lane"] == QUEUE].sort_values("start_s")
    x = [*queue["start_s"], queue["end_s"].iloc[-1]]
    y = [*queue["level"], queue["level"].iloc[-1]]
    steps = {"shape": "hv", "color": BLACK, "width": 1.5}
    drawn.add_trace(go.Scatter(x=x, y=y, mode="lines", line=steps, showlegend=False), row=1, col=1)
    backbones = sorted(set(frame["lane"]) - {QUEUE, SERVING})
    colors = dict(zip(backbones, FAMILY_COLORS, strict=False))
    bars = frame[frame["lane"] != QUEUE]
    kinds = [(SERVING, name, colors[name], "") for name in backbones]
    kinds += [(name, what, colors[name], mark) for name in backbones for what, mark in (("held", ""), ("pulling", "x"))]
    kinds.append((SERVING, IDLE, GREY, "/"))
    for lane, what, color, mark in kinds:
        of = bars[(bars["lane"] == lane) & (bars["what"] == what)]
        if len(of):
            drawn.add_trace(_bars(of, lane, color, mark), row=2, col=1)
    for words, mark in (("serving or held", ""), ("pulling", "x"), (IDLE, "/")):
        bar = go.Bar(x=[None], y=[SERVING], name=words, marker=_look(GREY, mark), orientation="h")
        drawn.add_trace(bar, row=2, col=1)
    drawn.update_yaxes(title_text="requests<br>in system", rangemode="tozero", nticks=5, row=1)
    lanes = [SERVING, *backbones]
    drawn.update_yaxes(categoryorder="array", categoryarray=lanes[::-1], row=2)
    drawn.update_xaxes(title_text="time (s)", row=2)
    legend = {"orientation": "h", "y": -0.18, "x": 0}
    spent = (bars["end_s"] - bars["start_s"])[bars["lane"] == SERVING].groupby(bars["what"] == IDLE).sum()
    title = (
        f"In {100 * spent.get(True, 0) / spent.sum():.0f} % of the time with requests the cloudlet waits for a backbone"
    )
    return drawn.update_layout(
        template=TEMPLATE, title_text=title, barmode="overlay", height=520, margin={"l": 160}, legend=legend
    )


def _bars(of: pd.DataFrame, lane: str, color: str, mark: str) -> go.Bar:
    look = _look(color, mark) | {"line": {"color": "white", "width": 0.6}}
    where = {"base": of["start_s"], "x": of["end_s"] - of["start_s"], "y": [lane] * len(of), "orientation": "h"}
    return go.Bar(**where, width=0.7, marker=look, hovertext=of["what"], showlegend=False)
