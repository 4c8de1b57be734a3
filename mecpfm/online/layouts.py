"""Public traces that are recognised by their header (table in docs/online_setting.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from mecpfm.data import traces
from mecpfm.data.columns import Column, TextTable, read_table
from mecpfm.errors import InputError
from mecpfm.online.trace import BILLIONS, GPU, Trace, from_gentd26, from_tokens
from mecpfm.typing import Floats

HUGE = 1e12
"""Larger numbers are mistakes, and their squares would overflow."""
SINCE_1970 = 1e8
"""Seconds (three years) above which the first arrival is taken as counted from 1970."""
_TOKENS = Column("whole number", ge=0, le=HUGE)
_ANSWER = Column("whole number", ge=0, le=HUGE, missing=True)
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


def recognise(path: Path, content: TextTable) -> Reading | None:
    """Read a file of a known layout; None where the header is of none. InputError as :mod:`mecpfm.online.read`."""
    for name, layout in LAYOUTS.items():
        known = tidy(path, content, layout.columns)
        if set(layout.columns) <= set(known.header):
            trace, dropped = layout.read(path, known)
            return Reading(trace, name, layout.scenario, dropped, layout.assumed)
    return None


def tidy(path: Path, content: TextTable, names: tuple[str, ...]) -> TextTable:
    """The same rows with known columns under their names: capitals, blanks, ``_`` and ``-`` make no difference."""
    known = {_plain(name): name for name in names}
    header = [known.get(_plain(name), name) for name in content.header]
    for name in names:
        if header.count(name) > 1:
            raise InputError(f"{path}: column {name} stands twice")
    return content._replace(header=header)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def seconds(path: Path, name: str, content: TextTable, *, per_unit: float = 1.0) -> Floats:
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
    frame = frame.assign(time_s=seconds(path, "Timestamp", content), service=pd.factorize(frame["model"])[0])
    return _tokens(path, frame)


def _mooncake(path: Path, content: TextTable) -> tuple[Trace, int]:
    frame = read_table(path, {"input_length": _TOKENS, "output_length": _ANSWER}, content)
    frame = frame.set_axis(["context_tokens", "generated_tokens"], axis=1)
    return _tokens(path, frame.assign(time_s=seconds(path, "timestamp", content, per_unit=1e-3), service=0))


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
