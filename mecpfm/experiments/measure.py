"""What is measured on one instance: every method, every policy, one row each."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from mecpfm.errors import InfeasibleError
from mecpfm.experiments.config import OFFLINE, ONLINE
from mecpfm.plan import Plan
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.instance import Instance
from mecpfm.published.methods import solve
from mecpfm.published.online import SOURCES, Episode, simulate

Rows = list[dict[str, Any]]

EXPLICIT_COLUMNS = 20_000
"""The explicit LP is solved up to this size; above it LP stands for the strengthened LP by its one multiplier."""
CONVERGENCE_POLICIES = ("ol", "wtsrc", "mab", "adms", "random", "ucb1", "linucb", "lints")


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


MEASURES = {"sweep": sweep, "ablation": ablation, "fraction": fraction, "convergence": convergence}


def explicit_columns(instance: Instance) -> int:
    """Columns of the explicit LP (docs/published_setting.md)."""
    _, models, requests = instance.sizes
    held = len(instance.models.shared_at.indices) + len(instance.models.private_at.indices)
    return requests * models + 2 * requests * held + 1


def _offline(instance: Instance, method: str, seed: int) -> dict[str, Any]:
    by_dual = method == "lp" and explicit_columns(instance) > EXPLICIT_COLUMNS
    try:
        plan = solve(instance, "lp-dual" if by_dual else method, seed=seed)
    except InfeasibleError:
        return {"method": method, "kind": "offline", "status": "infeasible"}
    return _offline_row(plan, method)


def _offline_row(plan: Plan, method: str) -> dict[str, Any]:
    bound = plan.bound if math.isfinite(plan.bound) else None
    return {
        "method": method, "kind": "offline", "status": plan.status, "solver": plan.solver,
        **plan.metrics, "objective": plan.objective, "bound": bound, "violations": len(plan.violations),
        "runtime_s": plan.runtime_s,
    }  # fmt: skip


def _online(instance: Instance, policy: str, seed: int, **rule: Any) -> dict[str, Any]:
    run: Episode = simulate(instance, policy, seed=seed, **rule)
    content = run.to_object()
    kept = ("total_delay_s", "average_cost", "average_accuracy", "total_penalty", "total_regret", "runtime_s")
    return {"method": policy, "kind": "online", "status": "feasible", **{key: content[key] for key in kept}}
