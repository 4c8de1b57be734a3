"""What is measured on one instance: every method, every policy, every draw's summary; one row each."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mecpfm import solvers
from mecpfm.errors import InfeasibleError
from mecpfm.experiments.config import OFFLINE, ONLINE
from mecpfm.plan import Plan
from mecpfm.published.brute_force import solve_brute_force
from mecpfm.published.check import assess_fractional
from mecpfm.published.exact import solve_exact
from mecpfm.published.formulation import compact_lp, ilp, solve_ilp, solve_nlip
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.instance import Instance
from mecpfm.published.methods import solve
from mecpfm.published.online import SOURCES, Episode, simulate
from mecpfm.published.options import tabulate
from mecpfm.published.relaxation import Relaxation, relax, strengthen
from mecpfm.published.rounding import round_options

Rows = list[dict[str, Any]]

ROUNDINGS = 10_000
"""Draws from one relaxation whose ratio is measured."""
CONVERGENCE_POLICIES = ("ol", "wtsrc", "mab", "adms", "random", "ucb1", "epsilon-greedy", "linucb", "lints")


def sweep(recipe: Recipe, seed: int) -> Rows:
    """Every offline method and every online policy, each under its released pull rule."""
    instance = generate(recipe, seed)
    return [_offline(instance, method, seed) for method in OFFLINE] + [_online(instance, name, seed) for name in ONLINE]


def ablation(recipe: Recipe, seed: int) -> Rows:
    """Full factorial: share x source x learner, on the same instance."""
    instance = generate(recipe, seed)
    return [
        _online(instance, learner, seed, share=share, source=source) | {"share": share, "source": source}
        for share, source, learner in itertools.product((False, True), SOURCES, ONLINE)
    ]


def fraction(recipe: Recipe, seed: int) -> Rows:
    """Offline methods and, under the common rule (share, nearest), online learners."""
    instance = generate(recipe, seed)
    offline = [_offline(instance, method, seed) for method in ("appro", "exact", "nonshare", "sc")]
    return offline + [
        _online(instance, name, seed, share=True, source="nearest") for name in ("ol", "random", "myopic")
    ]


def convergence(recipe: Recipe, seed: int) -> Rows:
    """Cumulative penalty and regret by round, 50 features of which 25 are observed; released and common pull rules."""
    instance = generate(recipe, seed)
    rows = []
    for name, common in itertools.product(CONVERGENCE_POLICIES, (False, True)):
        rule: dict[str, Any] = {"share": True, "source": "nearest"} if common else {}
        run = simulate(instance, name, seed=seed, features=50, observed=25, **rule)
        penalty, regret = np.cumsum(run.penalty), np.cumsum(run.regret)
        marks = np.unique(np.linspace(0, len(penalty) - 1, 41).astype(int))
        rows += [
            {
                "method": name, "rule": "common" if common else "released", "round": int(t) + 1,
                "cumulative_penalty": float(penalty[t]), "cumulative_regret": float(regret[t]),
            }
            for t in marks
        ]  # fmt: skip
    return rows


def equivalence(recipe: Recipe, seed: int) -> Rows:
    """One tiny instance by enumeration, the ILP by HiGHS, the NLIP by Gurobi (enumerated where it cannot be used)."""
    instance = generate(recipe, seed)
    return [
        _optimum(lambda: solve_brute_force(instance), "brute-force"),
        _optimum(lambda: solve_ilp(instance, solver="highs"), "ilp"),
        _optimum(lambda: solve_nlip(instance), "nlip"),
    ]


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


def plan_ratio(plan: Plan) -> float | None:
    """Objective over the bound of a returned plan: infinite when it breaks a row, None without a bound."""
    if not math.isfinite(plan.bound):
        return None
    return math.inf if plan.violations else plan.objective / plan.bound


def published_relaxation(instance: Instance) -> Relaxation:
    """Optimum of the LP as published (capacity and accuracy on average), sources at the nearest holders."""
    options = tabulate(instance)
    found = solvers.solve(compact_lp(instance, options, allowed_only=False), "highs")
    if found.x is None:
        raise InfeasibleError("the LP as published has no solution")
    x = np.maximum(found.x[:-1], 0).reshape(options.base.shape)
    return Relaxation(x / x.sum(axis=1, keepdims=True), found.objective, options, found.solver)


def published_lp(instance: Instance) -> Plan:
    """The same as a plan: the LP as published at any size, as its explicit form has a column for every source (T2)."""
    start = time.perf_counter()
    found = published_relaxation(instance)
    plan = assess_fractional(instance, "lp", found.x, bound=found.value, status="optimal", solver=found.solver)
    return replace(plan, runtime_s=time.perf_counter() - start)


def ratio_bound(relaxed: Relaxation) -> float:
    """Upper bound on the mean ratio of a draw to its relaxation (docs/theory.md, T4).

    ``E max(S, P) <= max(E S, E P) + min(sd(S - P), 2 pull) / 2``, and the variance of S - P is a sum over requests.
    """
    skew = relaxed.options.shared_pull - relaxed.options.private_pull
    variance = (relaxed.x * skew**2).sum(axis=1) - (relaxed.x * skew).sum(axis=1) ** 2
    return 1 + min(math.sqrt(max(float(variance.sum()), 0)) / 2, relaxed.pull) / relaxed.value


MEASURES = {
    "sweep": sweep, "ablation": ablation, "fraction": fraction, "convergence": convergence,
    "equivalence": equivalence, "dual": dual, "rounding": rounding,
}  # fmt: skip


def _optimum(solver: Callable[[], Plan], method: str) -> dict[str, Any]:
    try:
        plan = solver()
    except InfeasibleError:
        return {"method": method, "status": "infeasible"}
    return {"method": method, "status": plan.status, "solver": plan.solver, "objective": plan.objective}


def _offline(instance: Instance, method: str, seed: int) -> dict[str, Any]:
    try:
        plan = published_lp(instance) if method == "lp" else solve(instance, method, seed=seed)
    except InfeasibleError:
        return {"method": method, "kind": "offline", "status": "infeasible"}
    return _offline_row(plan, method)


def _offline_row(plan: Plan, method: str) -> dict[str, Any]:
    bound = plan.bound if math.isfinite(plan.bound) else None
    return {
        "method": method, "kind": "offline", "status": plan.status, "solver": plan.solver,
        **plan.metrics, "objective": plan.objective, "bound": bound, "ratio": plan_ratio(plan),
        "violations": len(plan.violations), "runtime_s": plan.runtime_s,
    }  # fmt: skip


def _online(instance: Instance, policy: str, seed: int, **rule: Any) -> dict[str, Any]:
    run: Episode = simulate(instance, policy, seed=seed, **rule)
    content = run.to_object()
    kept = ("total_delay_s", "average_cost", "average_accuracy", "total_penalty", "total_regret", "runtime_s")
    return {"method": policy, "kind": "online", "status": "feasible", **{key: content[key] for key in kept}}
