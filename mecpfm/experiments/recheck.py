"""Execute the committed notebooks anew and compare what comes out with what stands in the files."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mecpfm import paths
from mecpfm.experiments.notebooks import NEEDED, executed, known
from mecpfm.experiments.saving import bare
from mecpfm.extras import require


def check(chosen: list[str] | None = None) -> list[tuple[str, ...]]:
    """Execute the committed notebooks anew and compare: rows (notebook, code cell, first difference).

    Results and figures go to a temporary folder: nothing kept from earlier runs is used, nothing is changed.
    """
    require(*NEEDED)
    rows: list[tuple[str, ...]] = []
    wanted = known(chosen)
    with TemporaryDirectory() as folder:
        for name in wanted:
            found = differences(paths.sources() / "notebooks" / f"{name}.ipynb", {**os.environ, "MECPFM_HOME": folder})
            print(f"{name}: {f'{len(found)} outputs differ' if found else 'the same'}", flush=True)
            rows += found
    return rows


def differences(source: Path, environment: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Code cells, numbered from 1, whose outputs in the file are not those of a run now; an error is one too."""
    import nbformat

    committed = nbformat.read(source, as_version=4)
    notebook = executed(source, allow_errors=True, env=dict(environment))
    pairs = [(a, b) for a, b in zip(committed.cells, notebook.cells, strict=True) if a.cell_type == "code"]
    return [
        (source.stem, str(i), found)
        for i, (before, now) in enumerate(pairs, 1)
        if (found := _difference(_plain(before.outputs), _plain(now.outputs)))
    ]


def _plain(outputs: list[Any]) -> list[str]:
    """The same as lines, parts in a fixed order."""
    text, rest = bare(outputs)
    return "\n".join([text, *(json.dumps(one, indent=1, sort_keys=True) for one in rest)]).splitlines()


def _difference(before: list[str], now: list[str]) -> str:
    """The first line that differs, or nothing."""
    for old, new in itertools.zip_longest(before, now, fillvalue=""):
        if old != new:
            at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
            start = max(at - 20, 0)
            return f"{old.strip()[start : at + 40]!r} committed, {new.strip()[start : at + 40]!r} here"
    return ""
