"""What this machine has: versions, solvers and their limits, data, browser."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import mecpfm
from mecpfm import paths
from mecpfm.extras import lacks

PACKAGES = ("numpy", "pandas", "scipy", "numba", "gurobipy", "highspy", "plotly", "papermill", "nbclient")


def rows() -> list[tuple[str, str]]:
    """Findings as (what, state)."""
    from mecpfm.data.fetch import verify
    from mecpfm.figures.chromium import browser
    from mecpfm.solvers import gurobi

    limits = f"{gurobi.MAX_COLUMNS} columns and rows, {gurobi.MAX_COLUMNS_BILINEAR} columns with products"
    licence = gurobi.licence()
    return [
        ("mecpfm", mecpfm.__version__),
        ("python", f"{platform.python_version()} ({sys.platform}, {os.cpu_count()} cores)"),
        *((name, _version(name)) for name in PACKAGES),
        ("gurobi licence", f"{licence} ({limits}); larger models go to HiGHS" if licence == "restricted" else licence),
        ("kernel cache", str(paths.cache())),
        (
            "static figures",
            lacks("kaleido") or browser() or "no Chromium found: HTML and CSV only (apt install chromium)",
        ),
        *((f"data: {file.name}", file.status) for file in verify()),
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return lacks(name) or "not installed"
