"""The paper's online learner as released, with its two slips; :class:`~.restricted.TSRC` is the algorithm itself.

Reconstructed from facts about the released code, none of which was copied (docs/reproduction.md).
"""

from __future__ import annotations

import numpy as np

from mecpfm.bandits.linear import LinTS
from mecpfm.bandits.policy import finite_context
from mecpfm.errors import InputError
from mecpfm.kernels import linear_bandit
from mecpfm.ranges import within
from mecpfm.typing import Floats


class ReleasedTSRC:
    """TSRC whose models of the arms know d coordinates only, and whose features are credited in good rounds only.

    The d features shown are packed into a vector of length d, so that a coordinate means another feature whenever the
    shown set changes. Rounds n_i and rewards r_i grow together, by one in a good round and not at all in a bad one:
    ``theta_i ~ Beta(1 + r_i, 1 + n_i - r_i)`` is Beta(1 + r_i, 1), and no failure is ever counted. A round is good if
    its reward reaches the mean of all rewards so far: a choice, since the facts do not say which rounds are.
    """

    def __init__(self, arms: int, features: int, observed: int, *, v: float = 0.1, seed: int = 0) -> None:
        if not 1 <= observed <= features:
            raise InputError(f"observed is {observed}; must be in [1, features = {features}]")
        self.features, self.observed = features, observed
        self.arms = LinTS(arms, observed, v=v, seed=seed)
        self.reset()

    def reset(self) -> None:
        """Forget rewards and credits and start the random streams anew."""
        self.arms.reset()
        self.credits: Floats = np.zeros(self.features)
        self.rounds, self.rewards = 0, 0.0

    def select(self, context: Floats) -> int:
        """Arm of the best score on the features whose sampled credits are largest."""
        context = finite_context(context, self.features)
        keys = self.arms.feature_random.beta(1 + self.credits, 1.0)
        self.shown = linear_bandit.reveal(keys, self.observed)
        self.seen: Floats = context[self.shown]
        return self.arms.select(self.seen)

    def update(self, arm: int, context: Floats, reward: float) -> None:
        """Learn from the reward of the ``select`` before; InputError unless the reward is in [0, 1]."""
        within("reward", reward, 0, 1)
        self.arms.update(arm, self.seen, reward)
        self.rounds, self.rewards = self.rounds + 1, self.rewards + reward
        if reward * self.rounds >= self.rewards:
            self.credits[self.shown] += 1
