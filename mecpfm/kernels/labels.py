"""Find the best integral choice near a Lagrangian optimum: a dynamic programme over Pareto labels.

Tables as in :mod:`~mecpfm.kernels.minmax`. A label is a partial deviation from the choice that is optimal at the
dual's maximiser, kept as the sums (B, S, P) of the whole choice; whatever has not been decided keeps the dual's option,
so every label is also a complete choice. Only options whose reduced cost fits below ``level`` can occur in a choice of
value below ``level``: few requests have two of them, and the others are fixed.
"""

from __future__ import annotations

import numpy as np

from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.ordering import ascending
from mecpfm.typing import Floats, Ints

BASE, SHARED, PRIVATE = range(3)
"""Columns of labels and of their changes: the sums B, S and P."""
MERGE = 1e-12
"""Labels that differ by less, relative to their value, count as equal; each of the layers may lose this much."""


@inlined
def survivors(
    base: Floats, shared: Floats, private: Floats, choice: Ints, pair: Floats, slack: float
) -> tuple[Ints, Ints, Ints]:
    """Options whose reduced cost at the multipliers ``pair`` is at most ``slack``, for requests with several.

    Returns (requests (n,), start (n + 1,), options): those of the i-th request are ``options[start[i]:start[i + 1]]``.
    Requests whose survivors differ most in S - P come first, so that the later ones can correct only little: on large
    instances this saves two orders of magnitude of labels.
    """
    keep, spread = np.zeros(base.shape, np.bool_), np.zeros(len(choice))
    for j in range(len(choice)):
        at, least, most = choice[j], np.inf, -np.inf
        floor = base[j, at] + pair[0] * shared[j, at] + pair[1] * private[j, at]
        for k in range(base.shape[1]):
            keep[j, k] = k == at or base[j, k] + pair[0] * shared[j, k] + pair[1] * private[j, k] - floor <= slack
            if keep[j, k]:
                least, most = min(least, shared[j, k] - private[j, k]), max(most, shared[j, k] - private[j, k])
        spread[j] = least - most
    request, start = np.empty(len(choice), np.int64), np.zeros(len(choice) + 1, np.int64)
    options, count = np.empty(base.size, np.int64), 0
    for j in ascending(spread):
        end = start[count]
        for k in range(base.shape[1]):
            if keep[j, k]:
                options[end] = k
                end += 1
        if end - start[count] > 1:
            request[count], start[count + 1] = j, end
            count += 1
    return request[:count], start[: count + 1], options[: start[count]]


@inlined
def remaining(
    base: Floats, shared: Floats, private: Floats, choice: Ints, multipliers: Floats, request: Ints, start: Ints,
    options: Ints,
) -> Floats:  # fmt: skip
    """Change of ``B + on_shared S + on_private P`` that requests i, i + 1, ... can still bring, (n + 1, M), <= 0."""
    best = np.zeros((len(request) + 1, len(multipliers)))
    for i in range(len(request) - 1, -1, -1):
        j, at = request[i], choice[request[i]]
        for m in range(len(multipliers)):
            u, v = multipliers[m, 0], multipliers[m, 1]
            drop = 0.0
            for k in options[start[i] : start[i + 1]]:
                change = base[j, k] - base[j, at] + u * (shared[j, k] - shared[j, at])
                drop = min(drop, change + v * (private[j, k] - private[j, at]))
            best[i, m] = best[i + 1, m] + drop
    return best


@inlined
def undominated(sums: Floats, capped: bool, tolerance: float) -> Ints:
    """Indices of labels (n, 3) to keep: no kept one has both B + S and B + P as low (and S and P, under a cap)."""
    first, second = np.empty(len(sums)), np.empty(len(sums))
    for i in range(len(sums)):
        first[i], second[i] = sums[i, BASE] + sums[i, SHARED], sums[i, BASE] + sums[i, PRIVATE]
    order = ascending(first)
    kept, champion = 0, order[0]
    for i in order:
        beaten = second[champion] <= second[i] + tolerance
        if capped:
            beaten = (
                beaten and sums[champion, SHARED] <= sums[i, SHARED] and sums[champion, PRIVATE] <= sums[i, PRIVATE]
            )
        if i != champion and beaten:
            continue
        order[kept] = i
        kept += 1
        if second[i] < second[champion]:
            champion = i
    return order[:kept]


@inlined
def bound(sums: Floats, multipliers: Floats, remaining: Floats, cap: float) -> float:
    """Largest Lagrangian bound over the multipliers on any completion of one label (3,)."""
    best = -np.inf
    for m in range(len(multipliers)):
        u, v = multipliers[m, 0], multipliers[m, 1]
        best = max(best, sums[BASE] + u * sums[SHARED] + v * sums[PRIVATE] - (u + v - 1) * cap + remaining[m])
    return best


@inlined
def grow(
    sums: Floats, node: Ints, change: Floats, rest: Floats, multipliers: Floats, cap: float, value: float, parent: Ints,
    taken: Ints, first: int,
) -> tuple[Floats, Ints, int, bool]:  # fmt: skip
    """Deviate every label (n, 3) by every row of ``change`` (m, 3); labels whose bound reaches ``value`` are dropped.

    ``node`` (n,) is where each label's chain of deviations ends in the tree ``parent``, ``taken``, whose free places
    start at ``first``; a change of zero adds no node. Returns (sums, node, new first, complete).
    """
    room = len(sums) + len(parent) - first
    grown = np.empty((min(len(sums) * len(change), room), 3))
    ends = np.empty(len(grown), np.int64)
    count, free, trial = 0, first, np.empty(3)
    for label in range(len(sums)):
        for row in range(len(change)):
            for i in range(3):
                trial[i] = sums[label, i] + change[row, i]
            if bound(trial, multipliers, rest, cap) >= value:
                continue
            same = change[row, BASE] == 0 and change[row, SHARED] == 0 and change[row, PRIVATE] == 0
            if not same and free == len(parent):
                return grown[:count], ends[:count], free, False
            for i in range(3):
                grown[count, i] = trial[i]
            ends[count] = node[label]
            if not same:
                parent[free], taken[free], ends[count] = node[label], row, free
                free += 1
            count += 1
    return grown[:count], ends[:count], free, True


@inlined
def _rows(sums: Floats, node: Ints, keep: Ints) -> tuple[Floats, Ints]:
    """The labels to keep, in their new order."""
    kept, ends = np.empty((len(keep), 3)), np.empty(len(keep), np.int64)
    for row in range(len(keep)):
        for i in range(3):
            kept[row, i] = sums[keep[row], i]
        ends[row] = node[keep[row]]
    return kept, ends


@kernel
def search(
    base: Floats, shared: Floats, private: Floats, choice: Ints, multipliers: Floats, cap: float, capped: bool,
    level: float, limit: int,
) -> tuple[float, Ints, bool]:  # fmt: skip
    """Best choice of value ``B + max(S, P) < level`` with ``max(S, P) <= cap``.

    ``multipliers`` (M, 2) holds the dual's maximiser, of which ``choice`` (J,) is the optimal choice, and then further
    pairs that tighten the bounds; every pair sums to 1 or more, ``level`` and ``cap`` are finite, and ``capped`` says
    whether ``cap`` can be exceeded at all. Returns (value, choice, complete): ``value`` is ``level`` when there is no
    such choice; ``complete`` is false when more than ``limit`` deviations were needed, so that a better choice may
    have been missed.
    """
    sums, node = np.zeros((1, 3)), np.zeros(1, np.int64)
    for j in range(len(choice)):
        sums[0, BASE] += base[j, choice[j]]
        sums[0, SHARED] += shared[j, choice[j]]
        sums[0, PRIVATE] += private[j, choice[j]]
    slack = level - bound(sums[0], multipliers[:1], np.zeros(1), cap)
    request, start, options = survivors(base, shared, private, choice, multipliers[0], slack)
    rest = remaining(base, shared, private, choice, multipliers, request, start, options)
    parent, taken, layer = np.empty(limit, np.int64), np.empty(limit, np.int64), np.empty(limit, np.int64)
    tolerance, value, best, free, complete = MERGE * abs(level), level, -1, 1, True
    for i in range(-1, len(request)):
        if i >= 0:
            j, at = request[i], choice[request[i]]
            change = np.empty((start[i + 1] - start[i], 3))
            for row in range(len(change)):
                k = options[start[i] + row]
                change[row, BASE] = base[j, k] - base[j, at]
                change[row, SHARED] = shared[j, k] - shared[j, at]
                change[row, PRIVATE] = private[j, k] - private[j, at]
            goal, before = value - tolerance, free
            sums, node, free, complete = grow(
                sums, node, change, rest[i + 1], multipliers, cap, goal, parent, taken, free
            )
            layer[before:free] = i
        for label in range(len(sums)):
            larger = max(sums[label, SHARED], sums[label, PRIVATE])
            if larger <= cap and sums[label, BASE] + larger < value:
                value, best = sums[label, BASE] + larger, node[label]
        if not complete or len(sums) == 0:
            break
        keep = undominated(sums, capped, tolerance)
        sums, node = _rows(sums, node, keep)
    found = choice.copy()
    while best > 0:
        i = layer[best]
        found[request[i]] = options[start[i] + taken[best]]
        best = parent[best]
    return value, found, complete
