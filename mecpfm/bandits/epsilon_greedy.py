"""Epsilon-greedy (Sutton and Barto, Reinforcement Learning, section 2.2)."""

from __future__ import annotations

from mecpfm.bandits.policy import within
from mecpfm.bandits.tabular import Tabular


class EpsilonGreedy(Tabular):
    """Plays a random arm with probability ``epsilon``, else the best mean; an unplayed arm's mean is 0."""

    def __init__(self, arms: int, *, epsilon: float = 0.1, seed: int = 0) -> None:
        within("epsilon", epsilon, 0, 1)
        super().__init__(arms, explore=epsilon, seed=seed)
