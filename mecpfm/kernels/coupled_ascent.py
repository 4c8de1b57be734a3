"""Steps of the dual's ascent: a deflected subgradient along which Polyak's length is taken, and the best point kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.kernels.coupled_sets import TIE
from mecpfm.kernels.slices import copy
from mecpfm.typing import Floats

IDLE, SHRINK = 15, 0.7
"""After so many iterations without a better bound theta shrinks by this factor, and the ascent starts from the best."""
MEMORY = 0.9
"""Share of the last direction in the next one."""
IMPROVEMENT = 1e-6
"""A bound counts as better when it rises by more than this share of itself."""
LEVEL, FLOOR = 0.05, 0.01
"""Steps aim this share above the best bound, taken as at least ``FLOOR`` times the target."""
BOUND, THETA, STALLED = range(3)
"""Entries of ``State.control``: best bound (s), factor of the step's length, iterations since the bound last rose."""


class DualState(NamedTuple):
    """Where the ascent stands; points have shape (R + 2 C + W,), cuts one entry a cell."""

    point: Floats
    """Multipliers of now."""
    cut: Floats
    """Price of the cut in each cell of now, lambda."""
    best: Floats
    """Multipliers of the best bound."""
    best_cut: Floats
    """Prices of the cut at the best bound."""
    step: Floats
    """Direction of the last step, deflected."""
    control: Floats
    """Entries ``BOUND``, ``THETA`` and ``STALLED``, shape (3,)."""


@kernel
def move(point: Floats, step: Floats, slope: Floats, scale: Floats, upper: Floats, length: float) -> bool:
    """One projected step along the deflected direction; False when there is none.

    Slopes that only rounding keeps from zero are zero: mixtures use a capacity, or serve a request, exactly, and a
    price that left its bound by a last bit would count in the next step's length.
    """
    norm, noise = 0.0, 0.0
    for i in range(len(point)):
        noise += TIE * TIE * scale[i] * slope[i] * slope[i]
    for i in range(len(point)):  # without a branch, which nothing foretells
        s = slope[i]
        still = (scale[i] * s * s <= noise) | (point[i] <= 0) & (s < 0) | (point[i] >= upper[i]) & (s > 0)
        slope[i] = 0.0 if still else s
        step[i] = slope[i] + MEMORY * step[i]
    for i in range(len(point)):
        norm += scale[i] * step[i] * step[i]
    if norm == 0:
        return False
    for i in range(len(point)):
        point[i] = min(max(point[i] + length / norm * scale[i] * step[i], 0.0), upper[i])
    return True


@kernel
def advance(state: DualState, bound: float, slope: Floats, scale: Floats, upper: Floats, target: float) -> bool:
    """Keep a better bound at the point, then step on, or begin at the best again; False where neither is possible."""
    control = state.control
    control[STALLED] += 1
    if bound > control[BOUND]:
        if bound > control[BOUND] + IMPROVEMENT * abs(bound):
            control[STALLED] = 0
        control[BOUND] = bound
        copy(state.point, state.best)
        copy(state.cut, state.best_cut)
    if bound == np.inf:
        return False
    if control[STALLED] >= IDLE:
        control[THETA] *= SHRINK
        control[STALLED] = 0
        copy(state.best, state.point)
        state.step[:] = 0.0
        return True
    # A step towards a level little above the best bound: the cost of a plan is too far away to aim at.
    level = min(target, control[BOUND] + LEVEL * max(control[BOUND], FLOOR * target))
    return move(state.point, state.step, slope, scale, upper, control[THETA] * (level - bound))
