"""Branch and bound on the dual: cells open or closed, then single models; small remainders go to HiGHS.

Reduced costs remove cells and options that no plan better than the incumbent uses, so that what is left is often a
small MIP even where the instance is not. A leaf that is not solved keeps its bound in the minimum.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import anytime
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.check import assess
from mecpfm.coupled.dual import Dual, explore, free, gains, proven
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.engine import DEFAULT, EngineParams
from mecpfm.coupled.formulation import solve_ilp
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.structure import Structure, option_cells, option_records, record_cells
from mecpfm.errors import LimitError
from mecpfm.kernels.coupled_dual import Node
from mecpfm.plan import Plan
from mecpfm.typing import Floats, Ints

SECONDS = 60.0
"""Time limit where none is given."""


@dataclass(eq=False)
class BranchSearch:
    """Incumbent, and the least bound among leaves that were given up unsolved."""

    instance: Instance
    structure: Structure
    choice: Ints
    cost: float
    params: EngineParams = DEFAULT
    given_up: float = np.inf
    nodes: int = 0

    def offer(self, choice: Ints) -> None:
        """Take a feasible decision as incumbent when it is better."""
        plan = assess(self.instance, "branch", choice)
        if plan.feasible and plan.objective < self.cost:
            self.choice, self.cost = choice, plan.objective


def solve(
    instance: Instance, *, time_limit: float | None = None, iterations: int = 5_000, seed: int = 0,
    progress: Callable[[int, float, float], None] | None = None, start: Ints | None = None,
    prices: Certificate | None = None, gap: float = 0.0, params: EngineParams = DEFAULT,
) -> tuple[Plan, Structure, Dual]:  # fmt: skip
    """Plan with the best bound proved within the limits (60 s unless given); ``optimal`` when nothing better exists.

    Structure and Dual are the root's: its multipliers certify a bound, the tree a better one. ``iterations`` are those
    of the search that gives the first incumbent, in a share of the time; ``start``, ``prices``, ``gap`` and ``params``
    are those of ``request.Request``.
    """
    budget = Budget.of(SECONDS if time_limit is None else time_limit)
    first, structure, root = anytime.bound_and_search(
        instance, iterations=iterations, budget=budget.share(params.tree.incumbent_share), seed=seed,
        progress=progress, start=start, prices=prices, gap=gap, params=params,
    )  # fmt: skip
    cost = assess(instance, "branch", first.choice).objective  # the checker's, not the search's running sum
    search = BranchSearch(instance, structure, first.choice, cost, params)
    bound = run(search, root, budget=budget, gap=gap)
    plan = assess(
        instance, "branch", search.choice, bound=bound, status=proven(search.cost, bound), seed=seed,
        runtime_s=budget.elapsed(),
    )  # fmt: skip
    return plan, structure, root


def run(search: BranchSearch, root: Dual, *, budget: Budget = FOREVER, gap: float = 0.0) -> float:
    """Best-first search; returns the least bound of all that is left open, given up, or the incumbent's cost.

    It ends when nothing left open is below the incumbent's cost by more than ``gap`` of it.
    """
    serial, nodes = itertools.count(), search.params.tree.nodes
    heap: list[tuple[float, int, Dual, Node]] = [(root.bound, next(serial), root, free(search.structure.cells))]
    while heap and heap[0][0] < (1 - gap) * search.cost and search.nodes < nodes and not budget.over:
        _, _, dual, node = heapq.heappop(heap)
        search.nodes += 1
        for new, child in expand(search, dual, node, budget):
            heapq.heappush(heap, (new.bound, next(serial), new, child))
    left = heap[0][0] if heap else np.inf
    return float(min(search.cost, search.given_up, left))


def expand(search: BranchSearch, dual: Dual, node: Node, budget: Budget) -> Iterator[tuple[Dual, Node]]:
    """Children of a node that may hold a better plan; a small remainder is solved instead."""
    own, (node, kept, fractional) = search.params.tree, tighten(search, dual, node, budget)
    if int(kept.sum()) <= own.branch_leaf_options:
        close(search, dual.bound, kept, budget)
        return
    children = branch(search.structure, node, *fractional)
    if not children:
        search.given_up = min(search.given_up, dual.bound)
    for child in children:
        new = solve_dual(
            search.structure, target=search.cost, warm=dual, node=child, budget=budget,
            params=own.at_node(search.params.dual),
        )  # fmt: skip
        bound = max(new.bound, dual.bound)  # a child's optimum is never below its parent's
        if bound < search.cost:
            yield replace(new, bound=bound), child


def tighten(
    search: BranchSearch, dual: Dual, node: Node, budget: Budget = FOREVER
) -> tuple[Node, NDArray[np.bool_], tuple[Floats, Floats]]:
    """Fix cells and remove options by reduced cost; also how often cells and models are open around the multipliers.

    With bound L, cell value Phi and incumbent U: a closed cell with L - Phi >= U stays closed, an open one with
    L + Phi >= U stays open, an option of gain a < 0 with L + max(0, Phi) - Phi - a >= U is never used.
    """
    structure, cells = search.structure, search.structure.cells
    seen = explore(structure, dual, node, budget=budget)
    exact = np.tile(cells.exact, len(cells.capacity_s))
    room = search.cost - seen.bound
    state = node.state.copy()
    state[exact & (state == 0) & (-seen.value >= room)] = -1
    state[exact & (state == 0) & (seen.value >= room)] = 1
    tight = node._replace(state=state)
    cell, record = record_cells(cells), option_records(cells)
    gain = gains(cells, dual.point, seen.cut)
    loss = np.where(state == 1, 0.0, np.maximum(-seen.value, 0))[cell] + np.maximum(-gain, 0)
    useful = (state[cell] >= 0) & ((loss < room) | ~exact[cell])
    allowed = node.allowed[cell[record]] >> structure.rank[structure.model] & 1 == 1
    return tight, useful[record] & allowed, (seen.open, seen.used)


def close(search: BranchSearch, bound: float, kept: NDArray[np.bool_], budget: Budget) -> None:
    """Solve a node's remaining options as a MIP; what HiGHS leaves unproved is given up at its bound.

    An "optimal" plan proves nothing when the checker refuses it, or finds it dearer than HiGHS's bound.
    """
    instance = search.instance
    rows = np.sort(search.structure.option[kept])
    small = instance.with_options(rows)
    try:
        plan = solve_ilp(small, solver="highs", time_limit=budget.share(1, search.params.tree.leaf_s).limit())
    except LimitError:
        search.given_up = min(search.given_up, bound)
        return
    search.offer(np.append(rows, -1)[np.array(plan.decisions["option"], dtype=np.int64)])
    if not plan.feasible:
        search.given_up = min(search.given_up, bound)
    elif plan.status != "optimal" or proven(plan.objective, plan.bound) != "optimal":
        search.given_up = min(search.given_up, max(bound, plan.bound))


def branch(structure: Structure, node: Node, opened: Floats, used: Floats) -> list[Node]:
    """Two children on the cell, or else on the model at a cloudlet, whose fraction is nearest to one half; [] if none.

    Ties: the lowest index.
    """
    cells = structure.cells
    exact = np.tile(cells.exact, len(cells.capacity_s))
    distance = np.where(exact & (node.state == 0), np.abs(opened - 0.5), np.inf)
    if distance.min() < 0.45:
        j = int(distance.argmin())
        return [node._replace(state=_with(node.state, j, value)) for value in (-1, 1)]
    height = np.zeros((len(node.state), 62))
    np.maximum.at(height, (option_cells(structure), structure.rank[structure.model]), used)
    undecided = exact[:, None] & ((node.forced[:, None] >> np.arange(62)) & 1 == 0) & (node.state[:, None] >= 0)
    distance = np.where(undecided, np.abs(height - 0.5), np.inf)
    j, k = divmod(int(distance.argmin()), 62)
    if distance[j, k] >= 0.45:
        return []
    bit = 1 << k
    without = node._replace(allowed=_with(node.allowed, j, int(node.allowed[j]) & ~bit))
    forced = node._replace(forced=_with(node.forced, j, int(node.forced[j]) | bit), state=_with(node.state, j, 1))
    return [without, forced]


def _with(values: Ints, place: int, value: int) -> Ints:
    changed = values.copy()
    changed[place] = value
    return changed
