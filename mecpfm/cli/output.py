"""What commands print: one JSON object, or a table for people."""

from __future__ import annotations

import json
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

log = logging.getLogger("mecpfm")
quiet = False
"""Whether stderr is for errors only (``--quiet``)."""
PATIENCE_S = 2.0
"""What takes longer shows a bar; least time between two lines of progress where there is none, s."""


def note(text: str) -> None:
    """Say on stderr what a user should know and that is no error."""
    if not quiet:
        print(f"mecpfm: {text}", file=sys.stderr)


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None] | None]:
    """A bar on a terminal from ``PATIENCE_S`` on, with the time taken; gives what changes its text.

    Gives None, and shows nothing, with ``--quiet`` or where stderr is no terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(20), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    item = bar.add_task(what, total=None)
    later = threading.Timer(PATIENCE_S, bar.start)
    later.daemon = True
    later.start()
    try:
        yield lambda text: bar.update(item, description=text)
    finally:
        later.cancel()
        later.join()
        bar.stop()


@contextmanager
def searching() -> Iterator[Callable[[int, float, float], None]]:
    """Tells incumbent, bound and gap: in a bar on a terminal, which is there while the bound is computed too.

    Elsewhere a line is logged every few seconds.
    """
    last = -math.inf
    with working("reading, then proving a bound") as tell:

        def line(iterations: int, cost: float, bound: float) -> None:
            nonlocal last
            gap = max(cost - bound, 0.0) / max(cost, 1e-12)
            said = f"{iterations} iterations: cost {cost:.6g} s, bound {bound:.6g} s, gap {100 * gap:.2f} %"
            if tell is not None:
                tell(said)
            elif (now := time.monotonic()) - last >= PATIENCE_S:
                last = now
                log.info(said)

        yield line


def report(content: dict[str, Any], as_json: bool) -> None:
    """Print a result; the table leaves its decisions out."""
    if as_json:
        typer.echo(json.dumps(content, allow_nan=False))
        return
    shown = {key: value for key, value in content.items() if key != "decisions"}
    table(("field", "value"), [(key, _readable(value)) for key, value in shown.items()])


def _readable(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "; ".join(map(str, value[:3])) + (f"; and {len(value) - 3} more" if len(value) > 3 else "") or "none"
    return "" if value is None else str(value)


def visible(text: str) -> str:
    """Text whose control, formatting and undecodable characters are written out: no name drives a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table without lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(Text(visible(str(cell))) for cell in row))  # Text: brackets of a name are no markup
    # A pipe has no width: let long lines be long instead of folding them at 80.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(shown)
