"""What the dual's multipliers rule out: cells, models and options that no plan better than a known one uses."""

from __future__ import annotations

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.kernels.coupled_cut import Work, gather, layers
from mecpfm.kernels.coupled_dual import Node
from mecpfm.kernels.coupled_masks import bits, compress, expand
from mecpfm.kernels.coupled_pack import ROOM, pack
from mecpfm.kernels.coupled_records import Cells
from mecpfm.kernels.coupled_sets import best_set, subset_sums, worth
from mecpfm.typing import Floats, Ints


@kernel
def one_by_one(
    members: Ints, cost: Floats, allowed: int, forced: int, n: int, room: float, best: Floats, work: Work
) -> float:
    """``with_model`` where there are too many sets for a table: upper bounds, one search a model."""
    top = best_set(
        members, cost, allowed, forced, work.mask, work.weight, n, work.reach, work.own, work.table
    )[0] + room  # fmt: skip
    for k in range(len(best)):
        if allowed >> k & 1:
            must = forced | 1 << k
            value = best_set(
                members, cost, allowed, must, work.mask, work.weight, n, work.reach, work.own, work.table
            )[0]  # fmt: skip
            best[k] = min(value + room, top)
    return top


@kernel
def with_model(cells: Cells, j: int, point: Floats, cut: Floats, node: Node, best: Floats, work: Work) -> float:
    """Best value of a set of models of cell j, not empty, at its cut's price; ``best[k]``: of one that has model k."""
    requests, cloudlets = len(cells.remote_s), len(cells.capacity_s)
    c, f = j // len(cells.exact), j % len(cells.exact)
    first, end = cells.first_block[f], cells.first_block[f + 1]
    eta, allowed, forced = point[requests + cloudlets + c], node.allowed[j], node.forced[j]
    members, cost = cells.members[first:end], cells.pull_s[c, first:end] + eta * cells.size_gb[first:end]
    count = gather(cells, j, point, point[requests + c], allowed, work)
    n = layers(cells, cut[j], count, work)
    free, room = allowed & ~forced, cut[j] * cells.capacity_s[c] if node.state[j] == 0 else 0.0
    if bits(free) > bits(len(work.table) - 1):
        return one_by_one(members, cost, allowed, forced, n, room, best, work)
    full = compress(free, free)
    table = work.table[: full + 1]
    subset_sums(members, cost, free, forced, 0, work.mask, work.weight, n, table)
    whole = worth(members, cost, work.mask, work.weight, n, allowed) + room
    top = -np.inf
    for closed in range(full + (forced != 0)):
        value, chosen = whole - table[closed], forced | expand(full & ~closed, free)
        top = max(top, value)
        for k in range(len(best)):
            if chosen >> k & 1:
                best[k] = max(best[k], value)
    return top


@kernel
def tables(cells: Cells, point: Floats, cut: Floats, node: Node, top: Floats, best: Floats, work: Work) -> None:
    """``with_model`` of every cell of an exact family that is not closed: ``top`` (C * F), ``best`` (C * F, models)."""
    top[:] = -np.inf
    best[:] = -np.inf
    for j in range(len(top)):
        if cells.exact[j % len(cells.exact)] and node.state[j] >= 0 and node.allowed[j]:
            top[j] = with_model(cells, j, point, cut, node, best[j], work)


@kernel
def conditional(cells: Cells, node: Node, top: Floats, size: Floats, opening: Floats, closing: Floats) -> float:
    """What all cloudlets' knapsacks are worth together, and what the bound rises by when a cell opens or closes.

    ``opening`` lacks the cell's own value: less ``best[j, k]`` it is the rise with model k open.
    """
    families, total = len(cells.exact), 0.0
    state, taken = np.empty(families, dtype=np.int64), np.empty(families, dtype=np.bool_)
    for c in range(len(cells.capacity_s)):
        first, room = c * families, cells.memory_gb[c] * ROOM
        value, need = top[first : first + families], size[first : first + families]
        for f in range(families):
            state[f] = node.state[first + f] if cells.exact[f] else -1
        most = pack(value, need, state, room, taken)
        total += most
        for f in range(families):
            j, now = first + f, state[f]
            opening[j], closing[j] = np.inf, 0.0
            if now < 0 or value[f] == -np.inf:
                continue
            state[f] = 1
            opening[j] = most - pack(value, need, state, room, taken) + value[f]
            state[f] = -1
            closing[j] = np.inf if now == 1 else most - pack(value, need, state, room, taken)
            state[f] = now
    return total
