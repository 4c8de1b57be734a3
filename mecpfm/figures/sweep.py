"""Sweeps of the evaluation: each metric against the swept quantity, or the headline; the finding is the title."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.panels import MOST, copies, curves, finish, grid
from mecpfm.figures.style import BLACK, LOOKS, in_order

AXES = {
    "cloudlets": "cloudlets",
    "requests": "requests",
    "models": "models",
    "capacity_gb": "capacity of a cloudlet (GB)",
    "cost_budget": "budget of a request (W s)",
    "accuracy_requirement": "accuracy requirement",
    "shared_fraction": "shared fraction of a model",
}
METRICS = {
    "total_delay_s": "total delay (s)",
    "average_cost": "average cost (W s)",
    "average_accuracy": "average accuracy",
    "total_penalty": "total penalty",
    "total_regret": "total regret",
    "runtime_s": "running time (s)",
}
BASELINES = ("nbs", "nbs-released", "nonshare", "sc", "mab", "adms", "random", "epsilon-greedy")
"""Whom the title compares with."""
ORDER = ("appro", "nbs", "nbs-released", "nonshare", "sc", "ol", "mab", "adms", "random", "epsilon-greedy", "myopic")
"""Who is drawn first: the paper's algorithms and baselines, then controls and Greedy."""
TIMED = ("appro", "lp-dual", "lp", "exact", "nbs", "greedy")
"""Who is drawn where only running times are compared: those that solve something first."""
ALIKE = 0.05
"""Largest relative difference at which two methods count as alike in the note."""

GAINED = {
    "total_delay_s": "less total delay", "average_cost": "less average cost", "average_accuracy": "more accuracy",
}  # fmt: skip
"""What a method gains in each metric."""


def sweep(frame: pd.DataFrame) -> go.Figure:
    """Each metric against the swept quantity, at most six methods.

    Columns: axis, value, method, metric, mean, ci_low, ci_high (figures/README.md).
    """
    metrics = [metric for metric in METRICS if metric in set(frame["metric"])]
    order = TIMED if metrics == ["runtime_s"] else (*ORDER, "greedy")
    methods = sorted(set(frame["method"]), key=lambda name: (order.index(name) if name in order else len(order), name))
    cols = 3 if len(metrics) == 3 else min(2, len(metrics))
    rows = -(-len(metrics) // cols)
    drawn, named = grid(rows, cols), set[str]()
    for place, metric in enumerate(metrics):
        cell = {"row": place // cols + 1, "col": place % cols + 1}
        curves(drawn, frame[frame["metric"] == metric], methods[:MOST], named, cell)
        drawn.update_yaxes(title_text=METRICS[metric], rangemode="tozero", **cell)
        drawn.update_xaxes(title_text=AXES[str(frame["axis"].iloc[0])], **cell)
        if metric == "runtime_s":
            drawn.update_yaxes(type="log", exponentformat="power", dtick=1, **cell)
    means = frame[frame["metric"] == metrics[0]].pivot(index="value", columns="method", values="mean")
    notes = [_left_out(means, methods), "No mark: the rows of the value to its left." if copies(frame) else ""]
    return finish(drawn, _finding(metrics[0], means, methods[:MOST]), "<br>".join(filter(None, notes)), rows)


def _finding(metric: str, means: pd.DataFrame, methods: list[str]) -> str:
    """What the first method saves against each baseline, over all values."""
    if metric == "runtime_s":
        last = means.iloc[-1]
        return f"At {last.name:g}, on average<br>" + ", ".join(f"{LOOKS[n].name} {last[n]:.2g} s" for n in methods[:4])
    first, *others = (name for i, name in enumerate(methods) if not i or name in BASELINES)
    parts = []
    for name in others:
        saved = (1 - means[first] / means[name]).dropna()
        if len(saved):
            parts.append(f"{LOOKS[name].name} by {_span(saved.min(), saved.max())}")
    what = METRICS[metric].partition(" (")[0]
    return f"{LOOKS[first].name}: {what} less than that of<br>{', '.join(parts)}" if parts else what


def _span(low: float, high: float) -> str:
    """Both ends in per cent, once where they are equal."""
    ends = list(dict.fromkeys(str(round(100 * end)).replace("-", "\N{MINUS SIGN}") for end in (low, high)))
    return " to ".join(ends) + " %"


def _left_out(means: pd.DataFrame, methods: list[str]) -> str:
    """Who is not drawn, and who of them is like the first method everywhere."""
    first, left = methods[0], methods[MOST:]
    apart = {name: float((means[name] / means[first] - 1).abs().max()) for name in left}
    alike = {name: by for name, by in apart.items() if by <= ALIKE}
    notes = []
    if alike:
        who = ", ".join(LOOKS[name].name for name in alike)
        notes.append(f"Not drawn, within {100 * max(alike.values()):.2g} % of {LOOKS[first].name}: {who}.")
    if other := [LOOKS[name].name for name in left if name not in alike]:
        notes.append(f"Not drawn: {', '.join(other)}.")
    return " ".join(notes)


def headline(frame: pd.DataFrame) -> go.Figure:
    """Gain over each baseline, point by point, with its interval and what was claimed.

    Columns: metric, axis, value, lead, method (the baseline), mean, ci_low, ci_high, needed.
    """
    cells = list(frame.groupby(["metric", "axis"], sort=False))
    methods = in_order(frame["method"])[:MOST]
    cols = min(3, len(cells))
    rows = -(-len(cells) // cols)
    drawn, named, new = grid(rows, cols), set[str](), []
    shares = frame.groupby("metric", sort=False)["needed"].first()
    claimed = "claimed: " + ", ".join(f"{100 * share:.0f} % {GAINED[str(metric)]}" for metric, share in shares.items())
    for place, ((metric, axis), of) in enumerate(cells):
        cell = {"row": place // cols + 1, "col": place % cols + 1}
        curves(drawn, of, methods, named, cell)
        new.append(of[~of["value"].isin(copies(of))])
        needed = float(of["needed"].iloc[0])
        dashes = {"line": {"color": BLACK, "dash": "5px,4px", "width": 1}, "name": claimed, "legendgroup": "claimed"}
        drawn.add_hline(y=needed, showlegend=not place, legendrank=MOST + 1, **dashes, **cell)
        if of["mean"].min() < 0:
            drawn.add_hline(y=0, line={"color": BLACK, "width": 1}, **cell)
        words = {"title_text": GAINED[str(metric)] if place % cols == 0 else ""}
        drawn.update_yaxes(tickformat=".0%", zeroline=False, **words, **cell)
        drawn.update_xaxes(title_text=AXES[str(axis)], **cell)
    marked = pd.concat(new)
    note = "" if len(marked) == len(frame) else "No mark: the rows of the value to its left, counted once."
    return finish(drawn, _held(marked), note, rows)


def _held(rows: pd.DataFrame) -> str:
    """At how many different points each baseline is beaten by what is claimed, with the whole interval."""
    lines = []
    for metric, of in rows.groupby("metric", sort=False):
        points = of.drop_duplicates(["method", "mean", "ci_low", "ci_high"])
        counts = points.assign(held=points["ci_low"] >= points["needed"]).groupby("method")["held"].agg(["sum", "size"])
        known = counts.reindex(in_order(counts.index))
        held = [f"{LOOKS[str(name)].name} at {row['sum']} of {row['size']}" for name, row in known.iterrows()]
        lead, needed = LOOKS[str(of["lead"].iloc[0])].name, 100 * of["needed"].iloc[0]
        lines.append(f"{lead}: at least {needed:.0f} % {GAINED[str(metric)]} than<br>{', '.join(held)} points")
    return "<br>".join(lines)
