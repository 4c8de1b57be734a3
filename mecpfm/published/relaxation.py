"""The strengthened relaxation: options that no plan can take are out, and one multiplier solves the rest.

Theorems T3 and T5 of docs/theory.md; where a budget binds, T7 (``budgets``). No solver is called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mecpfm.clock import Budget
from mecpfm.kernels import minmax
from mecpfm.plan import Plan
from mecpfm.published import budgets
from mecpfm.published.check import assess_fractional
from mecpfm.published.instance import Instance
from mecpfm.published.options import Options, budget_error, require_options, tabulate
from mecpfm.typing import Floats

SLACK = 1e-9
"""Relative slack of a budget row, and of a pulling delay, below every tolerance that a row is checked with."""
STRUCTURE = "none"
"""Name of the solver when the structure was enough."""


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Optimal fractions of a relaxation, its value (a lower bound on every plan) and who solved it."""

    x: Floats
    """Shape (J, K), rows sum to 1; of the strengthened LP at most one row has two positive entries, two at budgets."""
    value: float
    options: Options
    """Tables whose ``allowed`` is what the relaxation could take."""
    solver: str = STRUCTURE

    @property
    def pull(self) -> float:
        """Network-wide pulling delay of ``x``, s."""
        return max(float((self.x * pull).sum()) for pull in (self.options.shared_pull, self.options.private_pull))


def caps(instance: Instance, options: Options) -> Floats:
    """Largest network-wide pulling delay that each option's budget row allows, s, shape (J, K)."""
    budget = instance.requests.cost_budget[:, None]
    left = budget + SLACK * np.maximum(1, budget) - options.own_cost
    power = np.broadcast_to(options.transmit_power[:, None], left.shape)
    return np.divide(left, power, out=np.where(left >= 0, np.inf, -np.inf), where=power > 0)


def balanced(base: Floats, shared: Floats, private: Floats, weight: float = 1.0) -> tuple[Floats, float]:
    """Fractions (J, K) that minimise ``B + weight * max(S, P)``, and the value; at most one request is fractional.

    Tables have shape (J, K); ``base`` is infinite where an option may not be chosen, and every row has an option.
    """
    _, value, low, high = minmax.balance(base, shared, private, weight)
    j, fraction = minmax.cross(shared, private, low, high)
    x = np.zeros(base.shape)
    x[np.arange(len(low)), low] = 1
    if j >= 0:
        x[j, low[j]], x[j, high[j]] = fraction, 1 - fraction
    return x, float(value)


def strengthen(instance: Instance) -> Options:
    """Tables without the options that break capacity or accuracy, or the budget at the least pulling delay there is.

    Raises InfeasibleError when a request is left without an option.
    """
    options = tabulate(instance)
    require_options(instance, options)
    limit, usable = caps(instance, options), options.allowed
    while usable.any(axis=1).all():
        least = minmax.balance(np.where(usable, 0.0, np.inf), options.shared_pull, options.private_pull, 1.0)[1]
        kept = usable & (limit >= least)
        if (kept == usable).all():
            return replace(options, allowed=usable)
        usable = kept
    raise budget_error(instance, options)


def relax(instance: Instance, *, strict: bool = False, time_limit: float | None = None) -> Relaxation:
    """Optimum of the strengthened LP, every option within its cap.

    With ``strict`` every draw keeps all budgets, which costs slack: the value bounds plans with that slack only.
    Raises InfeasibleError, or LimitError when time is over.
    """
    budget, options = Budget.of(time_limit), strengthen(instance)
    base, limit = np.where(options.allowed, options.base, np.inf), caps(instance, options)
    found = Relaxation(*balanced(base, options.shared_pull, options.private_pull), options)
    if not strict and limit[found.x > 0].min() >= found.pull:
        return found
    tables = budgets.CappedTables(base, options.shared_pull, options.private_pull, limit)
    least = budgets.least(tables, strict=strict, budget=budget)
    if least is None:
        raise budget_error(instance, options)
    return Relaxation(*least, options)


def solve_lp_dual(instance: Instance, *, time_limit: float | None = None) -> Plan:
    """The strengthened LP as a plan: a bound at least as good as the explicit LP's, at any size."""
    found = relax(instance, time_limit=time_limit)
    return assess_fractional(instance, "lp-dual", found.x, bound=found.value, status="optimal", solver=found.solver)
