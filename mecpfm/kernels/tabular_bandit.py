"""Bandits without a context: one running sum of rewards an arm."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecpfm.kernels import elementary
from mecpfm.kernels._jit import kernel

Array = Any  # a NumPy array; Numba infers dtype and rank at the first call


@kernel
def choose(tally: Array, coin: float, pick: float, explore: float, bonus: float) -> Any:
    """Arm ``floor(pick K)`` when ``coin < explore``, else the largest index; ties go to the lowest arm.

    ``tally`` of shape (2, K) holds counts and sums of rewards, ``coin`` and ``pick`` are uniforms in [0, 1). The index
    is ``mean + sqrt(bonus ln(t) / n)`` (UCB1, Auer et al. 2002, for bonus 2); with a bonus, unplayed arms come first,
    without one their mean counts as 0.
    """
    arms = tally.shape[1]
    if coin < explore:
        return int(pick * arms)
    total = tally[0].sum()
    best, top = 0, -np.inf
    for k in range(arms):
        score = 0.0
        if tally[0, k] > 0:
            score = tally[1, k] / tally[0, k] + np.sqrt(bonus * elementary.log(total) / tally[0, k])
        elif bonus > 0:
            score = np.inf
        if score > top:
            best, top = k, score
    return best


@kernel
def update(tally: Array, arm: int, reward: float) -> None:
    """Count one reward of one arm."""
    if not 0 <= arm < tally.shape[1]:
        raise ValueError("no such arm")
    if np.isnan(reward):
        raise ValueError("a reward must be a number")
    tally[0, arm] += 1
    tally[1, arm] += reward
