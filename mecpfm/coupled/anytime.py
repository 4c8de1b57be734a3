"""The default search, anytime: starts, a choice of cells, local search inside it, exact assignment, and again.

The incumbent never gets worse. Without a time limit the same seed and number of iterations give the same plan bit by
bit; what helped and what did not is in docs/experiments.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import baselines, local_search
from mecpfm.coupled.assignment import settle
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.check import assess
from mecpfm.coupled.diving import Opened, core, dive, opened_only
from mecpfm.coupled.dual import Dual, proven
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.ending import Ending
from mecpfm.coupled.engine import DEFAULT, EngineParams
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.local_search import Polished, Progress, Seen
from mecpfm.coupled.multipliers import dual_of
from mecpfm.coupled.structure import Structure, build, option_cells, restrict
from mecpfm.plan import Plan
from mecpfm.typing import Ints


@dataclass(eq=False)
class Search:
    """Budget and incumbent."""

    structure: Structure
    dual: Dual
    iterations: int
    budget: Budget
    seed: int
    progress: Progress | None
    best: Polished
    ending: Ending
    seen: Seen | None = None
    params: EngineParams = DEFAULT

    def offer(self, found: Polished) -> bool:
        """Take a plan as the incumbent when it is better; True when nothing more is wanted."""
        better = found if found.cost < self.best.cost else self.best
        done = self.best.iterations + found.iterations
        self.best = replace(better, iterations=done)
        if self.seen:
            self.seen(found.choice)
        if self.progress:
            self.progress(self.best.iterations, self.best.cost)
        return self.ending.met(self.best, self.dual.bound)

    def polished(
        self, view: Structure, dual: Dual, choice: Ints | None, iterations: int, share: float, begin: float = 0.0
    ) -> Polished:
        """Local search on a view, for a share of the time left."""
        tell, before = self.progress, self.best
        return local_search.improve(
            view, dual, choice, iterations=iterations, budget=self.budget.share(share), seed=self.seed,
            begin=begin, enough=self.ending.enough(self.dual.bound), seen=self.seen, params=self.params.search,
            progress=tell and (lambda done, cost: tell(before.iterations + done, min(before.cost, cost))),
        )  # fmt: skip


def search(
    instance: Instance, structure: Structure, dual: Dual, *, iterations: int = 20_000, budget: Budget = FOREVER,
    seed: int = 0, progress: Progress | None = None, known: Polished | None = None, ending: Ending | None = None,
    seen: Seen | None = None, greedy: Ints | None = None, params: EngineParams = DEFAULT,
) -> Polished:  # fmt: skip
    """Best plan found within the limits; whatever they are, never worse than all remote or TrimCaching-Gen's.

    ``progress(iterations, cost)`` is called as the search goes, cost in s. ``known`` is a plan to begin with, never
    left for a worse one; ``ending``, by default a proof, ends the search. ``seen`` takes plans on the way. ``greedy``
    is TrimCaching-Gen's plan, where it is known.
    """
    cost = float(structure.cells.remote_s.sum())
    nothing = Polished(np.full(len(structure.cells.remote_s), -1), cost, 0)
    state = Search(structure, dual, iterations, budget, seed, progress, nothing, ending or Ending(), seen, params)
    first, around = ((), ()) if known is None else ((known,), _around(known, state))
    if any(map(state.offer, itertools.chain(first, _starts(instance, state, greedy)))):
        return state.best
    for found in itertools.chain(around, _phases(state)):
        if state.offer(found) or budget.over:
            break
    return state.best


def _starts(instance: Instance, state: Search, greedy: Ints | None) -> Iterator[Polished]:
    """Plans that need next to no time, whatever the limit."""
    structure, dual = state.structure, state.dual
    remote = np.full(len(structure.cells.remote_s), -1)
    yield local_search.repaired(structure, remote)  # cheap at any size, for those in a hurry
    greedy = baselines.trimcaching(instance) if greedy is None else greedy
    yield local_search.improve(structure, dual, greedy, iterations=0)


def _around(known: Polished, state: Search) -> Iterator[Polished]:
    """Local search in the cells that a known plan opens, not too hot, then the assignment for the blocks it uses."""
    if state.budget.over:
        return
    structure, cell, own = state.structure, option_cells(state.structure), state.params.search
    opened = np.full(len(structure.cells.first_record) - 1, -1)
    opened[cell[np.isin(structure.option, known.choice)]] = 1
    view = opened_only(structure, opened)
    yield state.polished(view, state.dual, known.choice, state.iterations // 8, own.inside_share, own.warm_heat)
    yield from _settled(view, state.dual, state.best.choice, state)


def _phases(state: Search) -> Iterator[Polished]:
    """Plans, as they are found; ``state.best`` is up to date whenever the next one is asked for."""
    structure, dual, budget, params = state.structure, state.dual, state.budget, state.params
    if budget.over:
        return
    own, view = params.search, core(structure, dual, params.dive)
    opening = budget.share(own.dive_share)
    opened = dive(view, dual, limit=state.best.cost, opening=opening, budget=budget, params=params)
    yield from _inside(view, opened, state, state.iterations // 4)
    first, random, opening = opened, np.random.default_rng(state.seed), budget.share(own.dives_share)
    for _ in range(state.iterations // params.dive.every):
        if opening.over:
            break
        other = dive(view, dual, random, limit=state.best.cost, opening=opening, budget=budget, params=params)
        opened = other if other.dual.bound < opened.dual.bound else opened
    if opened is not first:
        yield from _inside(view, opened, state, state.iterations // 4)
    used = np.isin(structure.option, state.best.choice) | np.isin(structure.option, view.option)
    wide = restrict(structure, used)
    left = max(state.iterations - state.best.iterations, 0)
    yield state.polished(wide, dual, state.best.choice, left, own.wide_share)
    yield from _settled(wide, dual, state.best.choice, state)


def _inside(view: Structure, opened: Opened, state: Search, iterations: int) -> Iterator[Polished]:
    """Local search in the open cells alone, then the assignment for the blocks it uses."""
    small = opened_only(view, opened.state)
    found = state.polished(small, opened.dual, None, iterations, state.params.search.inside_share)
    yield found
    yield from _settled(small, opened.dual, found.choice, state)


def _settled(view: Structure, dual: Dual, choice: Ints, state: Search) -> Iterator[Polished]:
    if state.budget.over:
        return
    own = state.params.search
    most = own.settle_s if math.isfinite(state.budget.end) else math.inf  # only a time limit limits
    better = settle(view, local_search.sorted_choice(view, choice), budget=state.budget.share(own.settle_share, most))
    if better is not None:
        yield local_search.improve(view, dual, view.expand(better), iterations=0)


def solve(
    instance: Instance, *, iterations: int = 20_000, time_limit: float | None = None, seed: int = 0,
    progress: Callable[[int, float, float], None] | None = None, start: Ints | None = None,
    prices: Certificate | None = None, gap: float = 0.0, params: EngineParams = DEFAULT,
) -> tuple[Plan, Structure, Dual]:  # fmt: skip
    """Default method; Structure and Dual make the certificate.

    ``progress(iterations, cost, bound)`` is called as the search goes, both in s. Under a time limit the number of
    iterations, and with it the plan, depends on the machine; so it does where ``clock.listening`` heard Ctrl-C.
    ``start``, ``prices``, ``gap`` and ``params`` are those of ``request.Request``.
    """
    found, structure, dual = bound_and_search(
        instance, iterations=iterations, budget=Budget.of(time_limit), seed=seed, progress=progress, start=start,
        prices=prices, gap=gap, params=params,
    )  # fmt: skip
    plan = assess(instance, "polish", found.choice, bound=dual.bound, status=proven(found.cost, dual.bound))
    return plan, structure, dual


def bound_and_search(
    instance: Instance, *, iterations: int, budget: Budget, seed: int,
    progress: Callable[[int, float, float], None] | None, start: Ints | None = None, prices: Certificate | None = None,
    gap: float = 0.0, params: EngineParams = DEFAULT,
) -> tuple[Polished, Structure, Dual]:  # fmt: skip
    """Bound, in at most a share of the time, then search."""
    structure = build(instance)
    known = None if start is None else local_search.known(instance, structure, start)
    target = math.inf if known is None else known.cost
    enough = target * (1 - gap) if gap > 0 and prices is not None else math.inf  # then the known plan has the gap
    dual = solve_dual(
        structure, target=target, warm=dual_of(structure, prices), enough=enough,
        budget=budget.share(params.search.bound_share), params=params.dual,
    )  # fmt: skip
    found = search(
        instance, structure, dual, iterations=iterations, budget=budget, seed=seed, known=known,
        ending=Ending(gap), params=params, progress=progress and (lambda done, cost: progress(done, cost, dual.bound)),
    )  # fmt: skip
    return found, structure, dual
