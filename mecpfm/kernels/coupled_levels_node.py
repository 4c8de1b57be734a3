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


class Worksheet(NamedTuple):
    """What a node works with; the columns for knapsacks have one entry an item of a cloudlet."""

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
    """Rows of a knapsack's items."""
    gain: Floats
    """What they gain, s."""
    units: Ints
    """Their units."""
    table: Floats
    """Of knapsacks, (items + 1, units + 1)."""
    other: Floats
    """The same from the last item on."""


@kernel
def decide(sites: Sites, at: Ints, remote_s: Floats, open_: Bools, away: Bools, sheet: Worksheet) -> float:
    """Cost of the requests with one way, s; inf where one has none, or they do not fit. Closes what fits no more."""
    sheet.ways[:] = 0
    for i in range(len(open_)):
        if open_[i]:
            sheet.ways[sites.request[i]] += 1
            sheet.only[sites.request[i]] = i
    copy(sites.room_units, sheet.left)
    cost = 0.0
    for r in range(len(away)):
        sheet.ways[r] += away[r]
        if sheet.ways[r] == 0:
            return np.inf
        if sheet.ways[r] > 1:
            continue
        if away[r]:
            sheet.only[r] = AWAY
            cost += remote_s[r]
            continue
        i = sheet.only[r]
        cost += sites.delay_s[i]
        sheet.left[at[i]] -= sites.units[i]
        if sheet.left[at[i]] < 0:
            return np.inf
    return cost


@kernel
def settle(sites: Sites, at: Ints, remote_s: Floats, open_: Bools, away: Bools, sheet: Worksheet) -> float:
    """The same until all that is open fits, and a list of what is open of the others."""
    while True:
        cost, count, closed = decide(sites, at, remote_s, open_, away, sheet), 0, False
        if cost == np.inf:
            return cost
        for c in range(len(sheet.left)):
            sheet.first[c] = count
            for i in range(sites.first[c], sites.first[c + 1]):
                if not open_[i] or sheet.ways[sites.request[i]] == 1:
                    continue
                if sites.units[i] > sheet.left[c]:
                    open_[i], closed = False, True
                else:
                    sheet.item[count] = i
                    count += 1
        sheet.first[-1] = count
        if not closed:
            return cost


@inlined
def gather(sites: Sites, v: Floats, sheet: Worksheet, c: int, least: float) -> tuple[int, int]:
    """How many open rows of a cloudlet gain more than ``least``, written to the sheet, and the units that they fill."""
    count, need = 0, 0
    for p in range(sheet.first[c], sheet.first[c + 1]):
        i = sheet.item[p]
        gain = v[sites.request[i]] - sites.delay_s[i]
        if gain > least:
            sheet.row[count], sheet.gain[count], sheet.units[count] = i, gain, sites.units[i]
            need += sites.units[i]
            count += 1
    return count, min(need, sheet.left[c])


@kernel
def relaxed(sites: Sites, v: Floats, sheet: Worksheet, cost: float) -> float:
    """Lower bound of a node, s, whose decided requests cost so much; the slope is that of the others' prices."""
    bound = cost
    for r in range(len(v)):
        sheet.slope[r] = 0.0
        if sheet.ways[r] > 1:
            bound += v[r]
            sheet.slope[r] = 1.0
    for c in range(len(sheet.left)):
        count, x = gather(sites, v, sheet, c, 0.0)
        fill(sheet.gain[:count], sheet.units[:count], x, sheet.table)
        bound -= sheet.table[count, x]
        for k in range(count - 1, -1, -1):
            if sheet.table[k + 1, x] > sheet.table[k, x]:
                sheet.slope[sites.request[sheet.row[k]]] -= 1.0
                x -= sheet.units[k]
    return bound


@kernel
def climb(
    sites: Sites, remote_s: Floats, away: Bools, v: Floats, sheet: Worksheet, cost: float, limit: float, steps: int
) -> float:
    """Best bound of some steps of the prices, which become the best ones; it ends at the limit."""
    best, theta, stalled = -np.inf, 1.0, 0
    sheet.step[:] = 0.0
    for _ in range(steps):
        bound = relaxed(sites, v, sheet, cost)
        stalled = 0 if bound > best + BETTER * (limit - best) else stalled + 1
        if bound > best:
            best = bound
            copy(v, sheet.best)
        if best >= limit or theta < END:
            break
        if stalled >= STALLED:
            theta, stalled = theta * SHRINK, 0
            copy(sheet.best, v)
            sheet.step[:] = 0.0
            continue
        norm = 0.0
        for r in range(len(v)):
            if away[r] and v[r] >= remote_s[r] and sheet.slope[r] > 0:
                sheet.slope[r] = 0.0
            sheet.step[r] = sheet.slope[r] + MEMORY * sheet.step[r]
            norm += sheet.step[r] * sheet.step[r]
        if norm == 0:
            break
        for r in range(len(v)):
            v[r] += theta * (limit - bound) / norm * sheet.step[r]
            if away[r]:
                v[r] = min(v[r], remote_s[r])
    copy(sheet.best, v)
    return best


@kernel
def close(sites: Sites, open_: Bools, v: Floats, sheet: Worksheet, room: float) -> int:
    """How many rows are closed because the bound would rise by ``room`` with them; losses of the others."""
    closed = 0
    for p in range(sheet.first[-1]):
        i = sheet.item[p]
        if sites.delay_s[i] - v[sites.request[i]] >= room:
            open_[i] = False
            closed += 1
    for c in range(len(sheet.left)):
        count, whole = gather(sites, v, sheet, c, -room)
        gain, units = sheet.gain[:count], sheet.units[:count]
        fill(gain, units, whole, sheet.table)
        fill(gain[::-1].copy(), units[::-1].copy(), whole, sheet.other)
        worth = sheet.table[count, whole]
        for k in range(count):
            most, left = -np.inf, whole - units[k]
            before, after = sheet.table[k], sheet.other[count - 1 - k]
            for x in range(left + 1):
                most = max(most, before[x] + after[left - x])
            loss = worth - gain[k] - most
            sheet.loss[sheet.row[k]] = loss
            if loss >= room:
                open_[sheet.row[k]] = False
                closed += 1
    return closed


@kernel
def visit(
    sites: Sites, at: Ints, remote_s: Floats, open_: Bools, away: Bools, v: Floats, sheet: Worksheet, limit: float,
    steps: int,
) -> float:  # fmt: skip
    """Bound of a node, s, and what is left open there below the limit; with no item left it is a plan's cost."""
    bound = np.inf
    for _ in range(ROUNDS):
        cost = settle(sites, at, remote_s, open_, away, sheet)
        if cost >= limit or sheet.first[-1] == 0:
            return cost
        bound = climb(sites, remote_s, away, v, sheet, cost, limit, steps)
        if bound >= limit:
            return bound
        for r in range(len(v)):
            away[r] &= sheet.ways[r] == 1 or remote_s[r] - v[r] < limit - bound
        if close(sites, open_, v, sheet, limit - bound) * WORTH < sheet.first[-1]:
            break
    return bound
