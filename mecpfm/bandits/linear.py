"""Linear contextual bandits with disjoint arms: LinUCB and linear Thompson sampling (LinTS)."""

from __future__ import annotations

import numpy as np

from mecpfm.bandits.policy import finite_context, require_played
from mecpfm.files import require_fits
from mecpfm.kernels import linear_bandit
from mecpfm.ranges import at_least, count, positive
from mecpfm.typing import Floats

BLOCK = 256


class Linear:
    """Ridge regression of the reward on the context, one an arm; ``noise`` decides how its spread is used.

    ``state`` of shape (N (N + 1) / 2 + N, K) holds all inverse precisions and means (:mod:`.kernels.linear_bandit`).
    A context has shape (N,) and finite entries; InputError otherwise.
    """

    def __init__(self, arms: int, features: int, *, scale: float, ridge: float = 1.0, seed: int = 0) -> None:
        count("arms", arms)
        count("features", features)
        require_fits(f"{arms} arms of {features} features", 4 * arms * features * (features + 3))
        at_least("the exploration scale (alpha or v)", scale, 0)
        positive("ridge", ridge)
        self.arms, self.features, self.scale, self.ridge, self.seed = arms, features, float(scale), float(ridge), seed
        self.reset()

    def reset(self) -> None:
        """Forget every reward and start the random streams anew: arms, features and coins each have their own."""
        self.random, self.feature_random, self.coin_random = map(
            np.random.default_rng, np.random.SeedSequence(self.seed).spawn(3)
        )
        self.state: Floats = linear_bandit.fresh(self.arms, self.features, self.ridge)
        self._noise, self._row = self.noise(0), 0

    def noise(self, rounds: int) -> Floats:
        """Factors of each arm's standard deviation in the next rounds, shape (rounds, K)."""
        return np.ones((rounds, self.arms))

    def select(self, context: Floats) -> int:
        """Arm of the best score; the noise is drawn in blocks, the same sequence however it is cut."""
        context = finite_context(context, self.features)
        if self._row == len(self._noise):
            self._noise, self._row = self.noise(BLOCK), 0
        self._row += 1
        arm: int = linear_bandit.choose(self.state, context, self._noise, self._row - 1, self.scale)
        return arm

    def update(self, arm: int, context: Floats, reward: float) -> None:
        """Rank-one update of the arm's inverse and mean; InputError where arm, context or reward is none."""
        context = finite_context(context, self.features)
        require_played(arm, self.arms, reward)
        linear_bandit.update(self.state, context, arm, reward)


class LinUCB(Linear):
    """Plays the largest ``c' mu_k + alpha sqrt(c' B_k^-1 c)`` (Li, Chu, Langford and Schapire, WWW 2010)."""

    def __init__(self, arms: int, features: int, *, alpha: float = 1.0, ridge: float = 1.0) -> None:
        super().__init__(arms, features, scale=alpha, ridge=ridge)


class LinTS(Linear):
    """Plays the best draw of ``c' mu~_k``, ``mu~_k ~ N(mu_k, v^2 B_k^-1)`` (Agrawal and Goyal, ICML 2013)."""

    def __init__(self, arms: int, features: int, *, v: float = 0.1, ridge: float = 1.0, seed: int = 0) -> None:
        super().__init__(arms, features, scale=v, ridge=ridge, seed=seed)

    def noise(self, rounds: int) -> Floats:
        """Standard normals, shape (rounds, K)."""
        return self.random.standard_normal((rounds, self.arms))
