"""Run experiments task by task: resumable, atomic, and the same bytes for any number of workers.

A task is one point of an experiment with one seed. Its rows are stored under a key that hashes the task, the code that
computes it and the real data at hand, so nothing finished is computed twice and nothing stale is ever read.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

import mecpfm
from mecpfm import paths
from mecpfm.bandits.problems import lacks
from mecpfm.errors import InputError
from mecpfm.experiments.config import Experiment, Point, experiments
from mecpfm.records import write_atomic

log = logging.getLogger("mecpfm")
Rows = list[dict[str, Any]]
_PARTS = {
    "coupled": ("coupled", "data", "kernels", "solvers"),
    "online": ("online", "coupled", "bandits", "data", "kernels", "solvers"),
    "tsrc": ("bandits", "kernels"),
}
"""Folders that a kind of measurement runs, by the word it begins with; every other one is of the paper's setting."""
TABLES = "tsrc-practice"
"""The kind that needs scikit-learn."""
_PUBLISHED = ("bandits", "data", "kernels", "published", "solvers")
_KEYS = ["experiment", "value", "seed", "method"]
_CSV: dict[str, Any] = {"index": False, "lineterminator": "\n"}


@dataclass(frozen=True)
class Task:
    """One point of one experiment with one seed."""

    experiment: str
    kind: str
    point: Point
    seed: int

    def key(self) -> str:
        """Content hash of everything the rows depend on."""
        content = json.dumps([asdict(self), code_version(self.kind), data_version()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:24]


@functools.cache
def code_version(kind: str) -> str:
    """Hash of the sources that a kind of measurement runs; the settings do not invalidate each other's results."""
    digest = hashlib.sha256(mecpfm.__version__.encode())
    setting = _setting(kind)
    parts = _PARTS.get(setting, _PUBLISHED)
    own = {"coupled": ("coupled",), "online": ("online", "coupled", "linear", "episode")}
    others = tuple(_PARTS)
    for part in parts:
        for source in sorted((paths.PACKAGE / part).rglob("*.py")):
            name = source.stem
            mine = name.startswith(own[setting]) if setting in own else not name.startswith(others)
            if part != "kernels" or name == "_jit" or mine:
                digest.update(source.read_bytes())
    digest.update((paths.PACKAGE / "experiments" / f"{_measures(kind)}.py").read_bytes())
    return digest.hexdigest()


def _setting(kind: str) -> str:
    """Key of ``_PARTS`` that a kind of measurement begins with; empty for the paper's setting."""
    return next((word for word in _PARTS if kind.startswith(word)), "")


def _measures(kind: str) -> str:
    """Module of this folder that holds a kind of measurement."""
    return "_".join(filter(None, ("measure", _setting(kind))))


@functools.cache
def data_version() -> str:
    """Which of the checksummed real files and committed tables are at hand."""
    from mecpfm.data.fetch import verify

    tables = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths.tables().glob("*.csv"))]
    return json.dumps([[file.name, file.status] for file in verify()] + [tables])


def run(
    name: str,
    profile: str,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = True,
) -> pd.DataFrame:
    """All rows of an experiment, computed where they are missing, and written to results/<profile>/<name>.csv.

    Running times differ from run to run and go to <name>.timing.csv instead. ``scheduler`` is the address of a
    dask.distributed scheduler; ``resume=False`` computes everything again.
    """
    known = experiments(profile)
    if name not in known:
        raise InputError(f"experiment {name!r} is unknown; known: {', '.join(known)}")
    if known[name].kind == TABLES and (missing_package := lacks()):
        log.warning("%s %s; nothing was run", name, missing_package)
        return pd.DataFrame()
    tasks = _tasks(known[name])
    rows = {task: _load(task) if resume else None for task in tasks}
    missing = [task for task in tasks if rows[task] is None]
    if missing:
        with (
            _executor(scheduler, min(workers or os.cpu_count() or 1, len(missing))) as executor,
            _progress(name) as step,
        ):
            for count, (task, found) in enumerate(_compute(executor, missing), 1):
                rows[task] = found
                step(count, len(missing))
    table = pd.DataFrame([row for task in tasks for row in rows[task] or []])
    return _write(table, paths.results() / profile, name)


def timings(name: str, profile: str) -> pd.DataFrame:
    """Running times of an experiment, which is run first where anything is missing."""
    run(name, profile)
    return pd.read_csv(paths.results() / profile / f"{name}.timing.csv")


def _tasks(experiment: Experiment) -> list[Task]:
    return [
        Task(experiment.name, experiment.kind, point, seed)
        for point in experiment.points
        for seed in range(experiment.seeds)
    ]


def _compute(executor: Executor, tasks: list[Task]) -> Iterator[tuple[Task, Rows]]:
    """Finished tasks as they come, each stored before it is handed on."""
    futures: dict[Future[Rows], Task] = {executor.submit(_measure, task): task for task in tasks}
    try:
        for future in as_completed(futures):
            task, rows = futures[future], future.result()
            write_atomic(_file(task), json.dumps(rows).encode())
            yield task, rows
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def _measure(task: Task) -> Rows:
    rows = _measure_of(task.kind)(task.point.recipe, task.seed)
    return [{"experiment": task.experiment, "value": task.point.value, "seed": task.seed, **row} for row in rows]


def _measure_of(kind: str) -> Callable[[Any, int], Rows]:
    module = importlib.import_module(f"mecpfm.experiments.{_measures(kind)}")
    found: Callable[[Any, int], Rows] = module.MEASURES[kind]
    return found


def _file(task: Task) -> Path:
    return paths.results() / "cache" / task.experiment / f"{task.key()}.json"


def _load(task: Task) -> Rows | None:
    """Stored rows, or None when there are none; a file that cannot be read is computed again, and said so."""
    path = _file(task)
    try:
        rows = json.loads(path.read_text())
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("is not a list of rows")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("%s: unusable (%s); computing it again", path, error)
        return None
    return rows


@contextmanager
def _executor(scheduler: str | None, workers: int) -> Iterator[Executor]:
    if scheduler is None:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool
        return
    from distributed import Client

    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler {scheduler}: cannot be reached ({error})") from None
    with client, client.get_executor(pure=False) as executor:
        yield executor


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Progress with rate and remaining time: a bar on a terminal, a plain line every ten seconds elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn(name),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            item = bar.add_task(name, rate="")
            start = time.monotonic()
            yield lambda done, total: bar.update(
                item, completed=done, total=total, rate=f"{done / (time.monotonic() - start):.1f}/s"
            )
        return
    start = last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last > 10:
            last, rate = now, done / max(now - start, 1e-9)
            log.info("%s: %d of %d tasks, %.1f/s, %d s left", name, done, total, rate, math.ceil((total - done) / rate))

    yield line


def _write(table: pd.DataFrame, folder: Path, name: str) -> pd.DataFrame:
    """Store the table, running times apart, and return it without them."""
    if "runtime_s" in table:
        write_atomic(folder / f"{name}.timing.csv", table[[*_KEYS, "runtime_s"]].to_csv(**_CSV).encode())
        table = table.drop(columns="runtime_s")
    write_atomic(folder / f"{name}.csv", table.to_csv(**_CSV).encode())
    return table
