"""Which notebooks run when, and what the terminal says of it: a line each, a bar where there is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from mecpfm import paths

AFTER = ("08_coupled_online", "05_online_experiments")
"""They need tables that the others compute."""
FIRST = ("00", "13")
"""While the first compiles what most of the others need, the longest runs: it needs that only half way."""
LAST = "09_claims"
"""It judges what all others computed."""
OTHER_S = 12.0
"""What a notebook takes that was never measured."""


def table() -> Path:
    """docs/running_times.csv: ``what`` (a notebook, or a command), its ``seconds`` on 2 idle cores, quick profile."""
    return paths.sources() / "docs" / "running_times.csv"


def measured() -> dict[str, float]:
    """Seconds by notebook and command; nothing where there is no table."""
    file = table()
    if not file.exists():
        return {}
    rows = pd.read_csv(file)
    return dict(zip(rows["what"], rows["seconds"].astype(float), strict=True))


def recorded(profile: str) -> dict[str, float]:
    """Seconds by notebook of the last run here."""
    file = paths.results() / "resources.csv"
    if not file.exists():
        return {}
    rows = pd.read_csv(file).query("profile == @profile").dropna(subset="seconds")
    return dict(zip(rows["notebook"], rows["seconds"].astype(float), strict=True))


def stages(names: Sequence[str]) -> list[list[str]]:
    """Notebooks in groups, one after the other; those of a group run side by side, ``FIRST``, then the longest."""
    rank = {number: i for i, number in enumerate(FIRST)}
    seconds = measured()
    free = [name for name in names if name not in (*AFTER, LAST)]
    free.sort(key=lambda name: (rank.get(name[:2], len(FIRST)), -seconds.get(name, OTHER_S)))
    found = [[*free, *(name for name in AFTER if name in names)], [name for name in names if name == LAST]]
    return [group for group in found if group]


class Told:
    """Says how far a run of notebooks is: ``[4/10] 03_offline_experiments: ok, 0:22 (2:10 of about 8:20)``."""

    def __init__(self, profile: str, names: Sequence[str]) -> None:
        seconds = measured() | recorded(profile)
        self.weights = {name: seconds.get(name, OTHER_S) for name in names}
        self.start, self.done = time.monotonic(), list[str]()

    def line(self, name: str, seconds: float, error: str) -> str:
        """What to print when a notebook has ended."""
        self.done.append(name)
        passed = time.monotonic() - self.start
        share = sum(self.weights[one] for one in self.done) / sum(self.weights.values())
        about = f"{clock(passed)} of about {clock(passed / share)}" if len(self.done) < len(self.weights) else ""
        took = clock(seconds) if seconds == seconds else "?"
        return f"[{len(self.done)}/{len(self.weights)}] {name}: {error or 'ok'}, {took} ({about or clock(passed)})"

    @contextmanager
    def bar(self) -> Iterator[Callable[[Iterable[str]], None]]:
        """A bar on a terminal, nothing elsewhere; gives what tells it who runs now."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (BarColumn(20), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
            item = shown.add_task("", total=sum(self.weights.values()))

            def now(running: Iterable[str]) -> None:
                passed = sum(self.weights[name] for name in self.done)
                count = f"[{len(self.done)}/{len(self.weights)}]"
                shown.update(item, completed=passed, description=f"{count} {', '.join(running)}")

            yield now


def clock(seconds: float) -> str:
    """Minutes and seconds.

    Examples
    --------
    >>> clock(130.4)
    '2:10'
    """
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"
