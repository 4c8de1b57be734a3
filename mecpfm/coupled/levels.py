"""Branch and bound where each cloudlet is a knapsack (``kernels.coupled_levels``), from one level of cost to the next.

Is there a plan below a limit a little above the bound? If not, the limit is the new bound; if so, the plan is the best
one. Nodes of a low limit are few, so that all levels together take about as long as the last. First come dives, which
find a good plan: a higher limit, and few nodes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mecpfm.clock import Budget, Pace
from mecpfm.coupled import fix, steps
from mecpfm.coupled.state import AutoState
from mecpfm.kernels import coupled_levels as kernels
from mecpfm.kernels.coupled_levels import Path
from mecpfm.kernels.coupled_levels_node import Worksheet
from mecpfm.typing import Floats, Ints

CHUNK = 1_000
"""Nodes between two looks at the clock, at most."""
FIRST_DIVE = 1 / 32
"""Share of the way from the bound to the best plan's cost that the first dive allows; the next ones double it."""
NEAR = 1.25
"""Dives end where a plan is no further above the bound than so many times what no plan was found within."""
PARTS = 16
"""Levels from the bound to the best plan's cost, about, where costs have no steps."""


@dataclass(eq=False)
class Levels:
    """The search so far: prices of its first node, and the level that is being searched, if one is."""

    state: AutoState
    v: Floats = field(init=False)
    """Prices that the next level begins with, (R,)."""
    dived: float = math.inf
    """Cost of the plan that dives began with last, s."""
    width: float = 0.0
    """Of a level, s."""
    limit: float = 0.0
    """Of the level, s."""
    path: Path | None = None
    nodes: int = 0

    def __post_init__(self) -> None:
        """Begin with the multipliers that are known."""
        self.v = self.state.proof.point[: self.state.instance.sizes[3]].copy()
        sites = self.state.rows
        assert sites is not None
        self._sites, self._at = sites, np.repeat(np.arange(len(sites.price_s)), np.diff(sites.first))
        self._sheet = _sheet(len(self.v), np.diff(sites.first), sites.room_units)

    @classmethod
    def of(cls, state: AutoState) -> Levels | None:
        """None of an instance that is no such one, where pulls cost, or whose tables or paths would be too large."""
        rows, requests, own = state.rows, state.instance.sizes[3], state.params.auto
        if rows is None or rows.price_s.any() or state.done:
            return None
        entries = int((np.diff(rows.first) * (rows.room_units + 1)).sum())
        return cls(state) if max(entries, requests * len(rows.request) // 10) <= own.level_entries else None

    def run(self, budget: Budget, nodes: float = math.inf) -> None:
        """Dives if there is a new plan, then levels, until so many nodes more; may be called again."""
        state, most = self.state, self.nodes + nodes
        if self.dived > state.cost:
            self._dive(budget, most)
        while not (state.done or budget.over or self.nodes >= most):
            if self.path is None:
                self.limit = self._next()
                self.path = self._begin()
            done, self.limit = self._search(self.path, self.limit, budget, most)
            if done:
                self.v, self.path = self.path.v[1].copy(), None

    def _dive(self, budget: Budget, most: float) -> None:
        """Limits a little above the bound, then further, until one is known that has a plan and none much lower has."""
        state = self.state
        low, cost = FIRST_DIVE / 2 * (state.limit - state.bound), state.cost
        while low * NEAR < (high := state.limit - state.bound) and not (state.done or budget.over):
            far = max(min(2 * low, (low + high) / 2), 2 * state.step)
            if far >= high or self.nodes >= most:
                break
            nodes = min(most, self.nodes + state.params.auto.dive_nodes)
            self._search(self._begin(), state.bound + far, budget, nodes, first=True)
            low, cost = (far, cost) if state.cost == cost else (low, state.cost)
        self.dived = state.cost

    def _next(self) -> float:
        """A limit one level up."""
        state = self.state
        gap = state.limit - state.bound
        self.width = max(state.step, min(gap, self.width) if self.width else gap / PARTS)
        limit = steps.below(state.bound + self.width, state.step)
        return limit if limit + self.width / 2 < state.limit else state.limit

    def _begin(self) -> Path:
        """The first node: all is open."""
        rows, requests = len(self._at), len(self.v)
        depth, ways = requests + 3, self.state.instance.sizes[2] + 1
        path = Path(
            np.ones((depth, rows), dtype=bool), np.ones((depth, requests), dtype=bool), np.zeros((depth, requests)),
            np.full((depth, ways), kernels.ROOT), np.zeros(depth, dtype=np.int64), np.zeros(depth, dtype=np.int64),
            np.zeros(depth, dtype=np.int64), np.zeros(1, dtype=np.int64),
        )  # fmt: skip
        path.v[0], path.ways[0] = np.minimum(self.v, self.state.structure.cells.remote_s), 1
        return path

    def _search(self, path: Path, limit: float, budget: Budget, most: float, first: bool = False) -> tuple[bool, float]:
        """Whether nothing is left below the limit, which better plans lower; with ``first`` the first one ends it."""
        state, cells = self.state, self.state.structure.cells
        option = np.append(state.structure.option[cells.first_option[:-1]], -1)
        pace = Pace(CHUNK, budget)
        while self.nodes < most:
            limit = min(limit, state.limit)
            count = int(min(pace.count, most - self.nodes))
            found, ran = kernels.search(
                self._sites, self._at, cells.remote_s, path, self._sheet, limit * (1 - fix.CLOSE), count
            )
            self.nodes += ran
            pace.look()
            if found == kernels.DONE:
                state.prove(limit if limit < state.limit else state.cost)
                state.tell()
                return True, limit
            if found == kernels.FOUND:
                state.offer(option[self._sheet.only])
                state.tell()
                if first or state.done:
                    break
            if budget.over:
                break
        return False, limit


def _sheet(requests: int, items: Ints, units: Ints) -> Worksheet:
    rows, longest, cloudlets = int(items.sum()), int(items.max(initial=0)), len(items)
    table = np.empty((longest + 1, int(units.max(initial=0)) + 1))
    whole, real = np.zeros(requests, dtype=np.int64), np.zeros(requests)
    return Worksheet(
        whole, whole.copy(), np.zeros(cloudlets, dtype=np.int64), np.zeros(cloudlets + 1, dtype=np.int64),
        np.zeros(rows, dtype=np.int64), np.zeros(rows),
        real, real.copy(), real.copy(), np.zeros(longest, dtype=np.int64), np.zeros(longest),
        np.zeros(longest, dtype=np.int64), table, table.copy(),
    )  # fmt: skip
