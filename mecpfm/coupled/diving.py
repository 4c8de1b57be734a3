"""Which cells to open: a dive into the dual's tree, from the root until every cell is decided.

In the plans that matter few cells are open, and their choice decides the cost; for a given choice the dual bound is
within about half a percent of the best plan. So choices are compared by their bounds, and plans made at the end.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled.dual import Dual, explore, free, gains
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.engine import DEFAULT, EngineParams
from mecpfm.coupled.params import DiveParams
from mecpfm.coupled.structure import Structure, option_cells, option_records, record_cells, restrict
from mecpfm.typing import Ints


@dataclass(frozen=True, eq=False)
class Opened:
    """A choice of cells, 1 open, -1 closed, 0 free (relaxed families), and the dual of what is left."""

    state: Ints
    dual: Dual


def core(structure: Structure, dual: Dual, params: DiveParams = DEFAULT.dive) -> Structure:
    """The options of small reduced cost: their cell's loss when it opens, and their own when chosen."""
    cells = structure.cells
    seen = explore(structure, dual, iterations=1)
    opening = np.maximum(-seen.value, 0)[record_cells(cells)]
    loss = (opening + np.maximum(-gains(cells, dual.point, seen.cut), 0))[option_records(cells)]
    limit, most = params.hopeless * dual.bound, params.kept_options
    if len(loss) > most:
        limit = max(limit, float(np.partition(loss, most)[most]))
        return restrict(structure, loss <= limit)
    return structure


def opened_only(structure: Structure, state: Ints) -> Structure:
    """Options of cells that are not closed."""
    return restrict(structure, (state >= 0)[option_cells(structure)])


def dive(
    structure: Structure, warm: Dual, random: np.random.Generator | None = None, *, limit: float = math.inf,
    opening: Budget = FOREVER, budget: Budget = FOREVER, params: EngineParams = DEFAULT,
) -> Opened:  # fmt: skip
    """Open the cells that the subproblems open most, bound again, until the rest is hardly ever opened; close it.

    ``limit`` is the cost of a plan: a step that reaches it is taken back and its cells are closed. When the time
    for ``opening`` is over everything left with a fraction of one half opens; ``budget`` is that of all that the
    search does. ``random`` perturbs the order of opening.
    """
    exact = np.tile(structure.cells.exact, len(structure.cells.capacity_s))
    node, dual, each, own = free(structure.cells), warm, 0, params.dive
    bound = functools.partial(solve_dual, structure, node=node, budget=budget, params=own.at_node(params.dual))
    while True:
        undecided = exact & (node.state == 0)
        fraction = np.where(undecided, explore(structure, dual, node, iterations=60, budget=budget).open, 0.0)
        if random is not None:
            fraction *= 1 + own.noise * (2 * random.random(len(fraction)) - 1)
        late = opening.over
        each = each or max(1, round(fraction.sum() / own.steps))
        first = np.argsort(-fraction, kind="stable")[:each]
        chosen = np.union1d(first[fraction[first] > own.rare], np.flatnonzero(fraction > (0.5 if late else own.sure)))
        if late or not len(chosen):
            node.state[undecided] = -1
            node.state[chosen] = 1
            return Opened(node.state, bound(warm=dual, target=limit))
        node.state[chosen] = 1
        found = bound(warm=dual, target=min(limit, 1.1 * dual.bound))
        if found.bound >= limit:
            node.state[chosen] = -1
        else:
            dual = found
