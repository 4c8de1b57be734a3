"""What completed requests and past arrivals say, and the causal features of a request that come from it.

Static features are known at arrival; the 12 of :func:`describe` come from completed requests only. N features in all.
"""

from __future__ import annotations

from typing import NamedTuple

from mecpfm.kernels import elementary
from mecpfm.kernels._jit import kernel
from mecpfm.kernels.slices import copy
from mecpfm.typing import Floats, Ints

DYNAMIC = 12
"""Features that :func:`describe` adds to the static ones."""
SHORT_S, LONG_S = 60.0, 600.0
"""Windows in which arrivals are counted, s."""
SUM, COUNT = range(2)
"""Entries of every row of ``History``: sum and number of service times."""
GROUP_LAST, GROUP_RECENT = 2, 3
"""Further entries of a group: its last service time, and a moving average with weight 0.3."""
MODEL_RECENT = 2
"""Further entry of a model: a moving average with weight 0.1."""
ALL_RECENT, GAP = 2, 3
"""Further entries of all: moving averages of service times (weight 0.02) and of gaps between arrivals (0.05)."""
IN_FLIGHT, FIRST_SHORT, FIRST_LONG = range(3)
"""Entries of ``History.marks``: requests not completed, first arrival within ``SHORT_S``, and within ``LONG_S``."""


class History(NamedTuple):
    """What completed requests and past arrivals say; service times in s."""

    groups: Floats
    """Service times of each group: columns ``SUM``, ``COUNT``, ``GROUP_LAST``, ``GROUP_RECENT``; shape (G, 4)."""
    models: Floats
    """Service times of each model: columns ``SUM``, ``COUNT``, ``MODEL_RECENT``; shape (M, 3)."""
    total: Floats
    """All service times, and gaps of arrivals: entries ``SUM``, ``COUNT``, ``ALL_RECENT``, ``GAP``; shape (4,)."""
    marks: Ints
    """Entries ``IN_FLIGHT``, and ``FIRST_SHORT`` and ``FIRST_LONG``, arrivals; shape (3,)."""


@kernel
def observe(history: History, group: int, model: int, work: float) -> None:
    """Learn the service time of a completed request."""
    own = history.groups[group]
    own[GROUP_RECENT] = work if own[COUNT] == 0 else own[GROUP_RECENT] + 0.3 * (work - own[GROUP_RECENT])
    own[SUM] += work
    own[COUNT] += 1
    own[GROUP_LAST] = work
    kin = history.models[model]
    kin[MODEL_RECENT] = work if kin[COUNT] == 0 else kin[MODEL_RECENT] + 0.1 * (work - kin[MODEL_RECENT])
    kin[SUM] += work
    kin[COUNT] += 1
    total = history.total
    total[ALL_RECENT] = work if total[COUNT] == 0 else total[ALL_RECENT] + 0.02 * (work - total[ALL_RECENT])
    total[SUM] += work
    total[COUNT] += 1


@kernel
def describe(
    history: History, arrival: Floats, request: int, group: int, model: int, static: Floats, out: Floats
) -> None:
    """Raw features of an arriving request into ``out`` of shape (N,); must be called in the order of arrival.

    Static ones, then: the group's mean, last, moving average and log count; the model's mean and moving average; log
    of requests in flight; log arrivals in the last 60 and 600 s; recent work; log gap; log of the average gap.
    """
    now = arrival[request]
    for window, seconds in ((FIRST_SHORT, SHORT_S), (FIRST_LONG, LONG_S)):
        while arrival[history.marks[window]] < now - seconds:
            history.marks[window] += 1
    gap = now - arrival[request - 1] if request else 0.0
    total, own, kin, at = history.total, history.groups[group], history.models[model], len(static)
    total[GAP] += 0.05 * (gap - total[GAP])
    overall = total[SUM] / total[COUNT] if total[COUNT] else 0.0
    copy(static, out[:at])
    out[at] = own[SUM] / own[COUNT] if own[COUNT] else overall
    out[at + 1] = own[GROUP_LAST] if own[COUNT] else overall
    out[at + 2] = own[GROUP_RECENT] if own[COUNT] else overall
    out[at + 3] = elementary.log1p(own[COUNT])
    out[at + 4] = kin[SUM] / kin[COUNT] if kin[COUNT] else overall
    out[at + 5] = kin[MODEL_RECENT] if kin[COUNT] else overall
    out[at + 6] = elementary.log1p(float(history.marks[IN_FLIGHT]))
    out[at + 7] = elementary.log1p(float(request - history.marks[FIRST_SHORT]))
    out[at + 8] = elementary.log1p(float(request - history.marks[FIRST_LONG]))
    out[at + 9] = total[ALL_RECENT]
    out[at + 10] = elementary.log1p(gap)
    out[at + 11] = elementary.log1p(total[GAP])
