"""From a bandit that sees nothing to perfect knowledge of demand: the delay at each rung, and what the rung adds."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import BLUE, GREY, TEMPLATE

CONTEXT = "context"


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: rung, over (rung it is compared with), kind, mean, ci_low, ci_high, step, step_low, step_high (all s).

    Steps are paired, NaN at the first rung. Rungs whose ``kind`` is ``context`` change what is known of the request;
    they are coloured apart.
    """
    drawn = make_subplots(
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=["mean and 95 % interval", "paired change by this rung"],
    )
    names = dict(zip(frame["rung"], _labels(frame), strict=True))
    labels = list(names.values())
    colors = [BLUE if kind == CONTEXT else GREY for kind in frame["kind"]]
    spread = {"array": frame["ci_high"] - frame["mean"], "arrayminus": frame["mean"] - frame["ci_low"]}
    drawn.add_trace(_dots(frame["mean"], labels, spread, colors), row=1, col=1)
    steps = frame[frame["step"].notna()]
    bars = {"array": steps["step_high"] - steps["step"], "arrayminus": steps["step"] - steps["step_low"]}
    places = [names[name] for name in steps["rung"]]
    fill = [BLUE if kind == CONTEXT else GREY for kind in steps["kind"]]
    drawn.add_trace(
        go.Bar(
            x=steps["step"],
            y=places,
            orientation="h",
            marker={"color": fill},
            error_x={"type": "data", "symmetric": False, **bars, "color": "#222222"},
            showlegend=False,
        ),
        row=1,
        col=2,
    )
    for label, value, low in zip(places, steps["step"], steps["step_low"], strict=True):
        drawn.add_annotation(
            text=f"{value:+.1f} s ".replace("-", "−"),
            x=min(low, value, 0),
            y=label,
            xanchor="right",
            showarrow=False,
            row=1,
            col=2,
        )
    low = min(steps["step_low"].fillna(steps["step"]).min(), 0)
    drawn.update_xaxes(range=[1.22 * low, -0.08 * low], title_text="change of the mean delay (s)", col=2)
    drawn.update_xaxes(title_text="mean delay (s)", rangemode="tozero", col=1)
    drawn.update_yaxes(categoryorder="array", categoryarray=labels[::-1])
    title = "From UCB1 to known demand: what each rung adds (blue: what is known of the request)"
    return drawn.update_layout(template=TEMPLATE, title_text=title, width=1050, height=470, margin={"l": 260, "t": 80})


def _labels(frame: pd.DataFrame) -> list[str]:
    """Names of the rungs; one that does not build on the rung above it says on which."""
    above = ["", *frame["rung"][:-1]]
    triples = zip(frame["rung"], frame["over"].fillna(""), above, strict=True)
    return [
        f"{name} " if over in ("", last) else f"{name} <br><sup>against: {over}</sup> " for name, over, last in triples
    ]


def _dots(x: pd.Series[float], y: list[str], spread: dict[str, pd.Series[float]], colors: list[str]) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="markers+text",
        text=[f"{value:.1f}" for value in x],
        textposition="top center",
        marker={"color": colors, "size": 11},
        error_x={"type": "data", "symmetric": False, **spread, "color": "#222222"},
        showlegend=False,
    )
