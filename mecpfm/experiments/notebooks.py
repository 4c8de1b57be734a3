"""Run the notebooks: through papermill for a profile, or in place for the committed copies."""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import distributions
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from mecpfm import paths
from mecpfm.errors import FailedError, InputError
from mecpfm.experiments.config import profile as check_profile
from mecpfm.records import write_atomic

QUIET: dict[str, Any] = {"extra_arguments": ["--log-level=ERROR"]}
"""Kernels otherwise warn of unencrypted local sockets at every start."""


def names() -> list[str]:
    """All notebooks in reading order."""
    return sorted(path.stem for path in (paths.sources() / "notebooks").glob("*.ipynb"))


def run(profile: str, chosen: list[str] | None = None, *, in_place: bool = False) -> list[tuple[str, ...]]:
    """Execute notebooks one after the other, each in a process of its own; rows (name, seconds, peak MB, MB written).

    Copies go to results/notebooks/, times and memory to results/resources.csv, the environment to
    results/environment.json. One that fails costs only itself: FailedError names such ones after the last.
    """
    check_profile(profile)
    if not in_place:
        paths.require_writable_home()
    if unknown := set(chosen or ()) - set(names()):
        raise InputError(f"notebook {sorted(unknown)[0]!r} is unknown; known: {', '.join(names())}")
    rows: list[tuple[str, ...]] = []
    failed: dict[str, str] = {}
    for name in chosen or names():
        before = _disk_mb()
        # A fresh process a notebook: its peak memory is then the kernel's own.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            try:
                seconds, peak_mb, error = pool.submit(_execute, name, profile, in_place).result()
            except BrokenProcessPool:
                seconds, peak_mb, error = math.nan, math.nan, "its process died, as when memory runs out"
        rows.append((name, f"{seconds:.1f}", f"{peak_mb:.0f}", f"{_disk_mb() - before:.1f}"))
        print(f"{name}: {error or 'ok'} ({seconds:.1f} s)", flush=True)
        if error:
            failed[name] = error
    if not in_place:
        _record(profile, rows)
    if failed:
        redo = f"mecpfm notebooks --profile {profile} {' --in-place' * in_place}".rstrip()
        raise FailedError([f"notebook {name}: {error}; redo: {redo} {name}" for name, error in failed.items()])
    return rows


def _disk_mb() -> float:
    """Size of everything in results/ and figures/."""
    files = (path for folder in (paths.results(), paths.figures()) for path in folder.rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def _execute(name: str, profile: str, in_place: bool) -> tuple[float, float, str]:
    """Seconds, peak memory in MB, and the error in one line or an empty string."""
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    start = time.perf_counter()
    error = ""
    try:
        (_in_place if in_place else _papermill)(paths.sources() / "notebooks" / f"{name}.ipynb", profile)
    except Exception as problem:  # whatever a cell raises is reported, and the next notebook still runs
        error = (str(problem).strip().splitlines() or [type(problem).__name__])[-1]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return time.perf_counter() - start, peak, error


def _papermill(source: Path, profile: str) -> None:
    import papermill

    # papermill takes misspelt parameter names without a word.
    if "profile" not in papermill.inspect_notebook(str(source)):
        raise InputError(f"{source.name}: has no parameter 'profile'")
    target = paths.results() / "notebooks" / profile / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    papermill.execute_notebook(
        str(source),
        str(target),
        {"profile": profile},
        kernel_name="python3",
        progress_bar=False,
        cwd=str(source.parent),
        **QUIET,
    )


def _in_place(source: Path, profile: str) -> None:
    """Execute without time stamps, so that a second run changes nothing in the file."""
    import nbformat
    from nbclient import NotebookClient

    if profile != "quick":
        raise InputError("committed notebooks are executed with the quick profile")
    notebook = nbformat.read(source, as_version=4)
    resources = {"metadata": {"path": source.parent}}
    NotebookClient(notebook, kernel_name="python3", record_timing=False, resources=resources, **QUIET).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    write_atomic(source, (nbformat.writes(notebook) + "\n").encode())


def _record(profile: str, rows: list[tuple[str, ...]]) -> None:
    target = paths.results() / "resources.csv"
    old = pd.read_csv(target, dtype=str) if target.exists() else pd.DataFrame()
    new = pd.DataFrame(
        [(profile, *row) for row in rows], columns=["profile", "notebook", "seconds", "peak_mb", "disk_mb"]
    )
    both = (
        pd.concat([old, new]).drop_duplicates(["profile", "notebook"], keep="last").sort_values(["profile", "notebook"])
    )
    write_atomic(target, both.to_csv(index=False).encode())
    environment = {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "packages": dict(sorted((item.name, item.version) for item in distributions())),
    }
    write_atomic(paths.results() / "environment.json", (json.dumps(environment, indent=1) + "\n").encode())
