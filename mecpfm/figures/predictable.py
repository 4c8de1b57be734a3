"""How well a request's service time can be predicted, from how many features, and from which."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mecpfm.figures.style import BLUE, GREEN, GREY, ORANGE, TEMPLATE

CURVES = {"greedy": ("best next feature", BLUE, "circle"), "random": ("random subsets, mean and 90 %", ORANGE, "x")}


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: choice (greedy, random, set), observed, r2, low, high; features (the set's name) where choice is set."""
    drawn = make_subplots(
        cols=2, column_widths=[0.62, 0.38], horizontal_spacing=0.17, subplot_titles=["by number", "by kind"]
    )
    of = frame[frame["choice"] == "random"].sort_values("observed")
    drawn.add_trace(
        go.Scatter(
            x=[*of["observed"], *of["observed"][::-1]],
            y=[*of["high"], *of["low"][::-1]],
            fill="toself",
            fillcolor="rgba(230,159,0,0.18)",
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
        ),
        row=1,
        col=1,
    )
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
    drawn.add_hline(
        y=every,
        line={"color": GREEN, "dash": "dash"},
        annotation_text="all",
        annotation_position="top left",
        row=1,
        col=1,
    )
    ticks = sorted(set(frame.loc[frame["choice"] != "set", "observed"]))
    drawn.update_xaxes(title_text="features observed, d", type="log", tickvals=ticks, col=1)
    drawn.update_xaxes(title_text="R² out of sample", col=2)
    drawn.update_yaxes(title_text="R² out of sample", zeroline=False, col=1)
    legend = {"orientation": "h", "x": 0, "y": -0.22}
    title = "Service times: few features, chosen well, predict as much as all"
    return drawn.update_layout(
        template=TEMPLATE, title_text=title, width=1000, height=460, margin={"t": 80}, legend=legend
    )
