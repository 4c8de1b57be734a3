"""Which cells to open: a dive into the dual's tree, then the same again around one cloudlet after another.

In the plans that matter few cells are open, and their choice decides the cost; for a given choice the dual bound is
within about half a percent of the best plan. So choices are compared by their bounds, and plans made at the end.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mecpfm.coupled.dual import Dual, explore, free
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.structure import Structure, restrict
from mecpfm.kernels.coupled_dual import Node

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
HOPELESS = 0.005
"""Options that cost more than this share of the bound by reduced cost are left out of the search ..."""
WHOLE = 10_000
"""... unless so few options are left."""
STEPS = 12
"""Steps of a dive, about: each opens as many cells as it takes."""
RARE, SURE = 0.05, 0.9
"""Fractions below which a dive ends, and above which cells are opened at once."""
ITERATIONS = 200
WORTH = 1e-5
"""Least relative improvement of a choice of cells: a bound is known no better."""


@dataclass(frozen=True, eq=False)
class Opened:
    """A choice of cells, 1 open, -1 closed, 0 free (relaxed families), and the dual of what is left."""

    state: Ints
    dual: Dual


def _bound(structure: Structure, warm: Dual, node: Node, target: float) -> Dual:
    found = solve_dual(structure, target=target, warm=warm, node=node, iterations=ITERATIONS, theta=0.3, theta_end=5e-3)
    if found.interrupted:
        raise KeyboardInterrupt
    return found


def option_cells(structure: Structure) -> Ints:
    """Cell of each sorted option."""
    cells = structure.cells
    return np.repeat(np.arange(len(cells.first_record) - 1), np.diff(cells.first_option[cells.first_record]))


def core(structure: Structure, dual: Dual) -> Structure:
    """The options of small reduced cost: their cell's loss when it opens, and their own when chosen."""
    cells = structure.cells
    seen = explore(structure, dual, iterations=1)
    cell = np.repeat(np.arange(len(seen.value)), np.diff(cells.first_record))
    mu = dual.point[len(cells.remote_s) :][cell // len(cells.exact)]
    gain = dual.point[cells.request] - cells.delay_s - (mu + seen.cut[cell]) * cells.compute_s
    loss = np.repeat(np.maximum(-seen.value, 0)[cell] + np.maximum(-gain, 0), np.diff(cells.first_option))
    limit = HOPELESS * dual.bound
    if len(loss) > WHOLE:
        limit = max(limit, float(np.partition(loss, WHOLE)[WHOLE]))
        return restrict(structure, loss <= limit)
    return structure


def opened_only(structure: Structure, state: Ints) -> Structure:
    """Options of cells that are not closed."""
    return restrict(structure, (state >= 0)[option_cells(structure)])


def dive(
    structure: Structure, warm: Dual, state: Ints, *, limit: float = math.inf, deadline: float = math.inf
) -> Opened:
    """Open the cells that the subproblems open most, bound again, until the rest is hardly ever opened; close it.

    ``limit`` is the cost of a plan: a step that reaches it is taken back and its cells are closed. After ``deadline``
    (time.perf_counter) everything left with a fraction of one half opens.
    """
    exact = np.tile(structure.cells.exact, len(structure.cells.capacity_s))
    node, dual = free(structure.cells)._replace(state=state.copy()), warm
    each = 0
    while True:
        undecided = exact & (node.state == 0)
        fraction = np.where(undecided, explore(structure, dual, node, iterations=60).open, 0.0)
        late = time.perf_counter() > deadline
        each = each or max(1, round(fraction.sum() / STEPS))
        first = np.argsort(-fraction, kind="stable")[:each]
        chosen = np.union1d(first[fraction[first] > RARE], np.flatnonzero(fraction > (0.5 if late else SURE)))
        if late or not len(chosen):
            node.state[undecided] = -1
            node.state[chosen] = 1
            return Opened(node.state, _bound(structure, dual, node, limit))
        node.state[chosen] = 1
        found = _bound(structure, dual, node, min(limit, 1.1 * dual.bound))
        if found.bound >= limit:
            node.state[chosen] = -1
        else:
            dual = found


def vary(
    structure: Structure, opened: Opened, near: Ints, random: np.random.Generator, *, limit: float, deadline: float
) -> Opened:
    """Free the cells of a random cloudlet and of some that share most requests with it, dive again: the better choice.

    ``near`` lists neighbours, itself first, shape (C, neighbours).
    """
    families = len(structure.cells.exact)
    live = np.unique(option_cells(structure) // families)
    if not len(live):
        return opened
    centre = live[int(random.random() * len(live))]
    some = near[centre, : 1 + int(random.random() * near.shape[1])]
    state = opened.state.copy()
    state[np.isin(np.arange(len(state)) // families, some)] = 0
    found = dive(opened_only(structure, state), opened.dual, state, limit=limit, deadline=deadline)
    return found if found.dual.bound < opened.dual.bound * (1 - WORTH) else opened
