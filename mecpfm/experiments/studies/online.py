"""Studies on a trace: every policy on the same window of requests, network and congestion.

The quick profile takes the drawn trace, the full one the real trace and sites, where they are at hand.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mecpfm import clock
from mecpfm.experiments.study import MARKS, Point, Profile, Rows, marks, study
from mecpfm.kernels import arrays
from mecpfm.online import ledger, placement
from mecpfm.online.policy import POLICIES, Policy
from mecpfm.online.setting import SCENARIOS, Setting
from mecpfm.online.simulate import simulate
from mecpfm.online.trace import REQUESTS as TRACE_REQUESTS
from mecpfm.online.trace import Trace, load, missing
from mecpfm.online.world import Scene, build, disjoint, longest

PLANNED = "planned-cov"
"""The priced policy with two observed features, its caches planned every epoch."""
LADDER = (
    "remote", "random", "nearest", "shortest-queue", "mean-greedy", "ucb1", "ucb1-500", "ucb1-500-wide",
    "epsilon-0.1", "epsilon-0.1-500", "epsilon-0.5", "disjoint-linucb", "disjoint-lints", "disjoint-tsrc",
    "disjoint-wtsrc", "disjoint-random-ei", "disjoint-random-fix", "hybrid-linucb", "hybrid-lints", "hybrid-tsrc",
    "structured-mean", "structured-full", "structured-oracle", "priced-mean", "priced-tsrc", "priced-tsrc-delay",
    "priced-wtsrc", "priced-random-ei", "priced-random-fix", "priced-cov", "priced-full", "priced-oracle",
)  # fmt: skip
"""Policies of every scenario."""
SHOWN = (
    "remote", "ucb1", "ucb1-500", "ucb1-500-wide", "epsilon-0.1", "epsilon-0.1-500", "disjoint-lints", "disjoint-tsrc",
    "hybrid-lints", "structured-mean", "priced-mean", "priced-tsrc", "priced-tsrc-delay", "priced-random-ei",
    "priced-cov", "priced-full", "priced-oracle",
)  # fmt: skip
"""Those that a lesson or a claim names: the quick profile runs no others."""
CHOOSERS = ("priced-tsrc", "priced-tsrc-delay", "priced-cov", "priced-random-ei", "priced-random-fix")
"""Policies that differ in who chooses the features."""
SIZES = (0, 1, 2, 3, 4, 6, 8, 12, 22)
"""Numbers of observed features."""
COSTS = (0.0, 0.01, 0.03, 0.1, 0.25, 0.5, 1.0, 2.0)
"""Prices of a feature, s."""
PRICED = ("priced-mean", "priced-cov", "priced-tsrc", "priced-full")
"""None, 2, 4 and all 22 features."""
PROBED = ("nearest", "random", "tsrc", "belief")
"""Rules that choose whose state is seen."""
LEARNERS = ("structured-mean", "structured-random-ei", "structured-tsrc", "structured-cov", "structured-full")
"""Policies whose regret is shown."""
PROVED = ("structured-full", "follow-probe")
"""Policies about whose forecasts something is proved."""
FIRST_MARK = 100
"""Requests before which no bound is shown."""
WINDOWED = ("ucb1", "ucb1-500", "ucb1-500-wide", "structured-mean", "priced-mean", "priced-tsrc", "priced-cov")
"""Policies on disjoint windows: what sees nothing, state, prices, and two ways to choose features."""
WINDOWS = 2
"""Disjoint windows that the trace holds after the requests that policies were tuned on."""
BLOCKS = 16
"""Blocks of consecutive requests in such a window: 481 of the real trace, ten hours on average."""
SEEDS = {"quick": 5, "paper": 24}
"""Windows of the trace."""
REQUESTS = {"quick": 4_000, "paper": 8_000}
"""Length of a window."""


@dataclass(frozen=True)
class OnTrace:
    """A setting under its scenario's name; ``real``: the real trace and sites, where they are at hand."""

    scenario: str
    setting: Setting
    real: bool
    first: int | None = None
    """Row at which the window begins; drawn by the seed where None."""
    policies: tuple[str, ...] = LADDER
    """Which of them a scenario runs."""


def _points(*names: str) -> Callable[[Profile], list[Point]]:
    """A point for each scenario of these names."""

    def points(chosen: Profile) -> list[Point]:
        settings = [replace(SCENARIOS[name], requests=REQUESTS[chosen.name]) for name in names]
        real = chosen.name == "paper"
        pairs = enumerate(zip(names, settings, strict=True))
        return [Point(float(i), OnTrace(name, setting, real)) for i, (name, setting) in pairs]

    return points


def _scenarios(chosen: Profile) -> list[Point]:
    policies = SHOWN if chosen.name == "quick" else LADDER
    return [Point(value, replace(recipe, policies=policies)) for value, recipe in _points(*SCENARIOS)(chosen)]


_BASE: dict[str, Any] = {"points": _points("base"), "seeds": SEEDS}


def scene(recipe: OnTrace, seed: int) -> Scene:
    """The window and network of a seed; reporting windows only."""
    name = recipe.setting.trace
    trace = _trace(recipe.real, name, missing(name))
    return build(recipe.setting, trace, seed, real_sites=recipe.real, first=recipe.first)


@functools.cache
def _trace(real: bool, name: str, absent: tuple[str, ...]) -> Trace:
    """A trace is drawn, or read, once a process; ``absent`` files decide which."""
    return load(real, name)


@study("online-trace-scenarios", shows="policies on a trace in every scenario", **_BASE | {"points": _scenarios})
def scenarios(recipe: OnTrace, seed: int) -> Rows:
    """Every policy in one scenario."""
    place, scenario = scene(recipe, seed), recipe.scenario
    planned = _row(PLANNED, place, POLICIES["priced-cov"], seed, placement.Planner(), scenario=scenario)
    return [*(_row(name, place, POLICIES[name], seed, scenario=scenario) for name in recipe.policies), planned]


@study("online-trace-features", shows="how many features are looked at", **_BASE)
def features(recipe: OnTrace, seed: int) -> Rows:
    """Each way to choose the observed features, by their number."""
    place = scene(recipe, seed)
    return [
        _row(name, place, replace(POLICIES[name], observed=size), seed, observed=size)
        for name, size in itertools.product(CHOOSERS, SIZES)
    ]


@study("online-trace-costs", shows="looking at features takes time", **_BASE)
def costs(recipe: OnTrace, seed: int) -> Rows:
    """Observation has a price: each feature of each request takes ``cost_s``."""
    place = scene(recipe, seed)
    return [
        _row(name, place, replace(POLICIES[name], feature_cost_s=cost), seed, cost_s=cost)
        for name, cost in itertools.product(PRICED, COSTS)
    ]


@study("online-trace-probing", shows="whose queues are looked at", **_BASE)
def probing(recipe: OnTrace, seed: int) -> Rows:
    """Only some cloudlets' states are visible: each rule by the number of probes."""
    place, policy, reach = scene(recipe, seed), POLICIES["priced-full"], recipe.setting.reach
    rows = [
        _row(f"probe-{rule}", place, replace(policy, probing=rule, probes=probes), seed, probes=probes)
        for rule, probes in itertools.product(PROBED, range(1, reach))
    ]
    return [*rows, _row("probe-all", place, policy, seed, probes=reach)]


@study("online-trace-placement", shows="planned caches", **_BASE | {"points": _points("base", "slow links")})
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


@study("online-trace-regret", shows="regret round by round on a trace", **_BASE)
def regret(recipe: OnTrace, seed: int) -> Rows:
    """Cumulative loss above the best place in the same state, and squared error of the predictions, by request."""
    place, rows = scene(recipe, seed), []
    for name in LEARNERS:
        run = simulate(place, POLICIES[name], seed)
        above, error = np.cumsum(run.loss_s - run.log.least_s), np.cumsum(run.squared_error)
        rows += [
            {"method": name, "round": t + 1, "cumulative_regret": float(above[t]), "squared_error": float(error[t])}
            for t in marks(len(above))
        ]
    return rows


@study("online-trace-bounds", shows="what is proved of forecasts, beside what is measured", **_BASE)
def bounds(recipe: OnTrace, seed: int) -> Rows:
    """Squared error of the forecasts so far, its bounds and the best constant, means over requests, s^2."""
    place, rows = scene(recipe, seed), []
    for name in PROVED:
        curves = ledger.growth(simulate(place, POLICIES[name], seed))
        counts = np.unique(arrays.spaced(FIRST_MARK, recipe.setting.requests, MARKS).astype(int))
        rows += [
            {"method": name, "round": int(t), **{key: float(values[t - 1]) for key, values in curves.items()}}
            for t in counts
        ]
    return rows


def _windows(chosen: Profile) -> list[Point]:
    """The base scenario on each of the longest disjoint windows (no longer than those of the other studies)."""
    (whole,) = (point.recipe for point in _points("base")(chosen))
    size = min(whole.setting.requests, longest(TRACE_REQUESTS) // WINDOWS)
    setting = replace(whole.setting, requests=size)
    starts = list(disjoint(TRACE_REQUESTS, size))[:WINDOWS]
    return [Point(float(i), replace(whole, setting=setting, first=first)) for i, first in enumerate(starts)]


@study("online-trace-windows", shows="disjoint windows of a trace, block by block", points=_windows, seeds=SEEDS)
def windows(recipe: OnTrace, seed: int) -> Rows:
    """Mean loss in each block of consecutive requests; a seed draws places and congestion, the window stays."""
    place, rows = scene(recipe, seed), []
    for name in WINDOWED:
        blocks = np.array_split(simulate(place, POLICIES[name], seed).loss_s, BLOCKS)
        rows += [{"method": name, "block": i, "loss_s": float(block.mean())} for i, block in enumerate(blocks)]
    return rows


def _row(
    method: str, place: Scene, policy: Policy, seed: int, planner: placement.Planner | None = None, **columns: Any
) -> dict[str, Any]:
    start = clock.now()
    found = placement.simulate(place, policy, planner, seed) if planner else simulate(place, policy, seed)
    return {"method": method, **columns, **found.metrics(), "runtime_s": clock.now() - start}
