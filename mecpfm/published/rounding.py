"""Appro: randomized rounding of the strengthened LP (docs/theory.md, T4 and T5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecpfm.kernels import rounding
from mecpfm.plan import Plan
from mecpfm.published.check import assess
from mecpfm.published.instance import Instance
from mecpfm.published.relaxation import Relaxation, caps, relax
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
    def best(self) -> int:
        """Least objective among the draws that keep every budget row; without one, the least excess over a row."""
        excess = np.maximum(self.pull - self.cap, 0)
        return int(np.lexsort((self.objective, excess))[0])


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
    instance: Instance, *, solver: str = "auto", seed: int | np.random.SeedSequence = 0, draws: int = DRAWS,
    time_limit: float | None = None,
) -> Plan:  # fmt: skip
    """Best of ``draws`` independent roundings, with the LP value as bound.

    Every draw keeps capacity and accuracy. When none keeps all budget rows, the one that breaks them least is
    returned, and its violations name them. Raises InfeasibleError when the LP has no solution.
    """
    relaxed = relax(instance, solver=solver, time_limit=time_limit)
    uniforms = np.random.default_rng(seed).random((draws, len(relaxed.x)))
    best = round_options(instance, relaxed, uniforms).best
    choice = rounding.pick(cumulative(relaxed.x), uniforms[best])
    return assess(instance, "appro", choice, bound=relaxed.value, solver=relaxed.solver)
