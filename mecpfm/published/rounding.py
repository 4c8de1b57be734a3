"""Appro: randomized rounding of the strengthened LP (docs/theory.md, T4, T5 and T7)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np

from mecpfm.clock import Budget
from mecpfm.errors import InfeasibleError, LimitError
from mecpfm.kernels import rounding
from mecpfm.plan import Plan
from mecpfm.published.check import assess
from mecpfm.published.instance import Instance
from mecpfm.published.relaxation import SLACK, Relaxation, caps, relax
from mecpfm.typing import Floats

DRAWS = 64
"""Independent roundings of which the best one counts."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Outcomes of independent roundings, every array of shape (r,), seconds."""

    base: Floats
    shared: Floats
    private: Floats
    cap: Floats
    """Least pulling delay that the budget row of a chosen option allows."""

    @property
    def pull(self) -> Floats:
        """Network-wide pulling delay of every draw."""
        return np.maximum(self.shared, self.private)

    @property
    def objective(self) -> Floats:
        """Value of every draw."""
        return self.base + self.pull

    @property
    def excess(self) -> Floats:
        """How far the pulling delay of every draw exceeds the least cap among its options: 0 keeps all budgets."""
        over = self.pull - self.cap
        return np.where(over > SLACK * self.pull, over, 0.0)  # a vertex may meet its cap up to rounding

    @property
    def best(self) -> int:
        """Least objective among the draws that keep every budget row; without one, the least excess over a row."""
        return int(np.lexsort((self.objective, self.excess))[0])


def cumulative(weights: Floats) -> Floats:
    """Cumulative distribution along the last axis, exactly 1 from the last positive weight on."""
    total = np.cumsum(weights, axis=-1)
    return np.asarray(total / total[..., -1:])


def round_options(instance: Instance, relaxed: Relaxation, uniforms: Floats) -> Draws:
    """Outcomes of one rounding for each row of ``uniforms`` (r, J): request j takes model k with probability x_jk."""
    tables, limit = relaxed.options, caps(instance, relaxed.options)
    found = rounding.outcomes(
        cumulative(relaxed.x), tables.base, tables.shared_pull, tables.private_pull, limit, uniforms
    )
    return Draws(*found.T)


def solve_appro(
    instance: Instance, *, seed: int | np.random.SeedSequence = 0, draws: int = DRAWS, time_limit: float | None = None
) -> Plan:
    """Best of ``draws`` independent roundings, with the LP value as bound.

    Every draw keeps capacity and accuracy. Where some break a budget row, as many of the strict relaxation, which all
    keep them, take part, if it has a solution. When no draw keeps all budget rows, the one that breaks them least is
    returned, and its violations name them. Raises InfeasibleError when the LP has no solution.
    """
    budget = Budget.of(time_limit)
    relaxed = relax(instance, time_limit=budget.limit())
    uniforms = np.random.default_rng(seed).random((draws, len(relaxed.x)))
    pools = [(relaxed, round_options(instance, relaxed, uniforms))]
    if (pools[0][1].excess > 0).any():
        with contextlib.suppress(InfeasibleError, LimitError):
            strict = relax(instance, strict=True, time_limit=budget.limit())
            pools.append((strict, round_options(instance, strict, uniforms)))
    found, drawn = min(pools, key=lambda pool: (pool[1].excess[pool[1].best], pool[1].objective[pool[1].best]))
    choice = rounding.pick(cumulative(found.x), uniforms[drawn.best])
    return assess(instance, "appro", choice, bound=relaxed.value, solver=relaxed.solver)
