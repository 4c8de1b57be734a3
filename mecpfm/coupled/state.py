"""What the default method knows at any time: the best plan, the best bound and who proved it."""

from __future__ import annotations

import functools
import logging
import math
from dataclasses import dataclass, field, replace

from mecpfm.clock import Budget
from mecpfm.coupled import anytime, exchange, fix
from mecpfm.coupled.beside import Remainder
from mecpfm.coupled.check import assess
from mecpfm.coupled.dual import Dual, proven
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.polish import Polished
from mecpfm.coupled.request import Progress
from mecpfm.coupled.structure import Structure
from mecpfm.solvers import highs
from mecpfm.typing import Ints

BOUNDING = 0.3
"""Share of the time left, at most, for multipliers."""
STEPS = 1_000_000
"""Steps of an ascent, which ends by itself long before: where time is over, or theta is small."""
EXCHANGING, RARE, OFTEN = 0.25, 1 / 16, 4.0
"""Iterations of exchanges for one of the other search, at first, and the least and most that gains make of it."""
PART = 0.5
"""Share of the time left, at most, for the exchanges of a round."""
log = logging.getLogger("mecpfm")


@dataclass(eq=False)
class State:
    """Best plan (instance options or -1, and its cost, s) and best bound, s, of an instance; what found them."""

    instance: Instance
    structure: Structure
    budget: Budget
    seed: int
    gap: float
    progress: Progress | None
    choice: Ints
    cost: float = math.inf
    dual: Dual = field(init=False)
    bound: float = 0.0
    solver: str = "none"
    iterations: int = 0
    rounds: int = 0
    threads: int = 1
    exchanging: float = EXCHANGING

    @functools.cached_property
    def full(self) -> bool:
        """Whether memory is short anywhere."""
        return exchange.binds(self.structure)

    @property
    def enough(self) -> float:
        """A cost whose gap is no more than what was asked for; -inf when the optimum was."""
        return self.bound / (1 - self.gap) if self.gap > 0 else -math.inf

    def offer(self, choice: Ints) -> None:
        """Take a plan that keeps all rows and is cheaper; a word of HiGHS's that it refutes counts no more."""
        plan = assess(self.instance, "auto", choice)
        if not plan.feasible or plan.objective >= self.cost:
            return
        if proven(self.bound, plan.objective) != "optimal":
            self.bound, self.solver = self.dual.bound, "none"
        self.choice, self.cost, self.bound = choice, plan.objective, min(self.bound, plan.objective)

    def prove(self, bound: float, solver: str = "none") -> None:
        """Take a bound that is higher; nothing is above the cost of a plan."""
        if min(bound, self.cost) > self.bound:
            self.bound, self.solver = min(bound, self.cost), solver

    @property
    def done(self) -> bool:
        """Whether the plan is as good as was asked for."""
        return proven(self.cost, self.bound) == "optimal" or self.bound >= (1 - self.gap) * self.cost

    def tell(self) -> None:
        """Report where it stands."""
        if self.progress:
            self.progress(self.iterations, self.cost, self.bound)

    def ascend(self, warm: Dual | None, theta: float, budget: Budget) -> Dual:
        """Multipliers that aim at the best plan's cost."""
        enough = (1 - self.gap) * self.cost if self.gap > 0 else math.inf
        return solve_dual(
            self.structure, target=self.cost, warm=warm, theta=theta, iterations=STEPS, enough=enough, budget=budget,
            memory_row=True, threads=self.threads,
        )  # fmt: skip

    def search(self, iterations: int, budget: Budget) -> bool:
        """One more round of the local search, around the best plan from the second on; False when it had no use.

        Exchanges follow, more of them from round to round while they gain more than the rest of the search.
        """
        done, told, before = self.iterations, self.progress, self.cost
        known = Polished(self.choice, self.cost, 0)
        own = budget.share(1 / (1 + self.exchanging)) if self.full else budget
        found = anytime.search(
            self.instance, self.structure, replace(self.dual, bound=self.bound), iterations=iterations, budget=own,
            seed=self.seed + self.rounds, known=known if self.rounds else None, gap=self.gap,
            progress=told and (lambda count, cost: told(done + count, min(cost, self.cost), self.bound)),
        )  # fmt: skip
        self.iterations, self.rounds = done + found.iterations, self.rounds + 1
        self.offer(found.choice)
        self._exchange(iterations, before - self.cost, budget)
        return found.iterations > 0

    def _exchange(self, iterations: int, gained: float, budget: Budget) -> None:
        """Exchanges, for a number of iterations of the search that just ``gained`` so many s."""
        if not self.full or self.done or budget.over or not iterations:
            return
        before = self.cost
        found = exchange.improve(
            self.structure, self.choice, iterations=max(int(self.exchanging * iterations), 1),
            budget=budget.share(PART), seed=self.seed + self.rounds, enough=self.enough,
        )  # fmt: skip
        self.offer(found.choice)
        self.exchanging *= 2 if before - self.cost > gained else 0.5
        self.exchanging = min(max(self.exchanging, RARE), OFTEN)
        self.tell()

    def tighten(self) -> None:
        """Multipliers anew, now that a better plan is known; the higher bound stays."""
        if not self.done and not self.budget.over:
            new = self.ascend(self.dual, anytime.WARM, self.budget.share(BOUNDING))
            if new.bound > self.dual.bound:
                self.dual = new
            self.prove(self.dual.bound)

    def remainder(self) -> Remainder:
        """What plans cheaper than the best one may use; its bound, and with nothing left the proof, are taken."""
        fixed = fix.fix(self.structure, self.dual, fix.free(self.structure.cells), self.cost)
        self.prove(fixed.bound)
        if not fixed.kept.any():
            self.prove(self.cost)
        log.debug("%d of %d options left below %.9g s", fixed.kept.sum(), len(fixed.kept), self.cost)
        return Remainder.of(self.instance, self.structure, fixed.kept, self.choice, self.cost)

    def settle(self, rest: Remainder) -> None:
        """Take what HiGHS found and proved. Of plans that cost the same its own counts, so that time decides less."""
        for choice in rest.plans():
            self.offer(choice)
        if proven(rest.bound, self.cost) == "optimal":  # else a plan refutes it
            self.prove(rest.bound, highs.NAME)
        if rest.settled and rest.best_cost <= self.cost * (1 + fix.CLOSE):
            self.choice, self.cost = rest.best, rest.best_cost
        self.tell()
