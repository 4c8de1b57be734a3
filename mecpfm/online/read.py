"""Requests of a file: a user's own trace, or GenTD26 and Azure files, recognised by their header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mecpfm.data import traces
from mecpfm.data.columns import Column, read_header, read_table
from mecpfm.errors import InputError
from mecpfm.online.trace import Floats, Trace, from_azure, from_gentd26

LEAST = 30
"""Requests below which a file is refused: a third of them gives the scales of the features."""
HUGE = 1e12
"""Larger numbers are mistakes, and their squares would overflow."""
COLUMNS = {
    "time_s": Column(ge=-HUGE, le=HUGE),
    "work_s": Column(ge=-HUGE, le=HUGE),
    "group": Column("text"),
    "model": Column("text"),
}
PAYLOAD = "payload_mb"
PAYLOAD_MB = 1.0


def read(path: Path) -> Trace:
    """Parse a trace file.

    Parameters
    ----------
    path
        CSV with a header. A trace of one's own has ``time_s`` (strictly increasing), ``work_s`` (service time at speed
        1, > 0), ``group`` and ``model`` (any text), optionally ``payload_mb`` (>= 0, else 1); every other column is a
        feature known at arrival and must hold finite numbers. Or a file of GenTD26, or of one Azure service.

    Raises
    ------
    InputError
        One line with file, column, row (1 is the first after the header) and reason: missing columns, unsorted or
        equal times, work that is not positive, cells that are no finite numbers, an empty file, fewer than 30 requests.
    """
    header = read_header(path)
    if set(traces.GENTD26) <= set(header):
        trace = from_gentd26(traces.read_gentd26(path), path.name)
    elif set(traces.AZURE) <= set(header):
        trace = from_azure(traces.read_azure(path), source=path.name)
    else:
        return _own(path, header)
    _long_enough(path, len(trace.time_s))
    if (bad := trace.work_s <= 0).any():
        raise InputError(f"{path}: request {int(bad.argmax()) + 1} of those served: takes no time")
    return trace


def _own(path: Path, header: list[str]) -> Trace:
    features = [name for name in header if name not in (*COLUMNS, PAYLOAD)]
    if "" in features:
        raise InputError(f"{path}: column {header.index('') + 1} has no name")
    payload = {PAYLOAD: Column(ge=0, le=HUGE)} if PAYLOAD in header else {}
    frame = read_table(path, {**COLUMNS, **payload, **{name: Column(ge=-HUGE, le=HUGE) for name in features}})
    _long_enough(path, len(frame))
    time, work = frame["time_s"].to_numpy(), frame["work_s"].to_numpy()
    _refuse(path, "work_s", work, np.flatnonzero(work <= 0), "must be > 0")
    _refuse(path, "time_s", time, 1 + np.flatnonzero(np.diff(time) <= 0), "must be later than the row before")
    return Trace(
        time_s=time,
        work_s=work,
        group=pd.factorize(frame["group"])[0].astype(np.int64),
        model=pd.factorize(frame["model"])[0].astype(np.int64),
        payload_gb=(frame[PAYLOAD].to_numpy() if payload else np.full(len(frame), PAYLOAD_MB)) / 1000,
        static=np.array(frame[features], dtype=float, order="C"),  # a copy: kernels compile anew for read-only arrays
        static_names=tuple(features),
        source=path.name,
    )


def _long_enough(path: Path, rows: int) -> None:
    if rows < LEAST:
        raise InputError(f"{path}: holds {rows} usable requests; at least {LEAST} are needed")


def _refuse(
    path: Path, column: str, values: Floats, rows: np.ndarray[tuple[int], np.dtype[np.int64]], rule: str
) -> None:
    if len(rows):
        raise InputError(f"{path}: column {column}, row {rows[0] + 1}: {values[rows[0]]:g} {rule}")
