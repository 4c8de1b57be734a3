"""Costs far above a known plan's are cut, so that no sum of them rounds away what a bound is about.

Remote service, or a pull, may cost 10^15 times what the best plan does. Bounds are differences of sums of such costs,
and a solver's tolerances are shares of the largest one. Costs that are cut only fall, so that what bounds the plans of
the cut instance bounds those of the true one. A plan that needs a cost that was cut is dearer than the known plan in
both, so that the optimum stays where it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from mecpfm.coupled import baselines, local_search
from mecpfm.coupled.check import assess
from mecpfm.coupled.dual import proven
from mecpfm.coupled.instance import SMALLEST, Instance
from mecpfm.coupled.request import Request
from mecpfm.coupled.structure import build
from mecpfm.plan import Plan
from mecpfm.typing import Ints

Proof = TypeVar("Proof")
WIDE = 1e3
"""A cost more than so many times a plan's, or a bound, is far above it."""
ABOVE = 2.0
"""What is cut costs so many times what the known plan does."""
CHEAPER = 4.0
"""A plan found that is so many times cheaper than the known one is worth another cut."""


def largest(instance: Instance) -> float:
    """Largest cost of serving a request remotely, or of pulling a block, s; no slower option is of use."""
    return float(max(instance.requests.remote_delay_s.max(initial=0.0), instance.pull_s.max(initial=0.0)))


def wide(instance: Instance, cost: float) -> bool:
    """Whether a cost of the instance is far above a plan's, or a bound, s; above 0 none is."""
    return 0 < WIDE * cost < largest(instance)


def narrow(instance: Instance) -> bool:
    """Whether no cost is far above any plan's: requests at their fastest, with all pulls free, cost enough."""
    fastest = instance.requests.remote_delay_s.copy()
    np.minimum.at(fastest, instance.options.request, instance.options.delay_s)
    return bool(largest(instance) <= WIDE * fastest.sum())


def cut(instance: Instance, cost: float) -> Instance:
    """The instance with no cost far above ``cost``, s, that of a plan; itself where there is none."""
    if not wide(instance, cost):
        return instance
    most, requests, cloudlets = max(ABOVE * cost, SMALLEST), instance.requests, instance.cloudlets
    remote = requests.model_copy(update={"remote_delay_s": np.minimum(requests.remote_delay_s, most)})
    dear = instance.pull_s > most
    size = np.broadcast_to(instance.blocks.size_gb[:, None], dear.shape)
    rate = np.broadcast_to(cloudlets.pull_s_per_gb, dear.shape).copy()
    rate[dear] = np.maximum(most / size[dear], SMALLEST)
    pulls = cloudlets.model_copy(update={"pull_s_per_gb": rate if dear.any() else cloudlets.pull_s_per_gb})
    return instance.model_copy(update={"requests": remote, "cloudlets": pulls})


def known(instance: Instance, start: Ints | None) -> Plan:
    """The cheaper one of TrimCaching-Gen's plan and what is left of ``start``, (R,)."""
    plans = [baselines.trimcaching(instance)]
    if start is not None:
        plans.append(local_search.known(instance, build(instance), start).choice)
    return min((assess(instance, "start", choice) for choice in plans), key=lambda plan: plan.objective)


def solve(
    instance: Instance, request: Request, run: Callable[[Instance, Request], tuple[Plan, Proof]]
) -> tuple[Plan, Proof, Instance]:
    """What ``run`` finds where costs are cut, and once more whenever that is much cheaper than the plan known before.

    The plan is the best one known, at its true cost; the instance that ``run`` had last comes with it.
    """
    budget, best = request.budget, known(instance, request.start)  # the budget begins first
    while True:
        small = cut(instance, best.objective)
        if small is not instance:
            limit, start = budget.limit(), np.array(best.decisions["option"], dtype=np.int64)
            request = dataclasses.replace(request, start=start, time_limit=limit)
        found, proof = run(small, request)
        new = assess(instance, found.method, np.array(found.decisions["option"], dtype=np.int64))
        better = new.feasible and new.objective < best.objective
        best = new if better or new.objective == best.objective else best
        enough = not wide(instance, best.objective) or CHEAPER * ABOVE * best.objective >= largest(small)
        if enough or not better or budget.over:
            break
    if small is not instance:
        status = found.status if best.objective == found.objective else proven(best.objective, found.bound)
        found = dataclasses.replace(best, method=found.method, bound=found.bound, status=status, solver=found.solver)
    return found, proof, small
