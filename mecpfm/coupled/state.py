"""What the default method knows at any time: the best plan, the best bound and who proved it."""

from __future__ import annotations

import functools
import logging
import math
from dataclasses import dataclass, field, replace

import numpy as np

from mecpfm.clock import Budget
from mecpfm.coupled import anytime, fix, single, steps
from mecpfm.coupled.beside import Remainder
from mecpfm.coupled.check import assess
from mecpfm.coupled.configurations import Pool, recombined
from mecpfm.coupled.dual import Dual, proven
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.ending import Ending
from mecpfm.coupled.engine import DEFAULT, EngineParams
from mecpfm.coupled.exchange import Exchanges
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.local_search import Polished
from mecpfm.coupled.request import Progress
from mecpfm.coupled.structure import Structure
from mecpfm.kernels.coupled_single import Sites
from mecpfm.solvers import highs
from mecpfm.typing import Bools, Floats, Ints

log = logging.getLogger("mecpfm")


@dataclass(eq=False)
class AutoState:
    """Best plan (instance options or -1, and its cost, s) and best bound, s, of an instance; what found them."""

    instance: Instance
    structure: Structure
    budget: Budget
    seed: int
    gap: float
    progress: Progress | None
    choice: Ints
    cost: float = math.inf
    greedy: Ints = field(init=False)
    """Greedy's plan, (R,)."""
    dual: Dual = field(init=False)
    pool: Pool = field(init=False)
    bound: float = 0.0
    solver: str = "none"
    iterations: int = 0
    rounds: int = 0
    threads: int = 1
    params: EngineParams = DEFAULT

    rows: Sites | None = field(init=False)
    """Knapsacks over the requests, where each cloudlet has one set of blocks, and their multipliers."""
    sharp: Dual | None = None
    losses: tuple[float, Floats] = field(default_factory=lambda: (0.0, np.empty(0)))
    """What ``single.losses`` says of them."""

    step: float = field(init=False)
    """Of costs, s; 0 for none."""

    def __post_init__(self) -> None:
        """No plan was seen yet; see what kind of instance it is."""
        self.pool = Pool(self.instance, self.params.auto.configurations)
        self.rows, self.step = single.sites(self.structure), steps.step(self.instance)

    @property
    def limit(self) -> float:
        """What every better plan is cheaper than, s."""
        return steps.below(self.cost, self.step)

    @property
    def proof(self) -> Dual:
        """The multipliers that prove most."""
        return self.dual if self.sharp is None or self.sharp.bound < self.dual.bound else self.sharp

    def sharpen(self) -> None:
        """Multipliers of the knapsacks over the requests, anew when a better plan is known."""
        if self.rows is None or self.done or self.budget.over:
            return
        budget = self.budget.share(self.params.auto.knapsack_share)
        new = single.ascend(self.structure, self.rows, self.sharp or self.dual, self.cost, budget, self.params.dual)
        if self.sharp is None or new.bound > self.sharp.bound:
            self.sharp, self.losses = new, single.losses(self.structure, self.rows, new)
        self.prove(new.bound)

    @functools.cached_property
    def exchanges(self) -> Exchanges | None:
        """Local search beside the usual one."""
        return Exchanges.of(self.structure, self.rows, self.params)

    def offer(self, choice: Ints) -> None:
        """Take a plan that keeps all rows and is cheaper; a word of HiGHS's that it refutes counts no more."""
        plan = assess(self.instance, "auto", choice)
        if not plan.feasible or plan.objective >= self.cost:
            return
        if proven(self.bound, plan.objective) != "optimal":
            self.bound, self.solver = self.proof.bound, "none"
        self.pool.add(choice)
        self.choice, self.cost, self.bound = choice, plan.objective, min(self.bound, plan.objective)

    def prove(self, bound: float, solver: str = "none") -> None:
        """Take a bound that is higher; nothing is above the cost of a plan."""
        bound = min(steps.raised(min(bound, self.cost), self.step), self.cost)
        if bound > self.bound:
            self.bound, self.solver = bound, solver

    @property
    def done(self) -> bool:
        """Whether the plan is as good as was asked for."""
        return proven(self.cost, self.bound) == "optimal" or self.bound >= (1 - self.gap) * self.cost

    def tell(self) -> None:
        """Report where it stands."""
        if self.progress:
            self.progress(self.iterations, self.cost, self.bound)

    def ascend(self, warm: Dual | None, budget: Budget) -> Dual:
        """Multipliers that aim at the best plan's cost."""
        enough = (1 - self.gap) * self.cost if self.gap > 0 else math.inf
        return solve_dual(
            self.structure, target=self.cost, warm=warm, enough=enough, budget=budget, memory_row=True,
            iterations=self.params.auto.dual_iterations, threads=self.threads, params=self.params.dual,
        )  # fmt: skip

    def search(self, iterations: int, budget: Budget) -> bool:
        """One more round of the local search, around the best plan from the second on; False when it had no use.

        Exchanges follow, more of them from round to round while they gain more than the rest of the search; then what
        single cloudlets serve in all plans seen is recombined.
        """
        done, told, before, own = self.iterations, self.progress, self.cost, self.params.auto
        known, left = Polished(self.choice, self.cost, 0), budget.left()
        kept = min(own.recombine_share, own.recombine_s / left) if 0 < left < math.inf else 0.0
        part = (1 - kept) / (1 + self.exchanges.each) if self.exchanges else 1 - kept
        found = anytime.search(
            self.instance, self.structure, replace(self.dual, bound=self.bound), iterations=iterations,
            budget=budget.share(part), seed=self.seed + self.rounds, known=known if self.rounds else None,
            ending=Ending(self.gap, own.near if left < math.inf else 0.0, self._proves),
            seen=self.pool.add, greedy=self.greedy, params=self.params,
            progress=told and (lambda count, cost: told(done + count, min(cost, self.cost), self.bound)),
        )  # fmt: skip
        self.iterations, self.rounds = done + found.iterations, self.rounds + 1
        self.offer(found.choice)
        self._exchange(iterations, before - self.cost, budget.share(1 - kept))
        if found.iterations:
            self._recombine(budget.share(1, own.recombine_s if left < math.inf else math.inf))
        return found.iterations > 0

    def _proves(self, near: Polished) -> bool:
        """Whether multipliers that aim at a plan prove it."""
        if near.cost < self.cost:
            self.offer(near.choice)
            self.tighten()
        return self.done

    def _exchange(self, iterations: int, gained: float, budget: Budget) -> None:
        """The search beside, for a number of iterations of the one that just ``gained`` so many s."""
        beside, before = self.exchanges, self.cost
        if beside is None or self.done or budget.over or not iterations:
            return
        found = beside.improve(
            self.choice, iterations=max(int(beside.each * iterations), 1), seed=self.seed + self.rounds,
            budget=budget.share(self.params.auto.exchange_share), enough=Ending(self.gap).enough(self.bound),
        )  # fmt: skip
        self.offer(found.choice)
        beside.paid(before - self.cost > gained)
        self.tell()

    def _recombine(self, budget: Budget) -> None:
        """The best plan made of what single cloudlets serve in the plans seen so far."""
        if self.done or budget.over:
            return
        before = self.cost
        better = recombined(self.instance, self.pool.gathered(), self.cost, budget, self.params.auto)
        if better is not None:
            self.offer(better)
        log.debug("%d configurations recombined: %.9g s for %.9g s", len(self.pool), self.cost, before)

    def tighten(self) -> None:
        """Multipliers anew, now that a better plan is known; the higher bound stays."""
        if not self.done and not self.budget.over:
            new = self.ascend(self.dual, self.budget.share(self.params.auto.bound_share))
            if new.bound > self.dual.bound:
                self.dual = new
            self.prove(self.dual.bound)
            self.sharpen()

    def below(self, cost: float) -> tuple[float, Bools]:
        """A bound, s, and the sorted options, mask (n,), that plans cheaper than ``cost`` may use."""
        fixed = fix.fix(self.structure, self.dual, fix.free(self.structure.cells), cost)
        if self.sharp is None:
            return fixed.bound, fixed.kept
        bound, loss = self.losses
        return max(bound, fixed.bound), fixed.kept & (loss < cost * (1 - fix.CLOSE) - bound)

    def remainder(self) -> Remainder:
        """What plans cheaper than the best one may use; its bound, and with nothing left the proof, are taken."""
        bound, kept = self.below(self.limit)
        self.prove(bound)
        if not kept.any():
            self.prove(self.cost)
        log.debug("%d of %d options left below %.9g s", kept.sum(), len(kept), self.limit)
        return self.rest(kept, self.limit)

    def rest(self, kept: Bools, limit: float) -> Remainder:
        """Some of the sorted options, and HiGHS's cutoff, s: no higher than a better plan's."""
        cutoff = min(self.cost * (1 - fix.CLOSE), limit)
        return Remainder(self.instance, np.sort(self.structure.option[kept]), self.choice, self.cost, cutoff)

    def answered(self, rest: Remainder) -> bool:
        """Whether HiGHS settled it, or what it told of ends the search; its end alone says nothing: memory, a limit."""
        bound = max(self.bound, steps.raised(rest.bound, self.step) if math.isfinite(rest.bound) else 0.0)
        cost = min(self.cost, rest.told_cost)
        return rest.settled or proven(cost, bound) == "optimal" or bound >= (1 - self.gap) * cost

    def settle(self, rest: Remainder) -> None:
        """Take what HiGHS found and proved. Of plans that cost the same its own counts, so that time decides less."""
        for choice in rest.plans():
            self.offer(choice)
        if proven(rest.bound, self.cost) == "optimal":  # else a plan refutes it
            self.prove(rest.bound, highs.NAME)
        if rest.settled and rest.best_cost <= self.cost * (1 + fix.CLOSE):
            self.choice, self.cost = rest.best, rest.best_cost
        self.tell()
