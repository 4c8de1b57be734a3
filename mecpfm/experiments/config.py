"""What is run: every experiment and the frozen values of its profiles (they equal docs/published_setting.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mecpfm.bandits import problems
from mecpfm.coupled import generate as coupled
from mecpfm.errors import InputError
from mecpfm.online.setting import SCENARIOS, Setting
from mecpfm.published.generate import Recipe

OFFLINE = ("lp", "lp-dual", "appro", "exact", "nbs", "nbs-released", "nonshare", "sc", "greedy")
ONLINE = ("ol", "wtsrc", "mab", "adms", "random", "ucb1", "epsilon-greedy", "linucb", "lints", "myopic")

COUNTS = ("cloudlets", "requests", "models", "families")
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

TINY_BUDGETS = (150.0, 250.0, 400.0, 40_000.0)
"""Budgets of the four-request instances: from hopeless for most to slack."""
COUPLED_SEEDS = 5
TABLE_SIZES = {
    "digits": (64, (3, 6, 13, 32)),
    "iris": (4, (1, 2)),
    "wine": (13, (1, 3, 6)),
    "breast_cancer": (30, (2, 3, 6, 15)),
}
"""Features of each public table and how many may be seen: about 5, 10, 20 and 50 % of them."""
SUBSET_PROBLEMS = (("one", 1), ("one", 2), ("equal", 2), ("weak", 2), ("copy", 2), ("weak", 3))
TRACE_SEEDS = {"quick": 5, "paper": 24}
TIMED = ("coupled-anytime",)
"""Experiments whose rows, not only their running times, depend on how fast the machine is."""
SHARED_FRACTIONS = (0.0, 1 / 3, 2 / 3, 0.97, 0.999)


ONLINE_TRACE = "online-trace"
"""Name that runs every study on the trace; theirs begin with it."""
TRACE_NOTEBOOK = "08_coupled_online"


@dataclass(frozen=True)
class OnTrace:
    """A setting under its scenario's name; ``real``: the real trace and sites, where they are at hand."""

    scenario: str
    setting: Setting
    real: bool


@dataclass(frozen=True)
class Point:
    """One value on an experiment's x-axis and the instances it stands for."""

    value: float
    recipe: Recipe | coupled.Recipe | OnTrace | problems.Recipe


@dataclass(frozen=True)
class Experiment:
    """One study: its points, and how many seeds each gets."""

    name: str
    kind: str
    """Which measurement is taken: a key of ``MEASURES`` (measure.py)."""
    axis: str
    points: tuple[Point, ...]
    seeds: int


@dataclass(frozen=True)
class Profile:
    """How much: ``largest`` caps every count of a sweep, ``sites`` says whether real positions are used."""

    name: str
    seeds: int
    largest: int
    sites: Any


_PROFILES = {
    # Small and on drawn positions only: the same numbers on every machine, with or without the real files.
    "quick": Profile("quick", seeds=10, largest=100, sites="uniform"),
    "paper": Profile("paper", seeds=50, largest=500, sites="auto"),
}


def profile(name: str) -> Profile:
    """A profile by name."""
    if name not in _PROFILES:
        raise InputError(f"profile is {name!r}; must be one of {', '.join(_PROFILES)}")
    return _PROFILES[name]


def experiments(profile_name: str) -> dict[str, Experiment]:
    """All experiments of a profile by name."""
    chosen = profile(profile_name)
    found = [_sweep(name, chosen) for name in SWEEPS]
    base: dict[str, Any] = {"cloudlets": 100, "models": 10, "families": 2, "requests": 100, "sites": chosen.sites}
    rounds = Recipe(cloudlets=100, models=50, families=10, requests=400, sites=chosen.sites)
    found += [
        Experiment("convergence", "convergence", "round", (Point(0, rounds),), chosen.seeds),
        Experiment("ablation", "ablation", "none", (Point(0, Recipe(**base)),), chosen.seeds),
    ]
    libraries: dict[str, Literal["released", "zoo"]] = {"fraction": "released", "fraction-zoo": "zoo"}
    for name, library in libraries.items():
        recipes = [Recipe(**base, shared_fraction=value, library=library) for value in SHARED_FRACTIONS]
        points = tuple(map(Point, SHARED_FRACTIONS, recipes))
        found.append(Experiment(name, "fraction", "shared_fraction", points, chosen.seeds))
    own = Recipe(**base, shared_fraction=None, library="zoo")
    found.append(Experiment("zoo", "fraction", "none", (Point(0, own),), chosen.seeds))
    found += _theory(chosen)
    found += _coupled(chosen)
    found += _tsrc(chosen)
    found += _online(chosen)
    return {experiment.name: experiment for experiment in found}


def _sweep(name: str, chosen: Profile) -> Experiment:
    axis, values, fixed = SWEEPS[name]
    points = []
    for value in values:
        if axis in COUNTS and value > chosen.largest:
            continue
        fields: dict[str, Any] = {key: min(count, chosen.largest) for key, count in fixed.items()}
        fields[axis] = int(value) if axis in COUNTS else value
        # The released sweep over models has a family per five models; its 100 models elsewhere form 50 families.
        fields.setdefault("families", fields["models"] // (5 if name == "models" else 2))
        points.append(Point(float(value), Recipe(**fields, sites=chosen.sites)))
    return Experiment(name, "sweep", axis, tuple(points), chosen.seeds)


def _theory(chosen: Profile) -> list[Experiment]:
    """What the notebooks prove, measured: tiny instances for the transformation, growing ones for LP and rounding."""
    tiny: dict[str, Any] = {"cloudlets": 5, "models": 4, "families": 2, "requests": 4, "sites": "uniform"}
    budgets = [Point(value, Recipe(**tiny, cost_budget=value, accuracy_requirement=0.6)) for value in TINY_BUDGETS]
    axis, values, fixed = SWEEPS["requests"]
    base: dict[str, Any] = {**fixed, "sites": "uniform"}
    counts = [int(value) for value in values if value <= chosen.largest]
    # HiGHS needs seconds for the explicit LP of the larger ones (benchmarks/exact.py).
    dual = [Point(count, Recipe(**base, requests=count)) for count in counts if count <= chosen.largest / 2]
    strict = [Point(count, Recipe(**base, requests=count, accuracy_requirement=0.6)) for count in counts]
    return [
        Experiment("equivalence", "equivalence", "cost_budget", tuple(budgets), 2 * chosen.seeds),
        Experiment("dual", "dual", axis, tuple(dual), chosen.seeds),
        # With released requirements nearly no row of the published LP binds; 0.6 forbids a third of the options.
        Experiment("rounding", "rounding", axis, tuple(strict), chosen.seeds),
    ]


def _coupled(chosen: Profile) -> list[Experiment]:
    """Beyond the paper; quick instances lie on a network that comes with a library."""
    quick = chosen.name == "quick"
    network: dict[str, Any] = {"cloudlets": 12, "models": 16, "topology": "sndlib/nobel-germany"}
    base: dict[str, Any] = {"families": 4, "requests": 80, **network} if quick else {}
    regimes = [(float(i), {"regime": name}) for i, name in enumerate(coupled.REGIMES)]
    shared = [(value, {"shared_fraction": value, "regime": "memory-bound"}) for value in SHARED_FRACTIONS]
    requests = [(float(count), {"requests": count}) for count in ((20, 40, 80, 120) if quick else (100, 200, 400, 816))]
    cloudlets = [(float(count), {"cloudlets": count}) for count in ((4, 8, 12, 16) if quick else (8, 16, 32, 50))]
    large = [] if quick else [(float(len(regimes)), {"requests": 816, "cloudlets": 50, "models": 96, "families": 8})]
    studies: list[tuple[str, str, str, Any]] = [
        ("coupled-regimes", "coupled-regimes", "regime", regimes),
        ("coupled-fraction", "coupled-fraction", "shared_fraction", shared),
        ("coupled-requests", "coupled-size", "requests", requests),
        ("coupled-cloudlets", "coupled-size", "cloudlets", cloudlets),
        ("coupled-anytime", "coupled-anytime", "case", regimes + large),
    ]
    return [
        Experiment(
            name, kind, axis, tuple(Point(v, coupled.Recipe(**(base | new))) for v, new in points), COUPLED_SEEDS
        )
        for name, kind, axis, points in studies
    ]


def _tsrc(chosen: Profile) -> list[Experiment]:
    """Restricted context where the answer is known: tables need scikit-learn, the rest is drawn."""
    quick = chosen.name == "quick"

    def points(names: tuple[str, ...], rounds: int) -> tuple[Point, ...]:
        sizes = [(name, d) for name in names for d in (0, *TABLE_SIZES[name][1], TABLE_SIZES[name][0])]
        return tuple(Point(float(d), problems.Recipe(name, rounds, d)) for name, d in sizes)

    small = tuple(name for name in TABLE_SIZES if name != "digits")
    subsets = tuple(Point(float(d), problems.Recipe(name, 3000, d, 8)) for name, d in SUBSET_PROBLEMS)
    drift = (Point(2.0, problems.Recipe("drift", 4000, 2, 10)),)
    credit = tuple(Point(float(d), problems.Recipe("credit", 3000, d, 12)) for d in (1, 2, 4, 8))
    regret = tuple(Point(float(lag), problems.Recipe("regret", 5_000, lag, 12)) for lag in (0, 10, 100))
    seeds = 6 if quick else 24
    return [
        Experiment(
            "tsrc-digits", "tsrc-practice", "observed", points(("digits",), 2_000 if quick else 10_000), seeds // 2
        ),
        Experiment("tsrc-tables", "tsrc-practice", "observed", points(small, 1_000 if quick else 5_000), seeds // 2),
        Experiment("tsrc-subsets", "tsrc-subsets", "observed", subsets, seeds),
        Experiment("tsrc-drift", "tsrc-drift", "observed", drift, seeds),
        Experiment("tsrc-regret", "tsrc-regret", "lag", regret, seeds // 2),
        Experiment("tsrc-credit", "tsrc-credit", "observed", credit, seeds),
    ]


def _online(chosen: Profile) -> list[Experiment]:
    """On a trace: the drawn one in the quick profile, the real one, where it is at hand, in the full one."""
    quick = chosen.name == "quick"

    def points(*names: str) -> tuple[Point, ...]:
        settings = [replace(SCENARIOS[name], requests=4_000 if quick else 8_000) for name in names]
        recipes = [OnTrace(name, setting, not quick) for name, setting in zip(names, settings, strict=True)]
        return tuple(Point(float(i), recipe) for i, recipe in enumerate(recipes))

    kinds = {
        "scenarios": points(*SCENARIOS), "features": points("base"), "costs": points("base"),
        "probing": points("base"), "placement": points("base", "slow links"), "regret": points("base"),
    }  # fmt: skip
    seeds = TRACE_SEEDS[chosen.name]
    return [Experiment(f"{ONLINE_TRACE}-{kind}", f"online-{kind}", "scenario", of, seeds) for kind, of in kinds.items()]
