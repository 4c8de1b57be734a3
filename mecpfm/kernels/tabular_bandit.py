"""Bandits without a context: one running sum of rewards an arm."""

from __future__ import annotations

import numpy as np

from mecpfm.kernels import elementary
from mecpfm.kernels._jit import kernel
from mecpfm.typing import Floats

PLAYS, REWARDS = range(2)
"""Rows of a tally: how often each arm was played, and the sum of its rewards."""


@kernel
def choose(tally: Floats, coin: float, pick: float, explore: float, bonus: float) -> int:
    """Arm ``floor(pick K)`` when ``coin < explore``, else the largest index; ties go to the lowest arm.

    ``tally`` of shape (2, K) holds counts and sums of rewards, ``coin`` and ``pick`` are uniforms in [0, 1). The index
    is ``mean + sqrt(bonus ln(t) / n)`` (UCB1, Auer et al. 2002, for bonus 2); with a bonus, unplayed arms come first,
    without one their mean counts as 0.
    """
    arms = tally.shape[1]
    if coin < explore:
        return int(pick * arms)
    total = tally[PLAYS].sum()
    best, top = 0, -np.inf
    for k in range(arms):
        score = 0.0
        if tally[PLAYS, k] > 0:
            score = tally[REWARDS, k] / tally[PLAYS, k] + np.sqrt(bonus * elementary.log(total) / tally[PLAYS, k])
        elif bonus > 0:
            score = np.inf
        if score > top:
            best, top = k, score
    return best


@kernel
def update(tally: Floats, arm: int, reward: float) -> None:
    """Count one reward of one arm."""
    if not 0 <= arm < tally.shape[1]:
        raise ValueError("no such arm")
    if np.isnan(reward):
        raise ValueError("a reward must be a number")
    tally[PLAYS, arm] += 1
    tally[REWARDS, arm] += reward
