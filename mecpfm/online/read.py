"""Requests of a file: a user's own trace, or a public one whose layout is recognised by its header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mecpfm.data.columns import Column, TextTable, read_table
from mecpfm.data.rows import read_rows
from mecpfm.errors import InputError
from mecpfm.online.layouts import HUGE, Reading, recognise, seconds, tidy
from mecpfm.online.setting import GIVEN
from mecpfm.online.trace import Trace

LEAST = 30
"""Requests below which a file is refused: a third of them gives the scales of the features."""
NUMBER = Column(ge=-HUGE, le=HUGE)
COLUMNS = {"work_s": NUMBER._replace(missing=True), "group": Column("text"), "model": Column("text")}
TIME = "time_s"
PAYLOAD = "payload_mb"
PAYLOAD_MB = 1.0


def read(path: Path) -> Trace:
    """The requests of a trace file, as :func:`understand`."""
    return understand(path).trace


def understand(path: Path) -> Reading:
    """Parse a trace file, ``-`` for standard input.

    Parameters
    ----------
    path
        CSV with a header or one JSON object a line (:func:`mecpfm.data.rows.read_rows`). A trace of one's own has
        ``time_s`` (not decreasing: s, ISO 8601, or s or ms since 1970), ``work_s`` (service time at speed 1; requests
        with 0 or nothing were not served and are dropped), ``group`` and ``model`` (any text), optionally
        ``payload_mb`` (>= 0, else 1); every other column is a feature known at arrival and must hold finite numbers.
        Or a file of a layout in :mod:`mecpfm.online.layouts`.

    Raises
    ------
    InputError
        One line with file, column, row (1 is the first after the header) and reason: missing columns, times out of
        order, negative work, cells that are no finite numbers, an empty file, fewer than 30 requests.
    """
    content = read_rows(path)
    for place, name in enumerate(content.header, start=1):
        if not name.isprintable():
            raise InputError(f"{path}: column {place} has a name with control characters, {name[:40]!r}")
    reading = recognise(path, content) or _own(path, tidy(path, content, (TIME, *COLUMNS, PAYLOAD)))
    if (rows := len(reading.trace.time_s)) < LEAST:
        dropped = f" ({reading.dropped} without an answer)" if reading.dropped else ""
        raise InputError(f"{path}: holds {rows} usable requests{dropped}; at least {LEAST} are needed")
    return reading


def _own(path: Path, content: TextTable) -> Reading:
    header = content.header
    features = [name for name in header if name not in (TIME, *COLUMNS, PAYLOAD)]
    if "" in features:
        raise InputError(f"{path}: column {header.index('') + 1} has no name")
    wanted = {TIME: Column("text"), **COLUMNS, **({PAYLOAD: Column(ge=0, le=HUGE)} if PAYLOAD in header else {})}
    frame = read_table(path, {**wanted, **dict.fromkeys(features, NUMBER)}, content)
    work = frame["work_s"].fillna(0).to_numpy(dtype=float)
    if (negative := work < 0).any():
        row = int(negative.argmax())
        raise InputError(f"{path}: column work_s, row {row + 1}: {work[row]:g} must be > 0 (0: not served, dropped)")
    frame[TIME] = seconds(path, TIME, content)
    frame = frame[work > 0].reset_index(drop=True)
    (group, groups), (model, models) = (pd.factorize(frame[name]) for name in ("group", "model"))
    group = group.astype(np.int64)
    trace = Trace(
        time_s=frame[TIME].to_numpy(dtype=float),
        work_s=frame["work_s"].to_numpy(dtype=float),
        origin=group,
        group=group,
        model=model.astype(np.int64),
        payload_gb=(frame[PAYLOAD].to_numpy() if PAYLOAD in header else np.full(len(frame), PAYLOAD_MB)) / 1000,
        static=np.array(frame[features], dtype=float, order="C"),  # a copy: kernels compile anew for read-only arrays
        static_names=tuple(features),
        source=path.name,
        group_names=tuple(map(str, groups)),
        model_names=tuple(map(str, models)),
    )
    assumed = () if PAYLOAD in header else (f"payload_mb: {PAYLOAD_MB:g}",)
    return Reading(trace, "own", GIVEN, len(content.rows) - len(frame), assumed)
