"""A figure of lines as data: columns, panels, order of looks, bands; called on a frame it draws."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import LOOKS, TEMPLATE, band, in_order, line

Draw = Callable[[pd.DataFrame], go.Figure]
"""A figure: from the data behind it to what is shown."""
BELOW = {"orientation": "h", "y": -0.2, "x": 0}
ABOVE = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
"""Places of a legend in one row."""
DECADES = {"type": "log", "exponentformat": "power", "dtick": 1}
"""A logarithmic axis with a tick at every power of ten."""


def logarithmic(values: pd.Series[Any]) -> dict[str, Any]:
    """Settings of a logarithmic axis with a tick at every value."""
    return {"type": "log", "tickvals": sorted(set(values))}


def spread(rows: pd.DataFrame, middle: str = "mean", low: str = "ci_low", high: str = "ci_high") -> dict[str, Any]:
    """Error bars of plotly from a mean and the ends of its interval."""
    return {
        "type": "data", "symmetric": False,
        "array": rows[high] - rows[middle], "arrayminus": rows[middle] - rows[low],
    }  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """A column on an axis, the axis title with its unit, and settings in plotly's words."""

    column: str
    title: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    ticks: str = ""
    """Column whose values are the ticks of a logarithmic axis."""

    def of(self, frame: pd.DataFrame) -> dict[str, Any]:
        """What is told to plotly, but the title."""
        return {**self.settings, **(logarithmic(frame[self.ticks]) if self.ticks else {})}


@dataclass(frozen=True)
class Panels:
    """A column with one panel for each of its values, titled by ``titles``; of all values, by name, where empty."""

    column: str
    titles: Mapping[Any, str] = field(default_factory=dict)
    above: bool = True
    """Whether titles stand above the panels, where these are beside each other."""

    def of(self, frame: pd.DataFrame) -> dict[Any, str]:
        """Values and titles in order."""
        values = dict.fromkeys(frame[self.column]) if self.column else ()
        return dict(self.titles) or {value: str(value).replace(", ", "<br>") for value in values}


ONE = Panels("", {None: ""}, above=False)
"""No division into panels."""


@dataclass(frozen=True)
class Lines:
    """One line a series and panel, with a band where both ends of every interval are known."""

    x: Axis
    y: Axis
    title: str = ""
    series: str = "method"
    """Column of the series; their looks are ``style.LOOKS``."""
    rows: Panels = ONE
    """Panels below each other, titled at their y-axes."""
    cols: Panels = ONE
    """Panels beside each other, titled above."""
    by_column: bool = True
    """Whether panels are filled column by column."""
    label: str = "{}"
    """Name of a line in the legend, from the name of its look."""
    as_given: bool = False
    """Whether series come in the order of the frame instead of that of the looks."""
    bands: Collection[str] | None = None
    """Series that have bands; all by default."""
    every: int = 1
    """Line through every `every`-th point only, and the last."""
    grouped: bool = True
    """Whether the legend switches a series in all panels at once."""
    prepare: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame
    """From the figure's frame to the rows of its lines."""
    finish: Callable[[go.Figure, pd.DataFrame], Any] = lambda drawn, frame: None
    """What is drawn besides, from the figure's frame."""
    subplots: Mapping[str, Any] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, frame: pd.DataFrame) -> go.Figure:
        """Draw a frame with the columns of both axes, series and panels, and ``ci_low`` and ``ci_high`` for bands."""
        shown, named = self.prepare(frame), set[Any]()
        rows, cols = self.rows.of(shown), self.cols.of(shown)
        drawn = self._empty(shown, rows, cols)
        for panel, cell in _cells(list(rows), list(cols), by_column=self.by_column):
            of = shown
            for division, value in zip((self.rows, self.cols), panel, strict=True):
                of = of[of[division.column] == value] if division.column else of
            for name in self._series(of):
                legend: dict[str, Any] = {"legendgroup": name} if cell and self.grouped else {}
                legend |= {"showlegend": name not in named} if cell else {}
                for trace in self._traces(name, of[of[self.series] == name].sort_values(self.x.column), legend):
                    drawn.add_trace(trace, **cell)
                named.add(name)
        self.finish(drawn, frame)
        return drawn

    def _empty(self, shown: pd.DataFrame, rows: Mapping[Any, str], cols: Mapping[Any, str]) -> go.Figure:
        drawn = go.Figure()
        if self.rows is not ONE or self.cols is not ONE:
            titles = {"subplot_titles": list(cols.values())} if self.cols.above else {}
            drawn = make_subplots(rows=len(rows), cols=len(cols), **titles | dict(self.subplots))
        drawn.update_xaxes(**self.x.of(shown)).update_yaxes(**self.y.of(shown))
        drawn.update_xaxes(title_text=self.x.title, **({} if self.rows is ONE else {"row": len(rows)}))
        for row, title in enumerate(rows.values(), 1):
            drawn.update_yaxes(title_text=title or self.y.title, **({} if self.cols is ONE else {"row": row, "col": 1}))
        words = {"title_text": self.title} if self.title else {}
        return drawn.update_layout(template=TEMPLATE, **words, **self.layout)

    def _series(self, rows: pd.DataFrame) -> list[Any]:
        return list(dict.fromkeys(rows[self.series])) if self.as_given else in_order(rows[self.series])

    def _traces(self, name: str, of: pd.DataFrame, legend: Mapping[str, Any]) -> Iterator[go.Scatter]:
        wanted = self.bands is None or name in self.bands
        if wanted and "ci_low" in of and of["ci_low"].notna().all():
            yield band(name, of[self.x.column], of["ci_low"], of["ci_high"])
        of = of.iloc[[*range(0, len(of) - 1, self.every), len(of) - 1]]
        words = {"name": self.label.format(LOOKS[name].name)}
        yield line(name, x=of[self.x.column], y=of[self.y.column], **words, **legend)


def _cells(rows: list[Any], cols: list[Any], *, by_column: bool) -> Iterator[tuple[tuple[Any, Any], dict[str, int]]]:
    """Panels (value of the row, value of the column) in the order of drawing, each with its place if not alone."""
    places = itertools.product(range(len(rows)), range(len(cols)))
    for row, col in sorted(places, key=lambda place: place[::-1]) if by_column else places:
        yield (rows[row], cols[col]), {} if len(rows) == len(cols) == 1 else {"row": row + 1, "col": col + 1}
