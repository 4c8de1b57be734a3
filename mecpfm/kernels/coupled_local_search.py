"""Ruin and recreate on the coupled problem: cloudlets are emptied and filled again, family by family, by best stars.

Between two such iterations single requests force their way in and others find another place. Acceptance: simulated
annealing, cooler for the small moves.
"""

from __future__ import annotations

import numpy as np

from mecpfm.kernels import elementary
from mecpfm.kernels._jit import borrowing, inlined, kernel
from mecpfm.kernels.coupled_cut import Work, serve
from mecpfm.kernels.coupled_dual import first_open
from mecpfm.kernels.coupled_journal import CHANGED, ITERATION, Journal, note, undo
from mecpfm.kernels.coupled_records import Cells
from mecpfm.kernels.coupled_star import candidates, site, star, worth_now
from mecpfm.kernels.coupled_state import Moves, SearchState, assign, cheapest, fits, opening, release
from mecpfm.kernels.ordering import ascending, largest
from mecpfm.kernels.slices import copy
from mecpfm.typing import Floats, Ints

COOL = 0.1
"""Temperature of the small moves relative to the others."""
PLANTS = 5
"""Most stars tried at a cloudlet, times the number of families."""


@inlined
def among(values: Ints, count: int, wanted: int) -> bool:
    """Whether one of the first ``count`` values is the wanted one."""
    found = False
    for i in range(count):
        found = found or values[i] == wanted
    return found


@borrowing
def ruin(
    cells: Cells,
    moves: Moves,
    state: SearchState,
    journal: Journal,
    random: np.random.Generator,
    most: int,
    touched: Ints,
) -> int:
    """Empty a random cloudlet and neighbours of it: wholly, half or one family; returns how many."""
    touched[0] = moves.live[int(random.random() * len(moves.live))]
    wanted, count = 1 + int(random.random() * most), 1
    for _ in range(4 * wanted):
        if count >= wanted:
            break
        c = moves.near[touched[int(random.random() * count)], int(random.random() * moves.near.shape[1])]
        if not among(touched, count, c):
            touched[count] = c
            count += 1
    draw = random.random()
    keep = 0.5 if draw < 0.3 else 0.0
    family = int(random.random() * len(cells.exact)) if draw > 0.7 else -1
    for r in range(len(state.choice)):
        c = site(cells, moves, state, r)
        if c < 0 or not among(touched, count, c):
            continue
        if family >= 0 and moves.family[moves.model[state.choice[r]]] != family:
            continue
        if keep > 0 and random.random() < keep:
            continue
        note(journal, state, r)
        release(cells, moves, state, r)
    return count


@borrowing
def densities(
    cells: Cells, moves: Moves, state: SearchState, value: Floats, random: np.random.Generator, noise: float,
    work: Work, order_by: Floats,
) -> None:  # fmt: skip
    """Write minus the density (with noise) of the saving of each record in ``work.served``."""
    power = 1.0 if random.random() < 0.5 else random.random()
    for i in range(len(order_by)):
        record = work.served[i]
        a = worth_now(cells, moves, state, cells.request[record], value) - cells.delay_s[record]
        order_by[i] = -a / elementary.power(max(cells.compute_s[record], 1e-12), power)
        order_by[i] *= 1 + 4 * noise * (random.random() - 0.5)


@borrowing
def draw_in(
    cells: Cells, moves: Moves, state: SearchState, journal: Journal, c: int, chosen: int, order: Ints, work: Work
) -> bool:
    """Move the records of ``work.served``, in order, to cloudlet c while they fit; True when any moved."""
    moved = False
    for i in order:
        record = work.served[i]
        r, option = cells.request[record], first_open(cells, record, chosen)
        size = opening(cells, moves, state, c, moves.model[option])[1]
        if fits(cells, state, c, cells.compute_s[record], size):
            note(journal, state, r)
            release(cells, moves, state, r)
            assign(cells, moves, state, r, option)
            moved = True
    return moved


@kernel
def plant(
    cells: Cells, moves: Moves, state: SearchState, journal: Journal, j: int, chosen: int, value: Floats, mu: float,
    random: np.random.Generator, noise: float, work: Work,
) -> bool:  # fmt: skip
    """Move requests to a star, densest saving (with noise) first, while they fit; True when any moved."""
    count = candidates(cells, moves, state, j, value, mu, work)
    served, _ = serve(cells, chosen, 0.0, count, work)
    order_by = np.empty(served)
    densities(cells, moves, state, value, random, noise, work, order_by)
    return draw_in(cells, moves, state, journal, j // len(cells.exact), chosen, ascending(order_by), work)


@kernel
def recreate(
    cells: Cells, moves: Moves, state: SearchState, journal: Journal, random: np.random.Generator, touched: Ints,
    value: Floats, mu: Floats, noise: float, work: Work,
) -> None:  # fmt: skip
    """Fill the touched cloudlets with best stars, in the given order, until none gains.

    A star gains less once others stand, so an old gain serves as an upper bound: only the leader is evaluated again.
    """
    families = len(cells.exact)
    gain, chosen, fresh = np.empty(families), np.empty(families, np.int64), np.empty(families, np.bool_)
    for c in touched:
        gain[:] = np.inf
        fresh[:] = False
        for _ in range(PLANTS * families):
            f = largest(gain)
            if gain[f] <= 0:
                break
            if not fresh[f]:
                gain[f], chosen[f] = star(cells, moves, state, c * families + f, value, mu[c], work)
                gain[f] *= 1 + noise * (random.random() - 0.5)
                fresh[f] = True
            elif plant(cells, moves, state, journal, c * families + f, chosen[f], value, mu[c], random, noise, work):
                fresh[:] = False
            else:
                gain[f] = 0.0


@inlined
def shift(cells: Cells, moves: Moves, state: SearchState, journal: Journal, r: int) -> bool:
    """Move one request to its cheapest option; True when that lowers the cost."""
    before, option = state.cost[0], state.choice[r]
    note(journal, state, r)
    release(cells, moves, state, r)
    assign(cells, moves, state, r, cheapest(cells, moves, state, r)[0])
    if state.cost[0] >= before:
        release(cells, moves, state, r)
        assign(cells, moves, state, r, option)
        state.cost[0] = before
        return False
    return True


@borrowing
def eject(cells: Cells, moves: Moves, state: SearchState, journal: Journal, random: np.random.Generator) -> None:
    """Serve a random request by a random record of its own; others leave its cloudlet until it fits."""
    requests = len(state.choice)
    r, start = int(random.random() * requests), int(random.random() * requests)
    first, end = moves.first_of_request[r], moves.first_of_request[r + 1]
    if first == end:
        return
    record = moves.of_request[first + int(random.random() * (end - first))]
    c, models = moves.cell[record] // len(cells.exact), cells.models[record]
    ready = models & state.ready[moves.cell[record]]
    option = first_open(cells, record, ready if ready else models)
    note(journal, state, r)
    release(cells, moves, state, r)
    if opening(cells, moves, state, c, moves.model[option])[1] <= state.memory[c]:
        for i in range(start, start + requests):
            if fits(cells, state, c, cells.compute_s[record], 0.0):
                assign(cells, moves, state, r, option)
                break
            other = i % requests
            if site(cells, moves, state, other) == c and random.random() < 0.5:
                note(journal, state, other)
                release(cells, moves, state, other)
    for i in range(journal.count[CHANGED]):
        if state.choice[journal.request[i]] < 0:
            q = journal.request[i]
            assign(cells, moves, state, q, cheapest(cells, moves, state, q)[0])


@borrowing
def rebuild(
    cells: Cells, moves: Moves, state: SearchState, journal: Journal, random: np.random.Generator, touched: Ints,
    price: Floats, value: Floats, mu: Floats, work: Work,
) -> None:  # fmt: skip
    """Fill the touched cloudlets, most times first at the dual's prices; then shift the changed requests."""
    noise = 0.15 if random.random() < 0.5 else 0.0
    requests, draw = len(value), random.random()
    factor, scale = 1 + 1.5 * random.random(), 2 * random.random()
    for stage in range(2 if draw < 0.5 else (1 if draw < 0.8 else 0), -1, -1):
        for r in range(requests):
            value[r] = min(cells.remote_s[r], factor * price[r]) if stage == 2 else cells.remote_s[r]
        for c in range(len(mu)):
            mu[c] = scale * price[requests + c] if stage else 0.0
        recreate(cells, moves, state, journal, random, touched, value, mu, noise, work)
    changed = journal.count[CHANGED]
    for i in range(2 * changed + 10):
        r = journal.request[i % changed] if i < 2 * changed else int(random.random() * requests)
        shift(cells, moves, state, journal, r)


@kernel
def anneal(
    cells: Cells, moves: Moves, state: SearchState, best: Ints, journal: Journal, random: np.random.Generator,
    price: Floats, heat: float, iterations: int, ejections: int, most: int, work: Work, fill: Ints,
) -> float:  # fmt: skip
    """Iterate ruin, recreate, descent, acceptance; ``best`` keeps the incumbent. Returns the incumbent's cost.

    The cloudlets ``fill``, if any, are filled before.
    """
    value, mu = np.empty(len(state.choice)), np.empty(len(state.compute))
    if len(fill):
        rebuild(cells, moves, state, journal, random, fill, price, value, mu, work)
    touched = np.empty(most + 1, np.int64)
    least = state.cost[0]
    copy(state.choice, best)
    for iteration in range(iterations * (1 + ejections)):
        cost = state.cost[0]
        journal.count[CHANGED] = 0
        journal.count[ITERATION] += 1
        if iteration % (1 + ejections):
            eject(cells, moves, state, journal, random)
            limit = cost - COOL * heat * elementary.log(1 - random.random())
        else:
            count = ruin(cells, moves, state, journal, random, most, touched)
            rebuild(cells, moves, state, journal, random, touched[:count], price, value, mu, work)
            limit = cost - heat * elementary.log(1 - random.random())
        if state.cost[0] > limit:
            undo(cells, moves, state, journal, cost)
        elif state.cost[0] < least:
            least = state.cost[0]
            copy(state.choice, best)
    return least
