"""Requests of a file: a user's own trace, or a public one that its header tells (table in docs/online_setting.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from mecpfm.data import traces
from mecpfm.data.columns import Column, TextTable, read_table
from mecpfm.data.rows import read_rows
from mecpfm.errors import InputError
from mecpfm.online.setting import GIVEN
from mecpfm.online.trace import BILLIONS, GPU, Trace, from_gentd26, from_tokens
from mecpfm.typing import Floats

HUGE = 1e12
"""Larger numbers are mistakes, and their squares would overflow."""
SINCE_1970 = 1e8
"""Seconds (three years) above which the first arrival is taken as counted from 1970."""
_TOKENS = Column("whole number", ge=0, le=HUGE)
_ANSWER = Column("whole number", ge=0, le=HUGE, missing=True)
LEAST = 30
"""Requests below which a file is refused: a third of them gives the scales of the features."""
NUMBER = Column(ge=-HUGE, le=HUGE)
COLUMNS = {"work_s": NUMBER._replace(missing=True), "group": Column("text"), "model": Column("text")}
TIME = "time_s"
PAYLOAD = "payload_mb"
PAYLOAD_MB = 1.0
FROM_TOKENS = (
    f"work_s: generated tokens of a model with {BILLIONS:g} billion parameters on {GPU}, one request at a time",
    "payload: 4 bytes a token of the prompt",
    "group: a quantile of the prompt's length; every request comes from a place of its own",
)


class Reading(NamedTuple):
    """What a file says, and what the reader made of it."""

    trace: Trace
    layout: str
    scenario: str
    """In which the requests are served unless another one is asked for."""
    dropped: int
    """Requests of the file that were left out: without an answer, or without what the layout needs."""
    assumed: tuple[str, ...]
    """What the file does not say, in words."""


class Layout(NamedTuple):
    """Columns that a header must have, and how to read the rest."""

    columns: tuple[str, ...]
    read: Callable[[Path, TextTable], tuple[Trace, int]]
    scenario: str
    assumed: tuple[str, ...]


def read(path: Path) -> Reading:
    """Parse a trace file, ``-`` for standard input.

    Parameters
    ----------
    path
        CSV with a header or one JSON object a line (:func:`mecpfm.data.rows.read_rows`). A trace of one's own has
        ``time_s`` (not decreasing: s, ISO 8601, or s or ms since 1970), ``work_s`` (service time at speed 1; requests
        with 0 or nothing were not served and are dropped), ``group`` and ``model`` (any text), optionally
        ``payload_mb`` (>= 0, else 1); every other column is a feature known at arrival and must hold finite numbers.
        Or a file of one of ``LAYOUTS``.

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
    reading = _recognised(path, content) or _own(path, _tidy(path, content, (TIME, *COLUMNS, PAYLOAD)))
    if (rows := len(reading.trace.time_s)) < LEAST:
        dropped = f" ({reading.dropped} without an answer)" if reading.dropped else ""
        raise InputError(f"{path}: holds {rows} usable requests{dropped}; at least {LEAST} are needed")
    return reading


def _recognised(path: Path, content: TextTable) -> Reading | None:
    """Read a file of a known layout; None where the header is of none."""
    for name, layout in LAYOUTS.items():
        known = _tidy(path, content, layout.columns)
        if set(layout.columns) <= set(known.header):
            trace, dropped = layout.read(path, known)
            return Reading(trace, name, layout.scenario, dropped, layout.assumed)
    return None


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
    frame[TIME] = _seconds(path, TIME, content)
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


def _tidy(path: Path, content: TextTable, names: tuple[str, ...]) -> TextTable:
    """The same rows with known columns under their names: capitals, blanks, ``_`` and ``-`` make no difference."""
    known = {_plain(name): name for name in names}
    header = [known.get(_plain(name), name) for name in content.header]
    for name in names:
        if header.count(name) > 1:
            raise InputError(f"{path}: column {name} stands twice")
    return content._replace(header=header)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _seconds(path: Path, name: str, content: TextTable, *, per_unit: float = 1.0) -> Floats:
    """Arrival times in s: numbers as they are, ISO 8601 text or numbers since 1970 from the first request on."""
    place = content.header.index(name) if name in content.header else None
    cells = [] if place is None else [row[place].replace(",", ".") for row in content.rows[:1]]
    first = pd.to_numeric(pd.Series(cells, dtype=str), errors="coerce").to_numpy(dtype=float)
    if len(first) and not abs(first[0]) <= SINCE_1970 / per_unit:
        times = read_table(path, {name: Column("time")}, content)[name]
        time = np.array((times - times.iloc[0]).dt.total_seconds(), dtype=float)
    else:
        time = read_table(path, {name: Column(ge=-HUGE, le=HUGE)}, content)[name].to_numpy(dtype=float) * per_unit
    if len(late := 1 + np.flatnonzero(np.diff(time) < 0)):
        shown = content.rows[late[0]][content.header.index(name)][:40]
        raise InputError(
            f"{path}: column {name}, row {late[0] + 1}: {shown} is earlier than the row before; sort the file by it"
        )
    return time


def _gentd26(path: Path, content: TextTable) -> tuple[Trace, int]:
    frame = traces.read_gentd26(path, content)
    served = frame[frame["exec_s"] > 0].reset_index(drop=True)
    return from_gentd26(served, path.name), len(content.rows) - len(served)


def _azure(path: Path, content: TextTable) -> tuple[Trace, int]:
    return _tokens(path, traces.read_azure(path, content).assign(service=0))


def _burstgpt(path: Path, content: TextTable) -> tuple[Trace, int]:
    columns = {"Request tokens": _TOKENS, "Response tokens": _ANSWER, "Model": Column("text")}
    frame = read_table(path, columns, content).set_axis(["context_tokens", "generated_tokens", "model"], axis=1)
    frame = frame.assign(time_s=_seconds(path, "Timestamp", content), service=pd.factorize(frame["model"])[0])
    return _tokens(path, frame)


def _mooncake(path: Path, content: TextTable) -> tuple[Trace, int]:
    frame = read_table(path, {"input_length": _TOKENS, "output_length": _ANSWER}, content)
    frame = frame.set_axis(["context_tokens", "generated_tokens"], axis=1)
    return _tokens(path, frame.assign(time_s=_seconds(path, "timestamp", content, per_unit=1e-3), service=0))


def _tokens(path: Path, frame: pd.DataFrame) -> tuple[Trace, int]:
    answered = frame[frame["generated_tokens"] > 0].reset_index(drop=True)
    answered["service"] = pd.factorize(answered["service"])[0]
    return from_tokens(answered, path.name), len(frame) - len(answered)


LAYOUTS: Mapping[str, Layout] = {
    "GenTD26": Layout(tuple(traces.GENTD26), _gentd26, "base", ("payload: 0.5 MB and 1.5 MB an image",)),
    "Azure LLM": Layout(tuple(traces.AZURE), _azure, "LLM", (*FROM_TOKENS, "model: one")),
    "BurstGPT": Layout(("Timestamp", "Model", "Request tokens", "Response tokens"), _burstgpt, "LLM", FROM_TOKENS),
    "Mooncake": Layout(("timestamp", "input_length", "output_length"), _mooncake, "LLM", (*FROM_TOKENS, "model: one")),
}
