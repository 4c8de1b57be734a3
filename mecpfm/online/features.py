"""Features of requests outside a simulation: for their scales, and for what can be predicted from how many of them."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from mecpfm.kernels import online_history
from mecpfm.kernels.online_history import DYNAMIC, IN_FLIGHT, History
from mecpfm.online.trace import Trace
from mecpfm.typing import Floats, Ints


class Replayed(NamedTuple):
    """Consecutive requests, arrays of length n."""

    arrival: Floats
    """s."""
    work: Floats
    """Service time at speed 1, s."""
    group: Ints
    model: Ints
    static: Floats
    """Features known at arrival, shape (n, S)."""


DYNAMIC_NAMES = (
    "group mean", "group last", "group average", "group count", "model mean", "model average", "in flight",
    "arrivals 60 s", "arrivals 600 s", "recent work", "gap", "average gap",
)  # fmt: skip


def names(trace: Trace) -> tuple[str, ...]:
    """Names of all N features, in their order."""
    return (*trace.static_names, *DYNAMIC_NAMES)


def fresh_history(groups: int, models: int) -> History:
    """Nothing observed yet."""
    return History(np.zeros((groups, 4)), np.zeros((models, 3)), np.zeros(4), np.zeros(3, dtype=np.int64))


def copied(history: History) -> History:
    """The same, to be changed apart from it."""
    groups, models, total, marks = history
    return History(groups.copy(), models.copy(), total.copy(), marks.copy())


def survey(arrival: Floats, work: Floats, trace: Trace, rows: slice) -> Floats:
    """Raw features of consecutive requests, shape (n, N), where every request is served on arrival at speed 1.

    Causal: a request's features use only what was complete when it arrived.
    """
    history = fresh_history(int(trace.group.max()) + 1, int(trace.model.max()) + 1)
    requests = Replayed(arrival, work, trace.group[rows], trace.model[rows], np.ascontiguousarray(trace.static[rows]))
    return replay(history, requests, arrival, arrival + work)


def replay(history: History, requests: Replayed, asked: Floats, finish: Floats) -> Floats:
    """Raw features, shape (n, N), of requests asked about at ``asked`` and complete at ``finish``, s.

    ``history`` goes on to the end.
    """
    arrival, work, group, model, static = requests
    out = np.empty((len(arrival), static.shape[1] + DYNAMIC))
    under_way: list[tuple[float, int]] = []
    for i, now in enumerate(asked.tolist()):
        while under_way and under_way[0][0] <= now:
            done = heapq.heappop(under_way)[1]
            history.marks[IN_FLIGHT] -= 1
            online_history.observe(history, group[done], model[done], work[done])
        online_history.describe(history, arrival, i, group[i], model[i], static[i], out[i])
        heapq.heappush(under_way, (float(finish[i]), i))
        history.marks[IN_FLIGHT] += 1
    return out
