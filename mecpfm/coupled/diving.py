"""Which cells to open: a dive into the dual's tree, from the root until every cell is decided.

In the plans that matter few cells are open, and their choice decides the cost; for a given choice the dual bound is
within about half a percent of the best plan. So choices are compared by their bounds, and plans made at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled.dual import Dual, explore, free
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.structure import Structure, option_cells, restrict
from mecpfm.kernels.coupled_dual import Node
from mecpfm.typing import Ints

HOPELESS = 0.005
"""Options that cost more than this share of the bound by reduced cost are left out of the search ..."""
WHOLE = 10_000
"""... but no more than leaves this many."""
STEPS = 12
"""Steps of a dive, about: each opens as many cells as it takes."""
RARE, SURE = 0.05, 0.9
"""Fractions below which a dive ends, and above which cells are opened at once."""
ITERATIONS = 200
NOISE = 0.3


@dataclass(frozen=True, eq=False)
class Opened:
    """A choice of cells, 1 open, -1 closed, 0 free (relaxed families), and the dual of what is left."""

    state: Ints
    dual: Dual


def _bound(structure: Structure, warm: Dual, node: Node, target: float, budget: Budget) -> Dual:
    return solve_dual(
        structure, target=target, warm=warm, node=node, iterations=ITERATIONS, theta=0.3, theta_end=5e-3, budget=budget
    )


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
    structure: Structure,
    warm: Dual,
    random: np.random.Generator | None = None,
    *,
    limit: float = math.inf,
    opening: Budget = FOREVER,
    budget: Budget = FOREVER,
) -> Opened:
    """Open the cells that the subproblems open most, bound again, until the rest is hardly ever opened; close it.

    ``limit`` is the cost of a plan: a step that reaches it is taken back and its cells are closed. When the time
    for ``opening`` is over everything left with a fraction of one half opens; ``budget`` is that of all that the
    search does. ``random`` perturbs the order of opening.
    """
    exact = np.tile(structure.cells.exact, len(structure.cells.capacity_s))
    node, dual, each = free(structure.cells), warm, 0
    while True:
        undecided = exact & (node.state == 0)
        fraction = np.where(undecided, explore(structure, dual, node, iterations=60, budget=budget).open, 0.0)
        if random is not None:
            fraction *= 1 + NOISE * (2 * random.random(len(fraction)) - 1)
        late = opening.over
        each = each or max(1, round(fraction.sum() / STEPS))
        first = np.argsort(-fraction, kind="stable")[:each]
        chosen = np.union1d(first[fraction[first] > RARE], np.flatnonzero(fraction > (0.5 if late else SURE)))
        if late or not len(chosen):
            node.state[undecided] = -1
            node.state[chosen] = 1
            return Opened(node.state, _bound(structure, dual, node, limit, budget))
        node.state[chosen] = 1
        found = _bound(structure, dual, node, min(limit, 1.1 * dual.bound), budget)
        if found.bound >= limit:
            node.state[chosen] = -1
        else:
            dual = found
