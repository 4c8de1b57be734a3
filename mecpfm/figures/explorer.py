"""The running example with a slider: delay of a request against the shared fraction, by memory, requests and link."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import TEMPLATE, line


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: shared_fraction, gbit_s, memory_gb, requests, method, mean_s; a panel for memory and requests each.

    The slider changes ``gbit_s``; the figure begins with the middle one.
    """
    memory, requests, links = (list(frame[name].unique()) for name in ("memory_gb", "requests", "gbit_s"))
    titles = [f"{r} requests, {m:g} GB" for r in requests for m in memory]
    drawn = make_subplots(
        rows=len(requests), cols=len(memory), subplot_titles=titles, shared_xaxes=True, shared_yaxes=True
    )
    panel = ["requests", "memory_gb", "method"]
    shown = {link: dict(iter(frame[frame["gbit_s"] == link].groupby(panel, sort=False))) for link in links}
    first = len(links) // 2
    for (r, m, method), of in shown[links[first]].items():
        row, col = requests.index(r) + 1, memory.index(m) + 1
        curve = {"x": of["shared_fraction"], "y": of["mean_s"], "legendgroup": method}
        trace = line(method, **curve, showlegend=row == col == 1)
        trace.name = {"ilp": "Optimum (ILP)"}.get(method, trace.name)
        drawn.add_trace(trace, row=row, col=col)
    steps = [
        {"label": f"{link:g}", "method": "restyle", "args": [{"y": [of["mean_s"].tolist() for of in curves.values()]}]}
        for link, curves in shown.items()
    ]
    prefix = {"prefix": "link of the north, Gbit/s: "}
    slider = {"active": first, "currentvalue": prefix, "steps": steps, "pad": {"t": 75}}
    drawn.update_xaxes(title_text="shared fraction", row=len(requests))
    drawn.update_yaxes(range=[0, 9.5])
    drawn.update_yaxes(title_text="delay a request (s)", col=1)
    drawn.update_layout(template=TEMPLATE, height=680, sliders=[slider], legend={"orientation": "h", "y": 1.14})
    title = "Sharing is worth most where memory holds one backbone but not two models"
    return drawn.update_layout(title_text=title, margin={"t": 130})
