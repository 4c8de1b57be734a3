"""Figures of the studies of the coupled problem."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.lines import ABOVE, Axis, Draw, Lines, Panels, logarithmic, spread
from mecpfm.figures.style import BLUE, GREY, LOOKS, TEMPLATE, figure

LEAST = 1e-3
"""A logarithmic axis has no zero: smaller means are drawn here."""
BEFORE = 10
"""Iterations at which plans are drawn that came before the first one."""


def anytime(frame: pd.DataFrame) -> go.Figure:
    """Incumbent and bound against the local search's iterations: the gap is what may still be won.

    Columns: instance, iterations, cost, bound (s); drawn relative to each instance's bound.
    """
    drawn = figure("Most of the gap closes at once; the certificate says how much is left", "iterations", "gap")
    dashes = ("solid", "dash", "dot", "dashdot")
    for dash, (name, of) in zip(dashes, frame.groupby("instance", sort=False), strict=False):
        stairs = {"color": BLUE if dash == "solid" else GREY, "dash": dash, "shape": "hv"}
        gap = (of["cost"] - of["bound"]) / of["cost"]
        steps = of["iterations"].clip(lower=BEFORE)
        drawn.add_trace(go.Scatter(x=steps, y=gap.clip(lower=LEAST), mode="lines", name=str(name), line=stairs))
    ticks = [m * 10**e for e in range(1, 6) for m in (1, 2, 5)]
    drawn.update_xaxes(type="log", tickvals=ticks, ticktext=["start, dive", *map(str, ticks[1:])])
    return drawn.update_yaxes(type="log", tickvals=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1], tickformat=".0%")


def regimes(frame: pd.DataFrame) -> go.Figure:
    """Cost of every method over its certified bound, a panel a regime.

    Columns: regime, method, mean, ci_low, ci_high of cost over bound, minus 1; best on geometric average below.
    """
    frame = frame.assign(mean=frame["mean"].clip(lower=LEAST))
    names = list(dict.fromkeys(frame["regime"]))
    methods = list(np.log(frame.set_index("method")["mean"]).groupby("method").mean().sort_values().index)
    drawn = make_subplots(cols=len(names), subplot_titles=names, shared_yaxes=True, horizontal_spacing=0.06)
    for col, regime in enumerate(names, 1):
        of = frame[frame["regime"] == regime].set_index("method").reindex(methods).dropna().reset_index()
        looks = [LOOKS[name] for name in of["method"]]
        marker = {"color": [look.color for look in looks], "symbol": [look.symbol for look in looks], "size": 10}
        words = {"y": [look.name for look in looks], "mode": "markers", "marker": marker, "showlegend": False}
        drawn.add_trace(go.Scatter(x=of["mean"], error_x=spread(of), **words), row=1, col=col)
    marks = {LEAST: "≤0.1%", 0.01: "", 0.1: "", 1: "100%", 10: ""}  # as many as have room at 800 pixels
    ticks = {"tickvals": list(marks), "ticktext": list(marks.values()), "tickangle": 0}
    drawn.update_xaxes(type="log", range=[-3.3, 1.4], **ticks)
    title = "Joint planning stays near the proven bound; rules that fill caches one by one do not"
    drawn.update_layout(template=TEMPLATE, title_text=title, height=550, margin={"l": 180, "t": 80})
    return drawn.add_annotation(
        text="cost over certified bound, minus 1", x=0.5, y=-0.14, xref="paper", yref="paper", showarrow=False
    )


def _diagonal(drawn: go.Figure, frame: pd.DataFrame) -> None:
    n = sorted(set(frame["requests"]))
    drawn.add_trace(go.Scatter(x=n, y=n, mode="lines", name="n times", line={"color": GREY, "dash": "dot"}))


OPENINGS = Lines(
    Axis("requests", "requests that share the block, each a fraction 1/n", ticks="requests"),
    Axis("factor", "opening probability / LP value", ticks="requests"),
    title="Drawn one by one, requests open a shared block 0.6 n times too often; together they do not",
    as_given=True,
    finish=_diagonal,
    layout={"legend": {"x": 0.02, "y": 0.98}},
)
"""Columns: method (rounding-*), requests n, factor = measured opening probability over the LP value 1/n."""

GAIN = Lines(
    Axis("value", "shared fraction of a model"),
    Axis("reduction", "cost saved", {"tickformat": ".0%"}),
    title="The more is shared, the more joint planning saves",
    series="baseline",
    label="against {}",
    as_given=True,
)
"""Columns: baseline (a method), value (shared fraction), reduction, ci_low, ci_high against that baseline."""


def _raced(drawn: go.Figure, frame: pd.DataFrame) -> None:
    """Each case has moments of its own, and a column that is as wide as the others; the title says who is cheaper."""
    cases = list(dict.fromkeys(frame["case"]))
    costs = frame[frame["metric"] == "over_bound"].pivot(index=["case", "seconds"], columns="method", values="mean")
    lead = (costs["highs"] - costs["polish"]).groupby("case").last()
    title = f"At the end local search is cheaper than HiGHS's MIP in {(lead > 0).sum()} of {len(cases)} cases, "
    drawn.update_layout(title_text=title + f"dearer in {(lead < 0).sum() or 'none'}")
    for col, case in enumerate(cases, 1):
        ticks = logarithmic(frame.loc[frame["case"] == case, "seconds"])
        drawn.update_xaxes(**ticks, ticktext=[f"{tick:g}" for tick in ticks["tickvals"]], col=col)


def _possible(frame: pd.DataFrame) -> pd.DataFrame:
    """Intervals within what costs and gaps can be."""
    most = frame["metric"].map({"gap": 1.0}).fillna(np.inf)
    return frame.assign(ci_low=frame["ci_low"].clip(lower=0), ci_high=frame["ci_high"].clip(upper=most))


RACE = Lines(
    Axis("seconds", "time (s)"),
    Axis("mean", settings={"tickformat": ".0%", "rangemode": "tozero"}),
    rows=Panels("metric", {"over_bound": "cost over the best bound", "gap": "gap to its own bound"}),
    cols=Panels("case"),
    prepare=_possible,
    finish=_raced,
    subplots={"shared_xaxes": True, "shared_yaxes": True, "horizontal_spacing": 0.02, "vertical_spacing": 0.06},
    layout={"height": 600, "legend": ABOVE | {"y": 1.12}, "margin": {"t": 150}, "title": {"y": 0.98, "yanchor": "top"}},
)
"""Cost and gap against wall time, local search and HiGHS's MIP in equal time, a column an instance class.

Columns: case, method, seconds, metric (over_bound, gap), mean, ci_low, ci_high.
"""


def _costs_and_gap(frame: pd.DataFrame) -> pd.DataFrame:
    """Cost and bound share a panel; neither these nor gaps are negative."""
    looks = {"objective": "polish", "bound": "dual", "gap": "polish"}
    panel = np.where(frame["metric"] == "gap", "gap", "cost")
    return frame.assign(method=frame["metric"].map(looks), panel=panel, ci_low=frame["ci_low"].clip(lower=0))


def _sizes(drawn: go.Figure, frame: pd.DataFrame) -> None:
    for col, axis in enumerate(dict.fromkeys(frame["axis"]), 1):
        drawn.update_xaxes(title_text=axis, row=2, col=col)
    drawn.update_yaxes(tickformat=".1%", row=2)


GROWTH = Lines(
    Axis("value"),
    Axis("mean"),
    "Cost and bound grow side by side; the gap is what lies between them",
    rows=Panels("panel", {"cost": "cost and bound (s)", "gap": "certified gap"}),
    cols=Panels("axis", above=False),
    as_given=True,
    grouped=False,
    prepare=_costs_and_gap,
    finish=_sizes,
    subplots={"shared_xaxes": True, "vertical_spacing": 0.08},
    layout={"height": 610, "legend": ABOVE, "margin": {"t": 100}},
)
"""Cost, bound and gap against the size of the problem.

Columns: axis (requests or cloudlets), value, metric (objective, bound, gap), mean, ci_low, ci_high.
"""

FIGURES: dict[str, Draw] = {
    "anytime": anytime, "regimes": regimes, "openings": OPENINGS, "gain": GAIN, "race": RACE, "growth": GROWTH,
}  # fmt: skip
