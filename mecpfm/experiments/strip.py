"""Points of a claim as a small drawing: value and interval of each, what is needed, and zero. No script, no browser."""

from __future__ import annotations

import math
from html import escape

import pandas as pd

LEFT, WIDTH, ROW = 132.0, 420.0, 15.0
"""Where values begin, the width of it all, and the height of a labelled point."""
LABELLED = 14
"""Most points that all have a label; of more only the first of every experiment has one."""
COLOURS = {"holds": "#0072B2", "open": "#888888", "against": "#D55E00"}
"""Of a point, by what it says of the claim."""


def strip(points: pd.DataFrame) -> str:
    """An SVG; columns point ("experiment: where"), value, ci_low, ci_high, threshold, says, note."""
    points = points.dropna(subset=["value", "ci_low", "ci_high"])
    if points.empty:
        return ""
    labels = [str(point).partition(": ")[::2] for point in points["point"]]
    step = ROW if len(points) <= LABELLED else ROW * 0.8
    needed = float(points["threshold"].iloc[0])
    low, high = min(0.0, needed, points["ci_low"].min()), max(0.0, needed, points["ci_high"].max())
    scale = (WIDTH - LEFT - 22) / (high - low or 1.0)
    height, parts = step * len(points) + 24, []
    for at, colour, dash in ((0.0, "#999", ""), (needed, "#000", " stroke-dasharray='4 3'")):
        x = LEFT + (at - low) * scale
        parts.append(f"<path d='M{x:.1f} 0V{height - 18:.1f}' stroke='{colour}'{dash}/>")
        if at == needed or abs(needed) * scale > 40:
            parts.append(f"<text x={x:.1f} y={height - 5:.1f} text-anchor=middle>{short(at)}</text>")
    for i, (row, label) in enumerate(zip(points.to_dict("records"), labels, strict=True)):
        y = step * (i + 0.5)
        ends = [LEFT + (float(row[name]) - low) * scale for name in ("ci_low", "value", "ci_high")]
        colour = COLOURS[row["says"]]
        title = f"{row['point']}: {short(row['value'])} [{short(row['ci_low'])}, {short(row['ci_high'])}] {row['says']}"
        title += f"; {row['note']}" if isinstance(row["note"], str) and row["note"] else ""
        parts.append(
            f"<g stroke='{colour}' fill='{colour}'><title>{escape(title)}</title>"
            f"<path d='M{ends[0]:.1f} {y:.1f}H{ends[2]:.1f}' stroke-width=2 />"
            f"<circle cx={ends[1]:.1f} cy={y:.1f} r=3 /></g>"
        )
        word = "" if step < ROW and i and labels[i - 1][0] == label[0] else label[0]
        word = f"{label[0]}: {label[1]}" if step == ROW else word
        parts.append(f"<text x=0 y={y + 4:.1f}>{escape(word[:22])}</text>" if word else "")
    return f"<svg viewBox='0 0 {WIDTH:g} {height:.0f}' role=img aria-label='points of the claim'>{''.join(parts)}</svg>"


def short(value: float) -> str:
    """In three digits."""
    return "" if math.isnan(value) else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
