"""Points of a claim as a small drawing: value and interval of each, what is needed, and zero. No script, no browser."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from html import escape
from itertools import groupby
from typing import Any

import pandas as pd

WIDTH, ROW, LETTER = 420.0, 15.0, 7.8
"""Width of it all, height of a row, and width of a letter on average."""
LONGEST = 27
"""Most letters of a label."""
WORDS = {
    "ablation: 0": "standard setting",
    "convergence": "standard setting, by round",
    "tsrc-drift: 2": "after the change",
    "dual": "requests",
    "capacity": "memory of a cloudlet, GB",
    "accuracy": "required accuracy",
    "holders": "released holder divisors",
    "second-parameters": "second parameter set",
    "coupled-regimes": "regimes",
    "coupled-requests": "requests, coupled",
    "coupled-cloudlets": "cloudlets, coupled",
    "coupled-anytime": "regimes and requests",
    "online-trace-scenarios": "scenarios of the trace",
    "online-trace-windows": "windows of the trace",
    "online-trace-features": "features observed",
    "online-trace-probing": "queues looked at",
    "online-trace-placement": "planned caches",
    "tsrc-digits": "features observed",
}
"""What a point, or what an experiment varies, is called where its name does not say it."""
COLOURS = {"holds": "#0072B2", "open": "#888888", "against": "#D55E00"}
"""Of a point, by what it says of the claim."""


def strip(points: pd.DataFrame) -> str:
    """An SVG; columns point ("experiment: where"), value, ci_low, ci_high, threshold, says, note."""
    points = points.dropna(subset=["value", "ci_low", "ci_high"])
    if points.empty:
        return ""
    rows = [*_rows(points)]
    top = 0 if rows[0][1] else 1
    left = 10 + LETTER * max(len(label) for label, _ in rows[top:])
    needed = float(points["threshold"].iloc[0])
    low, high = min(0.0, needed, points["ci_low"].min()), max(0.0, needed, points["ci_high"].max())
    scale = (WIDTH - left - 22) / (high - low or 1.0)
    height, parts = ROW * len(rows) + 24, []
    for at, colour, dash in ((0.0, "#999", ""), (needed, "#000", " stroke-dasharray='4 3'")):
        x = left + (at - low) * scale
        parts.append(f"<path d='M{x:.1f} {ROW * top:g}V{height - 18:.1f}' stroke='{colour}'{dash}/>")
        if at == needed or abs(needed) * scale > 40:
            parts.append(f"<text x={x:.1f} y={height - 5:.1f} text-anchor=middle>{short(at)}</text>")
    for i, (label, row) in enumerate(rows):
        y = ROW * (i + 0.5)
        parts.append(f"<text x=0 y={y + 4:.1f}{'' if row else ' font-weight=600'}>{escape(label)}</text>")
        if not row:
            continue
        ends = [left + (float(row[name]) - low) * scale for name in ("ci_low", "value", "ci_high")]
        colour = COLOURS[row["says"]]
        interval = f"[{short(row['ci_low'])}, {short(row['ci_high'])}]"
        title = f"{_said(str(row['point']))}: {short(row['value'])} {interval} {row['says']}"
        title += f"; {row['note']}" if isinstance(row["note"], str) and row["note"] else ""
        parts.append(
            f"<g stroke='{colour}' fill='{colour}'><title>{escape(title)}</title>"
            f"<path d='M{ends[0]:.1f} {y:.1f}H{ends[2]:.1f}' stroke-width=2 />"
            f"<circle cx={ends[1]:.1f} cy={y:.1f} r=3 /></g>"
        )
    return f"<svg viewBox='0 0 {WIDTH:g} {height:.0f}' role=img aria-label='points of the claim'>{''.join(parts)}</svg>"


def _rows(points: pd.DataFrame) -> Iterator[tuple[str, dict[Hashable, Any]]]:
    """Label and point of every row; an experiment of several points stands above them, in a row without a point."""
    named = [(*_said(str(row["point"])).partition(": ")[::2], row) for row in points.to_dict("records")]
    for experiment, group in groupby(named, key=lambda row: row[0]):
        of = [row[1:] for row in group]
        if headed := len(of) > 1 and all(where for where, _ in of):
            yield experiment, {}
        for where, row in of:
            word = where if headed else ": ".join(filter(None, (experiment, where)))
            yield word if len(word) <= LONGEST else f"{word[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}", row


def _said(point: str) -> str:
    """A point in words."""
    experiment, colon, where = point.partition(": ")
    return WORDS.get(point) or f"{WORDS.get(experiment, experiment)}{colon}{where}"


def short(value: float) -> str:
    """In three digits."""
    return "" if math.isnan(value) else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
