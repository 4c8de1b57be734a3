"""Claims of a reduction or gain against their thresholds: range over all points, middle point, verdict."""

from __future__ import annotations

from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.lines import spread
from mecpfm.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, RED, figure

LOOKS = {
    "reproduced": (BLUE, "circle"), "holds": (BLUE, "square"), "partly": (ORANGE, "diamond"),
    "not-reproduced": (RED, "x-open"), "contradicted": (RED, "x"), "undecided": (GREY, "circle-open"),
    "does not hold": (RED, "cross"),
}  # fmt: skip
"""Colour and marker of a verdict."""
OTHER = (GREEN, "square")
"""Of one that has none."""
LETTERS = 62
"""Most letters in a line of a claim."""
NEXT = "\N{NO-BREAK SPACE}%"
"""No line ends before the sign of a number."""


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns as written by mecpfm.experiments.report.table."""
    frame = frame.assign(words=["<br>".join(wrap(words.replace(" %", NEXT), LETTERS)) for words in frame["claim"]])
    counts = frame["verdict"].value_counts()
    title = f"{len(frame)} claims of a reduction (delay, cost) or gain (accuracy): "
    title += "<br>" + ", ".join(f"{n} {name}" for name, n in counts.items())
    title += "<br>Coloured: median over points with its 95 % interval"
    lines = frame["words"].str.count("<br>").sum() + len(frame)
    drawn = figure(title, "relative reduction or gain", "", height=18 * lines + 250)
    ends = [end for row in frame.to_dict("records") for end in (row["worst"], row["best"], None)]
    places = [place for words in frame["words"] for place in (words, words, None)]
    span = {"mode": "lines", "line": {"color": GREY, "width": 2}, "hoverinfo": "skip"}
    drawn.add_trace(go.Scatter(x=ends, y=places, name="all points", **span))
    for verdict, rows in frame.groupby("verdict"):
        color, symbol = LOOKS.get(str(verdict).partition(":")[0], OTHER)
        marker, interval = {"color": color, "symbol": symbol, "size": 10}, spread(rows, "median")
        dots = {"name": str(verdict), "mode": "markers", "marker": marker, "error_x": interval}
        drawn.add_trace(go.Scatter(x=rows["median"], y=rows["words"], **dots))
    needed = {"color": BLACK, "symbol": "line-ns-open", "size": 16}
    drawn.add_trace(go.Scatter(x=frame["threshold"], y=frame["words"], name="needed", mode="markers", marker=needed))
    drawn.update_xaxes(tickformat=".0%", title_standoff=4)
    order = {"categoryorder": "array", "categoryarray": frame["words"][::-1], "range": [-1, len(frame)]}
    drawn.update_yaxes(automargin=True, tickfont={"size": 11}, **order)
    legend = {"orientation": "h", "x": 0, "y": 0, "xref": "container", "yref": "container", "yanchor": "bottom"}
    return drawn.update_layout(legend=legend, margin={"t": 100, "b": 120})
