"""Panels of lines with bands, as wide as the page: title above, one legend below, copies of a point without a mark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import TEMPLATE, band, in_order, line

MOST = 6
"""Curves of a panel."""
MARK, RIM = 8.0, 1.2
"""Size of the marks on top, in pixels, and how much larger those of each curve beneath are: none hides another."""


def panels(frame: pd.DataFrame, by: str, titles: Mapping[str, str], x: str) -> go.Figure:
    """One panel a key of ``titles`` (values of column ``by``); columns x, method, mean, ci_low, ci_high."""
    drawn = make_subplots(cols=len(titles), subplot_titles=list(titles.values()), shared_yaxes=True)
    methods = in_order(frame["method"])
    named: set[str] = set()
    for col, panel in enumerate(titles, 1):
        of = frame[frame[by] == panel].rename(columns={x: "value"})
        curves(drawn, of, methods, named, {"row": 1, "col": col})
    return drawn.update_layout(template=TEMPLATE, height=420, margin={"t": 80})


def grid(rows: int, cols: int) -> go.Figure:
    """Empty panels, row by row, in which ticks and units have room at 800 pixels."""
    return make_subplots(rows=rows, cols=cols, horizontal_spacing=0.26 / cols, vertical_spacing=0.36 / (rows + 1))


def curves(
    drawn: go.Figure, rows: pd.DataFrame, methods: Iterable[str], named: set[str], cell: Mapping[str, Any]
) -> None:
    """A line and a band of each method in a panel, the first on top; columns method, value, mean, ci_low, ci_high.

    ``named`` holds who is in the legend, and grows. A point whose rows are those of the value before is a copy: the
    line runs on, without a mark.
    """
    old = copies(rows)
    for place, method in reversed([*enumerate(methods)]):
        of = rows[rows["method"] == method].sort_values("value")
        if of.empty:
            continue
        if of["ci_low"].notna().all():
            drawn.add_trace(band(method, of["value"], of["ci_low"], of["ci_high"]), **cell)
        legend = {"legendgroup": method, "showlegend": method not in named, "legendrank": place + 1}
        trace = line(method, x=of["value"], y=of["mean"], **legend)
        trace.marker.size = size = MARK + RIM * place
        if old:
            trace.marker.size = [0 if value in old else size for value in of["value"]]
            trace.marker.line.width = [0 if value in old else 2 for value in of["value"]]
            trace.marker.opacity = 1
        drawn.add_trace(trace, **cell)
        named.add(method)


def copies(rows: pd.DataFrame) -> set[float]:
    """Values at which every mean and interval is that of the value before."""
    keys = [name for name in ("metric", "method") if name in rows]
    wide = rows.pivot(index="value", columns=keys, values=["mean", "ci_low", "ci_high"])
    same = wide.eq(wide.shift()) | (wide.isna() & wide.shift().isna())
    return set(wide.index[same.all(axis=1)])


def finish(drawn: go.Figure, title: str, note: str, rows: int) -> go.Figure:
    """Title above, legend below the panels, and between them what is not drawn or not marked."""
    above = 44 + 20 * title.count("<br>")
    drawn.update_layout(
        template=TEMPLATE,
        title={"text": title, "yref": "container", "y": 1, "yanchor": "top", "pad": {"t": 20}},
        height=260 * rows + above + 130,
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom", "itemsizing": "constant"},
        margin={"t": above + 16, "b": 114, "l": 78, "r": 20},
    )
    drawn.update_xaxes(title_standoff=4)
    if note:
        below = {"xref": "paper", "yref": "paper", "x": 0, "y": 0, "xanchor": "left", "yanchor": "top", "yshift": -44}
        drawn.add_annotation(text=note, showarrow=False, align="left", font={"size": 11}, **below)
    return drawn
