"""Studies of the coupled problem, beyond the paper: every method against one certified bound; one row each."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

from mecpfm import clock
from mecpfm.clock import Budget
from mecpfm.coupled.check import assess
from mecpfm.coupled.formulation import choice_of, linear_model, solve_lp
from mecpfm.coupled.generate import REGIMES, Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.methods import dual_bound, solve
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.request import Request
from mecpfm.coupled.table import METHODS
from mecpfm.experiments.study import SHARED_FRACTIONS, Point, Profile, Rows, study
from mecpfm.solvers import highs, process

Moments = list[tuple[float, float, float]]
"""(seconds since the start, cost of the incumbent, proven bound)."""

COMPARED = (
    "polish", "rounding-coupled", "rounding-nested", "rounding-independent", "trimcaching", "trimcaching-gain",
    "no-sharing", "cocar", "gap-rounding", "popularity", "lru", "lfu", "accuracy-first", "remote",
)  # fmt: skip
"""Methods of every regime; the first steers the bound."""
ITERATIONS = 1_000
"""Budget of every local search: a number of iterations, so that results do not depend on the machine."""
SECONDS, QUICK_SECONDS = 30.0, 0.5
"""Budget of each method in the race against HiGHS, s; the short one for at most ``QUICK_REQUESTS`` requests."""
QUICK_REQUESTS = 100
"""Requests up to which the race is short."""
SHARES = (0.1, 0.2, 0.5, 1.0)
"""Shares of the budget at which the race is looked at."""
MANY = 10**9
"""Iterations that no time limit leaves room for."""
LP_OPTIONS = 65_000
"""The explicit LP with the cut is solved up to this many options: HiGHS needs seconds there, minutes at 268,000."""
SEEDS = {"quick": 5, "paper": 5}
"""Of every study here."""
QUICK: dict[str, Any] = {
    "cloudlets": 12, "models": 16, "families": 4, "requests": 80, "topology": "sndlib/nobel-germany",
}  # fmt: skip
"""Instance of the quick profile, on a network that comes with a library; the full one takes the recipe's defaults."""
LARGE = {"cloudlets": 50, "models": 96, "families": 8, "requests": 816}
"""Largest instance of the race, in the full profile only."""
Changes = Iterable[tuple[float, dict[str, Any]]]
"""Values on a study's axis, and the fields of the recipe that each changes."""
BY_REGIME = [(float(i), {"regime": name}) for i, name in enumerate(REGIMES)]
"""One change a regime."""


def _points(changes: Callable[[Profile], Changes]) -> Callable[[Profile], list[Point]]:
    """Points that change a profile's base instance."""

    def points(chosen: Profile) -> list[Point]:
        base = QUICK if chosen.name == "quick" else {}
        return [Point(value, Recipe(**base | change)) for value, change in changes(chosen)]

    return points


def _counts(field: str, *, quick: tuple[int, ...], paper: tuple[int, ...]) -> Callable[[Profile], list[Point]]:
    """Points that differ in one count."""
    return _points(lambda chosen: [(float(n), {field: n}) for n in (quick if chosen.name == "quick" else paper)])


@study("coupled-regimes", shows="coupled methods in four regimes", points=_points(lambda _: BY_REGIME), seeds=SEEDS)
def regimes(recipe: Recipe, seed: int) -> Rows:
    """Every method on one instance, over one bound."""
    return [{"regime": recipe.regime, **row} for row in _compare(generate(recipe, seed), COMPARED, seed)]


@study(
    "coupled-fraction",
    shows="coupled methods, how much is shared",
    points=_points(lambda _: [(x, {"shared_fraction": x, "regime": "memory-bound"}) for x in SHARED_FRACTIONS]),
    seeds=SEEDS,
)
def fraction(recipe: Recipe, seed: int) -> Rows:
    """Joint planning against planning without sharing and greedy placement."""
    return _compare(generate(recipe, seed), ("polish", "no-sharing", "trimcaching"), seed)


_GROWTH: dict[str, Any] = {"shows": "coupled methods as instances grow", "seeds": SEEDS}


@study("coupled-cloudlets", points=_counts("cloudlets", quick=(4, 8, 12, 16), paper=(8, 16, 32, 50)), **_GROWTH)
@study("coupled-requests", points=_counts("requests", quick=(20, 40, 80, 120), paper=(100, 200, 400, 816)), **_GROWTH)
def size(recipe: Recipe, seed: int) -> Rows:
    """Cost, bound and gap; ``lp_ratio`` is the dual bound over the LP's value with the cut, where that is solved."""
    instance = generate(recipe, seed)
    rows = _compare(instance, ("polish",), seed)
    if len(instance.options.request) > LP_OPTIONS:
        return rows
    start = clock.now()
    found, _ = solve_lp(presolve(instance).instance, cut=True, solver="highs")
    runtime = clock.now() - start
    bound = dual_bound(instance, rows[0]["objective"])
    return [
        *rows,
        {"method": "lp-cut", "bound": found.bound, "lp_ratio": rows[0]["bound"] / found.bound, "runtime_s": runtime},
        {"method": "dual", "bound": bound.dual.bound, "runtime_s": bound.dual.runtime_s},
    ]


@study(
    "coupled-anytime",
    shows="gap over time against HiGHS",
    points=_points(lambda chosen: BY_REGIME + [(float(len(BY_REGIME)), LARGE)] * (chosen.name == "paper")),
    seeds=SEEDS,
    timed=True,
)
def anytime(recipe: Recipe, seed: int) -> Rows:
    """Local search against HiGHS's MIP in equal time, cost and own bound at ``SHARES`` of the budget.

    Both start from the instance with everything remote, and both clocks include building their model; HiGHS gets the
    compressed instance and the valid cut. Wall time decides: these rows are a measurement of this machine.
    """
    instance = generate(recipe, seed)
    budget = SECONDS if recipe.requests > QUICK_REQUESTS else QUICK_SECONDS
    case = f"{recipe.regime}, {recipe.requests} requests"
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
    small = presolve(instance)
    model = linear_model(small.instance, cut=True)
    built, moments = whole.elapsed(), []
    for seconds, x, bound in highs.anytime(model, whole.left(), seed=seed):
        cost = math.inf
        if x is not None:
            cost = assess(instance, "highs", small.expand(choice_of(small.instance, x))).objective
        moments.append((min(built + seconds, budget), cost, bound))
    return moments


def _compare(instance: Instance, methods: tuple[str, ...], seed: int) -> Rows:
    """Rows of methods; the first one's cost steers the bound that all are held against."""
    rows = []
    for name in methods:
        start = clock.now()
        plan = METHODS[name](instance, name, Request(seed=seed, iterations=ITERATIONS))
        rows.append(dataclasses.replace(plan, runtime_s=clock.now() - start))
    bound = dual_bound(instance, rows[0].objective).dual.bound
    return [
        {
            "method": plan.method, **{key: value for key, value in plan.metrics.items() if key != "unshared_delay_s"},
            "objective": plan.objective, "bound": bound, "gap": (plan.objective - bound) / plan.objective,
            "over_bound": plan.objective / bound - 1, "violations": len(plan.violations), "runtime_s": plan.runtime_s,
        }
        for plan in rows
    ]  # fmt: skip
