"""Who fills the caches: change of delay and of pulled data against LRU, paired over seeds."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import BLUE, GREY, LOOKS, ORANGE, TEMPLATE

PANELS = {"loss_s": "mean delay", "pulled_gb": "data pulled"}
COLORS = (BLUE, ORANGE)
SYMBOLS = ("circle", "triangle-up")


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: scenario, method, metric (loss_s, pulled_gb), reduction, ci_low, ci_high (shares, against LRU)."""
    drawn = make_subplots(cols=len(PANELS), subplot_titles=list(PANELS.values()), shared_yaxes=True)
    methods = list(dict.fromkeys(frame["method"]))[::-1]
    for col, metric in enumerate(PANELS, 1):
        for i, scenario in enumerate(dict.fromkeys(frame["scenario"])):
            of = frame[(frame["scenario"] == scenario) & (frame["metric"] == metric)].set_index("method").loc[methods]
            spread = {"array": of["reduction"] - of["ci_low"], "arrayminus": of["ci_high"] - of["reduction"]}
            drawn.add_trace(
                go.Scatter(
                    x=-of["reduction"],
                    y=[place + (0.12 if i else -0.12) for place in range(len(methods))],
                    error_x={"type": "data", "symmetric": False, **spread},
                    mode="markers",
                    marker={"color": COLORS[i], "symbol": SYMBOLS[i], "size": 11},
                    name=scenario,
                    legendgroup=scenario,
                    showlegend=col == 1,
                ),
                row=1,
                col=col,
            )
    drawn.add_vline(x=0, line={"color": GREY, "dash": "dash"})
    drawn.update_xaxes(title_text="change against LRU", tickformat=".0%", zeroline=False)
    names = [f"{LOOKS[name].name} " for name in methods]
    drawn.update_yaxes(
        tickvals=list(range(len(methods))), ticktext=names, range=[-0.5, len(methods) - 0.5], zeroline=False
    )
    title = "Planned caches and eviction by value, against LRU under the same dispatcher"
    return drawn.update_layout(template=TEMPLATE, title_text=title, width=980, margin={"l": 150, "t": 80})
