"""Figures: pure functions ``DataFrame -> plotly Figure`` by name, where one repeats the loop over looks as data.

A figure that is drawn for several studies has a variant in its name: ``sweep-requests`` is drawn by kind ``sweep``.
"""

from __future__ import annotations

import base64
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io

from mecpfm import paths
from mecpfm.errors import FailedError, InputError
from mecpfm.extras import import_nbformat
from mecpfm.figures import (
    coupled,
    explorer,
    export,
    learning,
    maps,
    online,
    paper,
    programs,
    sweep,
    timeline,
    verdicts,
)
from mecpfm.figures.lines import Draw

KINDS: dict[str, Draw] = {
    **programs.FIGURES, **paper.FIGURES, **learning.FIGURES, **coupled.FIGURES, **online.FIGURES, **maps.FIGURES,
    "timeline": timeline.draw, "sweep": sweep.sweep, "headline": sweep.headline,
    "explorer": explorer.draw, "verdicts": verdicts.draw,
}  # fmt: skip
"""Every kind of figure by name."""
WIDEST = 70
"""Letters of a title on one line."""

# Notebooks store a figure's data and a picture, not a copy of the plotting library: small files that can be compared.
import_nbformat()  # plotly does, too
plotly.io.renderers["mecpfm"] = export.Everywhere()
plotly.io.renderers.default = "mecpfm"


def kinds() -> list[str]:
    """Every kind of figure the package can draw."""
    return sorted(KINDS)


def draw(name: str, frame: pd.DataFrame) -> go.Figure:
    """Draw a figure from the data behind it, as wide as the page it is on."""
    kind = name.partition("-")[0]
    if kind not in KINDS:
        raise InputError(f"figure {name!r} is unknown; known: {', '.join(kinds())}")
    return _fitted(go.Figure(_settled(KINDS[kind](frame).to_plotly_json())).update_layout(width=None))


def _fitted(drawn: go.Figure) -> go.Figure:
    """A long title on two lines fits at 800 px: above the panels' titles, beside the tool bar."""
    title = drawn.layout.title.text or ""
    if len(title) > WIDEST and "<br>" not in title:
        panels = [note.text for note in drawn.layout.annotations if note.yref == "paper" and (note.y or 0) >= 1]
        below = 66 + 22 * max((text.count("<br>") + 1 for text in panels), default=0)
        top = max(drawn.layout.margin.t or 0, below)
        drawn.update_layout(title_text="<br>".join(_balanced(title)), margin={"t": top})
        if panels:  # else a title is in the middle of the margin, and its second line on what stands there
            drawn.update_layout(title={"yref": "container", "y": 1, "yanchor": "top", "pad": {"t": 20}})
    return drawn


def _balanced(title: str) -> list[str]:
    """As few lines as the width allows, and these as short as they can be: no word stands alone."""
    widths = range(1, WIDEST + 1)
    wrapped = [textwrap.wrap(title, width, break_long_words=False, break_on_hyphens=False) for width in widths]
    return next(lines for lines in wrapped if len(lines) == len(wrapped[-1]))


def _settled(value: Any) -> Any:
    """Every number to nine significant digits: the last bits differ between processors, committed figures must not."""
    if isinstance(value, dict) and "bdata" in value:
        flat = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
        return _settled(flat.reshape([int(size) for size in str(value.get("shape", -1)).split(",")]))
    if isinstance(value, dict):
        return {key: _settled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_settled(item) for item in value]
    if isinstance(value, np.ndarray):
        return _settled(value.tolist())
    return float(f"{value:.9g}") if isinstance(value, float) else value


def make(name: str, frame: pd.DataFrame) -> go.Figure:
    """Draw a figure, write its files to figures/ (SVG and PDF where a browser is found), and return it for display."""
    frame = export.rounded(frame)
    drawn = draw(name, frame)
    export.save(name, frame, drawn)
    return drawn


def redraw(*, stale: bool = False) -> list[tuple[str, str]]:
    """Draw every figure whose data is in figures/ again; rows (figure, files written).

    ``stale``: only where the SVG is missing or older than the data. One that cannot be drawn costs only itself:
    FailedError names such ones after the last. InputError when there is no data at all.
    """
    sources = [path for path in sorted(paths.figures().glob("*.csv")) if path.stem.partition("-")[0] in kinds()]
    if not sources:
        raise InputError(f"{paths.figures()}: holds no data of figures; mecpfm notebooks makes it")
    rows, failed = [], []
    for source in sources:
        if stale and _is_drawn(source):
            continue
        try:
            frame = pd.read_csv(source)
            files = export.save(source.stem, frame, draw(source.stem, frame))
        except Exception as error:  # damaged data may raise anything
            failed.append(f"figure {source.stem}: {type(error).__name__}: {error}; redo: mecpfm figures")
        else:
            rows.append((source.stem, ", ".join(path.suffix[1:] for path in files)))
    if failed:
        raise FailedError(failed)
    return rows


def _is_drawn(source: Path) -> bool:
    picture = source.with_suffix(".svg")
    return picture.exists() and picture.stat().st_mtime_ns >= source.stat().st_mtime_ns
