"""One look for every figure: colours, markers and names of methods, and the template.

Colours are Okabe and Ito's (2008), distinct to colour-blind readers; marker and dash tell methods apart in grey print.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import plotly.graph_objects as go

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#B8A800", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
GREY = "#8A8A8A"


class Look(NamedTuple):
    """How one method is drawn, everywhere."""

    name: str
    color: str
    symbol: str
    dash: str = "solid"


LOOKS = {
    "lp": Look("LP (as published)", GREY, "line-ew-open", "dot"),
    "lp-dual": Look("LP (strengthened)", SKY, "line-ns-open", "dot"),
    "ilp": Look("ILP", BLACK, "square"),
    "nlip": Look("NLIP", BLACK, "square-open"),
    "exact": Look("Exact", BLACK, "cross", "dash"),
    "appro": Look("Appro", BLUE, "circle"),
    "greedy": Look("Greedy", GREEN, "diamond"),
    "nbs": Look("NBS", ORANGE, "triangle-up"),
    "nbs-released": Look("NBS (as released)", YELLOW, "triangle-up-open", "dash"),
    "nonshare": Look("NonShare", RED, "triangle-down"),
    "sc": Look("SC", PINK, "x"),
    "ol": Look("OL (TSRC)", BLUE, "star"),
    "ol-released": Look("OL (as released)", BLUE, "star-open", "dash"),
    "wtsrc": Look("WTSRC", SKY, "circle-open", "dash"),
    "mab": Look("MAB", ORANGE, "triangle-right"),
    "adms": Look("ADMS", RED, "triangle-left"),
    "random": Look("Random", GREY, "x", "dot"),
    "ucb1": Look("UCB1", PINK, "pentagon"),
    "epsilon-greedy": Look("Epsilon-greedy", YELLOW, "hexagon", "dash"),
    "linucb": Look("LinUCB", GREEN, "diamond-tall"),
    "lints": Look("LinTS", GREEN, "diamond-open", "dash"),
    "myopic": Look("Myopic (knows penalties)", BLACK, "cross-open", "dashdot"),
    "random-ei": Look("Random subset each round", ORANGE, "triangle-up"),
    "polish": Look("Bound and polish", BLUE, "circle"),
    "no-sharing": Look("No sharing", RED, "triangle-down", "dash"),
    "trimcaching": Look("TrimCaching-Gen", GREEN, "diamond"),
    "trimcaching-gain": Look("TrimCaching-Gen, by gain", GREEN, "diamond-open", "dot"),
    "cocar": Look("CoCaR-style", ORANGE, "triangle-up"),
    "gap-rounding": Look("GAP rounding", YELLOW, "hexagon", "dash"),
    "rounding-independent": Look("Independent rounding", ORANGE, "triangle-up-open", "dash"),
    "rounding-coupled": Look("Coupled rounding", SKY, "circle-open"),
    "rounding-nested": Look("Nested rounding", GREEN, "diamond-open", "dash"),
    "rounding-tree": Look("Tree rounding", BLUE, "circle"),
    "opening-tree": Look("Tree opening", PINK, "hexagon"),
    "rounding-configurations": Look("Configuration rounding", BLUE, "star-open", "dashdot"),
    "popularity": Look("Popularity", PINK, "x"),
    "lru": Look("LRU", GREY, "square-open", "dot"),
    "lfu": Look("LFU", GREY, "square", "dash"),
    "accuracy-first": Look("Accuracy first", PINK, "pentagon"),
    "remote": Look("Remote only", BLACK, "cross", "dash"),
    "highs": Look("HiGHS MIP", BLACK, "square"),
    "lp-cut": Look("LP with cut", BLACK, "line-ew-open", "dot"),
    "dual": Look("Dual bound", GREY, "line-ew-open", "dot"),
    "random-fix": Look("Random fixed subset", RED, "triangle-down", "dash"),
}
CHOOSERS = {
    "mean": Look("No context", GREY, "x", "dot"),
    "full": Look("All features", GREEN, "diamond"),
    "tsrc": Look("TSRC, error as credit", BLUE, "circle"),
    "tsrc-delay": Look("TSRC, delay as credit", SKY, "circle-open", "dash"),
    "cov": Look("Chosen by covariance", PINK, "square"),
    "random-ei": Look("Random subset each round", ORANGE, "triangle-up"),
    "random-fix": Look("Random fixed subset", RED, "triangle-down", "dash"),
    "oracle": Look("Demand known", BLACK, "cross", "dash"),
}
"""How policies on a trace choose what they observe; a look stands for the choice, whoever dispatches by it."""
LOOKS |= {f"{kind}-{name}": look for kind in ("structured", "priced") for name, look in CHOOSERS.items()}
LOOKS |= {
    "follow-probe": Look("One feature followed, three probed", YELLOW, "hexagon"),
    "planned-cov": Look("Two features, prices, planned caches", PINK, "square-open", "dash"),
    "value": Look("By value", ORANGE, "triangle-up"),
    "probe-all": Look("All states seen", GREEN, "diamond"),
    "probe-belief": Look("Sampled beliefs", BLUE, "circle"),
    "probe-tsrc": Look("TSRC, delay as credit", SKY, "circle-open", "dash"),
    "probe-random": Look("Random", ORANGE, "triangle-up"),
    "probe-nearest": Look("Nearest", GREY, "x", "dot"),
}
FAMILY_COLORS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK)

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": "DejaVu Sans, Arial, sans-serif", "size": 13, "color": "#222222"},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 70, "r": 20, "t": 50, "b": 60},
        "title": {"font": {"size": 15}, "x": 0.01, "xanchor": "left"},
        "legend": {"bgcolor": "rgba(255,255,255,0.7)"},
        "xaxis": {"showline": True, "linecolor": "#444444", "ticks": "outside", "gridcolor": "#E6E6E6"},
        "yaxis": {"showline": True, "linecolor": "#444444", "ticks": "outside", "gridcolor": "#E6E6E6"},
        "height": 420,
    }
)


def figure(title: str, x: str, y: str, **layout: Any) -> go.Figure:
    """Empty figure with the shared template, a title that states the finding, and axis titles with units."""
    drawn = go.Figure()
    drawn.update_layout(template=TEMPLATE, title_text=title, xaxis_title=x, yaxis_title=y, **layout)
    return drawn


def in_order(names: Iterable[str]) -> list[str]:
    """Names that have a look, each once, in the order of looks."""
    known = set(names)
    return [name for name in LOOKS if name in known]


def line(method: str, **trace: Any) -> go.Scatter:
    """Line with markers in the method's look."""
    look = LOOKS[method]
    marker = {"symbol": look.symbol, "size": 8, "color": look.color, "line": {"color": look.color, "width": 2}}
    dashes = {"color": look.color, "dash": look.dash, "width": 2}
    return go.Scatter(**{"name": look.name, "mode": "lines+markers", "line": dashes, "marker": marker, **trace})


def band(method: str, x: Any, low: Any, high: Any) -> go.Scatter:
    """Shaded interval behind a method's line."""
    red, green, blue = (int(LOOKS[method].color[i : i + 2], 16) for i in (1, 3, 5))
    return go.Scatter(
        x=[*x, *list(x)[::-1]],
        y=[*high, *list(low)[::-1]],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.15)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        name=LOOKS[method].name,
    )
