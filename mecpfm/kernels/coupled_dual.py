"""Lagrangian dual of the coupled problem: exact integer subproblem per (cloudlet, family), subgradient ascent.

``point`` is one vector: request prices v (R), compute prices mu (C), memory prices eta (C), shares w (W). Derivation
and proof of validity: docs/theory_coupled.md, theorem 1.
"""

from __future__ import annotations

from typing import NamedTuple

from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.coupled_cut import Problem, Tangent, Work, gather, most, probe, serve, solve_cell
from mecpfm.kernels.coupled_records import Cells
from mecpfm.kernels.slices import summed
from mecpfm.typing import Floats, Ints


class Node(NamedTuple):
    """Branching decisions, arrays of shape (cells,)."""

    state: Ints
    """-1 closed, 0 free, 1 forced open (some model of the family is used)."""
    allowed: Ints
    """Mask of the models that may be open."""
    forced: Ints
    """Mask of the models that must be open."""


@inlined
def account(
    cells: Cells, c: int, f: int, found: Tangent, share: float, count: int, slope: Floats, used: Floats, amount: float,
    work: Work,
) -> None:  # fmt: skip
    """Add ``share`` of one solution of a cell to the supergradient and, times ``amount``, to ``used`` per option."""
    requests, cloudlets = len(cells.remote_s), len(cells.capacity_s)
    lam, chosen = found.price, found.chosen
    n, load = serve(cells, chosen, lam, count, work)
    for i in range(n):
        slope[cells.request[work.served[i]]] -= share
    slope[requests + c] += share * load
    for b in range(cells.first_block[f], cells.first_block[f + 1]):
        if cells.members[b] & chosen:
            slope[requests + cloudlets + c] += share * cells.size_gb[b]
    if amount > 0:
        for i in range(n):
            used[first_open(cells, work.served[i], chosen)] += share * amount


@inlined
def first_open(cells: Cells, record: int, chosen: int) -> int:
    """Sorted option of a record that uses its lowest model in ``chosen``."""
    met = cells.models[record] & chosen
    before = cells.models[record] & ((met & -met) - 1)
    option = cells.first_option[record]
    while before:
        before &= before - 1
        option += 1
    return option


@inlined
def common_price(members: Ints, cost: Floats, allowed: int) -> float:
    """Price of the blocks that every allowed model needs."""
    total = 0.0
    for b in range(len(members)):
        if members[b] & allowed == allowed:
            total += cost[b]
    return total


@kernel
def open_cell(
    cells: Cells, j: int, point: Floats, cut: Floats, node: Node, work: Work, quick: bool, rough: bool
) -> tuple[float, Tangent, Tangent, float, int]:
    """Value of cell j of an exact family, and its solution: two points, the weight of the first, records gathered.

    Of a cell that stays closed the value is an upper bound, unless ``quick`` a close one; the solution means nothing.
    """
    requests, cloudlets = len(cells.remote_s), len(cells.capacity_s)
    c, f = j // len(cells.exact), j % len(cells.exact)
    mu, eta = point[requests + c], point[requests + cloudlets + c]
    allowed, opened = node.allowed[j], node.state[j] == 1
    none = Tangent(0.0, 0.0, 0.0, 0)
    count = gather(cells, j, point, mu, allowed, work)
    first, end = cells.first_block[f], cells.first_block[f + 1]
    members, cost = cells.members[first:end], cells.pull_s[c, first:end] + eta * cells.size_gb[first:end]
    problem = Problem(members, cost, cells.capacity_s[c], allowed, node.forced[j], opened)
    if opened:  # the compute row says all that the cut could
        cut[j] = 0.0
        low = probe(cells, 0.0, problem, count, work)
        return low.value, low, low, 1.0, count
    common = common_price(members, cost, allowed)
    value = summed(work.gain, 0, count) - common
    if value <= 0:
        cut[j] = 0.0  # closed without a cut; what the price was before would not close it
        return value, none, none, 1.0, count
    if quick:  # most closed cells show it with all models open and only the common blocks paid
        value = most(cells, cut[j], count, work) + cut[j] * cells.capacity_s[c] - common
        if value <= 0:
            return value, none, none, 1.0, count
    value, cut[j], low, high, share = solve_cell(cells, problem, cut[j], count, work, rough)
    return value, low, high, share, count


@inlined
def relaxed_cell(
    cells: Cells, j: int, point: Floats, allowed: int, slope: Floats, used: Floats, amount: float
) -> float:
    """Total gain of cell j of a relaxed family at the prices w its requests pay; adds to the supergradient."""
    requests, cloudlets = len(cells.remote_s), len(cells.capacity_s)
    c, shares = j // len(cells.exact), requests + 2 * cloudlets
    total, i, end = 0.0, cells.first_record[j], cells.first_record[j + 1]
    while i < end:
        request = cells.request[i]
        best, top = -1, 0.0
        while i < end and cells.request[i] == request:
            a = point[request] - cells.delay_s[i] - point[requests + c] * cells.compute_s[i]
            for e in range(cells.first_share[i], cells.first_share[i + 1]):
                a -= point[shares + cells.share[e]]
            if a > top and cells.models[i] & allowed:
                best, top = i, a
            i += 1
        if best >= 0:
            total += top
            slope[request] -= 1.0
            slope[requests + c] += cells.compute_s[best]
            for e in range(cells.first_share[best], cells.first_share[best + 1]):
                slope[shares + cells.share[e]] += 1.0
            if amount > 0:
                used[cells.first_option[best]] += amount
    return total


@inlined
def overpaid(cells: Cells, point: Floats, slope: Floats) -> float:
    """Excess of the shares paid for a block over its price, summed over cloudlets and blocks of relaxed families."""
    requests, cloudlets, blocks = len(cells.remote_s), len(cells.capacity_s), len(cells.size_gb)
    shares, total = requests + 2 * cloudlets, 0.0
    for c in range(cloudlets):
        eta = point[requests + cloudlets + c]
        for b in range(cells.first_block[-1], blocks):
            first, end = cells.first_share_of[c * blocks + b], cells.first_share_of[c * blocks + b + 1]
            excess = summed(point, shares + first, shares + end) - cells.pull_s[c, b] - eta * cells.size_gb[b]
            if excess > 0:
                total += excess
                slope[requests + cloudlets + c] += cells.size_gb[b]
                for e in range(shares + first, shares + end):
                    slope[e] -= 1.0
    return total


@kernel
def linear(cells: Cells, point: Floats, slope: Floats) -> float:
    """What the multipliers are worth without any subproblem, and its slope, written anew."""
    requests, cloudlets = len(cells.remote_s), len(cells.capacity_s)
    memory = requests + cloudlets
    slope[:requests] = 1.0
    for c in range(cloudlets):
        slope[requests + c] = -cells.capacity_s[c]
        slope[memory + c] = -cells.memory_gb[c]
    slope[memory + cloudlets :] = 0.0
    total = 0.0
    for i in range(memory + cloudlets):
        total += point[i] * slope[i]
    return total
