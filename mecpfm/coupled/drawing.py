"""Randomized rounding of the master programme over configurations: strictly feasible, with a guarantee (theorem 8).

Every cloudlet draws one configuration by its fraction, independently; a request in several takes its fastest option.
Conditional expectations replace the draws by choices that save at least as much as draws do on average.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import anytime
from mecpfm.coupled.check import NEGLIGIBLE, assess
from mecpfm.coupled.configurations import Configurations, Pool, joined, master
from mecpfm.coupled.dual import proven
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.engine import DEFAULT, EngineParams
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.structure import build
from mecpfm.kernels.arrays import dot
from mecpfm.plan import Plan
from mecpfm.solvers import highs
from mecpfm.typing import Floats, Ints

NAME, GUARANTEE = "rounding-configurations", "guaranteed_saving_s"
"""The method, and the metric of its plans: they save at least as much, s, against serving all remotely."""
SEARCHING = 0.8
"""Share of the time left, at most, for the search whose plans give the configurations."""
DRAWS = 20
NOTHING = -1
"""A cloudlet's choice of no configuration."""


class Offer(NamedTuple):
    """One way in which a request may be served: what it gains, s, by whom, and how probable it is."""

    gain_s: float
    cloudlet: int
    fraction: float


@dataclass(frozen=True, eq=False)
class Fractional:
    """Configurations with fractions ``y`` (J,), all above 0, in sum at most 1 for each cloudlet and each request."""

    instance: Instance
    given: Configurations
    y: Floats

    @property
    def gain_s(self) -> Floats:
        """Delay that each entry's request is spared, s, shape (E,)."""
        options, option = self.instance.options, self.given.option
        return self.instance.requests.remote_delay_s[options.request[option]] - options.delay_s[option]

    def offers(self) -> list[list[Offer]]:
        """Offers of each request, largest gain first."""
        given, gain_s = self.given, self.gain_s
        found: list[list[Offer]] = [[] for _ in range(self.instance.sizes.requests)]
        request = self.instance.options.request[given.option].tolist()
        for e in np.argsort(-gain_s, kind="stable").tolist():
            j = given.column[e]
            found[request[e]].append(Offer(float(gain_s[e]), int(given.cloudlet[j]), float(self.y[j])))
        return found

    @property
    def guarantee_s(self) -> float:
        """``(1 - (1 - 1/N)^N) A - P``: what drawn plans save on average, s, at least, against all remote.

        A is the delay that ``y`` saves, P what it pulls, N how many cloudlets serve a request in it at most.
        """
        most = max((len({offer.cloudlet for offer in offers}) for offers in self.offers()), default=0)
        delay_s, pull_s = dot(self.y[self.given.column], self.gain_s), dot(self.y, self.given.pull_s)
        return (1 - math.prod([1 - 1 / max(most, 1)] * max(most, 1))) * delay_s - pull_s


def rounded(instance: Instance, given: Configurations, x: Floats) -> Fractional:
    """Fractions of a solver, noise left out and no row above 1."""
    y = np.where(x[: len(given)] > NEGLIGIBLE, x[: len(given)], 0.0)
    request = instance.options.request[given.option]
    row = np.bincount(request, y[given.column], instance.sizes.requests)[request]
    above = np.maximum(1.0, np.bincount(given.cloudlet, y, instance.sizes.cloudlets)[given.cloudlet])
    np.maximum.at(above, given.column, row)
    return Fractional(instance, given.only(y > 0), (y / above)[y > 0])


def expected(offers: Iterable[Offer], floor: float) -> float:
    """Mean of the best of ``floor`` and the offers drawn, s; offers fall in gain, those of a cloudlet exclude another.

    A cloudlet's earlier offers were not drawn with probability ``left``; given that, it misses the next one with
    ``(left - fraction) / left``.
    """
    total, none, left = 0.0, 1.0, dict[int, float]()
    for gain, cloudlet, fraction in offers:
        before = left.get(cloudlet, 1.0)
        if gain <= floor or before <= 0:
            break
        left[cloudlet] = max(before - fraction, 0.0)
        missed = none * left[cloudlet] / before
        total, none = total + gain * (none - missed), missed
    return total + none * floor


def derandomized(given: Fractional) -> Ints:
    """One configuration a cloudlet, (C,) or ``NOTHING``, by conditional expectations, one cloudlet after the other.

    What is kept from falling is the mean of delays saved less *all* pulls of the configurations chosen. Blocks that
    nobody uses in the end are not pulled, so that the plan costs no more; their mean has no such simple form.
    """
    offers = given.offers()
    floor, chosen = [0.0] * len(offers), np.full(given.instance.sizes.cloudlets, NOTHING)
    request, gain_s = given.instance.options.request[given.given.option].tolist(), given.gain_s.tolist()
    first = np.searchsorted(given.given.column, np.arange(len(given.y) + 1)).tolist()
    for c in range(len(chosen)):
        own = np.flatnonzero(given.given.cloudlet == c).tolist()
        for r in {request[e] for j in own for e in range(first[j], first[j + 1])}:
            offers[r] = [offer for offer in offers[r] if offer.cloudlet != c]
        best, entries = 0.0, range(0)
        for j in own:
            served = range(first[j], first[j + 1])
            more = [expected(offers[request[e]], max(floor[request[e]], gain_s[e])) for e in served]
            less = [expected(offers[request[e]], floor[request[e]]) for e in served]
            worth = math.fsum(more) - math.fsum(less) - float(given.given.pull_s[j])
            if worth > best:
                best, chosen[c], entries = worth, j, served
        for e in entries:
            floor[request[e]] = max(floor[request[e]], gain_s[e])
    return chosen


def draw(given: Fractional, random: np.random.Generator) -> Ints:
    """One configuration a cloudlet, (C,) or ``NOTHING``, each by its fraction."""
    chosen = np.full(given.instance.sizes.cloudlets, NOTHING)
    for c, uniform in enumerate(random.random(len(chosen))):
        own = np.flatnonzero(given.given.cloudlet == c)
        at = np.searchsorted(np.cumsum(given.y[own]), uniform, side="right")
        chosen[c] = own[at] if at < len(own) else NOTHING
    return chosen


def solve(
    instance: Instance, *, iterations: int = 20_000, seed: int = 0, time_limit: float | None = None,
    draws: int = DRAWS, params: EngineParams = DEFAULT,
) -> Plan:  # fmt: skip
    """The cheapest of the derandomized plan and ``draws`` drawn ones; it saves at least its metric ``GUARANTEE``.

    Configurations are those of the plans that the local search came by. LimitError when time is over before the
    master programme is solved.
    """
    budget, structure, pool = Budget.of(time_limit), build(instance), Pool(instance)
    dual = solve_dual(structure, budget=budget.share(1 / 2), params=params.dual)
    anytime.search(
        instance, structure, dual, iterations=iterations, budget=budget.share(SEARCHING), seed=seed, seen=pool.add,
        params=params,
    )  # fmt: skip
    part, solver = fractions(instance, pool.gathered(), budget)
    random = np.random.default_rng(seed)
    chosen = [derandomized(part), *(draw(part, random) for _ in range(draws))]
    plans = [assess(instance, NAME, joined(instance, part.given, one)) for one in chosen]
    plan = min(plans, key=lambda one: one.objective)
    status, metrics = proven(plan.objective, dual.bound), {**plan.metrics, GUARANTEE: part.guarantee_s}
    return replace(plan, bound=dual.bound, status=status, solver=solver, metrics=metrics)


def fractions(instance: Instance, given: Configurations, budget: Budget = FOREVER) -> tuple[Fractional, str]:
    """Optimum of the linear master programme and who solved it; LimitError when there was no time."""
    found = highs.solve(master(instance, given).relaxed(), time_limit=budget.limit())
    return rounded(instance, given, found.optimum()), found.solver
