"""Run experiments task by task: resumable, atomic, and the same bytes for any number of workers.

A task is one point of an experiment with one seed. What is finished is stored (store.py) and never computed twice;
nothing stale is ever read.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from mecpfm import paths
from mecpfm.errors import InputError, MecpfmError
from mecpfm.experiments import executors
from mecpfm.experiments.config import experiments
from mecpfm.experiments.store import Task, keep, load
from mecpfm.experiments.study import STUDIES, Rows
from mecpfm.extras import lacks
from mecpfm.records import write_atomic

log = logging.getLogger("mecpfm")
LINE_S = 10.0
"""Time between two lines of progress, where there is no bar."""
_KEYS = ["experiment", "value", "seed", "method"]
"""Columns that say which row a running time belongs to."""
_CSV: dict[str, Any] = {"index": False, "lineterminator": "\n"}
"""How tables are written: the same bytes everywhere."""


def run(
    name: str,
    profile: str,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = True,
    patience_s: float = executors.PATIENCE_S,
) -> pd.DataFrame:
    """All rows of an experiment, computed where they are missing, and written to results/<profile>/<name>.csv.

    Running times differ from run to run and go to <name>.timing.csv instead. Without a number of ``workers`` the full
    profile has a process a core; the quick one has none but for what takes longer (``executors.HERE_S``).
    ``scheduler`` is the address of a dask.distributed scheduler, which counts as lost after ``patience_s`` without a
    finished task; ``resume=False`` computes everything again. A task that fails costs only itself: the others are kept,
    then MecpfmError names it.
    """
    known = experiments(profile)
    if name not in known:
        raise InputError(f"experiment {name!r} is unknown; known: {', '.join(known)}")
    needs = STUDIES[name].needs
    if needs and (absent := lacks(needs)):
        log.warning("%s: %s; nothing was run", name, absent)
        return pd.DataFrame()
    paths.require_writable_home()
    tasks = [Task(name, point, seed) for point in known[name].points for seed in range(known[name].seeds)]
    rows = {task: load(task) if resume else None for task in tasks}
    missing = [task for task in tasks if rows[task] is None]
    failed: list[str] = []
    if missing:
        workers = workers or _workers(name, profile)
        found = executors.run_all(_measure, missing, workers=workers, scheduler=scheduler, patience_s=patience_s)
        # Rows are kept between tasks: an interrupt then ends the workers too, whoever holds its traceback.
        with executors.resumable(), closing(found), _progress(name) as step:
            for count, (task, result) in enumerate(found, 1):
                if isinstance(result, Exception):
                    failed.append(f"{task}: {type(result).__name__}: {result}")
                else:
                    keep(task, result)  # before anything else may fail
                    rows[task] = result
                step(count, len(missing))
    if failed:
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        raise MecpfmError(
            f"{len(failed)} of {len(tasks)} tasks failed: {'; '.join(failed[:3])}{more}; {executors.RESUME}"
        )
    table = pd.DataFrame([row for task in tasks for row in rows[task] or []])
    return _write(table, paths.results() / profile, name)


def _workers(name: str, profile: str) -> int | None:
    """A process a core, or for quick work, which has company, none but for what measures its time."""
    if profile != "quick":
        return os.cpu_count()
    return 1 if STUDIES[name].timed else None


def timings(name: str, profile: str) -> pd.DataFrame:
    """Running times of an experiment, which is run first where anything is missing."""
    run(name, profile)
    return pd.read_csv(paths.results() / profile / f"{name}.timing.csv")


def _measure(task: Task) -> Rows:
    rows = STUDIES[task.experiment].measure(task.point.recipe, task.seed)
    return [{"experiment": task.experiment, "value": task.point.value, "seed": task.seed, **row} for row in rows]


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Progress with rate and remaining time: a bar on a terminal, a plain line every ten seconds elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    rate_text = TextColumn("{task.fields[rate]:.1f}/s")
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), rate_text, TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        item, start = bar.add_task(name, rate=0.0), time.monotonic()
        last = start

        def step(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            rate = done / max(now - start, 1e-9)
            bar.update(item, completed=done, total=total, rate=rate)
            if not console.is_terminal and (done == total or now - last > LINE_S):
                last, left = now, math.ceil((total - done) / rate)
                log.info("%s: %d of %d tasks, %.1f/s, %d s left", name, done, total, rate, left)

        yield step


def _write(table: pd.DataFrame, folder: Path, name: str) -> pd.DataFrame:
    """Store the table, running times apart, and return it without them."""
    if "runtime_s" in table:
        write_atomic(folder / f"{name}.timing.csv", table[[*_KEYS, "runtime_s"]].to_csv(**_CSV).encode())
        table = table.drop(columns="runtime_s")
    write_atomic(folder / f"{name}.csv", table.to_csv(**_CSV).encode())
    return table
