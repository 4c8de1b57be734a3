"""The default: bound, plans and HiGHS at once, until the plan is proved or the time is over (docs/experiments.md).

The multipliers' bound keeps the memory rows; what no better plan uses is fixed; HiGHS gets the rest, with the best
plan's cost as its cutoff, in its own process, beside the local search in this one. Each learns what the other found
whenever a round of the search ends. A proof by HiGHS is its word, as that of ``ilp`` is: no certificate holds it.
"""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import replace
from typing import Any

import numpy as np

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import baselines, local_search, window
from mecpfm.coupled.beside import ENDING_S, Remainder
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.check import REMOTE, assess
from mecpfm.coupled.dual import Dual, proven
from mecpfm.coupled.engine import DEFAULT, EngineParams
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.levels import Levels
from mecpfm.coupled.lp_proof import lp_certificate
from mecpfm.coupled.multipliers import dual_of
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.request import Progress
from mecpfm.coupled.state import AutoState
from mecpfm.coupled.structure import MASK_BITS, Structure, build, restrict
from mecpfm.coupled.tree import Tree
from mecpfm.errors import LimitError
from mecpfm.plan import Plan
from mecpfm.solvers import process
from mecpfm.typing import Ints

SECONDS = 10.0
"""Time limit where neither one nor a number of iterations is given."""


def solve(
    instance: Instance, *, iterations: int | None = None, time_limit: float | None = None, seed: int = 0,
    progress: Progress | None = None, start: Ints | None = None, prices: Certificate | None = None, gap: float = 0.0,
    threads: int | None = None, params: EngineParams = DEFAULT,
) -> tuple[Plan, Structure, Dual]:  # fmt: skip
    """Best plan and bound within the limits, 10 s if there are none; Structure and Dual make the certificate.

    With ``iterations`` and no time limit one part runs after the other, and a seed gives the same plan everywhere;
    with a time limit, whatever parts find in time counts. ``progress``, ``start``, ``prices``, ``gap``,
    ``threads`` and ``params`` are those of ``request.Request``.
    """
    budget = Budget.of(SECONDS if time_limit is None and iterations is None else time_limit)
    state = begin(
        instance, budget, seed=seed, progress=progress, start=start, prices=prices, gap=gap,
        threads=cores() if threads is None else threads, params=params,
    )  # fmt: skip
    levels, timed = Levels.of(state), math.isfinite(budget.end)
    default = math.inf if timed else params.auto.first_iterations
    most = default if iterations is None else iterations
    if levels and not budget.over:
        levels.run(budget.share(params.auto.level_share), math.inf if timed else most)
    if not timed:
        _in_turn(state, most, levels)
    elif not budget.over:
        (_on_one_core if state.threads == 1 else _beside)(state, most, levels)
    if not (state.rounds or state.done):  # what needs no time
        state.search(0, Budget(end=0.0))
    bound = max(state.bound, state.proof.bound)  # that may be above the cost by a last bit
    status = proven(state.cost, state.bound)
    plan = assess(instance, "auto", state.choice, bound=bound, status=status, solver=state.solver)
    return plan, state.structure, state.proof


def begin(
    instance: Instance, budget: Budget = FOREVER, *, seed: int = 0, progress: Progress | None = None,
    start: Ints | None = None, prices: Certificate | None = None, gap: float = 0.0, threads: int = 1,
    params: EngineParams = DEFAULT,
) -> AutoState:  # fmt: skip
    """Greedy's plan, or the one that is known, and the first bound."""
    structure = build(instance, exact_models=MASK_BITS)
    if len(structure.option) <= params.auto.presolve_options and not budget.over:
        structure = restrict(structure, np.isin(structure.option, presolve(instance).option))
    nothing = np.full(instance.sizes.requests, REMOTE)
    state = AutoState(instance, structure, budget, seed, gap, progress, nothing, threads=threads, params=params)
    state.offer(nothing)
    state.greedy = baselines.trimcaching(instance)
    state.offer(state.greedy)
    if start is not None:
        state.offer(local_search.known(instance, structure, start).choice)
        state.rounds = 1
    share = params.auto.bound_share
    if prices is None:
        prices = lp_prices(instance, structure, budget.share(share), params.auto.lp_options)
    state.dual = state.ascend(dual_of(structure, prices), budget.share(share))
    state.prove(state.dual.bound)
    state.sharpen()
    state.tell()
    return state


def lp_prices(instance: Instance, structure: Structure, budget: Budget, most: int) -> Certificate | None:
    """Prices of HiGHS's LP where a family pays by shares, which the ascent alone finds slowly; None elsewhere.

    None too without a time limit, beyond ``most`` options, and where the LP takes more time than there is.
    """
    shared = not structure.cells.exact.all() and len(structure.option) <= most
    if not shared or math.isinf(budget.end) or budget.over:
        return None
    with contextlib.suppress(LimitError):
        return lp_certificate(instance, time_limit=budget.limit())
    return None


def _first(state: AutoState, most: float, early: bool = False) -> Remainder:
    """The first remainder, after a short search unless greedy's plan leaves little.

    With ``early`` HiGHS starts before the search, on all options, where each cloudlet is a knapsack: fixing leaves few
    options there, but HiGHS takes about as long.
    """
    rest, own = state.remainder(), state.params.auto
    if len(rest.rows) > state.params.tree.leaf_options and not state.done:
        if early and state.rows is not None:
            rest = state.rest(np.ones(len(state.structure.option), dtype=bool), state.limit)
            _start(state, rest, cutoff=math.inf)  # as HiGHS alone would be: greedy's plan is no help
        budget = replace(state.budget, until=lambda: state.answered(rest)) if rest.at_work else state.budget
        state.search(int(min(own.first_iterations, most)), budget.share(own.search_share))
        if rest.at_work:
            return rest
        state.tighten()
        rest = rest if state.budget.over else state.remainder()
    return rest


def _in_turn(state: AutoState, most: float, levels: Levels | None) -> None:
    """Without a clock, parts take turns: HiGHS on a small remainder, levels or the search, HiGHS again."""
    rest, given = _first(state, most), math.inf
    while not state.done:
        if len(rest.rows) <= state.params.tree.leaf_options and len(rest.rows) < given:
            given = len(rest.rows)
            rest.run(FOREVER, state.gap, state.seed, mip_max_nodes=int(most))
            state.settle(rest)
        if state.done or state.iterations >= most or state.budget.over:
            return
        if not state.search(int(most - state.iterations), state.budget):
            return
        if levels:
            levels.run(FOREVER, most)
        state.tighten()
        rest = state.remainder()


def _renewed(state: AutoState, rest: Remainder) -> Remainder:
    """The remainder that HiGHS works on: the same, or a new one where no more than ``renewed`` of it is left."""
    state.settle(rest)
    state.tighten()
    if state.done or rest.settled or state.budget.over:
        return rest
    new, own = state.remainder(), state.params.auto
    if state.done or (rest.at_work and len(new.rows) > own.renewed * len(rest.rows)):
        return rest
    rest.stop()
    _start(state, new)
    return new


def _start(state: AutoState, rest: Remainder, **options: Any) -> None:
    """Start HiGHS on a remainder unless that is too large for memory."""
    if len(rest.rows) <= state.params.auto.highs_options:
        process.start(2)  # one for HiGHS beside, one for windows, leaves and what the search asks for
        rest.start(state.budget, state.gap, state.seed, **options)


def _on_one_core(state: AutoState, most: float, levels: Levels | None) -> None:
    """Parts take turns: HiGHS whenever its remainder shrank, then tree and search, each for a share of the time."""
    own, budget, given, useful = state.params.auto, state.budget, math.inf, True
    rest, tree, each = _first(state, most), levels or Tree(state), own.first_iterations
    while useful and not (state.done or budget.over or state.iterations >= most):
        if len(rest.rows) <= min(own.renewed * given, own.window_options):
            given = len(rest.rows)
            rest.run(budget.share(own.search_share), state.gap, state.seed)
            state.settle(rest)
        if (levels or len(rest.rows) <= own.tree_options) and not state.done:
            tree.run(budget.share(own.tree_share))
        if not state.done:
            each *= 2
            useful = state.search(int(min(each, most - state.iterations)), budget.share(own.tree_share))
        state.tighten()
        rest = rest if budget.over else state.remainder()
    if not (state.done or budget.over):
        rest.run(budget, state.gap, state.seed)
        state.settle(rest)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _beside(state: AutoState, most: float, levels: Levels | None) -> None:
    """HiGHS in its own process; here a window, then tree and search in turn. HiGHS begins anew as less is left."""
    own, budget, useful = state.params.auto, state.budget, True
    rest, tree, each = _first(state, most, early=True), levels or Tree(state), own.first_iterations
    try:
        if rest.at_work:
            rest = _renewed(state, rest)
        elif not state.done:
            _start(state, rest)
        until = replace(budget, until=lambda: state.answered(rest))
        if not (levels or state.done) and len(rest.rows) <= own.window_options:
            if not window.run(state, until.share(own.window_share)):  # HiGHS has about as little already
                rest.wait(budget.share(own.window_share, own.highs_alone_s).left())
            rest = _renewed(state, rest)
        while useful and not (state.done or rest.settled or budget.over or state.iterations >= most):
            if levels or state.params.tree.leaf_options < len(rest.rows) <= own.tree_options:
                tree.run(until.share(own.tree_share))
            if not state.done:
                each *= 2
                useful = state.search(int(min(each, most - state.iterations)), until)
            rest = _renewed(state, rest)
        if not state.done:
            rest.wait(budget.left() + ENDING_S)
            state.settle(rest)
    finally:
        rest.stop()
