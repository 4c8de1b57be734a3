"""Figures: one pure function ``DataFrame -> plotly Figure`` a file, named like the figure it draws.

A figure that is drawn for several studies has a variant in its name: ``sweep-requests`` is drawn by ``sweep.py``.
"""

from __future__ import annotations

import importlib
import pkgutil

import pandas as pd
import plotly.graph_objects as go
import plotly.io

from mecpfm import paths
from mecpfm.errors import InputError

_HELPERS = ("style", "export")

# Notebooks store a figure's data, not a copy of the plotting library: small files that can be compared.
plotly.io.renderers.default = "plotly_mimetype"


def kinds() -> list[str]:
    """Every kind of figure the package can draw."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _HELPERS)


def draw(name: str, frame: pd.DataFrame) -> go.Figure:
    """Draw a figure from the data behind it."""
    kind = name.partition("-")[0]
    if kind not in kinds():
        raise InputError(f"figure {name!r} is unknown; known: {', '.join(kinds())}")
    drawn: go.Figure = importlib.import_module(f"mecpfm.figures.{kind}").draw(frame)
    return drawn


def make(name: str, frame: pd.DataFrame) -> go.Figure:
    """Draw a figure, write its data and HTML to figures/, and return it for display.

    Static files are made afterwards by ``mecpfm figures``, so that no notebook depends on a browser.
    """
    from mecpfm.figures.export import rounded, save

    frame = rounded(frame)
    drawn = draw(name, frame)
    save(name, frame, drawn, static=False)
    return drawn


def redraw() -> list[tuple[str, str]]:
    """Draw every figure whose data is in figures/ again; rows (figure, files written)."""
    from mecpfm.figures.export import save

    rows = []
    for source in sorted(paths.figures().glob("*.csv")):
        if source.stem.partition("-")[0] in kinds():
            frame = pd.read_csv(source)
            files = save(source.stem, frame, draw(source.stem, frame), static=True)
            rows.append((source.stem, ", ".join(path.suffix[1:] for path in files)))
    return rows
