"""Studies of what the theorems on the paper's problem say, measured: programs, their relaxations and roundings."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecpfm import solvers
from mecpfm.errors import InfeasibleError
from mecpfm.experiments.measure import optimum, plan_ratio, published_relaxation, ratio_bound
from mecpfm.experiments.studies.published import SEEDS, SWEEPS
from mecpfm.experiments.study import Point, Profile, Rows, study
from mecpfm.published.brute_force import solve_brute_force
from mecpfm.published.exact import solve_exact
from mecpfm.published.formulation import ilp, solve_ilp, solve_nlip
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.methods import solve
from mecpfm.published.relaxation import relax, strengthen
from mecpfm.published.rounding import round_options

ROUNDINGS = 10_000
"""Draws from one relaxation whose ratio is measured."""
TINY: dict[str, Any] = {"cloudlets": 5, "models": 4, "families": 2, "requests": 4, "sites": "uniform"}
"""Instance that can be enumerated."""
TINY_BUDGETS = (150.0, 250.0, 400.0, 40_000.0)
"""Its budgets: from hopeless for most to slack."""
STRICT = 0.6
"""Accuracy requirement that forbids a third of the options: with released ones nearly no row of the LP binds."""


@study(
    "equivalence",
    shows="NLIP against ILP on four-request instances",
    points=lambda _: [Point(b, Recipe(**TINY, cost_budget=b, accuracy_requirement=STRICT)) for b in TINY_BUDGETS],
    seeds={name: 2 * seeds for name, seeds in SEEDS.items()},
)
def equivalence(recipe: Recipe, seed: int) -> Rows:
    """One tiny instance by enumeration, the ILP by HiGHS, the NLIP by Gurobi (enumerated where it cannot be used)."""
    instance = generate(recipe, seed)
    return [
        optimum(lambda: solve_brute_force(instance), "brute-force"),
        optimum(lambda: solve_ilp(instance, solver="highs"), "ilp"),
        optimum(lambda: solve_nlip(instance), "nlip"),
    ]


def _growing(largest: float, **fields: Any) -> list[Point]:
    """Points of the sweep over requests on drawn positions, up to ``largest`` requests."""
    axis, values, fixed = SWEEPS["requests"]
    base: dict[str, Any] = {**fixed, "sites": "uniform", **fields}
    return [Point(int(value), Recipe(**base | {axis: int(value)})) for value in values if value <= largest]


def drawn(chosen: Profile) -> list[Point]:
    """Points of the study of draws."""
    return _growing(chosen.largest, accuracy_requirement=STRICT)


@study(
    "dual",
    shows="one multiplier against the explicit LP",
    # HiGHS needs seconds for the explicit LP of the larger ones (benchmarks/exact.py).
    points=lambda chosen: _growing(chosen.largest / 2),
    seeds=SEEDS,
)
def dual(recipe: Recipe, seed: int) -> Rows:
    """The strengthened LP twice: written out with every source for HiGHS, and by its one multiplier.

    No rows when the instance is infeasible.
    """
    instance = generate(recipe, seed)
    try:
        plan = solve(instance, "lp-dual")
    except InfeasibleError:
        return []
    explicit = ilp(instance).relaxed()
    explicit.upper[: instance.accuracy.size] = strengthen(instance).allowed.ravel()
    found = solvers.solve(explicit, "highs")
    size = {"columns": len(explicit.cost)}
    return [
        {"method": "lp-strengthened", "bound": found.objective, "runtime_s": found.runtime_s, **size},
        {"method": "lp-dual", "bound": plan.bound, "runtime_s": plan.runtime_s, **size},
    ]


@study("rounding", shows="draws of the rounding, as published and strengthened", points=drawn, seeds=SEEDS)
def rounding(recipe: Recipe, seed: int) -> Rows:
    """Ratios to the relaxation: of independent draws from both LPs, budgets ignored, and of the plan Appro returns.

    No rows when the instance is infeasible. ``kept`` is the probability that a draw keeps capacity and accuracy.
    """
    instance = generate(recipe, seed)
    try:
        exact, strengthened = solve_exact(instance).objective, relax(instance)
        appro = solve(instance, "appro", seed=seed)
    except InfeasibleError:
        return []
    allowed = strengthened.options.allowed
    uniforms = np.random.default_rng(seed).random((ROUNDINGS, len(allowed)))
    rows = []
    for method, relaxed in (("lp", published_relaxation(instance)), ("lp-dual", strengthened)):
        ratio = round_options(instance, relaxed, uniforms).objective / relaxed.value
        rows.append(
            {
                "method": method, "requests": recipe.requests, "bound": relaxed.value, "exact": exact,
                "fractional": int((relaxed.x.max(axis=1) < 1 - 1e-9).sum()), "ratio": float(ratio.mean()),
                "largest": float(ratio.max()), "theorem": ratio_bound(relaxed),
                "kept": float((relaxed.x * allowed).sum(axis=1).prod()),
            }
        )  # fmt: skip
    plan = {"method": "appro", "requests": recipe.requests, "bound": appro.bound, "exact": exact}
    return [*rows, plan | {"ratio": plan_ratio(appro)}]
