"""HiGHS on what fixing left of an instance, in its own process while this one does something else."""

from __future__ import annotations

import contextlib
import logging
import math
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mecpfm.clock import Budget
from mecpfm.coupled.check import assess
from mecpfm.coupled.dual import proven
from mecpfm.coupled.formulation import choice_of, linear_model
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.presolve import Presolved, presolve
from mecpfm.errors import LimitError
from mecpfm.kernels.arrays import dot
from mecpfm.solvers import LinearModel, Solution, highs, process
from mecpfm.typing import Floats, Ints

ENDING_S = 0.5
"""Seconds that HiGHS's end is waited for."""
log = logging.getLogger("mecpfm")


@dataclass(eq=False)
class Remainder:
    """Options ``rows`` of an instance, all that plans cheaper than ``best_cost`` may use, and HiGHS at work on them."""

    instance: Instance
    rows: Ints
    best: Ints
    best_cost: float
    """Plan known at first, or a cheaper one of HiGHS's."""
    cutoff: float
    settled: bool = False
    """Whether nothing is cheaper than ``best``, to within the gap asked for."""
    told_cost: float = math.inf
    """Cost, s, of the last plan that HiGHS told of and ``plans`` did not return yet."""
    _bound: float = -math.inf
    _told: list[Floats] = field(default_factory=list)
    _small: Presolved | None = None
    _future: Future[None] | None = None
    _cancelled: bool = False

    def start(self, budget: Budget, gap: float, seed: int, **options: Any) -> None:
        """Begin, and return at once; ``options`` are those of ``run``."""
        thread = ThreadPoolExecutor(1)
        self._future = thread.submit(self.run, replace(budget, until=lambda: self._cancelled), gap, seed, **options)
        thread.shutdown(wait=False)

    @property
    def at_work(self) -> bool:
        """Whether HiGHS was given it."""
        return self._future is not None

    def wait(self, most: float | None = None) -> None:
        """Until HiGHS is done, its time is over, or ``most`` seconds have passed."""
        if self._future is not None:
            with contextlib.suppress(TimeoutError):
                self._future.result(most)

    def stop(self) -> None:
        """End HiGHS, if it is at work; a model that is still being made ends by itself, before HiGHS gets it."""
        self._cancelled = True
        self.wait(ENDING_S)

    def run(self, budget: Budget, gap: float, seed: int, **options: Any) -> None:
        """Solve; what HiGHS refuses, or has no time for, is left open."""
        if budget.over:
            return
        small = presolve(self.instance.with_options(self.rows))
        model, self._small = linear_model(small.instance, cut=True), Presolved(small.instance, self.rows[small.option])
        keywords = {"gap": gap, "seed": seed, "cutoff": self.cutoff, **options}
        try:
            if budget.watched and not process.busy():
                found = process.run(model, budget, lambda x, bound: self._tell(model, x, bound), keywords)
            else:
                found = highs.here(model, time_limit=budget.limit(), until=lambda: budget.stopped, **keywords)
        except LimitError:
            return
        if found is not None:
            self._take(model, found, gap)

    def _tell(self, model: LinearModel, x: Floats | None, bound: float) -> None:
        if x is not None:
            self._told.append(x)
            self.told_cost = dot(model.cost, x)
        self._bound = float(np.fmax(self._bound, bound))

    def _take(self, model: LinearModel, found: Solution, gap: float) -> None:
        """An "optimal" plan settles nothing when the checker refuses it, or finds it dearer than HiGHS's bound."""
        log.debug("HiGHS: %s, %.9g s proved, after %.3g s", found.status, found.bound, found.runtime_s)
        self._tell(model, found.x, found.bound)
        if found.status == "infeasible":
            self._bound, self.settled = math.inf, True
        if found.x is None:
            return
        choice = self._choice(found.x)
        plan = assess(self.instance, "auto", choice)
        if plan.feasible and plan.objective < self.best_cost:
            self.best, self.best_cost = choice, plan.objective
        near = proven((1 - gap) * plan.objective, found.bound) == "optimal"
        self.settled = found.status == "optimal" and plan.feasible and near

    def plans(self) -> list[Ints]:
        """Plans that HiGHS told of since this was last asked for, (R,) each; the last one only."""
        last, self._told, self.told_cost = self._told[-1:], [], math.inf
        return [self._choice(x) for x in last]

    def _choice(self, x: Floats) -> Ints:
        assert self._small is not None
        return self._small.expand(choice_of(self._small.instance, x))

    @property
    def bound(self) -> float:
        """What no plan of the instance is below, s, by HiGHS's word: what it has proved, up to the cutoff."""
        return min(self._bound, self.cutoff)
