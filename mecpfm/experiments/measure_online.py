"""What is measured on one window of the trace: every policy on the same requests, network and congestion."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mecpfm import clock
from mecpfm.coupled.methods import warm_up
from mecpfm.experiments.config import OnTrace
from mecpfm.online import placement
from mecpfm.online.policy import POLICIES, Policy
from mecpfm.online.simulate import simulate
from mecpfm.online.trace import load
from mecpfm.online.world import Scene, build
from mecpfm.warm import announcing

Rows = list[dict[str, Any]]

PLANNED = "planned-cov"
"""The priced policy with two observed features, its caches planned every epoch."""
LADDER = (
    "remote", "random", "nearest", "shortest-queue", "mean-greedy", "ucb1", "epsilon-0.1", "epsilon-0.5",
    "disjoint-linucb", "disjoint-lints", "disjoint-tsrc", "disjoint-wtsrc", "disjoint-random-ei",
    "disjoint-random-fix", "hybrid-linucb", "hybrid-lints", "hybrid-tsrc", "structured-mean", "structured-full",
    "structured-oracle", "priced-mean", "priced-tsrc", "priced-tsrc-delay", "priced-wtsrc", "priced-random-ei",
    "priced-random-fix", "priced-cov", "priced-full", "priced-oracle",
)  # fmt: skip
CHOOSERS = ("priced-tsrc", "priced-tsrc-delay", "priced-cov", "priced-random-ei", "priced-random-fix")
SIZES = (0, 1, 2, 3, 4, 6, 8, 12, 22)
COSTS = (0.0, 0.01, 0.03, 0.1, 0.25, 0.5, 1.0, 2.0)
PRICED = ("priced-mean", "priced-cov", "priced-tsrc", "priced-full")
"""None, 2, 4 and all 22 features."""
PROBED = ("nearest", "random", "tsrc", "belief")
LEARNERS = ("structured-mean", "structured-random-ei", "structured-tsrc", "structured-cov", "structured-full")
MARKS = 40


def scene(recipe: OnTrace, seed: int) -> Scene:
    """The window and network of a seed; reporting windows only."""
    return build(recipe.setting, load(recipe.real, recipe.setting.trace), seed, real_sites=recipe.real)


def scenarios(recipe: OnTrace, seed: int) -> Rows:
    """Every policy in one scenario."""
    place, scenario = scene(recipe, seed), recipe.scenario
    planned = _row(PLANNED, place, POLICIES["priced-cov"], seed, placement.Planner(), scenario=scenario)
    return [*(_row(name, place, POLICIES[name], seed, scenario=scenario) for name in LADDER), planned]


def features(recipe: OnTrace, seed: int) -> Rows:
    """Each way to choose the observed features, by their number."""
    place = scene(recipe, seed)
    return [
        _row(name, place, replace(POLICIES[name], observed=size), seed, observed=size)
        for name, size in itertools.product(CHOOSERS, SIZES)
    ]


def costs(recipe: OnTrace, seed: int) -> Rows:
    """Observation has a price: each feature of each request takes ``cost_s``."""
    place = scene(recipe, seed)
    return [
        _row(name, place, replace(POLICIES[name], feature_cost_s=cost), seed, cost_s=cost)
        for name, cost in itertools.product(PRICED, COSTS)
    ]


def probing(recipe: OnTrace, seed: int) -> Rows:
    """Only some cloudlets' states are visible: each rule by the number of probes."""
    place, policy, reach = scene(recipe, seed), POLICIES["priced-full"], recipe.setting.reach
    rows = [
        _row(f"probe-{rule}", place, replace(policy, probing=rule, probes=probes), seed, probes=probes)
        for rule, probes in itertools.product(PROBED, range(1, reach))
    ]
    return [*rows, _row("probe-all", place, policy, seed, probes=reach)]


def placements(recipe: OnTrace, seed: int) -> Rows:
    """Who fills the caches: replacement rules on demand, or a plan every epoch, under one dispatcher."""
    place, policy = scene(recipe, seed), POLICIES["priced-cov"]
    valued = scene(replace(recipe, setting=replace(recipe.setting, eviction="value")), seed)
    of: dict[str, Any] = {"scenario": recipe.scenario}
    return [
        _row("lru", place, policy, seed, **of),
        _row("value", valued, policy, seed, **of),
        *(_row(name, place, policy, seed, placement.Planner(name), **of) for name in placement.PLANNERS),
    ]


def regret(recipe: OnTrace, seed: int) -> Rows:
    """Cumulative loss above the best place in the same state, and squared error of the predictions, by request."""
    place, rows = scene(recipe, seed), []
    for name in LEARNERS:
        run = simulate(place, POLICIES[name], seed)
        above = np.cumsum(run.loss_s - run.log.least_s)
        target = np.minimum(place.world.work, place.cap_s)
        error = np.cumsum((target - np.minimum(run.log.guess_s, place.cap_s)) ** 2)
        marks = np.unique(np.linspace(0, len(above) - 1, MARKS + 1).astype(int))
        rows += [
            {
                "method": name,
                "round": int(t) + 1,
                "cumulative_regret": float(above[t]),
                "squared_error": float(error[t]),
            }
            for t in marks
        ]
    return rows


def _row(
    method: str, place: Scene, policy: Policy, seed: int, planner: placement.Planner | None = None, **columns: Any
) -> dict[str, Any]:
    _warm_up(place, planned=planner is not None)
    start = clock.now()
    found = placement.simulate(place, policy, planner, seed) if planner else simulate(place, policy, seed)
    return {"method": method, **columns, **found.metrics(), "runtime_s": clock.now() - start}


_warm = set[bool]()


def _warm_up(place: Scene, *, planned: bool) -> None:
    """Compile, or load, the kernels of a run before one is timed; once a process."""
    if planned:
        warm_up("polish")
    if planned not in _warm:
        _warm.add(planned)
        with announcing():
            simulate(place, POLICIES["priced-cov"], 0)


MEASURES: dict[str, Callable[[OnTrace, int], Rows]] = {
    "online-scenarios": scenarios, "online-features": features, "online-costs": costs, "online-probing": probing,
    "online-placement": placements, "online-regret": regret,
}  # fmt: skip
