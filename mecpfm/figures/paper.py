"""Figures of the paper's setting: roundings of relaxations, and the learners."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.lines import BELOW, DECADES, Axis, Draw, Lines, Panels, logarithmic, spread
from mecpfm.figures.style import BLUE, GREEN, GREY, LOOKS, ORANGE, RED, TEMPLATE, figure, in_order

RELAXATIONS = {"lp": ("LP as published", ORANGE), "lp-dual": ("strengthened LP", BLUE)}
"""Relaxations that are drawn from: words and colour."""
RATIOS = {
    "one coin a request (worst case)": (RED, "triangle-up"),
    "LP as published": (ORANGE, "square"),
    "strengthened LP": (BLUE, "circle"),
}
"""Series of ratios: colour and marker."""
SERIES = ((BLUE, "circle"), (ORANGE, "square"), (GREEN, "diamond"), (RED, "triangle-up"))
"""Looks of series that are numbers."""
SOURCES = ("cloud", "last", "nearest")
"""Where parts are pulled from."""


def draws(frame: pd.DataFrame) -> go.Figure:
    """Distribution of what independent roundings cost, with the values that matter marked.

    Columns: kind (bar or level), name, value (s), share: of a bar the draws in it, of a level where its words stand.
    Bars are named by method (lp, lp-dual), levels by what they show.
    """
    title = "As published draws are cheap and forbidden; strengthened, one coin is left"
    drawn = figure(title, "objective (s)", "share", bargap=0, barmode="overlay", legend=BELOW, height=460)
    for method, (name, color) in RELAXATIONS.items():
        of = frame[(frame["kind"] == "bar") & (frame["name"] == method)]
        drawn.add_trace(go.Bar(x=of["value"], y=of["share"], name=f"draws from the {name}", marker_color=color))
    for row in frame[frame["kind"] == "level"].itertuples():
        drawn.add_vline(x=row.value, line={"color": GREY, "dash": "dash"})
        words = {"text": row.name, "showarrow": False, "xanchor": "left", "bgcolor": "rgba(255,255,255,0.8)"}
        drawn.add_annotation(x=row.value, y=row.share, **words)
    return drawn


def ratio(frame: pd.DataFrame) -> go.Figure:
    """Mean ratio of a rounding to its relaxation against the number of requests, under the theorem's bound.

    Columns: series (a key of ``RATIOS``), requests, excess = mean ratio - 1, bound = the theorem's, minus 1.
    """
    title = "The worst case meets the bound of 2, and both tend to 1"
    drawn = figure(title, "requests, J", "mean ratio to the LP, minus 1", height=520, legend=BELOW)
    for name, (color, symbol) in RATIOS.items():
        of, look = frame[frame["series"] == name].sort_values("requests"), {"color": color, "width": 2}
        marks = {"name": name, "mode": "lines+markers", "line": look, "marker": {"symbol": symbol, "size": 8}}
        drawn.add_trace(go.Scatter(x=of["requests"], y=of["excess"], **marks))
        dots = {"name": f"bound of theorem T4: {name}", "mode": "lines", "line": look | {"dash": "dot"}}
        drawn.add_trace(go.Scatter(x=of["requests"], y=of["bound"], **dots))
    drawn.update_xaxes(**logarithmic(frame["requests"]))
    return drawn.update_yaxes(**DECADES)


def best(frame: pd.DataFrame) -> go.Figure:
    """What more draws buy: mean excess of the best of r roundings over the certified optimum.

    Columns: requests, draws r, excess = mean of (best of r) / optimum - 1.
    """
    title = "A few draws see both sides of the coin; more draws hardly help"
    drawn = figure(title, "independent draws, r", "mean excess over the optimum")
    for (color, symbol), (requests, of) in zip(SERIES, frame.groupby("requests"), strict=False):
        marker = {"color": color, "symbol": symbol, "size": 8}
        look = {"mode": "lines+markers", "name": f"{requests} requests", "line": {"color": color}, "marker": marker}
        drawn.add_trace(go.Scatter(x=of["draws"], y=of["excess"], **look))
    drawn.update_xaxes(**logarithmic(frame["draws"]))
    return drawn.update_yaxes(rangemode="tozero", tickformat=".2%")


def factorial(frame: pd.DataFrame) -> go.Figure:
    """Share x source x learner: total delay of every combination, as a table of colours.

    Columns: method, share, source, mean (total delay, s).
    """
    drawn = make_subplots(cols=2, subplot_titles=["without sharing", "with sharing"], shared_yaxes=True)
    methods = in_order(frame["method"])
    scale = {"zmin": 0, "zmax": frame["mean"].max() / 1000, "colorscale": "Cividis", "reversescale": True}
    bar = {"title": {"text": "total delay<br>(1000 s)"}}
    for col, share in enumerate((False, True), 1):
        table = frame[frame["share"] == share].pivot(index="method", columns="source", values="mean")
        cells = {"x": SOURCES, "y": [LOOKS[name].name for name in methods], "texttemplate": "%{z:.1f}"}
        values = table.loc[methods, list(SOURCES)].to_numpy() / 1000
        drawn.add_trace(go.Heatmap(z=values, **cells, **scale, colorbar=bar, showscale=col == 2), row=1, col=col)
    drawn.update_xaxes(title_text="where parts are pulled from")
    drawn.update_yaxes(autorange="reversed", row=1)
    title = "Sharing helps whoever pulls from the nearest holder, and hardly anybody else"
    return drawn.update_layout(template=TEMPLATE, title_text=title, height=500, margin={"l": 190, "t": 90})


def steps(frame: pd.DataFrame) -> go.Figure:
    """One change at a time, from a baseline to the compared algorithm: what each change is worth.

    Columns: step, mean, ci_low, ci_high (total delay, s), in order; the first row is the start, the last the end.
    """
    change = frame["mean"].diff().fillna(frame["mean"])
    step, least = min(zip(frame["step"], change, strict=True), key=lambda row: row[1])
    title = f"From MAB as released to OL: most is saved by {step.removeprefix('+ ')}, {-least:,.0f} s"
    drawn = figure(title, "", "total delay (s)", height=460)
    base = frame["mean"].where(change < 0, frame["mean"] - change)
    base.iloc[0] = base.iloc[-1] = 0
    height = change.abs()
    height.iloc[-1] = frame["mean"].iloc[-1]
    colors = [GREY, *[GREEN] * (len(frame) - 2), BLUE]
    names = [f"{step}<br>{mean:,.0f} s" for step, mean in zip(frame["step"], frame["mean"], strict=True)]
    drawn.add_trace(go.Bar(x=names, y=height, base=base, marker={"color": colors}, showlegend=False))
    dots = {"mode": "markers", "marker": {"color": "#333333", "size": 4}, "showlegend": False}
    ends = spread(frame) | {"color": "#333333"}
    return drawn.add_trace(go.Scatter(x=names, y=frame["mean"], error_y=ends, **dots))


ROUNDS = Lines(
    Axis("round", "round"),
    Axis("mean", settings={"rangemode": "tozero"}),
    "OL is far below MAB and ADMS as released, and level with epsilon-greedy under one rule",
    rows=Panels(
        "metric", {"cumulative_regret": "cumulative regret (empirical)", "cumulative_penalty": "cumulative penalty"}
    ),
    cols=Panels("rule", {"released": "pull rules as released", "common": "one rule for all: share, nearest"}),
    by_column=False,
    every=5,
    subplots={"shared_yaxes": "rows", "shared_xaxes": True},
    layout={"height": 720, "margin": {"t": 90}, "legend": BELOW | {"y": -0.12}},
)
"""Cumulative regret and penalty by round, released pull rules beside the common one.

Columns: method, rule, round, metric, mean, ci_low, ci_high.
"""

RECORDED = Lines(
    Axis("round", "round"),
    Axis("mean", settings={"rangemode": "tozero"}),
    "The released learner's curve falls because caches fill: so does that of a random arm",
    rows=Panels("metric", {"regret": "regret of a round (two scales)", "penalty": "penalty of a round"}),
    cols=Panels("source"),
    by_column=False,
    subplots={"shared_xaxes": True},
    layout={"height": 690, "margin": {"t": 130}, "legend": BELOW | {"y": -0.16}},
)
"""Regret and penalty by blocks of rounds: as the authors recorded them, and ours.

Columns: source, method, metric, round (last of the block), mean, ci_low, ci_high (none for what was recorded).
"""

FIGURES: dict[str, Draw] = {
    "draws": draws, "ratio": ratio, "best": best, "factorial": factorial, "steps": steps, "rounds": ROUNDS,
    "recorded": RECORDED,
}  # fmt: skip
