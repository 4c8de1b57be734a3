"""How much loss one policy saves against each comparator, scenario by scenario."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import LOOKS, figure

THRESHOLD = 0.38
"""The reduction that the paper's abstract claims."""


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: method (one), scenario, against (the comparator's name), reduction, ci_low, ci_high (paired shares)."""
    rows, columns = (list(dict.fromkeys(frame[name])) for name in ("against", "scenario"))
    table = frame.set_index(["against", "scenario"])
    values = table["reduction"].unstack().loc[rows, columns]
    words = frame.assign(text=[_words(*cell) for cell in frame[["reduction", "ci_low", "ci_high"]].to_numpy()])
    text = words.set_index(["against", "scenario"])["text"].unstack().loc[rows, columns]
    drawn = figure(
        f"{LOOKS[frame['method'].iloc[0]].name}: loss saved in %, paired over seeds, ± half a 95 % interval"
        f"<br>(●: all of it at or above {THRESHOLD:.0%})",
        "scenario",
        "",
        width=1060,
        height=150 + 44 * len(rows),
        margin={"l": 230, "t": 80, "b": 80},
    )
    shade = {
        "colorscale": [[0, "#FBE3D6"], [0.125, "#FFFFFF"], [1, "#5AA9D6"]],
        "zmin": -0.1,
        "zmax": 0.7,
        "colorbar": {"tickformat": ".0%", "title": {"text": "saved"}},
    }
    drawn.add_trace(
        go.Heatmap(
            x=[name.replace(" ", "<br>", 1) for name in columns],
            y=[f"{name} " for name in rows],
            z=values.to_numpy(),
            text=text.to_numpy(),
            texttemplate="%{text}",
            textfont={"size": 13, "color": "#111111"},
            xgap=2,
            ygap=2,
            **shade,
        )
    )
    drawn.update_yaxes(autorange="reversed", ticks="", showline=False)
    return drawn.update_xaxes(tickangle=0, ticks="", showline=False)


def _words(reduction: float, low: float, high: float) -> str:
    half = f" ± {50 * (high - low):.0f}" if high == high else ""
    words = f"{100 * reduction:.0f}{half}"
    return f"● <b>{words}</b>" if low >= THRESHOLD else words
