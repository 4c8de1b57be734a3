"""Figures of the studies on a trace."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.costs import costs
from mecpfm.figures.lines import BELOW, DECADES, Axis, Draw, Lines, Panels, logarithmic, spread
from mecpfm.figures.style import BLUE, GREEN, GREY, LOOKS, ORANGE, RED, TEMPLATE, band, figure

CONTEXT = "context"
"""Kind of a rung that changes what is known of the request."""
CURVES = {"greedy": ("best next feature", BLUE, "circle"), "random": ("random subsets, mean and 90 %", ORANGE, "x")}
"""Ways to choose features: words, colour, marker."""
THRESHOLD = 0.38
"""The reduction that the paper's abstract claims."""
DODGE = 0.12
"""Distance of two scenarios' dots from their method's line, in lines."""


def predictable(frame: pd.DataFrame) -> go.Figure:
    """How well a request's service time can be predicted, from how many features, and from which.

    Columns: choice (greedy, random, set), observed, r2, low, high; features (the set's name) where choice is set.
    """
    drawn = make_subplots(
        cols=2, column_widths=[0.62, 0.38], horizontal_spacing=0.17, subplot_titles=["by number", "by kind"]
    )
    of = frame[frame["choice"] == "random"].sort_values("observed")
    shade = band("random", of["observed"], of["low"], of["high"]).update(fillcolor="rgba(230,159,0,0.18)", name=None)
    drawn.add_trace(shade, row=1, col=1)
    for choice, (words, color, symbol) in CURVES.items():
        of = frame[frame["choice"] == choice].sort_values("observed")
        look = {"name": words, "mode": "lines+markers", "line": {"color": color}}
        marker = {"symbol": symbol, "size": 8, "color": color}
        drawn.add_trace(go.Scatter(x=of["observed"], y=of["r2"], marker=marker, **look), row=1, col=1)
    sets = frame[frame["choice"] == "set"].sort_values("r2")
    labels = [f"{name} ({count:g})" for name, count in zip(sets["features"], sets["observed"], strict=True)]
    colors = [GREEN if name == "all" else GREY for name in sets["features"]]
    bar = go.Bar(x=sets["r2"], y=labels, orientation="h", marker={"color": colors}, showlegend=False)
    drawn.add_trace(bar, row=1, col=2)
    every = float(sets.loc[sets["features"] == "all", "r2"].iloc[0])
    look = {"line": {"color": GREEN, "dash": "dash"}, "annotation_text": "all", "annotation_position": "top left"}
    drawn.add_hline(y=every, row=1, col=1, **look)
    curves = frame[frame["choice"] != "set"]
    drawn.update_xaxes(title_text="features observed, d", col=1, **logarithmic(curves["observed"]))
    drawn.update_xaxes(title_text="R² out of sample", col=2)
    drawn.update_yaxes(title_text="R² out of sample", zeroline=False, col=1)
    title = "Service times: few features, chosen well, predict as much as all"
    legend = BELOW | {"y": -0.22}
    return drawn.update_layout(template=TEMPLATE, title_text=title, height=460, margin={"t": 80}, legend=legend)


def ladder(frame: pd.DataFrame) -> go.Figure:
    """From a bandit that sees nothing to perfect knowledge of demand: the delay at each rung, and what the rung adds.

    Columns: rung, over (rung it is compared with), kind, mean, ci_low, ci_high, step, step_low, step_high (all s).
    Steps are paired, NaN at the first rung. Rungs whose ``kind`` is ``context`` change what is known of the request;
    the legend tells them apart.
    """
    titles = ["mean and 95 % interval", "paired change"]
    drawn = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=titles)
    frame = frame.assign(label=_labels(frame), color=np.where(frame["kind"] == CONTEXT, BLUE, GREY))
    dots = go.Scatter(
        x=frame["mean"], y=frame["label"], mode="markers+text", text=[f"{value:.1f}" for value in frame["mean"]],
        textposition="top center", marker={"color": frame["color"], "size": 11},
        error_x={**spread(frame), "color": "#222222"}, showlegend=False,
    )  # fmt: skip
    drawn.add_trace(dots, row=1, col=1)
    steps = frame[frame["step"].notna()]
    for words, color in (("more is known of the request", BLUE), ("another change", GREY)):
        of = steps[steps["color"] == color]
        ends = spread(of, "step", "step_low", "step_high") | {"color": "#222222"}
        bars = {"orientation": "h", "marker": {"color": color}, "error_x": ends, "name": words}
        drawn.add_trace(go.Bar(x=of["step"], y=of["label"], **bars), row=1, col=2)
    for step in steps.to_dict("records"):
        text, x = f"{step['step']:+z.1f} s ".replace("-", "−"), min(step["step_low"], step["step"], 0)
        drawn.add_annotation(text=text, x=x, y=step["label"], xanchor="right", showarrow=False, row=1, col=2)
    low = min(steps["step_low"].fillna(steps["step"]).min(), 0)
    drawn.update_xaxes(range=[1.5 * low, -0.08 * low], title_text="change of the mean delay (s)", col=2)
    drawn.update_xaxes(title_text="mean delay (s)", rangemode="tozero", col=1)
    drawn.update_yaxes(categoryorder="array", categoryarray=list(frame["label"])[::-1])
    most = min(steps.to_dict("records"), key=lambda step: step["step"])
    title = f"Most is gained by: {most['rung']} ({most['step']:z.0f} s)".replace("-", "−")
    look = {"height": 500, "margin": {"l": 260, "t": 80}, "barmode": "overlay", "legend": BELOW}
    return drawn.update_layout(template=TEMPLATE, title_text=title, **look)


def _labels(frame: pd.DataFrame) -> list[str]:
    """Names of the rungs; one that does not build on the rung above it says on which."""
    above = ["", *frame["rung"][:-1]]
    triples = zip(frame["rung"], frame["over"].fillna(""), above, strict=True)
    return [
        f"{name} " if over in ("", last) else f"{name} <br><sup>against: {over}</sup> " for name, over, last in triples
    ]


def scenarios(frame: pd.DataFrame) -> go.Figure:
    """How much loss one policy saves against each comparator, scenario by scenario.

    Columns: method (one), scenario, against (the comparator's name), reduction, ci_low, ci_high (paired shares).
    """
    rows, columns = (list(dict.fromkeys(frame[name])) for name in ("against", "scenario"))
    words = [_words(*cell) for cell in frame[["reduction", "ci_low", "ci_high"]].to_numpy()]
    table = frame.assign(text=words).set_index(["against", "scenario"])
    values, text = (table[name].unstack().loc[rows, columns].to_numpy() for name in ("reduction", "text"))
    drawn = figure(
        f"{LOOKS[frame['method'].iloc[0]].name}: most is saved where the other sees no state"
        f"<br>(loss saved in %, paired over seeds, ± half a 95 % interval; ●: all of it at or above {THRESHOLD:.0%})",
        "scenario", "", height=150 + 44 * len(rows), margin={"l": 170, "t": 80, "b": 80},
    )  # fmt: skip
    drawn.add_trace(
        go.Heatmap(
            x=[name.replace(" ", "<br>", 1) for name in columns], y=[f"{name} " for name in rows], z=values,
            text=text, texttemplate="%{text}", textfont={"size": 12, "color": "#111111"}, xgap=2, ygap=2,
            colorscale=[[0, "#FBE3D6"], [0.125, "#FFFFFF"], [1, "#5AA9D6"]], zmin=-0.1, zmax=0.7, showscale=False,
        )
    )  # fmt: skip
    drawn.update_yaxes(autorange="reversed", ticks="", showline=False)
    return drawn.update_xaxes(tickangle=0, ticks="", showline=False)


def _words(reduction: float, low: float, high: float) -> str:
    half = f" ± {50 * (high - low):.0f}" if high == high else ""
    words = f"{100 * reduction:z.0f}{half}"
    return f"● <b>{words}</b>" if low >= THRESHOLD else words


def _all_features(drawn: go.Figure, frame: pd.DataFrame) -> None:
    """Level lines of what all features give, and the titles of both panels."""
    for col, metric in enumerate(CHOOSERS.cols.titles, 1):
        level = frame.loc[(frame["observed"] == frame["features"]) & (frame["metric"] == metric), "mean"]
        if len(level):
            look = {"line": {"color": GREEN, "dash": "dash"}, "annotation_text": f"all {frame['features'].iloc[0]}"}
            drawn.add_hline(y=level.mean(), annotation_position="top left", row=1, col=col, **look)
    drawn.update_yaxes(title_text="delay saved", tickformat=".0%", col=1)
    drawn.update_yaxes(title_text="R²", rangemode="tozero", col=2)


CHOOSERS = Lines(
    Axis("observed", "features observed, d", ticks="observed"),
    Axis("mean"),
    title="Few features, chosen by error or covariance, save nearly what all save",
    cols=Panels(
        "metric",
        {"saved": "delay saved against observing nothing", "demand_r2": "R² of the prediction, while learning"},
    ),
    # Bands of all would hide each other: the two credits are what is compared.
    bands=("priced-tsrc", "priced-tsrc-delay"),
    prepare=lambda frame: frame[frame["observed"].between(1, frame["features"].iloc[0] - 1)],
    finish=_all_features,
    subplots={"horizontal_spacing": 0.09},
    layout={"height": 500, "margin": {"t": 80}, "legend": BELOW},
)
"""Columns: method, observed, features (how many there are), metric, mean, ci_low, ci_high; ``saved`` is paired."""


def placement(frame: pd.DataFrame) -> go.Figure:
    """Who fills the caches: change of delay and of pulled data against LRU, paired over seeds.

    Columns: scenario, method, metric (loss_s, pulled_gb), reduction, ci_low, ci_high (shares, against LRU).
    """
    panels = {"loss_s": "mean delay", "pulled_gb": "data pulled"}
    drawn = make_subplots(cols=len(panels), subplot_titles=list(panels.values()), shared_yaxes=True)
    methods = list(dict.fromkeys(frame["method"]))[::-1]
    looks = ((BLUE, "circle", -DODGE), (ORANGE, "triangle-up", DODGE))
    for col, metric in enumerate(panels, 1):
        for (color, symbol, aside), scenario in zip(looks, dict.fromkeys(frame["scenario"]), strict=False):
            of = frame[(frame["scenario"] == scenario) & (frame["metric"] == metric)].set_index("method").loc[methods]
            of = of.assign(mean=-of["reduction"], ci_low=-of["ci_high"], ci_high=-of["ci_low"])
            dots = go.Scatter(
                x=of["mean"], y=[place + aside for place in range(len(methods))], error_x=spread(of), mode="markers",
                marker={"color": color, "symbol": symbol, "size": 11}, name=scenario, legendgroup=scenario,
                showlegend=col == 1,
            )  # fmt: skip
            drawn.add_trace(dots, row=1, col=col)
    drawn.add_vline(x=0, line={"color": GREY, "dash": "dash"})
    drawn.update_xaxes(title_text="change against LRU", tickformat=".0%", zeroline=False)
    names = {"tickvals": list(range(len(methods))), "ticktext": [f"{LOOKS[name].name} " for name in methods]}
    drawn.update_yaxes(range=[-0.5, len(methods) - 0.5], zeroline=False, **names)
    best = frame[frame["metric"] == "loss_s"].sort_values("reduction").iloc[-1]
    saved, low, high = (f"{100 * best[name]:z.1f}".replace("-", "−") for name in ("reduction", "ci_low", "ci_high"))
    title = f"Against LRU, {LOOKS[best['method']].name} saves most delay: {saved} % ({low} to {high}), "
    title += str(best["scenario"])
    return drawn.update_layout(template=TEMPLATE, title_text=title, margin={"l": 150, "t": 80})


PROBING = Lines(
    Axis("probes", "cloudlets probed for each request", {"dtick": 1}),
    Axis("change", "delay above seeing all", {"tickformat": ".0%", "zeroline": False}),
    title="Seeing few queues costs least where sampled beliefs choose them",
    finish=lambda drawn, _: drawn.add_hline(
        y=0, line={"color": GREEN, "dash": "dash"}, annotation_text="all seen", annotation_position="bottom left"
    ),
)
"""Columns: method, probes, change, ci_low, ci_high (shares, paired, against seeing all states)."""


def proved(frame: pd.DataFrame) -> go.Figure:
    """Squared error of forecasts so far, what is proved of it, and the best constant, by requests served.

    Columns: method, round, measured, bound, expected (absent where a method has none), constant (all s² a request).
    """
    methods = list(dict.fromkeys(frame["method"]))
    titles = [LOOKS[name].name for name in methods]
    drawn = make_subplots(cols=len(methods), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.04)
    for col, method in enumerate(methods, 1):
        of = frame[frame["method"] == method].sort_values("round")
        for column, (words, color, dash) in PROVED.items():
            shown = of[of[column].notna()]
            look = {"mode": "lines", "name": words, "legendgroup": column, "showlegend": col == 1}
            lines = go.Scatter(x=shown["round"], y=shown[column], line={"color": color, "dash": dash}, **look)
            drawn.add_trace(lines, row=1, col=col)
    drawn.update_xaxes(title_text="requests served, T", **DECADES)
    drawn.update_yaxes(**logarithmic(pd.Series([50, 100, 200, 500, 1000, 2000, 5000])))
    drawn.update_yaxes(title_text="squared error a request (s²)", col=1)
    drawn.update_layout(height=480, margin={"t": 80}, legend=BELOW | {"y": -0.22})
    return drawn.update_layout(template=TEMPLATE, title_text="The bounds come down to little above what is measured")


PROVED = {
    "measured": ("measured", BLUE, "solid"),
    "bound": ("bound: any data (O2), random probes (R3)", RED, "dash"),
    "expected": ("bound R1, mean misspecification of 10 s²", ORANGE, "dashdot"),
    "constant": ("best constant in hindsight", GREY, "dot"),
}
"""Lines of :func:`proved`: words, colour, dash."""

FIGURES: dict[str, Draw] = {
    "predictable": predictable, "ladder": ladder, "scenarios": scenarios, "choosers": CHOOSERS, "costs": costs,
    "probing": PROBING, "placement": placement, "proved": proved,
}  # fmt: skip
