"""Delay against the time that observing one feature takes, and who is best at which price."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import LOOKS, band, figure, line


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method, observed (features), cost_s, mean, ci_low, ci_high (s); prices of 0 are left out (log axis)."""
    drawn = figure(
        "Which price of a feature is worth paying",
        "time that observing one feature takes (s)",
        "mean delay, observation included (s)",
        width=860,
        height=480,
        margin={"t": 80},
    )
    paid = frame[frame["cost_s"] > 0].sort_values("cost_s")
    wide = paid.pivot(index="cost_s", columns="method", values="mean")
    counts = dict(zip(paid["method"], paid["observed"], strict=True))
    for method in wide.columns:
        of = paid[paid["method"] == method]
        if of["ci_low"].notna().all():
            drawn.add_trace(band(method, of["cost_s"], of["ci_low"], of["ci_high"]))
    for method in sorted(wide.columns, key=lambda name: counts[name]):
        of = paid[paid["method"] == method]
        drawn.add_trace(line(method, x=of["cost_s"], y=of["mean"], name=f"{LOOKS[method].name} ({counts[method]})"))
    top, bottom = 1.25 * wide["priced-mean"].max(), 0.9 * float(wide.to_numpy().min())
    for low, high, method in best(wide):
        drawn.add_vrect(x0=low, x1=high, fillcolor=LOOKS[method].color, opacity=0.09, line_width=0)
        middle = (np.log10(low) + np.log10(high)) / 2
        words = f"<b>{counts[method]}</b>"
        drawn.add_annotation(x=middle, y=1.0, yref="paper", yanchor="bottom", text=words, showarrow=False)
    drawn.add_annotation(
        x=0, y=1.0, xref="paper", yref="paper", xanchor="right", yanchor="bottom", text="best: ", showarrow=False
    )
    drawn.update_xaxes(type="log", tickvals=list(wide.index), range=list(np.log10([wide.index[0], wide.index[-1]])))
    return drawn.update_yaxes(range=[bottom, top])


def best(wide: pd.DataFrame) -> list[tuple[float, float, str]]:
    """Bands of price with the method of least mean, means interpolated linearly in the logarithm of the price."""
    logs = np.log(wide.index.to_numpy())
    fine = np.linspace(logs[0], logs[-1], 401)
    curves = np.array([np.interp(fine, logs, wide[name].to_numpy()) for name in wide.columns])
    winner = curves.argmin(axis=0)
    edges = [0, *(np.flatnonzero(np.diff(winner)) + 1), len(fine) - 1]
    spans = itertools.pairwise(edges)
    return [(float(np.exp(fine[a])), float(np.exp(fine[b])), str(wide.columns[winner[a]])) for a, b in spans]
