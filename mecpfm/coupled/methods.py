"""Every method of the coupled setting by its command-line name: an instance goes in, a certified Plan comes out."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import math
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecpfm import clock, ranges
from mecpfm.clock import FOREVER, Budget
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
from mecpfm.coupled.certificate import Certificate, certificate
from mecpfm.coupled.check import assess, assess_fractional
from mecpfm.coupled.dual import proven
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.lp_proof import lp_certificate
from mecpfm.coupled.pins import Keep, kept, pin
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.request import Request
from mecpfm.coupled.start import dual_of
from mecpfm.coupled.structure import Structure, build
from mecpfm.coupled.tiny import TINY
from mecpfm.errors import InputError, LimitError
from mecpfm.plan import Plan, instance_sha256
from mecpfm.solvers import process
from mecpfm.typing import Ints
from mecpfm.warm import warming

log = logging.getLogger("mecpfm")


class Bounded(NamedTuple):
    """A dual bound and the structure that its multipliers refer to."""

    structure: Structure
    dual: dual.Dual


Method = Callable[[Instance, str, Request], Plan]


def solve(instance: Instance, method: str, **wanted: Any) -> Plan:
    """Plan of one method, judged by the checker, with a proven bound and the wall time of everything.

    ``wanted`` are the fields of ``Request``. The bound is the method's own where it proves one, else the dual
    engine's. ``iterations`` is the local search's budget: with it, and no time limit, a seed gives the same plan
    everywhere; ``progress(iterations, cost, bound)`` is called as it goes. InputError for an unknown name.

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
        found = dual_bound(instance, plan.objective, request.budget, request.prices)
        plan = dataclasses.replace(plan, bound=found.dual.bound)
    return plan.ended(request.budget.elapsed())


def certified(instance: Instance, method: str, **wanted: Any) -> tuple[Plan, Certificate]:
    """As ``solve``, with the multipliers of its bound: the dual engine's, and the LP's own duals for ``lp-cut``.

    The plan's bound is theirs or a better one of its own proof.

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


def _certificate(
    instance: Instance, method: str, request: Request, plan: Plan, found: Bounded | None
) -> Certificate:  # fmt: skip
    """Multipliers of a method's bound: those it found, the LP's duals for the LP with the cut, else the engine's."""
    if method == "lp-cut" and "fraction" in plan.decisions:
        with contextlib.suppress(LimitError):
            return lp_certificate(instance, time_limit=request.budget.limit())
    return certificate(*(found or dual_bound(instance, plan.objective, request.budget, request.prices)), instance)


def dual_bound(
    instance: Instance, target: float, budget: Budget = FOREVER, prices: Certificate | None = None
) -> Bounded:
    """Dual engine's bound, s; ``target``, the cost of any known plan, and ``prices`` only steer the steps."""
    view = build(instance)
    if prices is None:
        return Bounded(view, dual.solve(view, target=target, budget=budget))
    warm = dual_of(view, prices)
    return Bounded(view, dual.solve(view, target=target, warm=warm, theta=anytime.WARM, budget=budget))


def _solve(instance: Instance, method: str, request: Request) -> tuple[Plan, Bounded | None]:
    if method not in METHODS:
        raise InputError(f"method is {method!r}; must be one of {' '.join(METHODS)}")
    ranges.seed(request.seed)
    ranges.count("iterations", request.iterations, 0)
    ranges.within("time_limit", request.time_limit, 0, ranges.LARGEST)
    _require_use(method, request)
    warm_up(method)
    if request.keep is not None:
        return _pinned(instance, method, request, request.keep), None
    endless = method == "auto" and request.iterations is None  # it has a limit of its own
    if (endless or clock.watched(request.time_limit)) and method in (*SEARCHES, *CUT_SHORT, "no-sharing"):
        process.start()  # before the budget begins
    found: Bounded | None = None
    if method in SEARCHES:
        own = {"threads": request.threads} if method == "auto" else {}
        plan, structure, bound = SEARCHES[method](instance, **request.searching, **own)
        found = Bounded(structure, bound)
        if plan.solver != "none":
            log.info("bound: multipliers %.6g s, %s %.6g s", bound.bound, plan.solver, plan.bound)
    else:
        plan = _in_time(instance, method, request)
    return dataclasses.replace(plan, seed=request.seed, instance_sha256=instance_sha256(instance)), found


def _require_use(method: str, request: Request) -> None:
    """InputError for what the method would pass over in silence."""
    if not 0 <= request.gap < 1:
        raise InputError(f"gap is {request.gap}; must be in [0, 1)")
    ranges.count("threads", request.threads, 1)
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
    metrics = {**plan.metrics, "pinned_bound_s": min(found.bound, plan.objective)}
    return dataclasses.replace(plan, seed=request.seed, instance_sha256=instance_sha256(instance), metrics=metrics)


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


@functools.cache
def warm_up(method: str) -> None:
    """Compile, or load, what a method needs before any clock starts; once a process."""
    with warming():
        tiny = Instance.model_validate(TINY)
        plan = METHODS[method](tiny, method, Request(iterations=50))
        if method == "auto":  # it proves that one before it searches
            anytime.solve(tiny, iterations=50)
        dual_bound(tiny, plan.objective)


def uniforms(method: str, seed: int, count: int) -> NDArray[np.float64]:
    """Draws of one method, shape (count,): the stream depends on the method's name, so that methods do not share it."""
    return np.random.default_rng([seed, zlib.crc32(method.encode())]).random(count)


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


def _nlip(instance: Instance, method: str, request: Request) -> Plan:
    return brute_force.solve_nlip(instance, time_limit=request.own.limit())


def _no_sharing(instance: Instance, method: str, request: Request) -> Plan:
    """Planned as if nothing were shared, costed as it is; the metric ``unshared_delay_s`` is the cost planned for."""
    alone = baselines.unshared(instance)
    planned, *_ = anytime.solve(alone, **request.quietly)
    plan = assess(instance, method, np.array(planned.decisions["option"]))
    return dataclasses.replace(plan, metrics={**plan.metrics, "unshared_delay_s": planned.objective})


def _search(instance: Instance, method: str, request: Request) -> Plan:
    return SEARCHES[method](instance, **request.searching)[0]


def _rounding(instance: Instance, method: str, request: Request) -> Plan:
    return rounding.solve(instance, method, seed=request.seed, time_limit=request.own.limit())


def _configurations(instance: Instance, method: str, request: Request) -> Plan:
    return drawing.solve(instance, **request.quietly)


def _cocar(instance: Instance, method: str, request: Request) -> Plan:
    small = presolve(instance)
    relaxed, x = formulation.solve_lp(small.instance, solver=request.solver, time_limit=request.own.limit())
    draws = uniforms(method, request.seed, instance.sizes[3])
    choice = small.expand(baselines.independent(small.instance, x, draws))
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
CUT_SHORT = (
    "lp",
    "lp-cut",
    "ilp",
    "nlip",
    "cocar",
    "gap-rounding",
    *rounding.ROUNDINGS,
    drawing.NAME,
)
"""Methods that need TrimCaching-Gen's plan when their own search was cut short."""

FRACTIONAL = frozenset({"lp", "lp-cut"})
OWN_PROOF = FRACTIONAL | {"auto", "ilp", "nlip", "branch"}
"""Methods that may prove more than a certificate holds: a solver's bound, enumeration, fixing, a search tree."""

METHODS: dict[str, Method] = {
    "lp": _relaxation,
    "lp-cut": _relaxation,
    "ilp": _ilp,
    "nlip": _nlip,
    "dual": _baseline(baselines.trimcaching),
    **dict.fromkeys(SEARCHES, _search),
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
    drawing.NAME: _configurations,
}
