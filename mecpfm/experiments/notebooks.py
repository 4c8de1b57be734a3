"""Run the notebooks: through papermill for a profile, or in place for the committed copies."""

from __future__ import annotations

import functools
import json
import math
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pandas as pd

from mecpfm import paths, sockets
from mecpfm.errors import FailedError, InputError
from mecpfm.experiments.config import profile as check_profile
from mecpfm.experiments.executors import get_context, terminated_as_interrupted
from mecpfm.experiments.progress import Told, stages
from mecpfm.experiments.saving import VIEW
from mecpfm.extras import import_nbformat, require
from mecpfm.records import write_atomic

QUIET: dict[str, Any] = {"extra_arguments": ["--log-level=ERROR"]}
"""Kernels otherwise warn of unencrypted local sockets at every start."""
NEEDED = ("papermill", "nbclient", "ipykernel")
"""Modules of the extra ``notebooks``."""
DIED = "Kernel died before replying to kernel_info"
"""What jupyter_client says of a kernel that has run no cell."""
P = ParamSpec("P")
R = TypeVar("R")


def started_again(start: Callable[P, R]) -> Callable[P, R]:
    """Start a kernel anew that died at its start: another process took a port between its choice and its use."""

    @functools.wraps(start)
    def once_more(*words: P.args, **options: P.kwargs) -> R:
        try:
            return start(*words, **options)
        except RuntimeError as problem:
            if str(problem) != DIED:
                raise
        return start(*words, **options)

    return once_more


def names() -> list[str]:
    """All notebooks in reading order."""
    return sorted(path.stem for path in (paths.sources() / "notebooks").glob("*.ipynb"))


def run(profile: str, chosen: list[str] | None = None, *, in_place: bool = False) -> list[tuple[str, ...]]:
    """Execute notebooks, at most two at once, each in its own process; rows (name, seconds, peak MB, MB written).

    Copies go to results/notebooks/, times and memory to results/resources.csv, the environment to
    results/environment.json. One that fails costs only itself: FailedError names such ones after the last.
    """
    check_profile(profile)
    require(*NEEDED)
    if not in_place:
        paths.require_writable_home()
    names = known(chosen)
    rows: dict[str, tuple[str, ...]] = {}
    failed: dict[str, str] = {}
    told = Told(profile, names)
    with terminated_as_interrupted(), sockets.answering(_picture), told.bar() as now:
        for name, seconds, peak_mb, error, written_mb in _all(stages(names), profile, in_place, now):
            rows[name] = (name, f"{seconds:.1f}", f"{peak_mb:.0f}", f"{max(written_mb, 0):.1f}")
            print(told.line(name, seconds, error), flush=True)
            if error:
                failed[name] = error
    if not in_place:
        _record(profile, [rows[name] for name in names])
    if failed:
        redo = f"mecpfm notebooks --profile {profile} {' --in-place' * in_place}".rstrip()
        raise FailedError([f"notebook {name}: {error}; redo: {redo} {name}" for name, error in failed.items()])
    return [rows[name] for name in names]


def _picture(request: bytes) -> bytes:
    """Draw for the lessons: one browser starts, not one a lesson, and all that it needs is imported beside them."""
    from mecpfm.figures import chromium

    return chromium.answer(request)


def _all(
    groups: list[list[str]], profile: str, in_place: bool, now: Callable[[Iterable[str]], None]
) -> Iterator[tuple[str, float, float, str, float]]:
    """Name, seconds, peak MB, error and MB written of every notebook, as they end.

    A fresh process a notebook: its peak memory is then the kernel's own. What neighbours write at the same time is
    counted for both.
    """
    context, environment = _preloaded_context(), dict(os.environ)
    at_once = 2 if profile == "quick" and (os.cpu_count() or 1) > 1 else 1  # the full profile fills every core
    running: dict[Future[tuple[float, float, str]], tuple[str, ProcessPoolExecutor, float]] = {}
    try:
        for group in groups:
            left = list(group)
            while left or running:
                while left and len(running) < at_once:
                    name, pool = left.pop(0), ProcessPoolExecutor(1, context, _inherit, (environment,))
                    running[pool.submit(_execute, name, profile, in_place)] = (name, pool, _disk_mb())
                now(name for name, *_ in running.values())
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    name, pool, before = running.pop(done)
                    pool.shutdown()
                    yield (name, *_ended(done), _disk_mb() - before)
    finally:
        for _, pool, _ in running.values():
            pool.shutdown(cancel_futures=True)


def _preloaded_context() -> Any:
    """Fork from a process that has imported ``preloaded``, which takes 3 s of CPU time, and has done nothing else.

    Where system libraries do not bear a fork (macOS) every process imports for itself.
    """
    if sys.platform != "linux":
        return get_context()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.preloaded"])
    return context


def _inherit(environment: dict[str, str]) -> None:
    """Take over the environment of now: a process that forks keeps the one that it began with."""
    os.environ.clear()
    os.environ.update(environment)


def _ended(done: Future[tuple[float, float, str]]) -> tuple[float, float, str]:
    try:
        return done.result()
    except BrokenProcessPool:
        return math.nan, math.nan, "its process died, as when memory runs out"


def _disk_mb() -> float:
    """Size of everything in results/ and figures/."""
    files = (path for folder in (paths.results(), paths.figures()) for path in folder.rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def _execute(name: str, profile: str, in_place: bool) -> tuple[float, float, str]:
    """Seconds, peak memory in MB, and the error in one line or an empty string."""
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    import_nbformat()
    start = time.perf_counter()
    error = ""
    try:
        with terminated_as_interrupted():
            (_in_place if in_place else _papermill)(paths.sources() / "notebooks" / f"{name}.ipynb", profile)
    except Exception as problem:  # whatever a cell raises is reported, and the next notebook still runs
        error = (str(problem).strip().splitlines() or [type(problem).__name__])[-1]
    unit = 1024**2 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    return time.perf_counter() - start, peak, error


@started_again
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
        kernel_manager_class=f"{__package__}.kernel.IdleFirst",
        **QUIET,
    )


def _in_place(source: Path, profile: str) -> None:
    """Execute without time stamps, so that a second run changes nothing in the file."""
    import nbformat

    if profile != "quick":
        raise InputError("committed notebooks are executed with the quick profile")
    notebook = executed(source)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(VIEW, None)
    write_atomic(source, (nbformat.writes(notebook) + "\n").encode())


@started_again
def executed(source: Path, *, allow_errors: bool = False, **start: Any) -> Any:
    """A notebook run in its own folder without time stamps; ``start`` goes to the kernel."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(source, as_version=4)
    resources = {"metadata": {"path": source.parent}}
    options: dict[str, Any] = {
        "kernel_name": "python3",
        "record_timing": False,
        "store_widget_state": False,
        "resources": resources,
        "allow_errors": allow_errors,
        "coalesce_streams": True,  # chance says in how many pieces a text arrives
    }
    NotebookClient(notebook, **options, **QUIET).execute(**start)
    return notebook


def known(chosen: list[str] | None) -> list[str]:
    """Notebooks by name, all if none are chosen; InputError for one that is not there."""
    if unknown := set(chosen or ()) - set(names()):
        raise InputError(f"notebook {sorted(unknown)[0]!r} is unknown; known: {', '.join(names())}")
    return chosen or names()


def _record(profile: str, rows: list[tuple[str, ...]]) -> None:
    target = paths.results() / "resources.csv"
    old = pd.read_csv(target, dtype=str) if target.exists() else pd.DataFrame()
    by = ["profile", "notebook"]
    new = pd.DataFrame([(profile, *row) for row in rows], columns=[*by, "seconds", "peak_mb", "disk_mb"])
    both = pd.concat([old, new]).drop_duplicates(by, keep="last").sort_values(by)
    write_atomic(target, both.to_csv(index=False).encode())
    environment = {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "packages": dict(sorted((item.name, item.version) for item in distributions())),
    }
    write_atomic(paths.results() / "environment.json", (json.dumps(environment, indent=1) + "\n").encode())
