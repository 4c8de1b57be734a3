"""Figures of the paper's programs: their matrix, their optima, their size and the dual function of one multiplier."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.lines import DECADES, Draw, logarithmic
from mecpfm.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY, YELLOW, figure, line

ROWS = {
    "pull": RED, "assign": BLACK, "link": BLUE, "budget": ORANGE, "capacity": GREEN, "accuracy": PINK,
    "product": SKY, "cover": YELLOW,
}  # fmt: skip
"""Kinds of a program's rows."""
SIZES = {"nlip": 14, "ilp": 6}
"""Sizes of markers that lie on each other."""
PROGRAMS = {
    "NLIP, columns": {"color": BLACK, "dash": "solid"},
    "ILP and LP, columns": {"color": BLUE, "dash": "solid"},
    "ILP and LP, rows": {"color": BLUE, "dash": "dot"},
    "source-free LP, columns": {"color": GREY, "dash": "dash"},
}
"""What is counted of which program."""


def sparsity(frame: pd.DataFrame) -> go.Figure:
    """The matrix of a small integer linear program: one mark a non-zero, coloured by the kind of its row.

    Columns: row and column of a non-zero, kind of its row (pull, assign, ...), group of its column (x, ys, ...).
    """
    drawn = figure("Two dense rows couple everything; the rest is small blocks", "column", "row", height=620)
    for kind, color in ROWS.items():
        of = frame[frame["kind"] == kind]
        marker = {"color": color, "symbol": "square", "size": 4.5}
        drawn.add_trace(go.Scatter(x=of["column"], y=of["row"], mode="markers", name=kind, marker=marker))
    for group, columns in frame.groupby("group", sort=False)["column"]:
        drawn.add_vline(x=columns.min() - 0.5, line={"color": GREY, "width": 0.7})
        middle = (columns.min() + columns.max()) / 2
        drawn.add_annotation(x=middle, y=1.0, yref="paper", yanchor="bottom", text=f"<b>{group}</b>", showarrow=False)
    drawn.update_xaxes(showgrid=False, zeroline=False, range=[-1, frame["column"].max() + 1])
    drawn.update_yaxes(showgrid=False, zeroline=False, range=[frame["row"].max() + 1, -1], dtick=20)
    drawn.update_layout(margin={"t": 70})
    return drawn


def equivalence(frame: pd.DataFrame) -> go.Figure:
    """Optima of the linear and the non-linear program against enumeration: all on the diagonal, or not equivalent.

    Columns: enumerated optimum (s), method (nlip or ilp), objective (s); one row an instance and method.
    """
    ends = [0, 1.05 * frame["enumerated"].max()]
    title = "NLIP = ILP = enumeration: every optimum lies on the diagonal"
    drawn = figure(title, "optimum by enumeration (s)", "optimum by a solver (s)", height=460)
    drawn.add_trace(go.Scatter(x=ends, y=ends, mode="lines", name="equal", line={"color": GREY, "dash": "dot"}))
    for method, size in SIZES.items():
        rows = frame[frame["method"] == method]
        points = line(method, x=rows["enumerated"], y=rows["objective"], mode="markers")
        drawn.add_trace(points.update(marker={"size": size, "line": {"width": 1.5}}))
    drawn.update_yaxes(range=ends)
    return drawn.update_layout(legend={"x": 0.02, "y": 0.98})


def licence(frame: pd.DataFrame) -> go.Figure:
    """Size of each program against the number of requests, and where Gurobi's restricted licence ends.

    Columns: count (a key of ``PROGRAMS``), requests, size, built: whether the size was read off a built model. Rows of
    count ``limit`` are level lines instead, two at most, named by column ``words``.
    """
    drawn = figure("The restricted licence ends before the problem begins", "requests", "columns or rows", height=460)
    for name, look in PROGRAMS.items():
        rows, built = (frame[(frame["count"] == name) & (frame["built"] == flag)] for flag in (False, True))
        group = {"legendgroup": name, "name": name}
        drawn.add_trace(go.Scatter(x=rows["requests"], y=rows["size"], mode="lines", line=look, **group))
        marker = {"color": look["color"], "size": 8, "symbol": "circle-open", "line": {"width": 2}}
        marks = {"x": built["requests"], "y": built["size"], "mode": "markers", "marker": marker}
        drawn.add_trace(go.Scatter(**marks, **group, showlegend=False))
    ends = [frame["requests"].min(), frame["requests"].max()]
    for dash, row in zip(("solid", "dash"), frame[frame["count"] == "limit"].itertuples(), strict=False):
        level = {"x": ends, "y": [row.size, row.size], "mode": "lines", "name": row.words}
        drawn.add_trace(go.Scatter(**level, line={"color": RED, "width": 1, "dash": dash}))
    drawn.update_xaxes(**logarithmic(frame.loc[frame["built"], "requests"]))
    return drawn.update_yaxes(**DECADES)


def multiplier(frame: pd.DataFrame) -> go.Figure:
    """The dual function of one multiplier: concave, made of lines, and as high as the linear program is low.

    Columns: kind (dual, line, maximum or level), u, value (s); ``name`` tells lines apart and labels levels.
    """
    drawn = figure(
        "One multiplier solves the LP: every line lies above, the top is the LP's value", "price u", "delay (s)"
    )
    for _, of in frame[frame["kind"] == "line"].groupby("name"):
        thin = {"color": GREY, "width": 1}
        drawn.add_trace(go.Scatter(x=of["u"], y=of["value"], mode="lines", line=thin, showlegend=False))
    dual, top = frame[frame["kind"] == "dual"], frame[frame["kind"] == "maximum"]
    curve, star = {"color": BLUE, "width": 3}, {"color": RED, "symbol": "star", "size": 15}
    drawn.add_trace(go.Scatter(x=dual["u"], y=dual["value"], mode="lines", name="dual function g(u)", line=curve))
    drawn.add_trace(go.Scatter(x=top["u"], y=top["value"], mode="markers", name="its maximum", marker=star))
    for row in frame[frame["kind"] == "level"].itertuples():
        dashes = {"color": RED, "dash": "dash", "width": 1}
        drawn.add_hline(y=row.value, line=dashes, annotation_text=row.name, annotation_position="top left")
    height = dual["value"].max() - dual["value"].min()
    drawn.update_yaxes(range=[dual["value"].min() - 0.05 * height, dual["value"].max() + 0.25 * height])
    return drawn.update_layout(legend={"x": 0.4, "y": 0.05})


FIGURES: dict[str, Draw] = {
    "sparsity": sparsity, "equivalence": equivalence, "licence": licence, "multiplier": multiplier,
}  # fmt: skip
