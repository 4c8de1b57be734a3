"""What is measured on one coupled instance: every method against one certified bound; one row each."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mecpfm import clock
from mecpfm.clock import Budget
from mecpfm.coupled.check import assess
from mecpfm.coupled.compress import compress
from mecpfm.coupled.formulation import choice_of, linear_model, solve_lp
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Blocks, Cloudlets, Instance, Models, Options, Requests
from mecpfm.coupled.methods import METHODS, dual_bound, solve, warm_up
from mecpfm.coupled.request import Request
from mecpfm.coupled.rounding import ROUNDINGS
from mecpfm.coupled.structure import build
from mecpfm.records import Ragged
from mecpfm.solvers import highs, process

Rows = list[dict[str, Any]]
Moments = list[tuple[float, float, float]]
"""(seconds since the start, cost of the incumbent, proven bound)."""

COMPARED = (
    "polish", "rounding-coupled", "rounding-nested", "rounding-independent", "trimcaching", "no-sharing", "cocar",
    "gap-rounding", "popularity", "lru", "lfu", "accuracy-first", "remote",
)  # fmt: skip
ITERATIONS = 1_000
"""Budget of every local search: a number of iterations, so that results do not depend on the machine."""
SECONDS, QUICK_SECONDS = 30.0, 1.0
"""Budget of each method in the race against HiGHS, s; the short one for at most ``QUICK_REQUESTS`` requests."""
QUICK_REQUESTS = 100
SHARES = (0.1, 0.2, 0.5, 1.0)
MANY = 10**9
"""Iterations that no time limit leaves room for."""
LP_OPTIONS = 65_000
"""The explicit LP with the cut is solved up to this many options: HiGHS needs seconds there, minutes at 268,000."""


def regimes(recipe: Recipe, seed: int) -> Rows:
    """Every method on one instance, over one bound."""
    return [{"regime": recipe.regime, **row} for row in _compare(generate(recipe, seed), COMPARED, seed)]


def fraction(recipe: Recipe, seed: int) -> Rows:
    """Joint planning against planning without sharing and greedy placement."""
    return _compare(generate(recipe, seed), ("polish", "no-sharing", "trimcaching"), seed)


def size(recipe: Recipe, seed: int) -> Rows:
    """Cost, bound and gap; ``lp_ratio`` is the dual bound over the LP's value with the cut, where that is solved."""
    instance = generate(recipe, seed)
    rows = _compare(instance, ("polish",), seed)
    if len(instance.options.request) > LP_OPTIONS:
        return rows
    start = time.perf_counter()
    found, _ = solve_lp(compress(instance).instance, cut=True, solver="highs")
    runtime = time.perf_counter() - start
    bound = dual_bound(instance, rows[0]["objective"])
    return [
        *rows,
        {"method": "lp-cut", "bound": found.bound, "lp_ratio": rows[0]["bound"] / found.bound, "runtime_s": runtime},
        {"method": "dual", "bound": bound.dual.bound, "runtime_s": bound.dual.runtime_s},
    ]


def anytime(recipe: Recipe, seed: int) -> Rows:
    """Local search against HiGHS's MIP in equal time, cost and own bound at ``SHARES`` of the budget.

    Both start from the instance with everything remote, and both clocks include building their model; HiGHS gets the
    compressed instance and the valid cut. Wall time decides: these rows are a measurement of this machine.
    """
    instance = generate(recipe, seed)
    budget = SECONDS if recipe.requests > QUICK_REQUESTS else QUICK_SECONDS
    case = f"{recipe.regime}, {recipe.requests} requests"
    warm_up("polish")
    process.start()
    rows: Rows = []
    for name, race in (("polish", _race_polish), ("highs", _race_highs)):
        moments = race(instance, budget, seed)
        for share in SHARES:
            seen = [(cost, bound) for seconds, cost, bound in moments if seconds <= share * budget]
            rows.append({
                "method": name, "case": case, "share": share, "seconds": share * budget,
                "objective": min([float(instance.requests.remote_delay_s.sum()), *(cost for cost, _ in seen)]),
                "bound": max([0.0, *(bound for _, bound in seen)]),
            })  # fmt: skip
    best = max(row["bound"] for row in rows)
    for row in rows:
        row |= {"gap": 1 - row["bound"] / row["objective"], "over_bound": row["objective"] / best - 1}
    return rows


def _race_polish(instance: Instance, budget: float, seed: int) -> Moments:
    start, moments = clock.now(), list[tuple[float, float, float]]()

    def note(_: int, cost: float, bound: float) -> None:
        moments.append((clock.now() - start, cost, bound))

    plan = solve(instance, "polish", seed=seed, time_limit=budget, iterations=MANY, progress=note)
    return [*moments, (budget, plan.objective, plan.bound)]


def _race_highs(instance: Instance, budget: float, seed: int) -> Moments:
    whole = Budget.of(budget)
    small = compress(instance)
    model = linear_model(small.instance, cut=True)
    built, moments = whole.elapsed(), []
    for seconds, x, bound in highs.anytime(model, whole.left(), seed=seed):
        cost = math.inf
        if x is not None:
            cost = assess(instance, "highs", small.expand(choice_of(small.instance, x))).objective
        moments.append((min(built + seconds, budget), cost, bound))
    return moments


MEASURES: dict[str, Callable[[Recipe, int], Rows]] = {
    "coupled-regimes": regimes, "coupled-fraction": fraction, "coupled-size": size, "coupled-anytime": anytime,
}  # fmt: skip


def _compare(instance: Instance, methods: tuple[str, ...], seed: int) -> Rows:
    """Rows of methods; the first one's cost steers the bound that all are held against."""
    rows = []
    for name in methods:
        start = time.perf_counter()
        plan = METHODS[name](instance, name, Request(seed=seed, iterations=ITERATIONS))
        rows.append(dataclasses.replace(plan, runtime_s=time.perf_counter() - start))
    bound = dual_bound(instance, rows[0].objective).dual.bound
    return [
        {
            "method": plan.method, **{key: value for key, value in plan.metrics.items() if key != "unshared_delay_s"},
            "objective": plan.objective, "bound": bound, "gap": (plan.objective - bound) / plan.objective,
            "over_bound": plan.objective / bound - 1, "violations": len(plan.violations), "runtime_s": plan.runtime_s,
        }
        for plan in rows
    ]  # fmt: skip


def openings(requests: int, draws: int, seed: int) -> Rows:
    """How often each rounding opens a block that ``requests`` requests use to a fraction of 1/n each."""
    n = requests
    instance = Instance(
        blocks=Blocks(size_gb=np.ones(1)),
        models=Models(blocks=Ragged.from_lists([[0]])),
        cloudlets=Cloudlets(
            memory_gb=np.ones(1), compute_s=np.array([float(n)]), pull_s_per_gb=np.ones(1),
            cached=Ragged.from_lists([[]]),
        ),
        requests=Requests(remote_delay_s=np.full(n, 2.0), remote_accuracy=np.ones(n)),
        options=Options(
            request=np.arange(n), model=np.zeros(n, dtype=np.int64), cloudlet=np.zeros(n, dtype=np.int64),
            delay_s=np.ones(n), compute_s=np.ones(n), accuracy=np.ones(n),
        ),
    )  # fmt: skip
    view, x, rows = build(instance), np.full(n, 1 / n), []
    for name, rounding in ROUNDINGS.items():
        random = np.random.default_rng(seed)
        opened = np.mean([(rounding(view, x, random) >= 0).any() for _ in range(draws)])
        rows.append({"method": f"rounding-{name}", "requests": n, "factor": float(opened * n)})
    return rows
