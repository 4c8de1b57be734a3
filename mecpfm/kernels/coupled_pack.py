"""The dual with a cloudlet's memory row kept: the open families of a cloudlet must fit it, a 0-1 knapsack.

A family that opens holds at least the blocks that every model it may open contains; what it holds beyond them is
priced by eta as before. Derivation and proof of validity: docs/theory_coupled.md, corollary to theorem 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import borrowing, kernel
from mecpfm.kernels.coupled_ascent import BOUND, THETA, DualState, advance
from mecpfm.kernels.coupled_cut import Tangent, Work, gather
from mecpfm.kernels.coupled_dual import Node, account, linear, open_cell, overpaid, relaxed_cell
from mecpfm.kernels.coupled_records import Cells
from mecpfm.kernels.ordering import places
from mecpfm.kernels.slices import copy
from mecpfm.typing import Bools, Floats, Ints

ROOM = 1 + 1.001e-6
"""A row may be exceeded by the instance's tolerance; the rest is for rounding. More room only lowers the bound."""
STEPS = 20_000
"""Steps of one knapsack; one that needs more counts with its fractional bound."""


@kernel
def least(cells: Cells, node: Node, size: Floats) -> None:
    """Memory, GB, that each cell takes at least when it is open, (C * F,): 0 for relaxed families."""
    for j in range(len(size)):
        f, size[j] = j % len(cells.exact), 0.0
        if not cells.exact[f]:
            continue
        for b in range(cells.first_block[f], cells.first_block[f + 1]):
            models = cells.members[b]
            if models & node.allowed[j] == node.allowed[j] or models & node.forced[j]:
                size[j] += cells.size_gb[b]


@kernel
def fractional(value: Floats, size: Floats, items: Ints, first: int, left: float) -> float:
    """Value of the items from ``first`` on, densest first, in a room where one of them may be cut."""
    total = 0.0
    for i in items[first:]:
        if size[i] > left:
            return total + value[i] * left / size[i]
        total += value[i]
        left -= size[i]
    return total


@kernel
def densest(value: Floats, size: Floats, items: Ints) -> None:
    """Sort ``items`` by falling value a GB; ties: the lowest index first."""
    for k in range(1, len(items)):
        i, at = items[k], k
        while at > 0 and value[items[at - 1]] * size[i] < value[i] * size[items[at - 1]]:
            items[at] = items[at - 1]
            at -= 1
        items[at] = i


@kernel
def forced_in(value: Floats, size: Floats, state: Ints, room: float, taken: Bools) -> tuple[float, float]:
    """Value of the items that must be in, written to ``taken``, and the room that they leave."""
    base = 0.0
    for i in range(len(value)):
        taken[i] = state[i] == 1
        if taken[i]:
            base += value[i]
            room -= size[i]
    return base, room


@kernel
def climb(value: Floats, size: Floats, items: Ints, left: float, kept: Bools) -> float:
    """Most that ``items``, densest first, may be worth in a room, and which, written to ``kept``: depth first."""
    m, best, worth, at = len(items), -1.0, 0.0, 0
    inside, bound = np.zeros(m, dtype=np.bool_), fractional(value, size, items, 0, left)
    for _ in range(STEPS):
        if worth + fractional(value, size, items, at, left) > best:
            if at < m:
                inside[at] = size[items[at]] <= left
                if inside[at]:
                    worth += value[items[at]]
                    left -= size[items[at]]
                at += 1
                continue
            best = worth
            copy(inside, kept)
        at -= 1
        while at >= 0 and not inside[at]:
            at -= 1
        if at < 0:
            return best
        inside[at] = False
        worth -= value[items[at]]
        left += size[items[at]]
        at += 1
    return bound


@kernel
def pack(value: Floats, size: Floats, state: Ints, room: float, taken: Bools) -> float:
    """Most that items may be worth together in a room, and which, written to ``taken``: 0-1 knapsack.

    ``state`` is 1 for items that must be in, -1 for those that must not. -inf when those that must do not fit.
    """
    base, left = forced_in(value, size, state, room, taken)
    if left < 0:
        return -np.inf
    items = places((state == 0) & (value > 0) & (size <= left))
    kept, total, need = np.ones(len(items), dtype=np.bool_), 0.0, 0.0
    for i in items:
        total += value[i]
        need += size[i]
    if need > left:
        kept[:] = False
        densest(value, size, items)
        total = climb(value, size, items, left, kept)
    for k in range(len(items)):
        taken[items[k]] = kept[k]
    return base + total


@borrowing
def mixed(
    cells: Cells, c: int, f: int, low: float, below: int, high: float, above: int, share: float, count: int,
    slope: Floats, used: Floats, amount: float, work: Work,
) -> None:  # fmt: skip
    """Add the solution of one cell to the supergradient and ``used``: set ``below`` at price ``low``, and the other."""
    for lam, chosen, part in ((low, below, share), (high, above, 1 - share)):
        if part > 0:
            account(cells, c, f, Tangent(lam, 0.0, 0.0, chosen), part, count, slope, used, amount, work)


@kernel
def sites(
    cells: Cells, begin: int, stop: int, bound: float, point: Floats, cut: Floats, node: Node, size: Floats,
    slope: Floats, value: Floats, opened: Floats, used: Floats, amount: float, work: Work, rough: bool, rows: bool,
) -> float:  # fmt: skip
    """``bound`` less what the cells of cloudlets ``begin`` to ``stop`` take off it; their solutions enter ``slope``.

    Without ``rows`` memory is only priced, so that each cell that gains is open.
    """
    requests, families = len(cells.remote_s), len(cells.exact)
    state, taken = np.empty(families, dtype=np.int64), np.empty(families, dtype=np.bool_)
    low, high, share = np.empty(families), np.empty(families), np.empty(families)
    below, above = np.empty(families, dtype=np.int64), np.empty(families, dtype=np.int64)
    for c in range(begin, stop):
        first = c * families
        for f in range(families):
            j, state[f], taken[f] = first + f, -1, False
            value[j] = -np.inf
            if node.state[j] < 0:
                continue
            if cells.exact[f]:
                quick = rows or amount == 0
                value[j], one, other, share[f], count = open_cell(cells, j, point, cut, node, work, quick, rough)
                low[f], below[f], high[f], above[f] = one.price, one.chosen, other.price, other.chosen
                state[f] = node.state[j]
                if not rows and (value[j] > 0 or state[f] == 1):
                    bound -= value[j]
                    mixed(
                        cells, c, f, low[f], below[f], high[f], above[f], share[f], count, slope, used, amount, work
                    )  # fmt: skip
            else:
                value[j] = relaxed_cell(cells, j, point, node.allowed[j], slope, used, amount)
                bound -= value[j]
        if not rows:
            continue
        end = first + families
        bound -= pack(value[first:end], size[first:end], state, cells.memory_gb[c] * ROOM, taken)
        for f in range(families):
            opened[first + f] = 1.0 if taken[f] else 0.0
            if taken[f]:
                count = gather(cells, first + f, point, point[requests + c], node.allowed[first + f], work)
                mixed(cells, c, f, low[f], below[f], high[f], above[f], share[f], count, slope, used, amount, work)
    return bound


class Sheet(NamedTuple):
    """What an evaluation writes beside bound and prices of the cut."""

    size: Floats
    """Memory, GB, that each cell takes at least, by ``least``, shape (C * F,)."""
    slope: Floats
    """A supergradient, of the shape of the multipliers."""
    value: Floats
    """Value of each cell, s, shape (C * F,)."""
    opened: Floats
    """With rows: 1 for cells inside their cloudlet's knapsack, shape (C * F,)."""
    used: Floats
    """Gathers ``amount`` times the primal solution of the subproblems when ``amount`` > 0, shape (n,)."""


@kernel
def evaluate(
    cells: Cells, point: Floats, cut: Floats, node: Node, sheet: Sheet, amount: float, work: Work, rows: bool
) -> float:  # fmt: skip
    """Lower bound at ``point``, inf when a cloudlet's forced cells do not fit it: ``rows`` says whether they have to.

    Writes ``sheet``, whose ``size`` is what ``least`` wrote, and the price ``cut`` of every cell.
    """
    bound = linear(cells, point, sheet.slope)
    bound = sites(
        cells, 0, len(cells.capacity_s), bound, point, cut, node, sheet.size, sheet.slope, sheet.value, sheet.opened,
        sheet.used, amount, work, False, rows,
    )  # fmt: skip
    return bound - overpaid(cells, point, sheet.slope)


@kernel
def finish(cells: Cells, point: Floats, slope: Floats, bound: float, parts: Floats) -> float:
    """``bound`` less what shares paid beyond a block's price take off it; ``parts`` are slopes to add, one a row."""
    for p in range(len(parts)):
        for i in range(len(slope)):
            slope[i] += parts[p, i]
            parts[p, i] = 0.0
    return bound - overpaid(cells, point, slope)


@kernel
def ascend(
    cells: Cells, state: DualState, node: Node, scale: Floats, upper: Floats, target: float, iterations: int,
    end: float, work: Work, sheet: Sheet, amount: float, rows: bool,
) -> int:  # fmt: skip
    """Deflected subgradient ascent with Polyak steps; updates ``state`` in place and may be called again to go on.

    ``scale`` preconditions the step; ``target`` is an upper bound of the optimum. Returns the iterations done: fewer
    when theta fell below ``end``, or the bound reached the target or is infinite. With an ``amount`` it evaluates
    once, writes the bound to ``state.control`` and takes no step: one kernel for both is compiled in half the time.
    """
    if rows:
        least(cells, node, sheet.size)
    for iteration in range(iterations):
        if amount == 0 and (state.control[THETA] < end or state.control[BOUND] >= target):
            return iteration
        bound = evaluate(cells, state.point, state.cut, node, sheet, amount, work, rows)
        if amount > 0:
            state.control[BOUND] = bound
            return iteration + 1
        if not advance(state, bound, sheet.slope, scale, upper, target):
            return iteration + 1
    return iterations
