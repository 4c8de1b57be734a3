"""Best set of models to open when gains and prices are coverage functions of the set, masks of at most 62 models."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecpfm.kernels._jit import kernel

Array = Any


@kernel
def reachable(mask: Array, weight: Array, n: int, reach: Array) -> None:
    """What each model alone would gain."""
    reach[:] = 0.0
    for i in range(n):
        rest, k = mask[i], 0
        while rest:
            if rest & 1:
                reach[k] += weight[i]
            rest >>= 1
            k += 1


@kernel
def worthwhile(members: Array, cost: Array, allowed: int, must: int, reach: Array) -> int:
    """Models of a best set, unless that is a single model: ``must``, and those that pay for the blocks only they need.

    Adding any other model to another set gains no more than it costs, so taking it away loses nothing.
    """
    alive, before = allowed, -1
    while alive != before:
        before = alive
        for k in range(len(reach)):
            bit = 1 << k
            if bit & alive & ~must:
                own = 0.0
                for b in range(len(members)):
                    if members[b] & alive == bit:
                        own += cost[b]
                if reach[k] <= own:
                    alive &= ~bit
    return alive


@kernel
def best_single(members: Array, cost: Array, allowed: int, reach: Array) -> tuple[float, int]:
    """Best set of one model: (-inf, 0) when none is allowed."""
    best, chosen = -np.inf, 0
    for k in range(len(reach)):
        bit = 1 << k
        if bit & allowed:
            value = reach[k]
            for b in range(len(members)):
                if members[b] & bit:
                    value -= cost[b]
            if value > best:
                best, chosen = value, bit
    return best, chosen


@kernel
def compress(mask: int, alive: int) -> int:
    """Bits of ``mask`` at the places of ``alive``, moved together."""
    out, place = 0, 0
    while alive:
        if alive & 1:
            out |= (mask & 1) << place
            place += 1
        alive >>= 1
        mask >>= 1
    return out


@kernel
def expand(mask: int, alive: int) -> int:
    """Inverse of :func:`compress`."""
    out, place = 0, 0
    while alive:
        if alive & 1:
            out |= (mask & 1) << place
            mask >>= 1
        alive >>= 1
        place += 1
    return out


@kernel
def subset_sums(members: Array, cost: Array, alive: int, mask: Array, weight: Array, n: int, table: Array) -> None:
    """``table[T]``: weights minus prices of the masks that meet ``alive`` and lie in T (compressed): zeta transform."""
    table[:] = 0.0
    for i in range(n):
        table[compress(mask[i], alive)] += weight[i]
    for b in range(len(members)):
        table[compress(members[b], alive)] -= cost[b]
    table[0] = 0.0  # what no open model serves, or no open model needs
    step = 1
    while step < len(table):
        for base in range(0, len(table), 2 * step):
            for m in range(base, base + step):
                table[m + step] += table[m]
        step *= 2


@kernel
def best_set(
    members: Array, cost: Array, allowed: int, must: int, mask: Array, weight: Array, n: int, reach: Array, table: Array
) -> Any:
    """Best non-empty set S, must <= S <= allowed: coverage minus the price of every block it meets.

    Both terms are coverage functions, so value(S) = F(all) - F(complement of S) with F the subset sums (zeta transform)
    of weights minus prices. Returns (-inf, 0) when no such set is left. Ties: the lowest complement.
    """
    reachable(mask, weight, n, reach)
    alive = worthwhile(members, cost, allowed, must, reach)
    if alive == 0:
        return best_single(members, cost, allowed, reach)
    full = compress(alive, alive)
    subset_sums(members, cost, alive, mask, weight, n, table[: full + 1])
    required = compress(must, alive)
    best = 0
    for m in range(full):
        if not m & required and table[m] < table[best]:
            best = m
    value, chosen = table[full] - table[best], expand(full & ~best, alive)
    if value < 0 and must == 0:  # all sets lose: a single model left out may lose least
        single, alone = best_single(members, cost, allowed, reach)
        if single > value:
            return single, alone
    return value, chosen
