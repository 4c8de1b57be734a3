"""Exchange under a full memory: a model comes to a cloudlet, and others leave it until its blocks fit.

Requests of those that left go where it is cheapest, and whoever is remote takes what has room or is open now.
Acceptance: simulated annealing.
"""

from __future__ import annotations

import numpy as np

from mecpfm.kernels import elementary
from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.coupled_dual import first_open
from mecpfm.kernels.coupled_journal import CHANGED, ITERATION, Journal, note, undo
from mecpfm.kernels.coupled_records import Cells
from mecpfm.kernels.coupled_star import site
from mecpfm.kernels.coupled_state import Moves, SearchState, assign, cheapest, fits, opening, release
from mecpfm.kernels.slices import copy
from mecpfm.typing import Floats, Ints

NOISE = 0.5
"""Least factor of a victim's cost, drawn up to 1."""
TRIES = 12
"""Most options among which the one that comes is chosen."""
TINY_GB = 1e-9


@inlined
def alone(
    cells: Cells, moves: Moves, state: SearchState, c: int, m: int, count: int, needed: Ints
) -> tuple[float, float]:
    """Size, GB, of the blocks that only the ``count`` requests of model m use at c and nobody needs; their pulls, s."""
    size, pull = 0.0, 0.0
    for i in range(moves.first_block[m], moves.first_block[m + 1]):
        b = moves.block[i]
        if state.users[c, b] == count and not needed[b]:
            size += cells.size_gb[b]
            pull += cells.pull_s[c, b]
    return size, pull


@kernel
def weakest(
    cells: Cells, moves: Moves, state: SearchState, c: int, k: int, random: np.random.Generator, loss: Floats,
    users: Ints, needed: Ints,
) -> int:  # fmt: skip
    """Model at cloudlet c whose requests lose least, remotely, a GB that only it holds and k does not need; -1: none.

    ``loss`` and ``users`` (K), ``needed`` (B) are scratch, and zero before and after.
    """
    for i in range(moves.first_block[k], moves.first_block[k + 1]):
        needed[moves.block[i]] = 1
    for r in range(len(state.choice)):
        if site(cells, moves, state, r) == c:
            option = state.choice[r]
            loss[moves.model[option]] += cells.remote_s[r] - cells.delay_s[moves.record[option]]
            users[moves.model[option]] += 1
    best, least = -1, np.inf
    for m in range(len(users)):
        if users[m] == 0:
            continue
        freed, pulled = alone(cells, moves, state, c, m, users[m], needed)
        if freed > 0:
            rate = max(loss[m] - pulled, 0.0) * (NOISE + (1 - NOISE) * random.random()) / freed
            if rate < least:
                best, least = m, rate
        loss[m], users[m] = 0.0, 0
    for i in range(moves.first_block[k], moves.first_block[k + 1]):
        needed[moves.block[i]] = 0
    return best


@kernel
def leave(cells: Cells, moves: Moves, state: SearchState, journal: Journal, c: int, m: int) -> None:
    """Release all requests that model m serves at cloudlet c."""
    for r in range(len(state.choice)):
        if site(cells, moves, state, r) == c and moves.model[state.choice[r]] == m:
            note(journal, state, r)
            release(cells, moves, state, r)


@inlined
def delay_now(cells: Cells, moves: Moves, state: SearchState, r: int) -> float:
    """Delay of a request as it is served, s."""
    return cells.remote_s[r] if state.choice[r] < 0 else cells.delay_s[moves.record[state.choice[r]]]


@kernel
def gain(cells: Cells, moves: Moves, state: SearchState, j: int, bit: int) -> float:
    """What a model of cell j would save, s, if all who gain came to it: pulls and compute aside."""
    total = 0.0
    for i in range(cells.first_record[j], cells.first_record[j + 1]):
        if cells.models[i] & bit:
            total += max(delay_now(cells, moves, state, cells.request[i]) - cells.delay_s[i], 0.0)
    return total


@kernel
def gather(
    cells: Cells, moves: Moves, state: SearchState, journal: Journal, j: int, bit: int, random: np.random.Generator
) -> None:
    """Those who gain come to a model of cell j that is open, from a random one on, while they fit."""
    first, count = cells.first_record[j], cells.first_record[j + 1] - cells.first_record[j]
    c, start = j // len(cells.exact), int(random.random() * count)
    for i in range(start, start + count):
        record = first + i % count
        q = cells.request[record]
        if not cells.models[record] & bit or delay_now(cells, moves, state, q) <= cells.delay_s[record]:
            continue
        if fits(cells, state, c, cells.compute_s[record], 0.0):
            note(journal, state, q)
            release(cells, moves, state, q)
            if opening_fits(cells, moves, state, c, record, bit):
                assign(cells, moves, state, q, first_open(cells, record, bit))


@inlined
def opening_fits(cells: Cells, moves: Moves, state: SearchState, c: int, record: int, bit: int) -> bool:
    """Whether a record's model fits still: who comes may have closed it by leaving."""
    size = opening(cells, moves, state, c, moves.model[first_open(cells, record, bit)])[1]
    return fits(cells, state, c, cells.compute_s[record], size)


@kernel
def newcomer(cells: Cells, moves: Moves, state: SearchState, random: np.random.Generator) -> int:
    """Of some random options the one whose model saves most at its cloudlet a GB that it lacks; -1 when none saves."""
    best, most, requests = -1, 0.0, len(state.choice)
    for _ in range(1 + int(random.random() * TRIES)):
        r = int(random.random() * requests)
        first, end = moves.first_of_request[r], moves.first_of_request[r + 1]
        if first == end:
            continue
        record = moves.of_request[first + int(random.random() * (end - first))]
        option, stop = cells.first_option[record], cells.first_option[record + 1]
        option += int(random.random() * (stop - option))
        pull, size = opening(cells, moves, state, moves.cell[record] // len(cells.exact), moves.model[option])
        saved = gain(cells, moves, state, moves.cell[record], 1 << moves.rank[moves.model[option]]) - pull
        if saved > most * max(size, TINY_GB):
            best, most = option, saved / max(size, TINY_GB)
    return best


@kernel
def exchange(
    cells: Cells, moves: Moves, state: SearchState, journal: Journal, random: np.random.Generator, loss: Floats,
    users: Ints, needed: Ints,
) -> None:  # fmt: skip
    """Open a model that saves much a GB, whatever must leave for it; who gains comes, and what has room stays."""
    option, requests = newcomer(cells, moves, state, random), len(state.choice)
    if option < 0:
        return
    record, k = moves.record[option], moves.model[option]
    c, r, start = moves.cell[record] // len(cells.exact), cells.request[record], int(random.random() * requests)
    size = opening(cells, moves, state, c, k)[1]
    if fits(cells, state, c, 0.0, size) and not fits(cells, state, c, cells.compute_s[record], size):
        return  # where compute alone is short, other moves make room
    note(journal, state, r)
    release(cells, moves, state, r)
    while not fits(cells, state, c, cells.compute_s[record], opening(cells, moves, state, c, k)[1]):
        m = weakest(cells, moves, state, c, k, random, loss, users, needed)
        if m < 0:
            return
        leave(cells, moves, state, journal, c, m)
    assign(cells, moves, state, r, option)
    gather(cells, moves, state, journal, moves.cell[record], 1 << moves.rank[k], random)
    for i in range(start, start + requests):
        q = i % requests
        if state.choice[q] < 0:
            taken = cheapest(cells, moves, state, q)[0]
            if taken >= 0:
                note(journal, state, q)
                assign(cells, moves, state, q, taken)


@kernel
def anneal(
    cells: Cells, moves: Moves, state: SearchState, best: Ints, journal: Journal, random: np.random.Generator,
    heat: float, count: int,
) -> float:  # fmt: skip
    """So many exchanges; ``best`` gets the best plan among them and the first. Returns its cost, s."""
    loss, users = np.zeros(len(moves.family)), np.zeros(len(moves.family), dtype=np.int64)
    needed, least = np.zeros(len(cells.size_gb), dtype=np.int64), state.cost[0]
    copy(state.choice, best)
    for _ in range(count):
        cost = state.cost[0]
        journal.count[CHANGED] = 0
        journal.count[ITERATION] += 1
        exchange(cells, moves, state, journal, random, loss, users, needed)
        if state.cost[0] > cost - heat * elementary.log(1 - random.random()):
            undo(cells, moves, state, journal, cost)
        elif state.cost[0] < least:
            least = state.cost[0]
            copy(state.choice, best)
    return least
