"""Where files are read and written; notebooks and programs may run from any working directory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """The project's folder: MECPFM_HOME, the clone the package runs from, or else the working directory."""
    if home := os.environ.get("MECPFM_HOME"):
        return Path(home)
    clone = PACKAGE.parent
    return clone if (clone / "pyproject.toml").exists() else Path.cwd()


def results() -> Path:
    """Folder of computed tables."""
    return root() / "results"


def figures() -> Path:
    """Folder of drawn figures and the data behind them."""
    return root() / "figures"


def tables() -> Path:
    """Folder of the committed tables: ``data/`` of a clone, or their copy inside an installed package."""
    clone = PACKAGE.parent / "data"
    return clone if (clone / "model_zoo.csv").exists() else PACKAGE / "data" / "tables"


def cache() -> Path:
    """A writable folder for compiled kernels and fetched data, also with no home folder at all."""
    base = os.environ.get("MECPFM_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    if not base and os.environ.get("HOME"):
        base = str(Path(os.environ["HOME"]) / ".cache")
    for folder in ([Path(base) / "mecpfm"] if base else []) + [Path(tempfile.gettempdir()) / f"mecpfm-{os.getuid()}"]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="mecpfm-"))
