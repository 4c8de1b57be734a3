"""Linear bandits that see only d of N features a round and choose which ones: TSRC, its controls, and TSRC as released.

TSRC is Thompson sampling with restricted context (Bouneffouf, Rish, Cecchi and Feraud, IJCAI 2017). Hidden features
enter the N-dimensional context as exact zeros, so that a coordinate keeps its meaning between rounds. Centre the
features before: then zero is their mean.
"""

from __future__ import annotations

import math

import numpy as np

from mecpfm.bandits.linear import Linear, LinTS
from mecpfm.bandits.policy import finite_context
from mecpfm.errors import InputError
from mecpfm.kernels import linear_bandit
from mecpfm.kernels.linear_bandit import BETA, FIXED, UNIFORM
from mecpfm.ranges import within
from mecpfm.typing import Floats, Ints


class Restricted(Linear):
    """A linear policy on the ``observed`` features with the largest keys; ``rule`` says where keys come from.

    BETA: theta_i ~ Beta(1 + r_i, 1 + n_i - r_i) with n_i and r_i the rounds and rewards of feature i, over the last
    ``window`` rounds. UNIFORM: a fresh random subset each round. FIXED: one random subset for good. Features and arms
    have separate streams. Each ``update`` belongs to the ``select`` before it. Rewards must lie in [0, 1].

    Both ends are legal. ``observed`` = N is the full policy, arm for arm. ``observed`` = 0 is the same policy on an
    all-zero context, which ties every arm, so that arm 0 is played; :mod:`.tabular` has learners without a context.
    """

    rule = BETA
    explore = 0.0
    window = math.inf

    def __init__(
        self, arms: int, features: int, observed: int, *, scale: float = 0.1, ridge: float = 1.0, seed: int = 0
    ) -> None:
        if not 0 <= observed <= features:
            raise InputError(f"observed is {observed}; must be in [0, features = {features}]")
        self.observed = observed
        super().__init__(arms, features, scale=scale, ridge=ridge, seed=seed)

    def reset(self) -> None:
        """Forget rewards and counts and start the random streams anew."""
        super().reset()
        self.counts: Floats = np.zeros((2, self.features))
        self.history: Floats = np.zeros((0 if math.isinf(self.window) else int(self.window), 1 + self.observed))
        self.keys: Floats = self.feature_random.random(self.features) if self.rule == FIXED else np.zeros(self.features)
        self.turn = 0

    def reveal(self) -> Ints:
        """Indices of the features to look at this round, ascending, shape (d,)."""
        if self.rule == BETA:
            rounds, rewards = self.counts
            self.keys = self.feature_random.beta(1 + rewards, 1 + rounds - rewards)
        elif self.rule == UNIFORM:
            self.keys = self.feature_random.random(self.features)
        shown: Ints = linear_bandit.reveal(self.keys, self.observed)
        return shown

    def select(self, context: Floats) -> int:
        """Arm of the best score on the revealed features, or a random one with probability ``explore``."""
        context = finite_context(context, self.features)
        self.shown = self.reveal()
        self.seen: Floats = linear_bandit.masked(context, self.shown)
        arm = super().select(self.seen)
        if self.explore:
            coin, pick = self.coin_random.random(2)
            return int(pick * self.arms) if coin < self.explore else arm
        return arm

    def update(self, arm: int, context: Floats, reward: float) -> None:
        """Credit the revealed features and the arm; InputError unless the reward is in [0, 1]."""
        within("reward", reward, 0, 1)
        super().update(arm, self.seen, reward)
        linear_bandit.credit(self.counts, self.history, self.turn, self.shown, reward)
        self.turn += 1


class _Sampled(Restricted):
    """Restricted context with linear Thompson sampling of the arms."""

    noise = LinTS.noise

    def __init__(
        self, arms: int, features: int, observed: int, *, v: float = 0.1, ridge: float = 1.0, seed: int = 0
    ) -> None:
        super().__init__(arms, features, observed, scale=v, ridge=ridge, seed=seed)


class TSRC(_Sampled):
    """Thompson sampling of features and arms."""


class WTSRC(_Sampled):
    """TSRC whose feature counts run over the last ``window`` rounds only, for drifting demand."""

    def __init__(
        self, arms: int, features: int, observed: int, *, window: float = 50, v: float = 0.1, ridge: float = 1.0,
        seed: int = 0,
    ) -> None:  # fmt: skip
        if not (window >= 1 and (math.isinf(window) or window == int(window))):
            raise InputError(f"window is {window}; must be a whole number >= 1, or inf")
        self.window = window
        super().__init__(arms, features, observed, v=v, ridge=ridge, seed=seed)


class RandomEI(_Sampled):
    """Control: a fresh uniformly random subset of the features each round."""

    rule = UNIFORM


class RandomFix(_Sampled):
    """Control: one uniformly random subset of the features, kept for good."""

    rule = FIXED


class ADMS(Restricted):
    """LinUCB (alpha 0.3, ridge 1) on one random subset of the features; plays a random arm with ``explore`` 0.7.

    A baseline of the paper's online comparison.
    """

    rule = FIXED

    def __init__(
        self, arms: int, features: int, observed: int = 20, *, alpha: float = 0.3, ridge: float = 1.0,
        explore: float = 0.7, seed: int = 0,
    ) -> None:  # fmt: skip
        within("explore", explore, 0, 1)
        self.explore = float(explore)
        super().__init__(arms, features, observed, scale=alpha, ridge=ridge, seed=seed)


class ReleasedTSRC:
    """The paper's online learner as released, with its two slips.

    The d features shown are packed into a vector of length d, all that the arms know, so that a coordinate means
    another feature whenever the shown set changes. Rounds n_i and rewards r_i of a feature grow together, by one in a
    good round and not at all in a bad one: ``theta_i ~ Beta(1 + r_i, 1 + n_i - r_i)`` is Beta(1 + r_i, 1), and no
    failure is ever counted. A round is good if its reward reaches the mean of all rewards so far: a choice, since the
    facts do not say which rounds are. Reconstructed from facts about the released code, none of which was copied
    (docs/reproduction.md).
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
