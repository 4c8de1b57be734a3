"""Uniformly random arms: the floor under every learner."""

from __future__ import annotations

from mecpfm.bandits.tabular import Tabular


class RandomArm(Tabular):
    """Plays each arm with the same probability and learns nothing from its rewards."""

    def __init__(self, arms: int, *, seed: int = 0) -> None:
        super().__init__(arms, explore=1.0, seed=seed)
