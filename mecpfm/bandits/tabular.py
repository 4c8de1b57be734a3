"""What the policies without a context share: one running mean an arm."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecpfm.bandits.policy import count
from mecpfm.kernels import tabular_bandit
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
