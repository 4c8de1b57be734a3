"""A plan under change: who is served by which option, which blocks are in use where, what is left of every resource.

Serving or releasing a request costs a few operations: a block's pull is paid when its count of users leaves zero and
refunded when it returns there. Costs are exact at every step, up to the rounding of sums.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mecpfm.kernels._jit import kernel

Array = Any  # a NumPy array; Numba infers dtype and rank at the first call
SLACK = 1e-12


class Moves(NamedTuple):
    """Fixed indices over sorted options, records, models K and blocks B; pairs of arrays are CSR."""

    record: Array
    """Record of each sorted option, and its model."""
    model: Array
    cell: Array
    """Cell of each record."""
    first_of_request: Array
    """Records of request r: ``of_request[first_of_request[r]:first_of_request[r + 1]]``."""
    of_request: Array
    first_block: Array
    """Blocks of model k: ``block[first_block[k]:first_block[k + 1]]``."""
    block: Array
    first_model: Array
    """Models that contain block b: ``of_block[first_model[b]:first_model[b + 1]]``."""
    of_block: Array
    rank: Array
    family: Array
    first_member: Array
    """Blocks of family f and the masks of its models in them."""
    member_block: Array
    member_mask: Array
    models: Array
    """Number of models of family f."""
    near: Array
    """Cloudlets that share most requests with cloudlet c, shape (C, neighbours)."""
    live: Array
    """Cloudlets with any option, or all when none has one."""


class State(NamedTuple):
    """Decision and what follows from it; ``cost[0]`` is the objective, s."""

    choice: Array
    """Sorted option of each request, -1 for remote."""
    users: Array
    """Requests that use block b at cloudlet c, shape (C, B)."""
    missing: Array
    """Blocks of model k not in use at cloudlet c, shape (C, K)."""
    ready: Array
    """Mask of the models of each cell whose blocks are all in use."""
    compute: Array
    memory: Array
    cost: Array


@kernel
def toggle(cells: Any, moves: Any, state: Any, c: int, b: int, opens: bool) -> None:
    """Block b at cloudlet c comes into use, or goes out of it."""
    sign = 1 if opens else -1
    state.memory[c] -= sign * cells.size_gb[b]
    state.cost[0] += sign * cells.pull_s[c, b]
    for i in range(moves.first_model[b], moves.first_model[b + 1]):
        k = moves.of_block[i]
        state.missing[c, k] -= sign
        cell, bit = c * len(cells.exact) + moves.family[k], 1 << moves.rank[k]
        if state.missing[c, k] == 0:
            state.ready[cell] |= bit
        else:
            state.ready[cell] &= ~bit


@kernel
def release(cells: Any, moves: Any, state: Any, r: int) -> None:
    """Send a request to the remote data centre."""
    option = state.choice[r]
    if option < 0:
        return
    record, k = moves.record[option], moves.model[option]
    c = moves.cell[record] // len(cells.exact)
    state.choice[r] = -1
    state.compute[c] += cells.compute_s[record]
    state.cost[0] += cells.remote_s[r] - cells.delay_s[record]
    for i in range(moves.first_block[k], moves.first_block[k + 1]):
        b = moves.block[i]
        state.users[c, b] -= 1
        if state.users[c, b] == 0:
            toggle(cells, moves, state, c, b, False)


@kernel
def assign(cells: Any, moves: Any, state: Any, r: int, option: int) -> None:
    """Serve a request, now remote, by an option of its own that fits; -1 leaves it remote."""
    if option < 0:
        return
    record, k = moves.record[option], moves.model[option]
    c = moves.cell[record] // len(cells.exact)
    state.choice[r] = option
    state.compute[c] -= cells.compute_s[record]
    state.cost[0] += cells.delay_s[record] - cells.remote_s[r]
    for i in range(moves.first_block[k], moves.first_block[k + 1]):
        b = moves.block[i]
        if state.users[c, b] == 0:
            toggle(cells, moves, state, c, b, True)
        state.users[c, b] += 1


@kernel
def opening(cells: Any, moves: Any, state: Any, c: int, k: int) -> tuple[float, float]:
    """Pull time (s) and memory (GB) of the blocks that model k still misses at cloudlet c."""
    pull, size = 0.0, 0.0
    for i in range(moves.first_block[k], moves.first_block[k + 1]):
        b = moves.block[i]
        if state.users[c, b] == 0:
            pull += cells.pull_s[c, b]
            size += cells.size_gb[b]
    return pull, size


@kernel
def fits(cells: Any, state: Any, c: int, compute: float, size: float) -> Any:
    """Whether cloudlet c has that much compute (s) and memory (GB) left."""
    spare = cells.capacity_s[c] * SLACK
    return compute <= state.compute[c] + spare and size <= state.memory[c] + cells.memory_gb[c] * SLACK


@kernel
def cheapest(cells: Any, moves: Any, state: Any, r: int) -> tuple[int, float]:
    """Best feasible option of a request that is now remote, and its cost with the pulls it causes; -1 is remote."""
    best, least = -1, cells.remote_s[r]
    for i in range(moves.first_of_request[r], moves.first_of_request[r + 1]):
        record = moves.of_request[i]
        cell = moves.cell[record]
        c = cell // len(cells.exact)
        if cells.delay_s[record] >= least or not fits(cells, state, c, cells.compute_s[record], 0.0):
            continue
        ready = cells.models[record] & state.ready[cell]
        for option in range(cells.first_option[record], cells.first_option[record + 1]):
            k = moves.model[option]
            if ready:
                if state.missing[c, k] == 0:
                    best, least = option, cells.delay_s[record]
                    break
                continue
            pull, size = opening(cells, moves, state, c, k)
            if cells.delay_s[record] + pull < least and fits(cells, state, c, cells.compute_s[record], size):
                best, least = option, cells.delay_s[record] + pull
    return best, least


@kernel
def restart(cells: Any, moves: Any, state: Any, choice: Array) -> None:
    """Set the state to a decision, everything summed anew; options that no longer fit are left remote."""
    state.choice[:] = -1
    state.users[:] = 0
    state.ready[:] = 0
    state.compute[:] = cells.capacity_s
    state.memory[:] = cells.memory_gb
    state.cost[0] = cells.remote_s.sum()
    for c in range(state.missing.shape[0]):
        state.missing[c] = np.diff(moves.first_block)
    for r in range(len(choice)):
        if choice[r] >= 0:
            record, k = moves.record[choice[r]], moves.model[choice[r]]
            c = moves.cell[record] // len(cells.exact)
            size = opening(cells, moves, state, c, k)[1]
            if fits(cells, state, c, cells.compute_s[record], size):
                assign(cells, moves, state, r, choice[r])


@kernel
def insert_all(cells: Any, moves: Any, state: Any, order: Array) -> None:
    """Give every request of ``order`` that is remote its cheapest feasible option, one after the other."""
    for r in order:
        if state.choice[r] < 0:
            assign(cells, moves, state, r, cheapest(cells, moves, state, r)[0])
