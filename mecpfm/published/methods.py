"""Every offline method by its name on the command line."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from mecpfm import clock, ranges
from mecpfm.clock import Budget
from mecpfm.errors import LimitError, MecpfmError
from mecpfm.plan import Plan, instance_sha256
from mecpfm.published.baselines import solve_greedy, solve_nbs, solve_nonshare, solve_sc
from mecpfm.published.exact import solve_exact
from mecpfm.published.formulation import solve_ilp, solve_lp, solve_nlip
from mecpfm.published.instance import Instance
from mecpfm.published.relaxation import solve_lp_dual
from mecpfm.published.rounding import solve_appro
from mecpfm.solvers import process
from mecpfm.warm import announcing


class MethodOptions(NamedTuple):
    """What a run can be told; every method takes what concerns it."""

    solver: str = "auto"
    time_limit: float | None = None
    random: np.random.SeedSequence = np.random.SeedSequence(0)

    @property
    def solving(self) -> dict[str, Any]:
        """Keyword arguments of a method that may call a solver."""
        return {"solver": self.solver, "time_limit": self.time_limit}


METHODS: dict[str, Callable[[Instance, MethodOptions], Plan]] = {
    "lp": lambda instance, to: solve_lp(instance, **to.solving),
    "lp-dual": lambda instance, to: solve_lp_dual(instance, time_limit=to.time_limit),
    "ilp": lambda instance, to: solve_ilp(instance, **to.solving),
    "nlip": lambda instance, to: solve_nlip(instance, **to.solving),
    "exact": lambda instance, to: solve_exact(instance, time_limit=to.time_limit),
    "appro": lambda instance, to: solve_appro(instance, seed=to.random, time_limit=to.time_limit),
    "nbs": lambda instance, to: solve_nbs(instance, seed=to.random),
    "nbs-released": lambda instance, to: solve_nbs(instance, seed=to.random, released=True),
    "nonshare": lambda instance, _: solve_nonshare(instance),
    "sc": lambda instance, _: solve_sc(instance),
    "greedy": lambda instance, _: solve_greedy(instance),
}
SOLVED = ("lp", "lp-dual", "ilp", "nlip", "exact", "appro")
"""Methods that take a time limit, and may end without a plan of their own."""


@announcing(10)
def solve(
    instance: Instance, method: str, *, solver: str = "auto", seed: int = 0, time_limit: float | None = None
) -> Plan:
    """Run a method by name and time it; the clock stands still while kernels are compiled and licences looked up.

    Parameters
    ----------
    instance
        The problem.
    method
        A name of ``METHODS``.
    solver
        For methods that need one.
    seed
        A method that draws does so from ``SeedSequence([seed, crc32(name)])``: methods under one seed are independent.
    time_limit
        Seconds.

    Returns
    -------
    Plan
        Judged by the checker.

    Raises
    ------
    InputError, InfeasibleError, LimitError
        An unknown name or a number out of range; whatever the method raises.

    Examples
    --------
    >>> from mecpfm.published.generate import Recipe, generate
    >>> plan = solve(generate(Recipe(cloudlets=8, requests=5, models=4), seed=3), "exact")
    >>> plan.status, bool(plan.gap < 1e-9)
    ('optimal', True)
    """
    ranges.one_of(METHODS, "method", method)
    ranges.seed(seed)
    ranges.within("time_limit", time_limit, 0, ranges.LARGEST)
    random = np.random.SeedSequence([seed, zlib.crc32(method.encode())])
    if clock.watched(time_limit) and method in SOLVED:
        process.start()  # before the budget begins
    budget = Budget.of(time_limit)
    try:
        plan = METHODS[method](instance, MethodOptions(solver, budget.limit(), random))
    except LimitError as error:
        plan = _greedy(instance, method, error, budget)
    plan = replace(plan, seed=seed, instance_sha256=instance_sha256(instance))
    return plan.ended(budget.elapsed())


def _greedy(instance: Instance, method: str, error: LimitError, budget: Budget) -> Plan:
    """Greedy's plan for a method that found none in its time, where it keeps all rows; else the method's own error."""
    if not budget.over or method not in SOLVED:
        raise error
    try:
        plan = solve_greedy(instance)
    except MecpfmError:
        raise error from None
    if not plan.feasible:
        raise error
    return replace(plan, method=method)
