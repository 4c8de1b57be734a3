"""Files of a figure: the data behind it (CSV), HTML, and SVG and PDF where a Chromium is found."""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import plotly.io

from mecpfm import paths
from mecpfm.extras import lacks
from mecpfm.records import write_atomic

ZERO = 1e-12
"""What is less is written, and judged, as zero: only rounding keeps it from there."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@functools.cache
def browser() -> str | None:
    """Path of a Chromium for static export, or None; BROWSER_PATH comes first."""
    named = os.environ.get("BROWSER_PATH")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


def rounded(frame: pd.DataFrame, digits: int = 6) -> pd.DataFrame:
    """Floats to significant digits, 0 for what only rounding keeps from it: every processor writes the same file."""
    out = frame.copy()
    for column in out.select_dtypes("float"):
        out[column] = [0.0 if abs(value) < ZERO else float(f"{value:.{digits}g}") for value in out[column]]
    return out


def save(name: str, frame: pd.DataFrame, drawn: go.Figure, *, static: bool, folder: Path | None = None) -> list[Path]:
    """Write name.csv, .html and, if ``static`` and a browser is found, .svg and .pdf; returns what was written."""
    folder = folder or paths.figures()
    text = StringIO()
    rounded(frame).to_csv(text, index=False, lineterminator="\n")
    files: dict[str, bytes] = {"csv": text.getvalue().encode(), "html": _html(name, drawn, folder).encode()}
    if static and browser() and not lacks("kaleido"):
        files |= _static(drawn)
    for suffix, content in files.items():
        write_atomic(folder / f"{name}.{suffix}", content)
    return [folder / f"{name}.{suffix}" for suffix in files]


def _html(name: str, drawn: go.Figure, folder: Path) -> str:
    """HTML that shares one plotly.min.js with its neighbours; a fixed div id makes the file reproducible."""
    library = folder / "plotly.min.js"
    if not library.exists():
        write_atomic(library, plotly.offline.get_plotlyjs().encode())
    return str(plotly.io.to_html(drawn, include_plotlyjs="directory", div_id=name))


def _static(drawn: go.Figure) -> dict[str, bytes]:
    """SVG and PDF; trace ids, clip ids and dates are fixed so that files do not differ between runs."""
    stable = go.Figure(drawn)
    for i, trace in enumerate(stable.data):
        trace.uid = f"t{i}"
    export = _exporter()
    svg = export(stable, opts={"format": "svg"}).decode()
    pdf = export(stable, opts={"format": "pdf"})
    unique = re.search(r'id="(?:defs|clip|topdefs)-?([0-9a-f]{6})', svg)
    if unique:
        svg = svg.replace(unique.group(1), "000000")
    return {"svg": svg.encode(), "pdf": re.sub(rb"\(D:\d{14}[^)]*\)", b"(D:20250101000000+00'00')", pdf)}


@functools.cache
def _exporter() -> Callable[..., bytes]:
    """One browser for all exports of this process: 0.3 s a figure instead of 4 s."""
    import kaleido

    os.environ.setdefault("BROWSER_PATH", browser() or "")
    kaleido.start_sync_server(silence_warnings=True)
    export: Callable[..., bytes] = kaleido.calc_fig_sync
    return export
