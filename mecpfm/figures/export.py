"""Files of a figure: the data behind it (CSV), HTML, and SVG and PDF where a Chromium is found."""

from __future__ import annotations

import base64
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import plotly.io
from plotly.io.base_renderers import PlotlyRenderer

from mecpfm import paths
from mecpfm.figures.chromium import browser, picture, small_png
from mecpfm.records import write_atomic

TAG = re.compile(rb'(?<=<)(\w+)((?: [\w:-]+="[^"]*")+)')
"""A tag of an SVG up to its end."""
ZERO = 1e-12
"""What is less is written, and judged, as zero: only rounding keeps it from there."""


def rounded(frame: pd.DataFrame, digits: int = 6) -> pd.DataFrame:
    """Floats to significant digits, 0 for what only rounding keeps from it: every processor writes the same file."""
    out = frame.copy()
    for column in out.select_dtypes("float"):
        out[column] = [0.0 if abs(value) < ZERO else float(f"{value:.{digits}g}") for value in out[column]]
    return out


def save(name: str, frame: pd.DataFrame, drawn: go.Figure) -> list[Path]:
    """Write name.csv, .html and, if a browser is found, .svg and .pdf to figures/; returns what was written."""
    folder, text = paths.figures(), StringIO()
    rounded(frame).to_csv(text, index=False, lineterminator="\n")
    files: dict[str, bytes] = {"csv": text.getvalue().encode(), "html": _html(name, drawn, folder).encode()}
    if browser():
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
    """SVG and PDF where there is a browser; ids, dates and order are fixed: files do not differ between runs."""
    stable = go.Figure(drawn)
    for i, trace in enumerate(stable.data):
        trace.uid = f"t{i}"
    svg, pdf = picture(stable, "svg"), picture(stable, "pdf")
    if svg is None or pdf is None:
        return {}
    unique = re.search(rb'id="(?:defs|clip|topdefs)-?([0-9a-f]{6})', svg)
    if unique:
        svg = svg.replace(unique.group(1), b"000000")
    svg = TAG.sub(_ordered, svg)
    return {"svg": svg, "pdf": re.sub(rb"\(D:\d{14}[^)]*\)", b"(D:20250101000000+00'00')", pdf)}


def _ordered(tag: re.Match[bytes]) -> bytes:
    """A tag with its attributes by name: the browser orders them by what it has drawn before."""
    return tag[1] + b"".join(sorted(re.findall(rb' [\w:-]+="[^"]*"', tag[2])))


class Everywhere(PlotlyRenderer):  # type: ignore[misc]
    """How notebooks hold every figure: its data, drawn where scripts run, and beside it a picture for elsewhere."""

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, Any]:
        """The interactive figure, with a PNG where there is a browser."""
        bundle: dict[str, Any] = super().to_mimebundle(fig_dict)
        png = small_png(go.Figure(fig_dict, skip_invalid=True))
        return bundle if png is None else {**bundle, "image/png": base64.b64encode(png).decode()}
