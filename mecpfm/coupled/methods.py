"""Every method of the coupled setting by its command-line name: an instance goes in, a certified Plan comes out."""

from __future__ import annotations

import dataclasses
import math
import time
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecpfm import ranges
from mecpfm.coupled import anytime, baselines, branch, brute_force, dual, formulation, gap, rounding
from mecpfm.coupled.certificate import Certificate, certificate
from mecpfm.coupled.check import assess, assess_fractional
from mecpfm.coupled.compress import compress
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.structure import Structure, build
from mecpfm.errors import InputError
from mecpfm.plan import Plan

Ints = NDArray[np.int64]
Progress = Callable[[int, float, float], None]


@dataclasses.dataclass(frozen=True)
class Request:
    """What the caller asked for beside the method's name."""

    solver: str = "auto"
    seed: int = 0
    time_limit: float | None = None
    iterations: int | None = None
    progress: Progress | None = None

    @property
    def searching(self) -> dict[str, Any]:
        """Keyword arguments of the search."""
        return {"progress": self.progress, **self.quietly}

    @property
    def quietly(self) -> dict[str, Any]:
        """The same without progress, for a search that is only a part of a method."""
        budget = {} if self.iterations is None else {"iterations": self.iterations}
        return {"seed": self.seed, "time_limit": self.time_limit, **budget}


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
    """
    start = time.perf_counter()
    plan, _ = _solve(instance, method, Request(**wanted))
    if not math.isfinite(plan.bound):
        plan = dataclasses.replace(plan, bound=dual_bound(instance, plan.objective).dual.bound)
    return dataclasses.replace(plan, runtime_s=time.perf_counter() - start)


def certified(instance: Instance, method: str, **wanted: Any) -> tuple[Plan, Certificate]:
    """As ``solve``, with the dual engine's multipliers; the plan's bound is theirs or a better one of its method."""
    start = time.perf_counter()
    plan, found = _solve(instance, method, Request(**wanted))
    found = found or dual_bound(instance, plan.objective)
    best = np.fmax(plan.bound, found.dual.bound)
    plan = dataclasses.replace(plan, bound=float(best), runtime_s=time.perf_counter() - start)
    return plan, certificate(*found)


def dual_bound(instance: Instance, target: float) -> Bounded:
    """Dual engine's bound, s; ``target`` is the cost of any known plan and only steers the steps."""
    view = build(instance)
    return Bounded(view, dual.solve(view, target=target))


def _solve(instance: Instance, method: str, request: Request) -> tuple[Plan, Bounded | None]:
    if method not in METHODS:
        raise InputError(f"method is {method!r}; must be one of {' '.join(METHODS)}")
    ranges.seed(request.seed)
    ranges.count("iterations", request.iterations, 0)
    ranges.within("time_limit", request.time_limit, 0, ranges.LARGEST)
    found: Bounded | None = None
    if method in SEARCHES:
        plan, structure, bound = SEARCHES[method](instance, **request.searching)
        found = Bounded(structure, bound)
    else:
        plan = METHODS[method](instance, method, request)
    return dataclasses.replace(plan, seed=request.seed), found


def uniforms(method: str, seed: int, count: int) -> NDArray[np.float64]:
    """Draws of one method, shape (count,): the stream depends on the method's name, so that methods do not share it."""
    return np.random.default_rng([seed, zlib.crc32(method.encode())]).random(count)


def _baseline(decide: Callable[[Instance], Ints]) -> Method:
    return lambda instance, method, _: assess(instance, method, decide(instance))


def _relaxation(instance: Instance, method: str, request: Request) -> Plan:
    """LP of the compressed instance: no weaker, as it leaves out options that never fit, and much smaller."""
    cut, small = method == "lp-cut", compress(instance)
    found, kept = formulation.solve_lp(small.instance, cut=cut, solver=request.solver, time_limit=request.time_limit)
    x = np.zeros(len(instance.options.request))
    x[small.option] = kept
    return assess_fractional(instance, method, x, cut=cut, bound=found.bound, status=found.status, solver=found.solver)


def _ilp(instance: Instance, method: str, request: Request) -> Plan:
    small = compress(instance)
    plan = formulation.solve_ilp(
        small.instance, solver=request.solver, seed=request.seed, time_limit=request.time_limit
    )
    choice = small.expand(np.array(plan.decisions["option"], dtype=np.int64))
    return assess(instance, method, choice, bound=plan.bound, status=plan.status, solver=plan.solver)


def _nlip(instance: Instance, method: str, request: Request) -> Plan:
    return brute_force.solve_nlip(instance)


def _no_sharing(instance: Instance, method: str, request: Request) -> Plan:
    """Planned as if nothing were shared, costed as it is; the metric ``unshared_delay_s`` is the cost planned for."""
    alone = baselines.unshared(instance)
    planned, *_ = anytime.solve(alone, **request.quietly)
    plan = assess(instance, method, np.array(planned.decisions["option"]))
    return dataclasses.replace(plan, metrics={**plan.metrics, "unshared_delay_s": planned.objective})


def _search(instance: Instance, method: str, request: Request) -> Plan:
    return SEARCHES[method](instance, **request.searching)[0]


def _rounding(instance: Instance, method: str, request: Request) -> Plan:
    return rounding.solve(instance, method.removeprefix("rounding-"), seed=request.seed)


def _cocar(instance: Instance, method: str, request: Request) -> Plan:
    small = compress(instance)
    relaxed, x = formulation.solve_lp(small.instance, solver=request.solver, time_limit=request.time_limit)
    draws = uniforms(method, request.seed, instance.sizes[3])
    choice = small.expand(baselines.independent(small.instance, x, draws))
    return assess(instance, method, choice, solver=relaxed.solver)


def _gap_rounding(instance: Instance, method: str, request: Request) -> Plan:
    """The theorem leaves loads up to twice the compute and asks nothing of memory: what does not fit goes remote."""
    choice, _ = gap.shmoys_tardos(instance)
    return assess(instance, method, baselines.first_fit(instance, choice[choice >= 0]))


SEARCHES: dict[str, Callable[..., tuple[Plan, Structure, dual.Dual]]] = {
    "polish": anytime.solve,
    "branch": branch.solve,
}
"""Methods that bring the dual engine's bound along."""

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
    "cocar": _cocar,
    "gap-rounding": _gap_rounding,
    **{f"rounding-{kind}": _rounding for kind in rounding.ROUNDINGS},
}
