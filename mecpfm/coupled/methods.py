"""Every method of the coupled setting by its command-line name: an instance goes in, a certified Plan comes out."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import math
from typing import Any, NamedTuple

import numpy as np

from mecpfm import clock, ranges
from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import baselines, dear, dual
from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.dual import proven
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.lp_proof import lp_certificate
from mecpfm.coupled.multipliers import certificate, dual_of
from mecpfm.coupled.params import DualParams
from mecpfm.coupled.pins import Keep, kept, pin
from mecpfm.coupled.request import Request
from mecpfm.coupled.structure import Structure, build
from mecpfm.coupled.table import CUT_SHORT, KEEPING, METHODS, OWN_PROOF, SEARCHES
from mecpfm.errors import InputError, LimitError
from mecpfm.plan import Plan, instance_sha256
from mecpfm.solvers import process
from mecpfm.warm import announcing

log = logging.getLogger("mecpfm")


class Bounded(NamedTuple):
    """A dual bound and the structure that its multipliers refer to."""

    structure: Structure
    dual: dual.Dual


def solve(instance: Instance, method: str, **wanted: Any) -> Plan:
    """Plan of one method, judged by the checker, with a proven bound and the wall time of everything.

    Parameters
    ----------
    instance
        The problem.
    method
        A name of ``METHODS``.
    wanted
        Fields of ``Request``, by name.

    Returns
    -------
    Plan
        Its bound is the method's own where it proves one, else the dual engine's.

    Raises
    ------
    InputError
        An unknown name, or what the method would pass over.

    Examples
    --------
    >>> from mecpfm.coupled.generate import Recipe, generate
    >>> plan = solve(generate(Recipe(cloudlets=4, requests=10, models=6), seed=0), "trimcaching")
    >>> plan.feasible, bool(plan.bound <= plan.objective)
    (True, True)
    """
    request = Request(**wanted)
    plan, _ = _solve(instance, method, request)
    if not math.isfinite(plan.bound):
        found = dual_bound(instance, plan.objective, request.budget, request.prices, request.params.dual)
        plan = dataclasses.replace(plan, bound=found.dual.bound)
    return plan.ended(request.budget.elapsed())


def certified(instance: Instance, method: str, **wanted: Any) -> tuple[Plan, Certificate]:
    """As ``solve``, with the multipliers of its bound: the dual engine's, and the LP's own duals for ``lp-cut``.

    Parameters
    ----------
    instance, method, wanted
        Those of ``solve``; the same is refused.

    Returns
    -------
    tuple of Plan and Certificate
        The plan's bound is the certificate's, or a better one of the plan's own proof.

    Examples
    --------
    >>> from mecpfm.coupled.generate import Recipe, generate
    >>> instance = generate(Recipe(cloudlets=4, requests=10, models=6), seed=0)
    >>> plan, proof = certified(instance, "polish", iterations=20)
    >>> proof.family.shape, plan.gap >= 0  # models
    ((6,), True)
    """
    request = Request(**wanted)
    plan, found = _solve(instance, method, request)
    proof = _certificate(instance, method, request, plan, found)
    known = float(proof.bound_s)
    best = float(np.fmax(plan.bound, known)) if method in OWN_PROOF else known
    status = plan.status if method in OWN_PROOF or plan.status != "optimal" else proven(plan.objective, best)
    plan = dataclasses.replace(plan, bound=best, status=status).ended(request.budget.elapsed())
    return plan, proof


def _certificate(instance: Instance, method: str, request: Request, plan: Plan, found: Bounded | None) -> Certificate:
    """Multipliers of a method's bound: those it found, the LP's duals for the LP with the cut, else the engine's."""
    if method == "lp-cut" and "fraction" in plan.decisions:
        with contextlib.suppress(LimitError):
            return lp_certificate(instance, time_limit=request.budget.limit())
    budget, prices = request.budget, request.prices
    bounded = found or dual_bound(instance, plan.objective, budget, prices, request.params.dual)
    proof = certificate(*bounded, instance)
    if proof.compute_row is None:
        return proof
    # The check may know more models at a cloudlet than the presolved instance, and keeps no compute row there.
    return proof.model_copy(update={"bound_s": np.float64(min(float(proof.bound_s), verify(instance, proof)))})


@announcing()
def dual_bound(
    instance: Instance, target: float, budget: Budget = FOREVER, prices: Certificate | None = None,
    params: DualParams = DEFAULT.dual,
) -> Bounded:  # fmt: skip
    """Dual engine's bound, s; ``target``, the cost of any known plan, and ``prices`` only steer the steps."""
    small = dear.cut(instance, target)
    view = build(small)
    found = dual.solve(view, target=target, warm=dual_of(view, prices), budget=budget, params=params)
    if dear.wide(small, found.bound):  # the check counts what is rounded
        found = dataclasses.replace(found, bound=max(verify(instance, certificate(view, found)), 0.0))
    return Bounded(view, found)


@announcing()
def _solve(instance: Instance, method: str, request: Request) -> tuple[Plan, Bounded | None]:
    ranges.one_of(METHODS, "method", method)
    ranges.seed(request.seed)
    ranges.count("iterations", request.iterations, 0)
    ranges.within("time_limit", request.time_limit, 0, ranges.LARGEST)
    _require_use(method, request)
    endless = method == "auto" and request.iterations is None  # it has a limit of its own
    if (endless or clock.watched(request.time_limit)) and method in (*SEARCHES, *CUT_SHORT, "no-sharing"):
        process.start()  # before the budget begins
    found: Bounded | None = None
    if request.keep is not None:
        plan = _pinned(instance, method, request, request.keep)
    else:
        plan, found = _proved(instance, method, request)
    return dataclasses.replace(plan, seed=request.seed, instance_sha256=instance_sha256(instance)), found


def _proved(instance: Instance, method: str, request: Request) -> tuple[Plan, Bounded | None]:
    """Plan of one method, whose bound the dual engine's replaces where costs far above it may have rounded it away."""
    if method == "nlip" or dear.narrow(instance):
        return _run(method, instance, request)
    small, run = instance, functools.partial(_run, method)
    if method in (*SEARCHES, "ilp"):
        plan, found, small = dear.solve(instance, request, run)
    else:
        plan, found = run(instance, request)
    if dear.wide(small, plan.bound):
        found = dual_bound(instance, plan.objective, request.budget, request.prices, request.params.dual)
        status = proven(plan.objective, found.dual.bound) if plan.status == "optimal" else plan.status
        plan = dataclasses.replace(plan, bound=found.dual.bound, status=status)
    return plan, found


def _run(method: str, instance: Instance, request: Request) -> tuple[Plan, Bounded | None]:
    if method not in SEARCHES:
        return _in_time(instance, method, request), None
    own = {"threads": request.threads} if method == "auto" else {}
    plan, structure, bound = SEARCHES[method](instance, **request.searching, **own)
    if plan.solver != "none":
        log.info("bound: multipliers %.6g s, %s %.6g s", bound.bound, plan.solver, plan.bound)
    return plan, Bounded(structure, bound)


def _require_use(method: str, request: Request) -> None:
    """InputError for what the method would pass over in silence."""
    if not 0 <= request.gap < 1:
        raise InputError(f"gap is {request.gap}; must be in [0, 1)")
    ranges.count("threads", request.threads, 1)
    request.params.require_use(method)
    for name, given, able in (
        ("threads", request.threads is not None, ("auto",)),
        ("start", request.start is not None and request.keep is None, tuple(SEARCHES)),
        ("keep", request.keep is not None, KEEPING),
        ("gap", request.gap > 0, (*SEARCHES, "ilp")),
    ):
        if given and method not in able:
            raise InputError(f"{name} goes with the methods {' '.join(able)}; method is {method!r}")


def _pinned(instance: Instance, method: str, request: Request, keep: Keep) -> Plan:
    """Plan with pins, found on an instance that has no other; its bound without pins is left to the dual engine."""
    small = pin(instance, keep, request.start)
    prices = request.prices if method in SEARCHES else None
    start = small.start if method in SEARCHES else None
    inner = dataclasses.replace(request, time_limit=request.own.limit(), keep=None, start=start, prices=prices)
    found, _ = _solve(small.instance, method, inner)
    choice = small.expand(np.array(found.decisions["option"], dtype=np.int64))
    plan = assess(instance, method, choice, solver=found.solver)
    known = assess(instance, method, small.expand(small.start), solver=found.solver)
    if not (plan.feasible and kept(instance, keep, choice) and plan.objective <= known.objective):
        plan = known
    return dataclasses.replace(plan, metrics={**plan.metrics, "pinned_bound_s": min(found.bound, plan.objective)})


def _in_time(instance: Instance, method: str, request: Request) -> Plan:
    """Plan of a method; of one that lacked time, TrimCaching-Gen's where it has none or a worse one."""
    try:
        plan = METHODS[method](instance, method, request)
    except LimitError:
        if not request.own.over:
            raise
        return assess(instance, method, baselines.trimcaching(instance))
    if method not in CUT_SHORT or plan.status == "optimal" or not request.own.over:
        return plan
    greedy = assess(instance, method, baselines.trimcaching(instance), bound=plan.bound, solver=plan.solver)
    return min(plan, greedy, key=lambda one: one.objective if one.feasible else math.inf)
