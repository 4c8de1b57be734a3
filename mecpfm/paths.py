"""Where files are read and written; notebooks and programs may run from any working directory."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from mecpfm.errors import InputError

PACKAGE = Path(__file__).resolve().parent


def sources() -> Path:
    """The checkout: notebooks, claims and documents are read from the one that the package, or the user, stands in.

    InputError outside of any.
    """
    for folder in (PACKAGE.parent, Path.cwd()):
        if (folder / "claims.toml").exists() and (folder / "notebooks").is_dir():
            return folder
    raise InputError(f"{Path.cwd()}: holds no notebooks and no claims.toml; run this in a checkout of mecpfm")


def home() -> Path:
    """Where results and figures go: MECPFM_HOME, the clone the package runs from, or else the working directory."""
    if given := os.environ.get("MECPFM_HOME"):
        return Path(given)
    clone = PACKAGE.parent
    return clone if (clone / "pyproject.toml").exists() else Path.cwd()


def require_writable_home() -> None:
    """InputError, before anything is computed, where results could not be kept."""
    try:
        results().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results()):
            pass
    except OSError as error:
        why = f"{results()}: cannot be written ({error.strerror})"
        raise InputError(f"{why}; set MECPFM_HOME to a folder for results and figures") from None


def results() -> Path:
    """Folder of computed tables."""
    return home() / "results"


def figures() -> Path:
    """Folder of drawn figures and the data behind them."""
    return home() / "figures"


def tables() -> Path:
    """Folder of the committed tables: ``data/`` of a clone, or their copy inside an installed package."""
    clone = PACKAGE.parent / "data"
    return clone if (clone / "model_zoo.csv").exists() else PACKAGE / "data" / "tables"


def cache() -> Path:
    """A folder of one's own for compiled kernels and fetched data, also with no home folder at all.

    Compiled code that others could have put there is not run: the folder is owned by this user and nobody else writes
    to it, or a fresh one is made for this process and its children.
    """
    base = os.environ.get("MECPFM_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    if not base and os.environ.get("HOME"):
        base = str(Path(os.environ["HOME"]) / ".cache")
    for folder in ([Path(base) / "mecpfm"] if base else []) + [Path(tempfile.gettempdir()) / f"mecpfm-{os.getuid()}"]:
        if _is_own(folder):
            return folder
    fresh = tempfile.mkdtemp(prefix="mecpfm-")
    os.environ["MECPFM_CACHE_DIR"] = fresh
    return Path(fresh)


def _is_own(folder: Path) -> bool:
    """Whether a folder, made where it is missing, can be written by this user and by nobody else."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        if stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & stat.S_IWOTH:
            folder.chmod(state.st_mode & 0o755)  # made under a umask that lets one's group write
            state = folder.lstat()
    except OSError:
        return False
    private = not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and private and os.access(folder, os.W_OK)
