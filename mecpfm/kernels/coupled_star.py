"""Stars: a family's best set of models at a cloudlet, with the requests it would serve, at the costs of the moment.

The same exact subproblem as in the dual bound, with pulls only for blocks not in use and the capacities that are left.
"""

from __future__ import annotations

import numpy as np

from mecpfm.kernels._jit import borrowing, inlined, kernel
from mecpfm.kernels.coupled_cut import Problem, Work, solve_cell
from mecpfm.kernels.coupled_dual import common_price
from mecpfm.kernels.coupled_records import Cells
from mecpfm.kernels.coupled_state import Moves, SearchState
from mecpfm.kernels.ordering import largest
from mecpfm.kernels.slices import summed
from mecpfm.typing import Floats

MAX_ENUMERATED = 9
PRICINGS = 6


@inlined
def site(cells: Cells, moves: Moves, state: SearchState, r: int) -> int:
    """Cloudlet that serves a request, -1 for none."""
    option = state.choice[r]
    return -1 if option < 0 else moves.cell[moves.record[option]] // len(cells.exact)


@inlined
def worth_now(cells: Cells, moves: Moves, state: SearchState, r: int, value: Floats) -> float:
    """What serving request r elsewhere saves: its present delay and the pulls that only it causes, or its value."""
    option = state.choice[r]
    if option < 0:
        return value[r]
    record, k = moves.record[option], moves.model[option]
    c = moves.cell[record] // len(cells.exact)
    saved = cells.delay_s[record]
    for i in range(moves.first_block[k], moves.first_block[k + 1]):
        if state.users[c, moves.block[i]] == 1:
            saved += cells.pull_s[c, moves.block[i]]
    return saved


@borrowing
def candidates(cells: Cells, moves: Moves, state: SearchState, j: int, value: Floats, mu: float, work: Work) -> int:
    """Records of cell j that save something, pulls aside and compute at price mu, over what their requests have now."""
    count, c = 0, j // len(cells.exact)
    for i in range(cells.first_record[j], cells.first_record[j + 1]):
        r = cells.request[i]
        if site(cells, moves, state, r) == c or cells.compute_s[i] > state.compute[c]:
            continue
        a = worth_now(cells, moves, state, r, value) - cells.delay_s[i] - mu * cells.compute_s[i]
        if a > 0:
            work.gain[count] = a
            work.place[count] = i
            count += 1
    return count


@inlined
def promising(cells: Cells, count: int, work: Work, models: int) -> int:
    """Mask of the models worth enumerating: all of a small family, of a large one those that alone gain most."""
    if models <= MAX_ENUMERATED:
        return (1 << models) - 1
    reach = np.zeros(models)
    for i in range(count):
        rest, k = cells.models[work.place[i]], 0
        while rest:
            if rest & 1:
                reach[k] += work.gain[i]
            rest >>= 1
            k += 1
    chosen = 0
    for _ in range(MAX_ENUMERATED):
        k = largest(reach)
        chosen |= 1 << k
        reach[k] = -1.0
    return chosen


@kernel
def star(
    cells: Cells, moves: Moves, state: SearchState, j: int, value: Floats, mu: float, work: Work
) -> tuple[float, int]:
    """Best set of models to open in cell j at the moment's costs: its gain, s, and its mask.

    Memory is priced only when the set does not fit, and then dearer until it does.
    """
    c, f = j // len(cells.exact), j % len(cells.exact)
    count = candidates(cells, moves, state, j, value, mu, work)
    first, end = moves.first_member[f], moves.first_member[f + 1]
    members, pull, size = moves.member_mask[first:end], np.zeros(end - first), np.zeros(end - first)
    for i in range(end - first):
        b = moves.member_block[first + i]
        if state.users[c, b] == 0:
            pull[i], size[i] = cells.pull_s[c, b], cells.size_gb[b]
    allowed, eta = promising(cells, count, work, moves.models[f]), 0.0
    for _ in range(PRICINGS):
        if count == 0 or summed(work.gain, 0, count) <= common_price(members, pull, allowed):
            break
        cost = np.empty(len(members))
        for i in range(len(members)):
            cost[i] = pull[i] + eta * size[i]
        problem = Problem(members, cost, max(state.compute[c], 0.0), allowed, 0, False)
        gain, _, low, high, _ = solve_cell(cells, problem, 0.0, count, work, False)
        chosen = high.chosen if high.chosen else low.chosen
        need = 0.0
        for i in range(len(members)):
            if members[i] & chosen:
                need += size[i]
        if gain <= 0 or need <= state.memory[c]:
            return gain, chosen
        eta = 2 * eta + gain / need
    return 0.0, 0
