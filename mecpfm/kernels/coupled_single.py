"""The dual where each cloudlet has one set of blocks to open: its compute row is kept, a 0-1 knapsack over requests.

The only multipliers are the prices v of the requests. Derivation: docs/theory_coupled.md, corollary 3 of theorem 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.kernels.coupled_ascent import BOUND, THETA, DualState, advance
from mecpfm.kernels.coupled_pack import pack
from mecpfm.kernels.ordering import places
from mecpfm.kernels.slices import copy
from mecpfm.typing import Bools, Floats, Ints

SMALL = 30_000
"""Items times units up to which the table of all rooms is faster than the search for the best set."""


class Sites(NamedTuple):
    """Requests that each cloudlet may serve, sorted by cloudlet: those of c are ``first[c]`` to ``first[c + 1]``."""

    first: Ints
    """Shape (C + 1,), into the rows."""
    request: Ints
    """Of each row, shape (n,)."""
    delay_s: Floats
    """Of each row, s, shape (n,)."""
    compute_s: Floats
    """Of each row, s, shape (n,)."""
    units: Ints
    """Compute in whole units, rounded down."""
    room_s: Floats
    """Compute of each cloudlet, (C,), s."""
    room_units: Ints
    """The same in whole units, (C,)."""
    price_s: Floats
    """Pulls of the cloudlet's set of blocks, (C,)."""


@kernel
def fill(value: Floats, units: Ints, room: int, table: Floats) -> None:
    """Most that the first i items are worth in x units: ``table[i, x]``; items of no value are left out."""
    table[0, : room + 1] = 0.0
    for i in range(len(value)):
        before, after, worth, size = table[i, : room + 1], table[i + 1, : room + 1], value[i], units[i]
        if worth <= 0 or size > room:
            copy(before, after)
            continue
        copy(before[:size], after[:size])
        for x in range(size, room + 1):
            after[x] = max(before[x], before[x - size] + worth)


@kernel
def fullest(value: Floats, sites: Sites, c: int, table: Floats, taken: Bools) -> float:
    """Most that requests of cloudlet c are worth which fit it, and which, written to ``taken``."""
    first, room = sites.first[c], sites.room_units[c]
    items = places(value > 0)
    if len(items) * (room + 1) > SMALL:
        size = sites.compute_s[first : sites.first[c + 1]]
        return pack(value, size, np.zeros(len(value), dtype=np.int64), sites.room_s[c], taken)
    units = sites.units[first + items]
    fill(value[items], units, room, table)
    taken[: len(value)] = False
    x = room
    for i in range(len(items) - 1, -1, -1):
        if table[i + 1, x] > table[i, x]:
            taken[items[i]] = True
            x -= units[i]
    return table[len(items), room]


@kernel
def evaluate(sites: Sites, v: Floats, slope: Floats, table: Floats, taken: Bools) -> float:
    """Lower bound, s, at the prices ``v``; ``slope`` gets a supergradient, but where a knapsack was too hard."""
    bound = 0.0
    for r in range(len(v)):
        bound += v[r]
        slope[r] = 1.0
    for c in range(len(sites.price_s)):
        first, end = sites.first[c], sites.first[c + 1]
        value = v[sites.request[first:end]] - sites.delay_s[first:end]
        worth = fullest(value, sites, c, table, taken) - sites.price_s[c]
        if worth > 0:
            bound -= worth
            for i in range(end - first):
                if taken[i]:
                    slope[sites.request[first + i]] -= 1.0
    return bound


@kernel
def ascend(
    sites: Sites, state: DualState, scale: Floats, upper: Floats, target: float, iterations: int, end: float,
    table: Floats, taken: Bools,
) -> int:  # fmt: skip
    """As ``coupled_pack.ascend``, on the bound of this module."""
    slope = np.empty(len(state.point))
    for iteration in range(iterations):
        if state.control[THETA] < end or state.control[BOUND] >= target:
            return iteration
        bound = evaluate(sites, state.point, slope, table, taken)
        if not advance(state, bound, slope, scale, upper, target):
            return iteration + 1
    return iterations


@kernel
def losses(sites: Sites, v: Floats, loss: Floats, table: Floats, other: Floats) -> float:
    """Lower bound, s, at the prices ``v``, and what it rises by at least when a request is served at a cloudlet.

    With i forced in, the best set is i, the best of those before it and of those after it: two tables give all.
    """
    bound = 0.0
    for r in range(len(v)):
        bound += v[r]
    for c in range(len(sites.price_s)):
        first, end, room = sites.first[c], sites.first[c + 1], sites.room_units[c]
        value, units = v[sites.request[first:end]] - sites.delay_s[first:end], sites.units[first:end]
        n = end - first
        fill(value, units, room, table)
        fill(value[::-1].copy(), units[::-1].copy(), room, other)
        worth = max(table[n, room] - sites.price_s[c], 0.0)
        bound -= worth
        for i in range(n):
            most, left = -np.inf, room - units[i]
            for x in range(left + 1):
                most = max(most, table[i, x] + other[n - 1 - i, left - x])
            loss[first + i] = worth + sites.price_s[c] - value[i] - most
    return bound
