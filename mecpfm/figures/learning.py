"""Figures of learners: restricted context where the answer is known, and regret on a trace."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.lines import BELOW, Axis, Draw, Lines, Panels, logarithmic
from mecpfm.figures.panels import panels
from mecpfm.figures.style import GREY, LOOKS, figure, in_order

TABLES = {"centred": "digits, centred", "raw": "digits, raw pixels", "breast_cancer": "breast cancer"}
"""Titles of panels that are not named like them."""
WORLDS = {"drift": "another feature from half way on", "steady": "nothing changes"}
"""Titles of the panels with and without drift."""


def practice(frame: pd.DataFrame) -> go.Figure:
    """Share of right guesses on public tables against the number of features that may be seen.

    Columns: panel, method, observed, features, mean, ci_low, ci_high; all or no features become level lines.
    """
    titles = {name: TABLES.get(name, name) for name in dict.fromkeys(frame["panel"])}
    curves = frame[(frame["observed"] > 0) & (frame["observed"] < frame["features"])]
    drawn = panels(curves, "panel", titles, "observed")
    for col, name in enumerate(titles, 1):
        rows = frame[frame["panel"] == name]
        levels = {"all features": rows["observed"] == rows["features"], "no context": rows["observed"] == 0}
        for words, mask in levels.items():
            if mask.any():
                look = {"line": {"color": GREY, "dash": "dash"}, "annotation_text": words}
                level = rows.loc[mask, "mean"].max()
                drawn.add_hline(y=level, annotation_position="top right", row=1, col=col, **look)
        ticks = logarithmic(curves.loc[curves["panel"] == name, "observed"])
        drawn.update_xaxes(title_text="features observed, d", row=1, col=col, **ticks)
    drawn.update_yaxes(range=[0, 1.08]).update_yaxes(title_text="share of right guesses", col=1)
    title = "Where to look can be learned: TSRC stands above a fresh random subset"
    return drawn.update_layout(title_text=title, margin={"t": 80})


def drift(frame: pd.DataFrame) -> go.Figure:
    """Rewards over time when the deciding feature changes half way, and when it does not.

    Columns: problem (drift or steady), method, round (last of its block), mean, ci_low, ci_high of the reward.
    """
    drawn = panels(frame, "problem", WORLDS, "round")
    drawn.add_vline(x=frame["round"].max() / 2, line={"color": GREY, "dash": "dot"}, row=1, col=1)
    drawn.update_xaxes(title_text="round").update_yaxes(title_text="share of right guesses", col=1)
    title = "Another feature decides: who forgets (WTSRC) recovers"
    return drawn.update_layout(title_text=title, margin={"t": 80})


def subsets(frame: pd.DataFrame) -> go.Figure:
    """How often a policy ends on a best subset of features, known by enumeration.

    Columns: problem, observed, method, hit (share of seeds within 0.01 of the best worth).
    """
    title = "TSRC can lock in a useless feature; a window lets it out again"
    below = {"margin": {"b": 80}}  # two lines of ticks
    drawn = figure(title, "problem, features observed", "runs that end on a best subset", barmode="group", **below)
    for method in in_order(frame["method"]):
        of = frame[frame["method"] == method]
        labels = [f"{problem}<br>d = {count}" for problem, count in zip(of["problem"], of["observed"], strict=True)]
        look = LOOKS[method]
        drawn.add_trace(go.Bar(x=labels, y=of["hit"], name=look.name, marker={"color": look.color}))
    return drawn.update_yaxes(range=[0, 1], tickformat=".0%")


def revealed(frame: pd.DataFrame) -> go.Figure:
    """Which features a restricted policy looks at, round by round: a learner concentrates, a random subset does not.

    Columns: block (last round of the block), feature, share of the block's rounds in which it was revealed.
    """
    table = frame.pivot(index="feature", columns="block", values="share")
    drawn = figure("TSRC learns where to look: feature 0 alone says which arm is good", "round", "feature", height=380)
    scale = {"zmin": 0, "zmax": 1, "colorscale": "Cividis"}
    bar = {"title": {"text": "share of rounds<br>revealed"}}
    drawn.add_trace(go.Heatmap(x=table.columns, y=table.index, z=table.to_numpy(), colorbar=bar, **scale))
    return drawn.update_yaxes(dtick=1, autorange="reversed")


REGRET = Lines(
    Axis("round", "requests served", {"zeroline": False}),
    Axis("mean", settings={"rangemode": "tozero", "zeroline": False}),
    title="Who observes nothing regrets and errs most; all features err least",
    cols=Panels(
        "metric", {"cumulative_regret": "empirical regret", "squared_error": "squared error of the predictions"}
    ),
    bands=(),  # seeds differ more than learners do: only paired differences say much
    every=5,
    finish=lambda drawn, _: [
        drawn.update_yaxes(title_text=f"cumulative ({unit})", col=col) for col, unit in ((1, "s"), (2, "s²"))
    ],
    subplots={"horizontal_spacing": 0.09},
    layout={"height": 500, "margin": {"t": 80}, "legend": BELOW},
)
"""Columns: method, round, metric (cumulative_regret, squared_error), mean."""

FIGURES: dict[str, Draw] = {
    "practice": practice, "drift": drift, "subsets": subsets, "revealed": revealed, "regret": REGRET,
}  # fmt: skip
