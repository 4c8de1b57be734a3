"""Studies of the paper's setting: sweeps, learners round by round, and pull rules.

Frozen values equal docs/published_setting.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mecpfm.experiments.measure import offline, online
from mecpfm.experiments.study import SHARED_FRACTIONS, Point, Profile, Rows, marks, study
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.online import SOURCES, simulate

OFFLINE = ("lp", "lp-dual", "appro", "exact", "nbs", "nbs-released", "nonshare", "sc", "greedy")
"""Methods of every sweep."""
ONLINE = (
    "ol", "ol-released", "wtsrc", "mab", "adms", "random", "ucb1", "epsilon-greedy", "linucb", "lints", "myopic",
)  # fmt: skip
"""Policies of every sweep."""
LEARNERS = ONLINE[:-1]
"""Those that learn: the policies whose regret is shown round by round."""
SEEDS = {"quick": 10, "paper": 50}
"""Seeds of every study here but ``equivalence``, whose instances are tiny."""
COUNTS = ("cloudlets", "requests", "models", "families")
"""Fields of a recipe that the profile caps."""
SWEEPS: Mapping[str, tuple[str, tuple[float, ...], Mapping[str, int]]] = {
    "cloudlets": ("cloudlets", (30, 50, 100, 300, 500), {"models": 10, "families": 1, "requests": 300}),
    "requests": ("requests", (10, 30, 50, 100, 300, 500), {"cloudlets": 100, "models": 10, "families": 2}),
    "models": ("models", (10, 30, 50, 70, 100), {"cloudlets": 300, "requests": 300}),
    "capacity": ("capacity_gb", (10, 30, 50, 70, 90), {"cloudlets": 100, "requests": 100, "models": 100}),
    "budget": ("cost_budget", (1e4, 2e4, 3e4, 4e4, 5e4), {"cloudlets": 100, "requests": 100, "models": 100}),
    "accuracy": (
        "accuracy_requirement",
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        {"cloudlets": 100, "requests": 100, "models": 10, "families": 5},
    ),
}
"""Name: (field of the recipe, values, what is held fixed), as published."""
DIVISORS = {"models": 50, "requests": 10}
"""Released holder divisors of the sweeps that did not use the generator's 20; caches start empty online."""
COMPARED = ("appro", "nbs", "nbs-released", "nonshare", "sc")
"""The paper's algorithm and its baselines."""
BASE: dict[str, Any] = {"cloudlets": 100, "models": 10, "families": 2, "requests": 100}
"""Instance of the studies that vary something else than its size."""
LONG: dict[str, Any] = {"cloudlets": 100, "models": 50, "families": 10, "requests": 400}
"""Instance of the study round by round: a request a round."""


def _swept(name: str) -> Callable[[Profile], list[Point]]:
    """Points of a published sweep, capped by the profile."""
    axis, values, fixed = SWEEPS[name]

    def points(chosen: Profile) -> list[Point]:
        found = []
        for value in values:
            if axis in COUNTS and value > chosen.largest:
                continue
            fields: dict[str, Any] = {key: min(count, chosen.largest) for key, count in fixed.items()}
            fields[axis] = int(value) if axis in COUNTS else value
            # The released sweep over models has a family per five models; its 100 models elsewhere form 50 families.
            fields.setdefault("families", fields["models"] // (5 if name == "models" else 2))
            found.append(Point(float(value), Recipe(**fields, sites=chosen.sites)))
        return found

    return points


def sweep(recipe: Recipe, seed: int) -> Rows:
    """Every offline method and every online policy, each under its released pull rule."""
    instance = generate(recipe, seed)
    return [offline(instance, method, seed) for method in OFFLINE] + [online(instance, name, seed) for name in ONLINE]


for _name in SWEEPS:
    _does = "every method and policy over one published parameter"
    study(_name, shows=_does, points=_swept(_name), seeds=SEEDS)(sweep)


@dataclass(frozen=True)
class Case:
    """A recipe under a name of its own: points that differ in more than one number."""

    name: str
    recipe: Recipe


def cases(changes: Mapping[str, dict[str, Any]]) -> Callable[[Profile], list[Point]]:
    """Points of sweeps with these fields changed, numbered; a key is a sweep, with or without more words of a name."""

    def points(chosen: Profile) -> list[Point]:
        found: list[Point] = []
        for words, changed in changes.items():
            sweep, _, more = words.partition(",")
            for value, recipe in _swept(sweep)(chosen):
                name = f"{sweep} {value:g}" + (f",{more}" if more else "")
                found.append(Point(len(found), Case(name, replace(recipe, **changed))))
        return found

    return points


@study(
    "holders",
    shows="sweeps with the holder divisors that were released for them",
    points=cases({name: {"holder_divisor": divisor} for name, divisor in DIVISORS.items()}),
    seeds=SEEDS,
)
@study(
    "second-parameters",
    shows="the second released parameter set, over requests",
    # Its budgets are so small that beyond ten requests nobody has a plan: so once more with slack ones.
    points=cases(
        {"requests": {"parameters": "second"}, "requests, slack budgets": {"parameters": "second", "cost_budget": 4e4}}
    ),
    seeds=SEEDS,
)
def compared(case: Case, seed: int) -> Rows:
    """The paper's algorithm and its baselines, offline."""
    instance = generate(case.recipe, seed)
    return [offline(instance, method, seed) | {"case": case.name} for method in COMPARED]


@study(
    "convergence",
    shows="learners round by round",
    points=lambda chosen: [Point(0, Recipe(**LONG, sites=chosen.sites))],
    seeds=SEEDS,
)
def convergence(recipe: Recipe, seed: int) -> Rows:
    """Cumulative penalty and regret by round, 50 features of which 25 are observed; released and common pull rules."""
    instance = generate(recipe, seed)
    rows = []
    for name, common in itertools.product(LEARNERS, (False, True)):
        rule: dict[str, Any] = {"share": True, "source": "nearest"} if common else {}
        run = simulate(instance, name, seed=seed, features=50, observed=25, **rule)
        penalty, regret = np.cumsum(run.penalty), np.cumsum(run.regret)
        rows += [
            {
                "method": name, "rule": "common" if common else "released", "round": t + 1,
                "cumulative_penalty": float(penalty[t]), "cumulative_regret": float(regret[t]),
            }
            for t in marks(len(penalty))
        ]  # fmt: skip
    return rows


@study(
    "ablation",
    shows="what each released pull rule is worth",
    points=lambda chosen: [Point(0, Recipe(**BASE, sites=chosen.sites))],
    seeds=SEEDS,
)
def ablation(recipe: Recipe, seed: int) -> Rows:
    """Full factorial: share x source x learner, on the same instance."""
    instance = generate(recipe, seed)
    return [
        online(instance, learner, seed, share=share, source=source) | {"share": share, "source": source}
        for share, source, learner in itertools.product((False, True), SOURCES, ONLINE)
    ]


def _shared(library: Any) -> Callable[[Profile], list[Point]]:
    def points(chosen: Profile) -> list[Point]:
        instance = BASE | {"library": library, "sites": chosen.sites}
        return [Point(share, Recipe(**instance, shared_fraction=share)) for share in SHARED_FRACTIONS]

    return points


_SHARING: dict[str, Any] = {"shows": "how much is shared, from nothing to nearly all", "seeds": SEEDS}


@study(
    "zoo",
    points=lambda chosen: [Point(0, Recipe(**BASE, sites=chosen.sites, shared_fraction=None, library="zoo"))],
    **_SHARING,
)
@study("fraction-zoo", points=_shared("zoo"), **_SHARING)
@study("fraction", points=_shared("released"), **_SHARING)
def fraction(recipe: Recipe, seed: int) -> Rows:
    """Offline methods and, under the common rule (share, nearest), online learners."""
    instance = generate(recipe, seed)
    rows = [offline(instance, method, seed) for method in ("appro", "exact", "nonshare", "sc")]
    common = {"share": True, "source": "nearest"}
    return rows + [online(instance, name, seed, **common) for name in ("ol", "random", "myopic")]
