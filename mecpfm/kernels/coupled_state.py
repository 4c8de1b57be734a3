"""A plan under change: who is served by which option, which blocks are in use where, what is left of every resource.

Serving or releasing a request costs a few operations: a block's pull is paid when its count of users leaves zero and
refunded when it returns there. Costs are exact at every step, up to the rounding of sums.
"""

from __future__ import annotations

from typing import NamedTuple

from mecpfm.kernels._jit import borrowing, inlined
from mecpfm.kernels.coupled_records import Cells
from mecpfm.typing import Floats, Ints

SLACK = 1e-12


class Moves(NamedTuple):
    """Fixed indices over n sorted options, N records, K models, B blocks, F families; pairs of arrays are CSR."""

    record: Ints
    """Record of each sorted option, shape (n,)."""
    model: Ints
    """Model of each sorted option, shape (n,)."""
    cell: Ints
    """Cell of each record, shape (N,)."""
    first_of_request: Ints
    """Records of request r: ``of_request[first_of_request[r]:first_of_request[r + 1]]``; shape (R + 1,)."""
    of_request: Ints
    """Records by request, shape (N,)."""
    first_block: Ints
    """Blocks of model k: ``block[first_block[k]:first_block[k + 1]]``; shape (K + 1,)."""
    block: Ints
    """Blocks by model, one entry for each block of each model."""
    first_model: Ints
    """Models that contain block b: ``of_block[first_model[b]:first_model[b + 1]]``; shape (B + 1,)."""
    of_block: Ints
    """Models by block, as many entries as ``block``."""
    rank: Ints
    """Bit of each model in the masks of its family, shape (K,)."""
    family: Ints
    """Family of each model, shape (K,)."""
    first_member: Ints
    """Blocks of family f are entries ``first_member[f]`` to ``first_member[f + 1]`` of the next two; shape (F + 1,)."""
    member_block: Ints
    """Blocks by family."""
    member_mask: Ints
    """Mask of the family's models that contain the block."""
    models: Ints
    """Number of models of each family, shape (F,)."""
    near: Ints
    """Cloudlets that share most requests with cloudlet c, shape (C, neighbours)."""
    live: Ints
    """Cloudlets with any option, or all when none has one."""


class SearchState(NamedTuple):
    """A decision and what follows from it."""

    choice: Ints
    """Sorted option of each request, -1 for remote, shape (R,)."""
    users: Ints
    """Requests that use block b at cloudlet c, shape (C, B)."""
    missing: Ints
    """Blocks of model k not in use at cloudlet c, shape (C, K)."""
    ready: Ints
    """Mask of the models of each cell whose blocks are all in use, shape (C * F,)."""
    compute: Floats
    """Compute left at each cloudlet, s, shape (C,)."""
    memory: Floats
    """Memory left at each cloudlet, GB, shape (C,)."""
    cost: Floats
    """The objective, s, shape (1,)."""


@inlined
def toggle(cells: Cells, moves: Moves, state: SearchState, c: int, b: int, opens: bool) -> None:
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


@borrowing
def release(cells: Cells, moves: Moves, state: SearchState, r: int) -> None:
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


@borrowing
def assign(cells: Cells, moves: Moves, state: SearchState, r: int, option: int) -> None:
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


@inlined
def opening(cells: Cells, moves: Moves, state: SearchState, c: int, k: int) -> tuple[float, float]:
    """Pull time (s) and memory (GB) of the blocks that model k still misses at cloudlet c."""
    pull, size = 0.0, 0.0
    for i in range(moves.first_block[k], moves.first_block[k + 1]):
        b = moves.block[i]
        if state.users[c, b] == 0:
            pull += cells.pull_s[c, b]
            size += cells.size_gb[b]
    return pull, size


@inlined
def fits(cells: Cells, state: SearchState, c: int, compute: float, size: float) -> bool:
    """Whether cloudlet c has that much compute (s) and memory (GB) left."""
    spare = cells.capacity_s[c] * SLACK
    return compute <= state.compute[c] + spare and size <= state.memory[c] + cells.memory_gb[c] * SLACK


@borrowing
def cheapest(cells: Cells, moves: Moves, state: SearchState, r: int) -> tuple[int, float]:
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


@borrowing
def restart(cells: Cells, moves: Moves, state: SearchState, choice: Ints) -> None:
    """Set the state to a decision, everything summed anew; options that no longer fit are left remote."""
    state.choice[:] = -1
    state.users[:] = 0
    state.ready[:] = 0
    state.cost[0] = cells.remote_s.sum()
    for c in range(state.missing.shape[0]):
        state.compute[c], state.memory[c] = cells.capacity_s[c], cells.memory_gb[c]
        for k in range(state.missing.shape[1]):
            state.missing[c, k] = moves.first_block[k + 1] - moves.first_block[k]
    for r in range(len(choice)):
        if choice[r] >= 0:
            record, k = moves.record[choice[r]], moves.model[choice[r]]
            c = moves.cell[record] // len(cells.exact)
            size = opening(cells, moves, state, c, k)[1]
            if fits(cells, state, c, cells.compute_s[record], size):
                assign(cells, moves, state, r, choice[r])


@borrowing
def insert_all(cells: Cells, moves: Moves, state: SearchState, order: Ints) -> None:
    """Give every request of ``order`` that is remote its cheapest feasible option, one after the other."""
    for r in order:
        if state.choice[r] < 0:
            assign(cells, moves, state, r, cheapest(cells, moves, state, r)[0])
