"""The default search, anytime: starts, a choice of cells, local search inside it, exact assignment, and again.

The incumbent never gets worse. Without a time limit the same seed and number of iterations give the same plan bit by
bit; what helped and what did not is in docs/experiments.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mecpfm.coupled import baselines, polish
from mecpfm.coupled.check import assess
from mecpfm.coupled.dive import Opened, core, dive, opened_only
from mecpfm.coupled.dual import Dual, proven
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.polish import Polished, Progress
from mecpfm.coupled.rounding import repair
from mecpfm.coupled.settle import settle
from mecpfm.coupled.structure import Structure, build, restrict
from mecpfm.plan import Plan

Ints = NDArray[np.int64]
DIVING, INSIDE, VARYING = 0.3, 0.1, 0.5
"""Shares of the time left: at most for the first dive, for the search inside its cells, for other dives."""
SETTLING_S = 4.0
AGAIN = 4_000
"""One other dive for so many iterations, while there is time."""


@dataclass(eq=False)
class Search:
    """Budget and incumbent."""

    structure: Structure
    dual: Dual
    iterations: int
    deadline: float
    seed: int
    progress: Progress | None
    best: Polished

    def left(self) -> float | None:
        """Seconds until the deadline, None without one."""
        return None if math.isinf(self.deadline) else max(self.deadline - time.perf_counter(), 0.0)

    def until(self, share: float) -> float:
        """Moment at which a share of the time left is over, inf without a deadline."""
        left = self.left()
        return math.inf if left is None else time.perf_counter() + share * left

    def offer(self, found: Polished) -> bool:
        """Take a plan as the incumbent when it is better; True when the search is over."""
        better = found if found.cost < self.best.cost else self.best
        done = self.best.iterations + found.iterations
        self.best = replace(better, iterations=done, interrupted=found.interrupted)
        if self.progress:
            self.progress(self.best.iterations, self.best.cost)
        over = found.interrupted or proven(self.best.cost, self.dual.bound) == "optimal"
        return over or time.perf_counter() >= self.deadline

    def polished(self, view: Structure, dual: Dual, choice: Ints | None, iterations: int, share: float) -> Polished:
        """Local search on a view, for a share of the time left."""
        tell, before, left = self.progress, self.best, self.left()
        limit = None if left is None else share * left
        return polish.improve(
            view, dual, choice, iterations=iterations, time_limit=limit, seed=self.seed,
            progress=tell and (lambda done, cost: tell(before.iterations + done, min(before.cost, cost))),
        )  # fmt: skip


def search(
    instance: Instance,
    structure: Structure,
    dual: Dual,
    *,
    iterations: int = 20_000,
    time_limit: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Polished:
    """Best plan found within the limits, never worse than all remote or TrimCaching-Gen's; Ctrl-C ends it early.

    ``progress(iterations, cost)`` is called as the search goes, cost in s. The result says whether Ctrl-C ended it.
    """
    cost = float(structure.cells.remote_s.sum())
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    nothing = Polished(np.full(len(structure.cells.remote_s), -1), cost, 0)
    state = Search(structure, dual, iterations, deadline, seed, progress, nothing)
    try:
        for found in _phases(instance, state):
            if state.offer(found):
                break
    except KeyboardInterrupt:
        return replace(state.best, interrupted=True)
    return state.best


def _phases(instance: Instance, state: Search) -> Iterator[Polished]:
    """Plans, as they are found; ``state.best`` is up to date whenever the next one is asked for."""
    structure, dual = state.structure, state.dual
    inserted = polish.fresh(structure)  # cheap at any size, for those in a hurry
    repair(structure, polish.moves(structure), inserted, state.best.choice)
    yield Polished(np.append(structure.option, -1)[inserted.choice], float(inserted.cost[0]), 0)
    yield polish.improve(structure, dual, baselines.trimcaching(instance), iterations=0)
    view = core(structure, dual)
    opened = dive(view, dual, limit=state.best.cost, deadline=state.until(DIVING))
    yield from _inside(view, opened, state, state.iterations // 4)
    first, random, end = opened, np.random.default_rng(state.seed), state.until(VARYING)
    for _ in range(state.iterations // AGAIN):
        if time.perf_counter() >= end:
            break
        other = dive(view, dual, random, limit=state.best.cost, deadline=end)
        opened = other if other.dual.bound < opened.dual.bound else opened
    if opened is not first:
        yield from _inside(view, opened, state, state.iterations // 4)
    used = np.isin(structure.option, state.best.choice) | np.isin(structure.option, view.option)
    wide = restrict(structure, used)
    found = state.polished(wide, dual, state.best.choice, max(state.iterations - state.best.iterations, 0), 0.8)
    yield found
    yield from _settled(wide, dual, state.best.choice, state)


def _inside(view: Structure, opened: Opened, state: Search, iterations: int) -> Iterator[Polished]:
    """Local search in the open cells alone, then the assignment for the blocks it uses."""
    small = opened_only(view, opened.state)
    found = state.polished(small, opened.dual, None, iterations, INSIDE)
    yield found
    yield from _settled(small, opened.dual, found.choice, state)


def _settled(view: Structure, dual: Dual, choice: Ints, state: Search) -> Iterator[Polished]:
    left = state.left()
    limit = None if left is None else min(SETTLING_S, left / 2)
    better = settle(view, polish.sorted_choice(view, choice), time_limit=limit)
    if better is not None:
        yield polish.improve(view, dual, np.append(view.option, -1)[better], iterations=0)


def solve(
    instance: Instance,
    *,
    iterations: int = 20_000,
    time_limit: float | None = None,
    seed: int = 0,
    progress: Callable[[int, float, float], None] | None = None,
) -> tuple[Plan, Structure, Dual]:
    """Default method; Structure and Dual make the certificate.

    ``progress(iterations, cost, bound)`` is called as the search goes, both in s. Under a time limit the number of
    iterations, and with it the plan, depends on the machine. Ctrl-C ends it with the best plan and bound so far.
    """
    began = time.perf_counter()
    found, structure, dual = bound_and_search(
        instance, iterations=iterations, time_limit=time_limit, seed=seed, progress=progress
    )
    plan = assess(
        instance, "polish", found.choice, bound=dual.bound, status=proven(found.cost, dual.bound), seed=seed,
        runtime_s=time.perf_counter() - began,
    )  # fmt: skip
    return plan, structure, dual


def bound_and_search(
    instance: Instance,
    *,
    iterations: int,
    time_limit: float | None,
    seed: int,
    progress: Callable[[int, float, float], None] | None,
) -> tuple[Polished, Structure, Dual]:
    """Bound, in at most half of the time, then search; ``Polished.interrupted`` when Ctrl-C ended either."""
    began = time.perf_counter()
    structure = build(instance)
    dual = solve_dual(structure, time_limit=None if time_limit is None else time_limit / 2)
    left = None if time_limit is None else time_limit - (time.perf_counter() - began)
    found = search(
        instance, structure, dual, iterations=iterations, time_limit=0.0 if dual.interrupted else left, seed=seed,
        progress=progress and (lambda done, cost: progress(done, cost, dual.bound)),
    )  # fmt: skip
    return replace(found, interrupted=found.interrupted or dual.interrupted), structure, dual
