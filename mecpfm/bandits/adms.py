"""ADMS, a baseline of the paper's online comparison."""

from __future__ import annotations

from mecpfm.bandits.policy import within
from mecpfm.bandits.restricted import Restricted
from mecpfm.kernels.linear_bandit import FIXED


class ADMS(Restricted):
    """LinUCB (alpha 0.3, ridge 1) on one random subset of the features; plays a random arm with ``explore`` 0.7."""

    rule = FIXED

    def __init__(
        self,
        arms: int,
        features: int,
        observed: int = 20,
        *,
        alpha: float = 0.3,
        ridge: float = 1.0,
        explore: float = 0.7,
        seed: int = 0,
    ) -> None:
        within("explore", explore, 0, 1)
        self.explore = float(explore)
        super().__init__(arms, features, observed, scale=alpha, ridge=ridge, seed=seed)
