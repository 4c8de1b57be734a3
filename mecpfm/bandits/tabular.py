"""Policies without a context: one running mean an arm."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecpfm.kernels import tabular_bandit
from mecpfm.ranges import count, positive, within
from mecpfm.typing import Floats


class Tabular:
    """Plays a uniform arm with probability ``explore``, else the largest mean plus UCB bonus.

    Every round consumes two uniforms, a coin and an arm, whether or not it explores: streams stay aligned.
    """

    def __init__(self, arms: int, *, explore: float = 0.0, bonus: float = 0.0, seed: int = 0) -> None:
        count("arms", arms)
        self.arms, self.explore, self.bonus, self.seed = arms, float(explore), float(bonus), seed
        self.reset()

    def reset(self) -> None:
        """Forget every reward and start the random stream anew."""
        self.random = np.random.default_rng(self.seed)
        self.tally: Floats = np.zeros((2, self.arms))

    def select(self, context: Any = None) -> int:
        """Arm to play; the context is not looked at."""
        coin, pick = self.random.random(2)
        return int(tabular_bandit.choose(self.tally, coin, pick, self.explore, self.bonus))

    def update(self, arm: int, context: Any, reward: float) -> None:
        """Add one reward to the arm's mean."""
        tabular_bandit.update(self.tally, arm, reward)


class RandomArm(Tabular):
    """Plays each arm with the same probability and learns nothing from its rewards: the floor under every learner."""

    def __init__(self, arms: int, *, seed: int = 0) -> None:
        super().__init__(arms, explore=1.0, seed=seed)


class EpsilonGreedy(Tabular):
    """Plays a random arm with probability ``epsilon``, else the best mean; an unplayed arm's mean is 0.

    Sutton and Barto, Reinforcement Learning, section 2.2.
    """

    def __init__(self, arms: int, *, epsilon: float = 0.1, seed: int = 0) -> None:
        within("epsilon", epsilon, 0, 1)
        super().__init__(arms, explore=epsilon, seed=seed)


class UCB1(Tabular):
    """Plays every arm once, then the largest ``mean + sqrt(bonus ln(t) / n)``; bonus 2 as published.

    Auer, Cesa-Bianchi and Fischer, Machine Learning 47, 2002.
    """

    def __init__(self, arms: int, *, bonus: float = 2.0) -> None:
        positive("bonus", bonus)
        super().__init__(arms, bonus=bonus)
