"""Features of requests outside a simulation: for their scales, and for what can be predicted from how many of them."""

from __future__ import annotations

import heapq

import numpy as np

from mecpfm.kernels import online_demand
from mecpfm.kernels.online_demand import DYNAMIC, IN_FLIGHT, History
from mecpfm.online.trace import Trace
from mecpfm.typing import Floats

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


def survey(arrival: Floats, work: Floats, trace: Trace, rows: slice) -> Floats:
    """Raw features of consecutive requests, shape (n, N), where every request is served on arrival at speed 1.

    Causal: a request's features use only what was complete when it arrived.
    """
    history = fresh_history(int(trace.group.max()) + 1, int(trace.model.max()) + 1)
    group, model = trace.group[rows], trace.model[rows]
    static = np.ascontiguousarray(trace.static[rows])
    out = np.empty((len(arrival), static.shape[1] + DYNAMIC))
    under_way: list[tuple[float, int]] = []
    for i in range(len(arrival)):
        while under_way and under_way[0][0] <= arrival[i]:
            done = heapq.heappop(under_way)[1]
            online_demand.observe(history, group[done], model[done], work[done])
            history.marks[IN_FLIGHT] -= 1
        online_demand.describe(history, arrival, i, group[i], model[i], static[i], out[i])
        heapq.heappush(under_way, (float(arrival[i] + work[i]), i))
        history.marks[IN_FLIGHT] += 1
    return out
