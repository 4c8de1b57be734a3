"""Randomized rounding of a fractional assignment, alone and in several ways together (docs/theory_coupled.md).

The fractions come from HiGHS's LP with the cut where it is small, else from averaging the dual's subproblems.
A rounding is repaired to strict feasibility: what no longer fits is inserted where it is cheapest, or goes remote.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import local_search
from mecpfm.coupled.check import assess
from mecpfm.coupled.dual import Dual, explore, proven
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.formulation import solve_lp
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.laminar import forest, tree
from mecpfm.coupled.opening import opening
from mecpfm.coupled.params import DualParams
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.structure import Structure, build, owner, site
from mecpfm.kernels import coupled_rounding as kernels
from mecpfm.plan import Plan
from mecpfm.typing import Floats, Ints

LP_OPTIONS = 4_000
"""Largest number of options for which the explicit LP is solved."""
Draw = Callable[[np.random.Generator], Ints]
Rounding = Callable[[Structure, Floats], Draw]
"""What does not change from draw to draw is done once."""


def fractions(
    instance: Instance, structure: Structure, dual: Dual, budget: Budget = FOREVER, *, memory_cut: bool = False
) -> tuple[Floats, str]:
    """Fraction x of each sorted option, at most 1 in sum over a request's, and where it comes from."""
    if len(structure.option) > LP_OPTIONS:
        return explore(structure, dual, iterations=200, budget=budget).used, "dual average"
    small = presolve(instance)
    limit = budget.limit()
    plan, x = solve_lp(small.instance, cut=True, memory_cut=memory_cut, solver="highs", time_limit=limit)
    full = np.zeros(len(instance.options.request))
    full[small.option] = np.clip(x, 0, 1)
    return within_one(structure, full[structure.option]), plan.solver


def within_one(structure: Structure, x: Floats) -> Floats:
    """Scale the fractions of every request whose sum exceeds 1; the rest is the remote fraction."""
    request = owner(structure)
    total = np.bincount(request, x, minlength=len(structure.cells.remote_s))
    return np.asarray(x / np.maximum(total, 1.0)[request])


def labels(structure: Structure) -> Ints:
    """Label (model, cloudlet) of each sorted option: ``cloudlet * K + model``."""
    return site(structure) * len(structure.family) + structure.model


def independent(structure: Structure, x: Floats) -> Draw:
    """Every request draws one of its options, or remote, by its fractions: Raghavan and Thompson."""
    request = owner(structure)
    order = np.argsort(request, kind="stable")
    rising = np.cumsum(x[order])
    first = np.searchsorted(request[order], np.arange(len(structure.cells.remote_s) + 1))
    before, end = np.append(0.0, rising)[first][:-1], first[1:]
    option = np.append(order, -1)

    def draw(random: np.random.Generator) -> Ints:
        drawn = np.searchsorted(rising, before + random.random(len(before)), side="right")
        return np.where(drawn < end, option[drawn], -1)

    return draw


def coupled(structure: Structure, x: Floats) -> Draw:
    """Requests join drawn labels together, above one threshold: Kleinberg and Tardos, theorem 4."""
    label, request, requests = labels(structure), owner(structure), len(structure.cells.remote_s)
    order = np.argsort(label, kind="stable")
    order = order[x[order] > 0]
    first = np.append(np.flatnonzero(np.diff(label[order], prepend=-1)), len(order))
    return lambda random: np.asarray(kernels.round_coupled(first, order, request, x, requests, random))


def nested(structure: Structure, x: Floats) -> Draw:
    """One threshold a cloudlet opens models; every request takes the fastest open option: theorem 5."""
    label, cells, models = labels(structure), structure.cells, len(structure.family)
    height = np.zeros(len(cells.capacity_s) * models)
    np.maximum.at(height, label, x)
    delay, request = np.repeat(cells.delay_s, np.diff(cells.first_option)), owner(structure)
    order = np.lexsort((delay, request))
    label, request = label[order], request[order]

    def draw(random: np.random.Generator) -> Ints:
        opened = np.flatnonzero((height > random.random(len(cells.capacity_s)).repeat(models))[label])
        fastest = opened[np.diff(request[opened], prepend=-1) > 0]
        choice = np.full(len(cells.remote_s), -1)
        choice[request[fastest]] = order[fastest]
        return choice

    return draw


ROUNDINGS: dict[str, Rounding] = {
    "rounding-independent": independent,
    "rounding-coupled": coupled,
    "rounding-nested": nested,
    "rounding-tree": tree,
    "opening-tree": opening,
}
"""By method."""
TREES = frozenset({"rounding-tree", "opening-tree"})
"""Those that need blocks whose sets of models are nested or disjoint."""


def solve(
    instance: Instance, method: str, *, draws: int = 20, seed: int = 0, time_limit: float | None = None,
    params: DualParams = DEFAULT.dual,
) -> Plan:  # fmt: skip
    """Best of ``draws`` repaired roundings, fewer when time is over; ``method`` is a key of ``ROUNDINGS``.

    LimitError when time is over before there are fractions to round, InputError where the blocks form no tree and the
    method needs one.
    """
    budget = Budget.of(time_limit)
    structure = build(instance)
    if method in TREES:
        forest(structure)
    dual = solve_dual(structure, budget=budget.share(1 / 2), params=params)
    x, source = fractions(instance, structure, dual, budget, memory_cut=method == "opening-tree")
    random, index, state = np.random.default_rng(seed), local_search.moves(structure), local_search.fresh(structure)
    draw = ROUNDINGS[method](structure, x)
    best, least = np.full(len(structure.cells.remote_s), -1), float(structure.cells.remote_s.sum())
    for _ in range(draws):
        local_search.repair(structure, index, state, draw(random))
        if state.cost[0] < least:
            least, best = float(state.cost[0]), state.choice.copy()
        if budget.over:
            break
    status = proven(least, dual.bound)
    return assess(instance, method, structure.expand(best), bound=dual.bound, status=status, solver=source)
