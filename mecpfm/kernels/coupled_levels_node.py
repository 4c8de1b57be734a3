"""A node of a search for a plan below a limit, where each cloudlet is a knapsack and pulls are free: bound and fixing.

Its requests have ways left: rows of ``Sites``, or remote. What is decided takes room; prices of the other requests
ascend a few steps from those of the node above, towards the limit; what would raise the bound to it is closed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.coupled_single import Sites, fill
from mecpfm.kernels.slices import copy
from mecpfm.typing import Bools, Floats, Ints

AWAY = -1
"""The way that is no row: remote."""
ROUNDS, WORTH = 3, 20
"""Times that prices ascend at a node, and closed rows, as one of so many open, that are worth another time."""
STALLED, SHRINK, END = 4, 0.6, 0.02
"""Steps without a better bound after which they shrink, by which factor, and the length that ends them."""
BETTER, MEMORY = 1e-3, 0.7
"""Share of the way to the limit that counts as better, and share of the last direction in the next."""


class Desk(NamedTuple):
    """What a node works with; a sheet for knapsacks has one entry an item of a cloudlet."""

    ways: Ints
    """Left to each request, (R,)."""
    only: Ints
    """The row of a request with one way, (R,): ``AWAY`` for remote."""
    left: Ints
    """Units that decided requests leave of a cloudlet, (C,)."""
    first: Ints
    """Of ``item``, by cloudlet, (C + 1,)."""
    item: Ints
    """Open rows of undecided requests, (n,)."""
    loss: Floats
    """What the bound rises by with a row, at least, (n,)."""
    slope: Floats
    """Of the bound, (R,)."""
    step: Floats
    """The last one, (R,)."""
    best: Floats
    """Best prices, (R,)."""
    row: Ints
    """Sheet: rows."""
    gain: Floats
    """Sheet: what they gain."""
    units: Ints
    """Sheet: their units."""
    table: Floats
    """Of knapsacks, (items + 1, units + 1)."""
    other: Floats
    """The same from the last item on."""


@kernel
def decide(sites: Sites, at: Ints, remote_s: Floats, open_: Bools, away: Bools, desk: Desk) -> float:
    """Cost of the requests with one way, s; inf where one has none, or they do not fit. Closes what fits no more."""
    desk.ways[:] = 0
    for i in range(len(open_)):
        if open_[i]:
            desk.ways[sites.request[i]] += 1
            desk.only[sites.request[i]] = i
    copy(sites.room_units, desk.left)
    cost = 0.0
    for r in range(len(away)):
        desk.ways[r] += away[r]
        if desk.ways[r] == 0:
            return np.inf
        if desk.ways[r] > 1:
            continue
        if away[r]:
            desk.only[r] = AWAY
            cost += remote_s[r]
            continue
        i = desk.only[r]
        cost += sites.delay_s[i]
        desk.left[at[i]] -= sites.units[i]
        if desk.left[at[i]] < 0:
            return np.inf
    return cost


@kernel
def settle(sites: Sites, at: Ints, remote_s: Floats, open_: Bools, away: Bools, desk: Desk) -> float:
    """The same until all that is open fits, and a list of what is open of the others."""
    while True:
        cost, count, closed = decide(sites, at, remote_s, open_, away, desk), 0, False
        if cost == np.inf:
            return cost
        for c in range(len(desk.left)):
            desk.first[c] = count
            for i in range(sites.first[c], sites.first[c + 1]):
                if not open_[i] or desk.ways[sites.request[i]] == 1:
                    continue
                if sites.units[i] > desk.left[c]:
                    open_[i], closed = False, True
                else:
                    desk.item[count] = i
                    count += 1
        desk.first[-1] = count
        if not closed:
            return cost


@inlined
def gather(sites: Sites, v: Floats, desk: Desk, c: int, least: float) -> tuple[int, int]:
    """How many open rows of a cloudlet gain more than ``least``, written to the sheet, and the units that they fill."""
    count, need = 0, 0
    for p in range(desk.first[c], desk.first[c + 1]):
        i = desk.item[p]
        gain = v[sites.request[i]] - sites.delay_s[i]
        if gain > least:
            desk.row[count], desk.gain[count], desk.units[count] = i, gain, sites.units[i]
            need += sites.units[i]
            count += 1
    return count, min(need, desk.left[c])


@kernel
def relaxed(sites: Sites, v: Floats, desk: Desk, cost: float) -> float:
    """Lower bound of a node, s, whose decided requests cost so much; the slope is that of the others' prices."""
    bound = cost
    for r in range(len(v)):
        desk.slope[r] = 0.0
        if desk.ways[r] > 1:
            bound += v[r]
            desk.slope[r] = 1.0
    for c in range(len(desk.left)):
        count, x = gather(sites, v, desk, c, 0.0)
        fill(desk.gain[:count], desk.units[:count], x, desk.table)
        bound -= desk.table[count, x]
        for k in range(count - 1, -1, -1):
            if desk.table[k + 1, x] > desk.table[k, x]:
                desk.slope[sites.request[desk.row[k]]] -= 1.0
                x -= desk.units[k]
    return bound


@kernel
def climb(
    sites: Sites, remote_s: Floats, away: Bools, v: Floats, desk: Desk, cost: float, limit: float, steps: int
) -> float:
    """Best bound of some steps of the prices, which become the best ones; it ends at the limit."""
    best, theta, stalled = -np.inf, 1.0, 0
    desk.step[:] = 0.0
    for _ in range(steps):
        bound = relaxed(sites, v, desk, cost)
        stalled = 0 if bound > best + BETTER * (limit - best) else stalled + 1
        if bound > best:
            best = bound
            copy(v, desk.best)
        if best >= limit or theta < END:
            break
        if stalled >= STALLED:
            theta, stalled = theta * SHRINK, 0
            copy(desk.best, v)
            desk.step[:] = 0.0
            continue
        norm = 0.0
        for r in range(len(v)):
            if away[r] and v[r] >= remote_s[r] and desk.slope[r] > 0:
                desk.slope[r] = 0.0
            desk.step[r] = desk.slope[r] + MEMORY * desk.step[r]
            norm += desk.step[r] * desk.step[r]
        if norm == 0:
            break
        for r in range(len(v)):
            v[r] += theta * (limit - bound) / norm * desk.step[r]
            if away[r]:
                v[r] = min(v[r], remote_s[r])
    copy(desk.best, v)
    return best


@kernel
def close(sites: Sites, open_: Bools, v: Floats, desk: Desk, room: float) -> int:
    """How many rows are closed because the bound would rise by ``room`` with them; losses of the others."""
    closed = 0
    for p in range(desk.first[-1]):
        i = desk.item[p]
        if sites.delay_s[i] - v[sites.request[i]] >= room:
            open_[i] = False
            closed += 1
    for c in range(len(desk.left)):
        count, whole = gather(sites, v, desk, c, -room)
        gain, units = desk.gain[:count], desk.units[:count]
        fill(gain, units, whole, desk.table)
        fill(gain[::-1].copy(), units[::-1].copy(), whole, desk.other)
        worth = desk.table[count, whole]
        for k in range(count):
            most, left = -np.inf, whole - units[k]
            before, after = desk.table[k], desk.other[count - 1 - k]
            for x in range(left + 1):
                most = max(most, before[x] + after[left - x])
            loss = worth - gain[k] - most
            desk.loss[desk.row[k]] = loss
            if loss >= room:
                open_[desk.row[k]] = False
                closed += 1
    return closed


@kernel
def visit(
    sites: Sites, at: Ints, remote_s: Floats, open_: Bools, away: Bools, v: Floats, desk: Desk, limit: float, steps: int
) -> float:  # fmt: skip
    """Bound of a node, s, and what is left open there below the limit; with no item left it is a plan's cost."""
    bound = np.inf
    for _ in range(ROUNDS):
        cost = settle(sites, at, remote_s, open_, away, desk)
        if cost >= limit or desk.first[-1] == 0:
            return cost
        bound = climb(sites, remote_s, away, v, desk, cost, limit, steps)
        if bound >= limit:
            return bound
        for r in range(len(v)):
            away[r] &= desk.ways[r] == 1 or remote_s[r] - v[r] < limit - bound
        if close(sites, open_, v, desk, limit - bound) * WORTH < desk.first[-1]:
            break
    return bound
