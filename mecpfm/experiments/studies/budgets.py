"""Study of budgets: whether they change a plan anywhere in the paper's evaluation."""

from __future__ import annotations

import numpy as np

from mecpfm.errors import InfeasibleError
from mecpfm.experiments.studies.published import SWEEPS, Case, cases_of, drawn
from mecpfm.experiments.study import Point, Profile, Rows, study
from mecpfm.published.generate import generate
from mecpfm.published.methods import solve

UNLIMITED = 1e12
"""A budget that nothing reaches, W s."""


def _evaluated(chosen: Profile) -> list[Point]:
    """Every point of the sweeps and of the study of draws."""
    swept = cases_of({name: {} for name in SWEEPS})(chosen)
    rounded = [Case(f"rounding {value:g}", recipe) for value, recipe in drawn(chosen)]
    return [*swept, *(Point(len(swept) + i, case) for i, case in enumerate(rounded))]


@study("budgets", shows="whether a budget changes a plan", points=_evaluated, seeds={"quick": 2, "paper": 50})
def budgets(case: Case, seed: int) -> Rows:
    """How far the optimum and Appro's plan are from those without budgets; no rows where no plan keeps them."""
    instance = generate(case.recipe, seed)
    try:
        plans = [solve(instance, method, seed=seed).objective for method in ("exact", "appro")]
    except InfeasibleError:
        return []
    slack = instance.requests.model_copy(update={"cost_budget": np.full_like(instance.requests.cost_budget, UNLIMITED)})
    free = instance.model_copy(update={"requests": slack})
    without = [solve(free, method, seed=seed).objective for method in ("exact", "appro")]
    changes = [abs(plan / other - 1) for plan, other in zip(plans, without, strict=True)]
    return [{"method": "budgets", "case": case.name, "optimum": plans[0], "change": max(changes)}]
