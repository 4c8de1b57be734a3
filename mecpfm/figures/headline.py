"""The headline, point by point: what a method gains over each baseline, with its interval, and what was claimed."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.panels import MOST, copies, curves, finish, grid
from mecpfm.figures.style import BLACK, LOOKS
from mecpfm.figures.sweep import AXES

WORDS = {
    "total_delay_s": "less total delay", "average_cost": "less average cost", "average_accuracy": "more accuracy",
}  # fmt: skip


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: metric, axis, value, lead, method (the baseline), mean, ci_low, ci_high, needed."""
    cells = list(frame.groupby(["metric", "axis"], sort=False))
    methods = [name for name in LOOKS if name in set(frame["method"])][:MOST]
    cols = min(3, len(cells))
    rows = -(-len(cells) // cols)
    drawn, named, new = grid(rows, cols), set[str](), []
    shares = frame.groupby("metric", sort=False)["needed"].first()
    claimed = "claimed: " + ", ".join(f"{100 * share:.0f} % {WORDS[str(metric)]}" for metric, share in shares.items())
    for place, ((metric, axis), of) in enumerate(cells):
        cell = {"row": place // cols + 1, "col": place % cols + 1}
        curves(drawn, of, methods, named, cell)
        new.append(of[~of["value"].isin(copies(of))])
        needed = float(of["needed"].iloc[0])
        dashes = {"line": {"color": BLACK, "dash": "5px,4px", "width": 1}, "name": claimed, "legendgroup": "claimed"}
        drawn.add_hline(y=needed, showlegend=not place, legendrank=MOST + 1, **dashes, **cell)
        if of["mean"].min() < 0:
            drawn.add_hline(y=0, line={"color": BLACK, "width": 1}, **cell)
        words = {"title_text": WORDS[str(metric)] if place % cols == 0 else ""}
        drawn.update_yaxes(tickformat=".0%", zeroline=False, **words, **cell)
        drawn.update_xaxes(title_text=AXES[str(axis)], **cell)
    marked = pd.concat(new)
    note = "" if len(marked) == len(frame) else "No mark: the rows of the value to its left, counted once."
    return finish(drawn, _finding(marked), note, rows)


def _finding(rows: pd.DataFrame) -> str:
    """At how many different points each baseline is beaten by what is claimed, with the whole interval."""
    lines = []
    for metric, of in rows.groupby("metric", sort=False):
        points = of.drop_duplicates(["method", "mean", "ci_low", "ci_high"])
        counts = points.assign(held=points["ci_low"] >= points["needed"]).groupby("method")["held"].agg(["sum", "size"])
        known = counts.reindex([name for name in LOOKS if name in counts.index])
        held = [f"{LOOKS[str(name)].name} at {row['sum']} of {row['size']}" for name, row in known.iterrows()]
        lead, needed = LOOKS[str(of["lead"].iloc[0])].name, 100 * of["needed"].iloc[0]
        lines.append(f"{lead}: at least {needed:.0f} % {WORDS[str(metric)]} than<br>{', '.join(held)} points")
    return "<br>".join(lines)
