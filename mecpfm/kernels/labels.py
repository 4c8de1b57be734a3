"""Find the best integral choice near a Lagrangian optimum: a dynamic programme over Pareto labels.

Tables as in :mod:`~mecpfm.kernels.minmax`. A label is a partial deviation from the choice that is optimal at the
dual's maximiser, kept as the sums (B, S, P) of the whole choice; whatever has not been decided keeps the dual's option,
so every label is also a complete choice. Only options whose reduced cost fits below ``level`` can occur in a choice of
value below ``level``: few requests have two of them, and the others are fixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mecpfm.kernels._jit import kernel

Array = Any  # a NumPy array; Numba infers dtype and rank at the first call
MERGE = 1e-12
"""Labels that differ by less, relative to their value, count as equal; each of the layers may lose this much."""


@kernel
def survivors(base: Array, shared: Array, private: Array, choice: Array, pair: Array, slack: float) -> Any:
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
    for j in np.argsort(spread, kind="mergesort"):
        end = start[count]
        for k in range(base.shape[1]):
            if keep[j, k]:
                options[end] = k
                end += 1
        if end - start[count] > 1:
            request[count], start[count + 1] = j, end
            count += 1
    return request[:count], start[: count + 1], options[: start[count]]


@kernel
def remaining(
    base: Array, shared: Array, private: Array, choice: Array, multipliers: Array, request: Array, start: Array,
    options: Array,
) -> Array:  # fmt: skip
    """Change of ``B + on_shared S + on_private P`` that requests i, i + 1, ... can still bring, (n + 1, M), <= 0."""
    best = np.zeros((len(request) + 1, len(multipliers)))
    for i in range(len(request) - 1, -1, -1):
        j, at = request[i], choice[request[i]]
        for m in range(len(multipliers)):
            u, v = multipliers[m]
            drop = 0.0
            for k in options[start[i] : start[i + 1]]:
                change = base[j, k] - base[j, at] + u * (shared[j, k] - shared[j, at])
                drop = min(drop, change + v * (private[j, k] - private[j, at]))
            best[i, m] = best[i + 1, m] + drop
    return best


@kernel
def undominated(sums: Array, capped: bool, tolerance: float) -> Array:
    """Indices of labels (n, 3) to keep: no kept one has both B + S and B + P as low (and S and P, under a cap)."""
    first, second = sums[:, 0] + sums[:, 1], sums[:, 0] + sums[:, 2]
    order = np.argsort(first, kind="mergesort")
    kept, champion = 0, order[0]
    for i in order:
        beaten = second[champion] <= second[i] + tolerance
        if capped:
            beaten = beaten and sums[champion, 1] <= sums[i, 1] and sums[champion, 2] <= sums[i, 2]
        if i != champion and beaten:
            continue
        order[kept] = i
        kept += 1
        if second[i] < second[champion]:
            champion = i
    return order[:kept]


@kernel
def bound(sums: Array, multipliers: Array, remaining: Array, cap: float) -> float:
    """Largest Lagrangian bound over the multipliers on any completion of one label (3,)."""
    best = -np.inf
    for m in range(len(multipliers)):
        u, v = multipliers[m]
        best = max(best, sums[0] + u * sums[1] + v * sums[2] - (u + v - 1) * cap + remaining[m])
    return best


@kernel
def grow(
    sums: Array, node: Array, change: Array, rest: Array, multipliers: Array, cap: float, value: float, parent: Array,
    taken: Array, first: int,
) -> Any:  # fmt: skip
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
            same = change[row, 0] == 0 and change[row, 1] == 0 and change[row, 2] == 0
            if not same and free == len(parent):
                return grown[:count], ends[:count], free, False
            grown[count], ends[count] = trial, node[label]
            if not same:
                parent[free], taken[free], ends[count] = node[label], row, free
                free += 1
            count += 1
    return grown[:count], ends[:count], free, True


@kernel
def search(
    base: Array, shared: Array, private: Array, choice: Array, multipliers: Array, cap: float, capped: bool,
    level: float, limit: int,
) -> Any:  # fmt: skip
    """Best choice of value ``B + max(S, P) < level`` with ``max(S, P) <= cap``.

    ``multipliers`` (M, 2) holds the dual's maximiser, of which ``choice`` (J,) is the optimal choice, and then further
    pairs that tighten the bounds; every pair sums to 1 or more, ``level`` and ``cap`` are finite, and ``capped`` says
    whether ``cap`` can be exceeded at all. Returns (value, choice, complete): ``value`` is ``level`` when there is no
    such choice; ``complete`` is false when more than ``limit`` deviations were needed, so that a better choice may
    have been missed.
    """
    sums, node = np.zeros((1, 3)), np.zeros(1, np.int64)
    for j in range(len(choice)):
        sums[0, 0] += base[j, choice[j]]
        sums[0, 1] += shared[j, choice[j]]
        sums[0, 2] += private[j, choice[j]]
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
                change[row, 0] = base[j, k] - base[j, at]
                change[row, 1] = shared[j, k] - shared[j, at]
                change[row, 2] = private[j, k] - private[j, at]
            goal, before = value - tolerance, free
            sums, node, free, complete = grow(
                sums, node, change, rest[i + 1], multipliers, cap, goal, parent, taken, free
            )
            layer[before:free] = i
        for label in range(len(sums)):
            larger = max(sums[label, 1], sums[label, 2])
            if larger <= cap and sums[label, 0] + larger < value:
                value, best = sums[label, 0] + larger, node[label]
        if not complete or len(sums) == 0:
            break
        keep = undominated(sums, capped, tolerance)
        sums, node = sums[keep], node[keep]
    found = choice.copy()
    while best > 0:
        i = layer[best]
        found[request[i]] = options[start[i] + taken[best]]
        best = parent[best]
    return value, found, complete
