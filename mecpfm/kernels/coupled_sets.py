"""Best set of models to open when gains and prices are coverage functions of the set, masks of at most 62 models."""

from __future__ import annotations

import numpy as np

from mecpfm.kernels._jit import borrowing, inlined, kernel
from mecpfm.kernels.coupled_masks import MASK_BITS, bits, compress, expand
from mecpfm.kernels.slices import summed
from mecpfm.typing import Floats, Ints

TIE = 1e-9
"""Differences below this share of the amounts at hand are ties: rounding must not decide between equals. The dual's
prices make equals on purpose, for its minimum lies where two sets, or serving and not serving, are worth the same."""


@borrowing
def reachable(mask: Ints, weight: Floats, n: int, alive: int, taken: int, reach: Floats, own: Floats) -> None:
    """What each model of ``alive`` gains beside ``taken``: at most (no other open), and at least (all others open)."""
    reach[:] = 0.0
    own[:] = 0.0
    for i in range(n):
        rest = mask[i] & alive
        if rest == 0 or rest & taken:
            continue
        single, k = rest & (rest - 1) == 0, 0
        while rest:
            if rest & 1:
                reach[k] += weight[i]
                if single:
                    own[k] += weight[i]
            rest >>= 1
            k += 1


@inlined
def adding(members: Ints, cost: Floats, alive: int, taken: int, bit: int) -> tuple[float, float]:
    """Price of opening one more model beside ``taken``: at least, and at most when some model is open already."""
    low, high = 0.0, 0.0
    for b in range(len(members)):
        if members[b] & bit and not members[b] & taken:
            if members[b] & alive == bit:
                low += cost[b]
            if members[b] & alive != alive:
                high += cost[b]
    return low, high


@borrowing
def reduce(
    members: Ints, cost: Floats, allowed: int, must: int, mask: Ints, weight: Floats, n: int, reach: Floats, own: Floats
) -> tuple[int, int]:
    """Models (alive, taken) such that a best set lies between them, unless it is a single model.

    A model goes when it gains at most the price of the blocks that only it needs; it is taken when what it alone
    serves is worth all its blocks but those that every model needs. Ties are left to the comparison of sets.
    """
    alive, taken, tie = allowed, must, TIE * summed(weight, 0, n)
    while True:
        reachable(mask, weight, n, alive, taken, reach, own)
        before, had = alive, taken
        for k in range(len(reach)):
            bit = 1 << k
            if not bit & alive & ~taken:
                continue
            low, high = adding(members, cost, alive, taken, bit)
            if reach[k] < low - tie:
                alive &= ~bit
            elif own[k] > high + tie:
                taken |= bit
        if alive == before and taken == had:
            return alive, taken


@borrowing
def best_single(
    members: Ints, cost: Floats, allowed: int, mask: Ints, weight: Floats, n: int, reach: Floats, own: Floats
) -> tuple[float, int]:
    """Best set of one model: (-inf, 0) when none is allowed."""
    reachable(mask, weight, n, allowed, 0, reach, own)
    best, chosen, tie = -np.inf, 0, TIE * summed(weight, 0, n)
    for k in range(len(reach)):
        bit = 1 << k
        if bit & allowed:
            value = reach[k]
            for b in range(len(members)):
                if members[b] & bit:
                    value -= cost[b]
            if value > best + tie:
                best, chosen = value, bit
    return best, chosen


@borrowing
def subset_sums(
    members: Ints, cost: Floats, free: int, taken: int, gifts: int, mask: Ints, weight: Floats, n: int, table: Floats
) -> None:
    """``table[T]``: weights minus prices of the masks beside ``taken`` that lie in T (compressed): zeta transform.

    ``gifts`` serve as ``taken`` do, but none of their blocks counts as open.
    """
    table[:] = 0.0
    for i in range(n):
        if not mask[i] & (taken | gifts):
            table[compress(mask[i], free)] += weight[i]
    for b in range(len(members)):
        if not members[b] & taken:
            table[compress(members[b], free)] -= cost[b]
    table[0] = 0.0  # what no open model serves, or no open model needs
    step = 1
    while step < len(table):
        for base in range(0, len(table), 2 * step):
            for m in range(base, base + step):
                table[m + step] += table[m]
        step *= 2


@borrowing
def given_away(members: Ints, price: Floats, free: int, most: int) -> int:
    """Models of ``free`` beyond ``most``: one by one those whose blocks nobody else left in it needs cost least."""
    gifts = 0
    while bits(free) > most:
        least, which = np.inf, 0
        for k in range(MASK_BITS):
            bit = 1 << k
            if bit & free:
                own = 0.0
                for b in range(len(members)):
                    if members[b] & free == bit:
                        own += price[b]
                if own < least:
                    least, which = own, bit
        gifts |= which
        free &= ~which
    return gifts


@kernel
def with_gifts(
    members: Ints, cost: Floats, alive: int, taken: int, mask: Ints, weight: Floats, n: int, table: Floats
) -> tuple[float, int]:
    """Upper bound of the value of every non-empty set between ``taken`` and ``alive``, and the set that attains it.

    Some models serve for nothing, so that the sets of the others fit the table; blocks that every set needs are paid.
    A set S loses nothing that way: it serves no fewer, and pays for no block that it does not meet.
    """
    price, paid = cost.copy(), 0.0
    for b in range(len(members)):
        if members[b] & taken or members[b] & alive == alive:
            paid += cost[b]
            price[b] = 0.0
    free = alive & ~taken
    gifts = given_away(members, price, free, bits(len(table) - 1))
    free &= ~gifts
    full = compress(free, free)
    subset_sums(members, price, free, taken, gifts, mask, weight, n, table[: full + 1])
    best, least, tie = 0, 0, TIE * summed(weight, 0, n)
    for m in range(full + 1):
        if table[m] < table[least]:
            least = m
        if table[m] < table[best] - tie:
            best = m
    chosen, total = expand(full & ~best, free), table[best] - table[least] - paid
    for i in range(n):
        if mask[i] & (chosen | taken | gifts):
            total += weight[i]
    for b in range(len(members)):
        if members[b] & chosen:
            total -= price[b]
    return total, chosen | taken | gifts


@inlined
def worth(members: Ints, cost: Floats, mask: Ints, weight: Floats, n: int, chosen: int) -> float:
    """Coverage of a set of models minus the price of the blocks it meets."""
    total = 0.0
    for i in range(n):
        if mask[i] & chosen:
            total += weight[i]
    for b in range(len(members)):
        if members[b] & chosen:
            total -= cost[b]
    return total


@borrowing
def best_set(
    members: Ints,
    cost: Floats,
    allowed: int,
    must: int,
    mask: Ints,
    weight: Floats,
    n: int,
    reach: Floats,
    own: Floats,
    table: Floats,
) -> tuple[float, int]:
    """Best non-empty set S, must <= S <= allowed: coverage minus the price of every block it meets.

    Both terms are coverage functions, so value(S) = F(all) - F(complement of S) with F the subset sums (zeta transform)
    of weights minus prices. Returns (-inf, 0) when no such set is left. Ties: the lowest complement; the value is that
    of the best set to the last bit, for it enters a bound. Where ``table`` is too short for all sets between what
    ``reduce`` leaves, the value is an upper bound, that of ``with_gifts``.
    """
    alive, taken = reduce(members, cost, allowed, must, mask, weight, n, reach, own)
    if alive == 0:
        return best_single(members, cost, allowed, mask, weight, n, reach, own)
    free = alive & ~taken
    if bits(free) > bits(len(table) - 1):
        value, chosen = with_gifts(members, cost, alive, taken, mask, weight, n, table)
        if value < 0 and must == 0:  # as below
            value = max(value, best_single(members, cost, allowed, mask, weight, n, reach, own)[0])
        return value, chosen
    full = compress(free, free)
    subset_sums(members, cost, free, taken, 0, mask, weight, n, table[: full + 1])
    best, least, tie = 0, 0, TIE * summed(weight, 0, n)
    for m in range(full + (taken != 0)):
        if table[m] < table[least]:
            least = m
        if table[m] < table[best] - tie:
            best = m
    chosen = taken | expand(full & ~best, free)
    value = worth(members, cost, mask, weight, n, chosen) + (table[best] - table[least])
    if value < 0 and must == 0:  # all sets lose: a single model left out may lose least
        single, alone = best_single(members, cost, allowed, mask, weight, n, reach, own)
        if single > value:
            return single, alone
    return value, chosen
