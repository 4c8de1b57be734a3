"""One (cloudlet, family) subproblem of the dual: which models to open, whom to serve, at an internal compute price.

Maximise gains of served requests minus prices of opened blocks, with the compute row of the cloudlet (the valid cut
``sum g x <= G z``) priced by lambda inside: docs/theory_coupled.md, theorem 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import borrowing, inlined
from mecpfm.kernels.coupled_masks import merge
from mecpfm.kernels.coupled_records import Cells
from mecpfm.kernels.coupled_sets import TIE, best_set
from mecpfm.kernels.slices import summed
from mecpfm.typing import Floats, Ints

CUT_STEPS = 12
CUT_GROWTH = 2.5
CUT_NUDGE = 1.2
CUT_TOLERANCE = 1e-7
ROUGH_NUDGE, ROUGH_TOLERANCE = 1.02, 1e-4
"""The same where a step of the ascent costs much: less than half the values of a cell, for 1e-5 of the bound."""


class Work(NamedTuple):
    """Scratch arrays: L records of the largest cell, m models of the largest family, 2^m sets."""

    gain: Floats
    """Gain of each gathered record, s, shape (L,)."""
    place: Ints
    """The gathered records, shape (L,)."""
    mask: Ints
    """Masks of the coverage function, shape (L,)."""
    weight: Floats
    """Weight of each mask, s, shape (L,)."""
    served: Ints
    """Records that a set serves, shape (L,)."""
    reach: Floats
    """What each model gains at most, s, shape (m,)."""
    own: Floats
    """What each model gains at least, s, shape (m,)."""
    table: Floats
    """Sums over subsets, s, shape (2^m,)."""
    slot: Ints
    """Hash table of masks, a power of two long, and the number of the last call."""


class Problem(NamedTuple):
    """Which models to open in one cell, b blocks."""

    members: Ints
    """Mask of the models that contain each block, shape (b,)."""
    cost: Floats
    """Price of each block, s, shape (b,)."""
    capacity: float
    """Compute of the cloudlet, s."""
    allowed: int
    """Mask of the models that may be open."""
    must: int
    """Mask of the models that must be open."""
    opened: bool
    """Whether some model must be open."""


class Tangent(NamedTuple):
    """A tangent of the cell's value as a function of the cut's price."""

    price: float
    """Price of compute, lambda."""
    value: float
    """``lambda G`` plus gains minus prices of the best set, s."""
    slope: float
    """G minus the compute that the set uses, s."""
    chosen: int
    """Mask of the best set."""


@borrowing
def gather(cells: Cells, j: int, point: Floats, mu: float, allowed: int, work: Work) -> int:
    """Collect records of cell j that gain something at compute price mu: their gains and indices; returns how many."""
    first, end, count = cells.first_record[j], cells.first_record[j + 1], 0
    request, delay, compute = cells.request[first:end], cells.delay_s[first:end], cells.compute_s[first:end]
    for i in range(end - first):
        work.gain[i] = point[request[i]] - delay[i] - mu * compute[i]
    models = cells.models[first:end]
    for i in range(end - first):  # half of all gain, which no branch foretells: each is written, and some count
        work.gain[count], work.place[count] = work.gain[i], first + i
        count += (work.gain[i] > 0) & (models[i] & allowed != 0)
    return count


@inlined
def most(cells: Cells, lam: float, count: int, work: Work) -> float:
    """What the gathered records gain at a further compute price with every model open: one record a request."""
    total, i = 0.0, 0
    while i < count:
        request, top = cells.request[work.place[i]], 0.0
        while i < count and cells.request[work.place[i]] == request:
            top = max(top, work.gain[i] - lam * cells.compute_s[work.place[i]])
            i += 1
        total += top
    return total


@borrowing
def left_over(gain: Floats, place: Ints, compute: Floats, lam: float, count: int, weight: Floats) -> None:
    """Write to ``weight`` what the gathered records gain at a further compute price, be it negative."""
    for i in range(count):
        weight[i] = gain[i] - lam * compute[place[i]]


@borrowing
def lone(request: Ints, place: Ints, count: int) -> bool:
    """Whether no two of the gathered records are one request's; then loops go without branches that none foretells."""
    twins = 0
    for i in range(1, count):
        twins += request[place[i]] == request[place[i - 1]]
    return twins == 0


@borrowing
def layers(cells: Cells, lam: float, count: int, work: Work) -> int:
    """Write the gains, at a further compute price, as a coverage function of the open set S of models.

    The value of a request is max over its records that S meets; with records in descending order of gain that is
    sum_i (a_i - a_{i+1}) [S meets records 1..i], one (mask, weight) pair each. Returns how many pairs.
    """
    mask, weight, place = work.mask, work.weight, work.place
    left_over(work.gain, place, cells.compute_s, lam, count, weight)
    for i in range(count):
        mask[i] = cells.models[place[i]]
    n, i = 0, 0
    if lone(cells.request, place, count):
        for k in range(count):  # as in gather
            a = weight[k]
            weight[n], mask[n] = a, mask[k]
            n += a > 0
        return merge(mask, weight, n, work.slot)
    while i < count:
        first, request = n, cells.request[place[i]]
        while i < count and cells.request[place[i]] == request:
            a, models, j = weight[i], mask[i], n
            while j > first and weight[j - 1] < a:
                weight[j], mask[j] = weight[j - 1], mask[j - 1]
                j -= 1
            weight[j], mask[j] = a, models
            n += a > 0  # what gains nothing is last
            i += 1
        for j in range(first + 1, n):
            mask[j] |= mask[j - 1]
            weight[j - 1] -= weight[j]
    return merge(mask, weight, n, work.slot)


@borrowing
def serve(cells: Cells, chosen: int, lam: float, count: int, work: Work) -> tuple[int, float]:
    """Write the best record of every request that set ``chosen`` serves at a gain; how many, and their compute.

    The minimum over lambda lies where a request's gain vanishes or two of its records gain the same, so that rounding
    alone would decide: a record must gain more than nothing, or than one before it, by ``TIE`` of the remote delay.
    ``weight`` is written over.
    """
    place, weight, n, i, load = work.place, work.weight, 0, 0, 0.0
    left_over(work.gain, place, cells.compute_s, lam, count, weight)
    if lone(cells.request, place, count):
        for k in range(count):  # as in gather
            record = place[k]
            good = (weight[k] > TIE * cells.remote_s[cells.request[record]]) & (cells.models[record] & chosen != 0)
            work.served[n] = record
            load += cells.compute_s[record] if good else 0.0
            n += good
        return n, load
    while i < count:
        request = cells.request[place[i]]
        best, top, tie = -1, 0.0, TIE * cells.remote_s[request]
        while i < count and cells.request[place[i]] == request:
            if weight[i] > top + tie and cells.models[place[i]] & chosen:
                best, top = place[i], weight[i]
            i += 1
        if best >= 0:
            work.served[n] = best
            load += cells.compute_s[best]
            n += 1
    return n, load


@borrowing
def probe(cells: Cells, lam: float, problem: Problem, count: int, work: Work) -> Tangent:
    """One value of ``lambda G + max_S(gain - price)`` and what belongs to it."""
    n = layers(cells, lam, count, work)
    value, chosen = best_set(
        problem.members,
        problem.cost,
        problem.allowed,
        problem.must,
        work.mask,
        work.weight,
        n,
        work.reach,
        work.own,
        work.table,
    )
    _, load = serve(cells, chosen, lam, count, work)
    return Tangent(lam, value + lam * problem.capacity, problem.capacity - load, chosen)


@borrowing
def solve_cell(
    cells: Cells, problem: Problem, start: float, count: int, work: Work, rough: bool
) -> tuple[float, float, Tangent, Tangent, float]:
    """Minimise over the internal price lambda of the cut, a convex piecewise linear function, by its tangents.

    Returns the best value and its lambda (any lambda >= 0 is valid), the two points that bracket the minimum and the
    weight of the first: their mixture uses the capacity exactly. Stops early when the cell is closed for certain.
    """
    low, high = Tangent(0.0, np.inf, 0.0, 0), Tangent(0.0, np.inf, -1.0, 0)
    best, lam, guess = np.inf, 0.0, start
    nudge, tolerance = (ROUGH_NUDGE, ROUGH_TOLERANCE) if rough else (CUT_NUDGE, CUT_TOLERANCE)
    scale = summed(work.gain, 0, count)  # not the value: that of a cell on the edge of opening is nearly zero
    for step in range(CUT_STEPS):
        point = probe(cells, guess, problem, count, work)
        if point.value < best:
            best, lam = point.value, point.price
        if point.slope >= 0:
            high = point
        else:
            low = point
        if (guess == 0 and point.slope >= 0) or (best <= 0 and not problem.opened):
            return best, lam, point, point, 1.0
        if high.slope < 0:  # too cheap so far
            first = 0.25 * scale / (problem.capacity - low.slope)
            guess = first if guess == 0 else guess * (nudge if step == 0 else CUT_GROWTH)
        elif low.slope >= 0:  # too dear so far
            guess = guess / nudge if step == 0 else 0.0
        else:
            rise = low.value - low.slope * low.price - high.value + high.slope * high.price
            guess = rise / (high.slope - low.slope)
            if low.value + low.slope * (guess - low.price) >= best - tolerance * scale:
                break
    if high.slope < 0:
        return best, lam, low, low, 1.0
    if low.slope >= 0:
        return best, lam, high, high, 1.0
    return best, lam, low, high, high.slope / (high.slope - low.slope)
