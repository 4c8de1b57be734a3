"""What studies of the paper's setting measure: a row a method or policy, the LP as published, ratios to an LP."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mecpfm import clock, solvers
from mecpfm.errors import InfeasibleError
from mecpfm.files import plain
from mecpfm.plan import Plan
from mecpfm.published.check import assess_fractional
from mecpfm.published.formulation import compact_lp
from mecpfm.published.instance import Instance
from mecpfm.published.methods import solve
from mecpfm.published.online import simulate
from mecpfm.published.options import tabulate
from mecpfm.published.relaxation import Relaxation


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
    start = clock.now()
    found = published_relaxation(instance)
    plan = assess_fractional(instance, "lp", found.x, bound=found.value, status="optimal", solver=found.solver)
    return replace(plan, runtime_s=clock.now() - start)


def ratio_bound(relaxed: Relaxation) -> float:
    """Upper bound on the mean ratio of a draw to its relaxation (docs/theory.md, T4).

    ``E max(S, P) <= max(E S, E P) + min(sd(S - P), 2 pull) / 2``, and the variance of S - P is a sum over requests.
    """
    skew = relaxed.options.shared_pull - relaxed.options.private_pull
    variance = (relaxed.x * skew**2).sum(axis=1) - (relaxed.x * skew).sum(axis=1) ** 2
    return 1 + min(math.sqrt(max(float(variance.sum()), 0)) / 2, relaxed.pull) / relaxed.value


def optimum(solver: Callable[[], Plan], method: str) -> dict[str, Any]:
    """Row of a solver that proves its optimum: status, solver and objective."""
    try:
        plan = solver()
    except InfeasibleError:
        return {"method": method, "status": "infeasible"}
    return {"method": method, "status": plan.status, "solver": plan.solver, "objective": plan.objective}


def offline(instance: Instance, method: str, seed: int) -> dict[str, Any]:
    """Row of an offline method: metrics, objective, bound, ratio, broken rows and running time."""
    row = {"method": method, "kind": "offline"}
    try:
        plan = published_lp(instance) if method == "lp" else solve(instance, method, seed=seed)
    except InfeasibleError:
        return row | {"status": "infeasible"}
    return {
        **row, "status": plan.status, "solver": plan.solver, **plan.metrics, "objective": plan.objective,
        "bound": plain(plan.bound), "ratio": plan_ratio(plan),
        "violations": len(plan.violations), "runtime_s": plan.runtime_s,
    }  # fmt: skip


def online(instance: Instance, policy: str, seed: int, **rule: Any) -> dict[str, Any]:
    """Row of a policy over all rounds; ``rule`` is the pull rule, the policy's own where none is given."""
    content = simulate(instance, policy, seed=seed, **rule).to_object()
    kept = ("total_delay_s", "average_cost", "average_accuracy", "total_penalty", "total_regret", "runtime_s")
    return {"method": policy, "kind": "online", "status": "feasible", **{key: content[key] for key in kept}}
