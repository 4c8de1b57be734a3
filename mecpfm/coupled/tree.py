"""Branch and bound on cells and models with memory rows kept: what fixing leaves small, HiGHS settles."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

from mecpfm.clock import Budget
from mecpfm.coupled import fix
from mecpfm.coupled.branch import branch
from mecpfm.coupled.dual import Dual
from mecpfm.coupled.dual import solve as solve_dual
from mecpfm.coupled.state import AutoState
from mecpfm.kernels.coupled_dual import Node
from mecpfm.solvers import highs


class Open(NamedTuple):
    """A node that may hold a better plan; the heap's order is that of the first two fields."""

    bound: float
    serial: int
    dual: Dual
    node: Node
    most: float
    """Remainder that HiGHS may get here, in options."""


@dataclass(eq=False)
class Tree:
    """Open nodes, and the least bound of those given up: nothing was left to branch on, and HiGHS had no time."""

    state: AutoState
    heap: list[Open] = field(default_factory=list)
    given_up: float = math.inf
    nodes: int = 0
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    def run(self, budget: Budget) -> None:
        """Lowest bound first, until nothing open may hold a better plan or the budget is over; may be called again."""
        state = self.state
        if not self.nodes:
            self._push(state.dual.bound, state.dual, fix.free(state.structure.cells), state.params.tree.leaf_options)
        while self.heap and not (state.done or budget.over):
            self.nodes += 1
            self._expand(heapq.heappop(self.heap), budget)
            low = self.heap[0].bound if self.heap else math.inf
            state.prove(min(low, self.given_up, state.cost * (1 - fix.CLOSE)), highs.NAME)
            state.tell()

    def _push(self, bound: float, dual: Dual, node: Node, most: float) -> None:
        if bound < self.state.cost * (1 - fix.CLOSE):
            heapq.heappush(self.heap, Open(bound, next(self._serial), dual, node, most))

    def _expand(self, here: Open, budget: Budget) -> None:
        """Settle what is small, or push the children."""
        state, own, most, bound = self.state, self.state.params.tree, here.most, here.bound
        fixed = fix.fix(state.structure, here.dual, here.node, state.cost)
        count = int(fixed.kept.sum())
        if not count or fixed.bound >= state.cost * (1 - fix.CLOSE):
            return
        if count <= most:
            settled, proved = self._leaf(fixed, budget.share(1, own.leaf_s))
            if settled:
                return
            most, bound = own.smaller * count, max(bound, proved)
        children = branch(state.structure, fixed.node, *fix.averages(state.structure, here.dual, fixed.node))
        if not children:
            settled, proved = self._leaf(fixed, budget.share(own.last_share))
            self.given_up = self.given_up if settled else min(self.given_up, max(bound, proved))
        for child in children:
            new = solve_dual(
                state.structure, target=state.cost, warm=here.dual, node=child, budget=budget, memory_row=True,
                params=own.at_node(state.params.dual),
            )  # fmt: skip
            self._push(max(new.bound, bound), new, child, most)

    def _leaf(self, fixed: fix.Fixed, budget: Budget) -> tuple[bool, float]:
        """Whether HiGHS settles what is left, and what it proves of it, s; its plan is taken."""
        state = self.state
        rest = state.rest(fixed.kept, math.inf)
        rest.run(budget, 0.0, state.seed)
        state.offer(rest.best)
        return rest.settled, rest.bound
