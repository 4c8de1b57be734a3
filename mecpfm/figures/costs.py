"""Delay against the time that observing one feature takes."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import GREY, LOOKS, band, figure, line

MOST = 0.1
"""Changes above this are cut off: there observing more is out of the question."""
ROOM = 1.1
"""Factor by which the axis reaches beyond the first and last price: so much takes half a mark."""


def costs(frame: pd.DataFrame) -> go.Figure:
    """Delay against the time that observing one feature takes, and who is best at which price.

    Columns: method, observed (features), cost_s, change, ci_low, ci_high. ``change`` of the delay is a share, paired
    seed by seed, against the method that observes nothing, which is the zero line. Prices of 0 are left out
    (logarithmic axis).
    """
    drawn = figure(
        "What features are worth when each of them takes time",
        "time that observing one feature takes (s)", "change of the mean delay", height=480,
        margin={"l": 100, "t": 80},
    )  # fmt: skip
    paid = frame[frame["cost_s"] > 0].sort_values(["observed", "cost_s"])
    counts = dict(zip(paid["method"], paid["observed"], strict=True))
    for method in [name for name, count in counts.items() if count]:
        of = paid[paid["method"] == method]
        if of["ci_low"].notna().all():
            drawn.add_trace(band(method, of["cost_s"], of["ci_low"], of["ci_high"]))
        words = f"{LOOKS[method].name} ({counts[method]})"
        drawn.add_trace(line(method, x=of["cost_s"], y=of["change"], name=words))
    look = {"line": {"color": GREY, "dash": "dash"}, "annotation_text": "observing nothing"}
    drawn.add_hline(y=0, annotation_position="top left", **look)
    wide = paid.pivot(index="cost_s", columns="method", values="change")
    above = {"y": 1.0, "yref": "paper", "yanchor": "bottom", "showarrow": False, "yshift": 8}
    spans = best(wide)
    some = [span for span in spans if 0 < counts[span[2]] < max(counts.values())]
    if some:
        drawn.update_layout(
            title_text=f"Some features beat all and none from {some[0][0]:.2g} to {some[-1][1]:.2g} s each"
        )
    for low, high, method in spans:
        drawn.add_vrect(x0=low, x1=high, fillcolor=LOOKS[method].color, opacity=0.09, line_width=0)
        middle = (np.log10(low) + np.log10(high)) / 2
        drawn.add_annotation(x=middle, text=f"<b>{counts[method]}</b>", **above)
    drawn.add_annotation(x=-0.03, text="best d:", xref="paper", xanchor="right", **above)
    ends = np.log10([wide.index[0] / ROOM, wide.index[-1] * ROOM])
    drawn.update_xaxes(type="log", tickvals=list(wide.index), range=list(ends))
    least = float(np.nanmin([paid["change"].min(), paid["ci_low"].min()]))
    return drawn.update_yaxes(range=[1.1 * least, MOST], tickformat=".0%", zeroline=False)


def best(wide: pd.DataFrame) -> list[tuple[float, float, str]]:
    """Bands of price with the method of least delay, interpolated linearly in the logarithm of the price."""
    logs = np.log(wide.index.to_numpy())
    fine = np.linspace(logs[0], logs[-1], 401)
    curves = np.array([np.interp(fine, logs, wide[name].to_numpy()) for name in wide.columns])
    winner = curves.argmin(axis=0)
    edges = [0, *(np.flatnonzero(np.diff(winner)) + 1), len(fine) - 1]
    spans = itertools.pairwise(edges)
    return [(float(np.exp(fine[a])), float(np.exp(fine[b])), str(wide.columns[winner[a]])) for a, b in spans]
