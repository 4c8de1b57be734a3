"""The relaxation under budgets: the least of one linear programme for each distinct cap (docs/theory.md, T7).

A plan's pulling delay is at most the least cap among its options. The programme of a cap m takes options with a cap of
at least m and a pulling delay of at most m, so that the least of these programmes bounds every plan that keeps its
budgets, and its solutions keep each budget row with every option that they use, not only on average.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from mecpfm.clock import FOREVER, Budget
from mecpfm.errors import LimitError
from mecpfm.kernels import minmax
from mecpfm.typing import Floats, Ints

NEGLIGIBLE = 1e-12
"""A determinant this small, relative to its factors, is zero."""


class CappedTables(NamedTuple):
    """Delays in seconds, shape (J, K): without pulling (infinite where not allowed), pulled parts, and caps."""

    base: Floats
    shared: Floats
    private: Floats
    cap: Floats
    """Largest network-wide pulling delay with which an option keeps its budget."""


def least(tables: CappedTables, *, strict: bool = False, budget: Budget = FOREVER) -> tuple[Floats, float] | None:
    """Vertex (J, K) of the cap whose programme has the least value, and that value; None where all are infeasible.

    At most two requests are fractional, with at most two options more than requests in all. With ``strict`` the
    pulling delay stays below the cap by what two requests' draws can add, so that every draw keeps all budgets.
    A node is an interval of caps: the options of its least cap, the pulling delay of its largest. LimitError when the
    budget is over first.
    """
    usable = np.isfinite(tables.base)
    most = np.where(usable, tables.cap, -np.inf).max(axis=1).min()  # above it, a request has no option
    caps = np.unique(tables.cap[usable & (tables.cap <= most)])
    heap = [(-np.inf, 0, len(caps) - 1)] if len(caps) else []
    while heap:
        value, first, last = heapq.heappop(heap)
        if first == last and value > -np.inf:
            base = np.where(tables.cap >= caps[first], tables.base, np.inf)
            return vertex(base, tables.shared, tables.private, _room(tables, caps[first], strict)), value
        if budget.over:
            raise LimitError("the search for the least cap's LP stopped before its optimum")
        middle = (first + last) // 2
        for i, k in {(first, middle), (min(middle + 1, last), last)}:
            base = np.where(tables.cap >= caps[i], tables.base, np.inf)
            room = _room(tables, caps[k], strict)
            bound = minmax.balance_capped(base, tables.shared, tables.private, room)[2] if room >= 0 else np.inf
            if bound < np.inf:
                heapq.heappush(heap, (bound, i, k))
    return None


def _room(tables: CappedTables, cap: float, strict: bool) -> float:
    """Pulling delay that the programme of a cap may have: ``strict`` leaves the two largest ranges among its options.

    It grows with the cap, as options leave.
    """
    if not strict or cap == np.inf:
        return cap
    usable = np.isfinite(tables.base) & (tables.cap >= cap)
    ranges = np.zeros(len(usable))
    for pull in (tables.shared, tables.private):
        span = np.where(usable, pull, -np.inf).max(axis=1) - np.where(usable, pull, np.inf).min(axis=1)
        ranges = np.maximum(ranges, span)
    return float(cap - np.sort(ranges)[-2:].sum())


def vertex(base: Floats, shared: Floats, private: Floats, cap: float) -> Floats:
    """Optimal fractions (J, K) of ``min B + max(S, P)`` with ``max(S, P) <= cap``, a programme that has a solution."""
    ends = minmax.balance_capped(base, shared, private, cap)[-1]
    above, below = (_mixed(base, shared, private, *pair) for pair in (ends[:2], ends[2:]))
    (x, high), (other, low) = above, below
    part = min(max((cap - low) / (high - low), 0.0), 1.0) if high > max(cap, low) else 1.0
    return _reduced(part * x + (1 - part) * other, shared, private)


def _mixed(base: Floats, shared: Floats, private: Floats, low: Ints, high: Ints) -> tuple[Floats, float]:
    """Mixture of two choices (J,) whose sums S - P have opposite signs, as fractions, and its larger sum."""
    rows = np.arange(len(low))
    skew = [float((shared[rows, choice] - private[rows, choice]).sum()) for choice in (low, high)]
    part = min(max(-skew[1] / (skew[0] - skew[1]), 0.0), 1.0) if skew[0] > skew[1] else 1.0
    x = np.zeros(base.shape)
    x[rows, low] = part
    x[rows, high] += 1 - part
    return x, float(minmax.mixture(base, shared, private, low, high)[1])


def _reduced(x: Floats, shared: Floats, private: Floats) -> Floats:
    """Fractions with the sums S and P of ``x`` and, of its options, at most two more than requests.

    All options in the support of an optimal solution have the least reduced price of their request, so that sums S
    and P decide the value. Three exchanges of two options each have a combination that changes neither sum.
    """
    first = x.argmax(axis=1)
    while True:
        extra = x > 0
        extra[np.arange(len(x)), first] = False
        j, k = (index[:3] for index in np.nonzero(extra))
        if len(j) < 3:
            return x
        move = np.zeros(x.shape)
        change = _null(shared[j, k] - shared[j, first[j]], private[j, k] - private[j, first[j]])
        move[j, k] = change
        np.subtract.at(move, (j, first[j]), change)
        falling = np.nonzero(move < 0)
        reach = x[falling] / -move[falling]
        x = np.maximum(x + reach.min() * move, 0)
        x[falling[0][reach.argmin()], falling[1][reach.argmin()]] = 0
        first = x.argmax(axis=1)


def _null(a: Floats, b: Floats) -> Floats:
    """A vector (3,) other than zero that is orthogonal to both."""
    found = np.cross(a, b)
    if np.abs(found).max() > NEGLIGIBLE * np.abs(a).max() * np.abs(b).max():
        return found
    longer = a if np.abs(a).max() >= np.abs(b).max() else b
    return np.array([longer[1], -longer[0], 0.0]) if longer[:2].any() else np.array([1.0, 0.0, 0.0])
