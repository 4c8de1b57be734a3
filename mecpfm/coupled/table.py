"""The methods, a function each, and the table of their command-line names."""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable

import numpy as np

from mecpfm.coupled import (
    anytime,
    auto,
    baselines,
    branch,
    brute_force,
    drawing,
    dual,
    formulation,
    generalized_assignment,
    rounding,
)
from mecpfm.coupled.check import assess, assess_fractional
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.request import Request
from mecpfm.coupled.structure import Structure
from mecpfm.plan import Plan
from mecpfm.typing import Ints

Method = Callable[[Instance, str, Request], Plan]


def _baseline(decide: Callable[[Instance], Ints]) -> Method:
    return lambda instance, method, _: assess(instance, method, decide(instance))


def _relaxation(instance: Instance, method: str, request: Request) -> Plan:
    """LP of the compressed instance: no weaker, as it leaves out options that never fit, and much smaller."""
    cut, small = method == "lp-cut", presolve(instance)
    found, kept = formulation.solve_lp(small.instance, cut=cut, solver=request.solver, time_limit=request.own.limit())
    x = np.zeros(len(instance.options.request))
    x[small.option] = kept
    return assess_fractional(instance, method, x, cut=cut, bound=found.bound, status=found.status, solver=found.solver)


def _ilp(instance: Instance, method: str, request: Request) -> Plan:
    small = presolve(instance)
    plan = formulation.solve_ilp(
        small.instance, solver=request.solver, seed=request.seed, time_limit=request.own.limit(), gap=request.gap
    )
    choice = small.expand(np.array(plan.decisions["option"], dtype=np.int64))
    return assess(instance, method, choice, bound=plan.bound, status=plan.status, solver=plan.solver)


def _no_sharing(instance: Instance, method: str, request: Request) -> Plan:
    """Planned as if nothing were shared, costed as it is; the metric ``unshared_delay_s`` is the cost planned for."""
    alone = baselines.unshared(instance)
    planned, *_ = anytime.solve(alone, **request.quietly)
    plan = assess(instance, method, np.array(planned.decisions["option"]))
    return dataclasses.replace(plan, metrics={**plan.metrics, "unshared_delay_s": planned.objective})


def _rounding(instance: Instance, method: str, request: Request) -> Plan:
    limit = request.own.limit()
    return rounding.solve(instance, method, seed=request.seed, time_limit=limit, params=request.params.dual)


def _cocar(instance: Instance, method: str, request: Request) -> Plan:
    small = presolve(instance)
    relaxed, x = formulation.solve_lp(small.instance, solver=request.solver, time_limit=request.own.limit())
    random = np.random.default_rng([request.seed, zlib.crc32(method.encode())])  # a stream of its own
    choice = small.expand(baselines.independent(small.instance, x, random.random(instance.sizes.requests)))
    return assess(instance, method, choice, solver=relaxed.solver)


def _gap_rounding(instance: Instance, method: str, request: Request) -> Plan:
    """The theorem leaves loads up to twice the compute and asks nothing of memory: what does not fit goes remote."""
    choice, _ = generalized_assignment.shmoys_tardos(instance, time_limit=request.own.limit())
    return assess(instance, method, baselines.first_fit(instance, choice[choice >= 0]))


SEARCHES: dict[str, Callable[..., tuple[Plan, Structure, dual.Dual]]] = {
    "auto": auto.solve,
    "polish": anytime.solve,
    "branch": branch.solve,
}
"""Methods that bring the dual engine's bound along."""
KEEPING = (*SEARCHES, "ilp", "nlip")
"""Methods that plan around pins."""
CUT_SHORT = ("lp", "lp-cut", "ilp", "nlip", "cocar", "gap-rounding", *rounding.ROUNDINGS, drawing.NAME)
"""Methods that need TrimCaching-Gen's plan when their own search was cut short."""
FRACTIONAL = frozenset({"lp", "lp-cut"})
OWN_PROOF = FRACTIONAL | {"auto", "ilp", "nlip", "branch"}
"""Methods that may prove more than a certificate holds: a solver's bound, enumeration, fixing, a search tree."""

METHODS: dict[str, Method] = {
    "lp": _relaxation,
    "lp-cut": _relaxation,
    "ilp": _ilp,
    "nlip": lambda instance, _, request: brute_force.solve_nlip(instance, time_limit=request.own.limit()),
    "dual": _baseline(baselines.trimcaching),
    **dict.fromkeys(SEARCHES, lambda instance, method, request: SEARCHES[method](instance, **request.searching)[0]),
    "remote": _baseline(baselines.remote),
    "popularity": _baseline(baselines.popularity),
    "lru": _baseline(baselines.lru),
    "lfu": _baseline(baselines.lfu),
    "accuracy-first": _baseline(baselines.accuracy_first),
    "no-sharing": _no_sharing,
    "trimcaching": _baseline(baselines.trimcaching),
    "trimcaching-gain": _baseline(functools.partial(baselines.trimcaching, per_byte=False)),
    "cocar": _cocar,
    "gap-rounding": _gap_rounding,
    **dict.fromkeys(rounding.ROUNDINGS, _rounding),
    drawing.NAME: lambda instance, _, request: drawing.solve(instance, **request.quietly),
}
