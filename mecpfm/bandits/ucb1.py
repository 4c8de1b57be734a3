"""UCB1 (Auer, Cesa-Bianchi and Fischer, Machine Learning 47, 2002)."""

from __future__ import annotations

from mecpfm.bandits.policy import positive
from mecpfm.bandits.tabular import Tabular


class UCB1(Tabular):
    """Plays every arm once, then the largest ``mean + sqrt(bonus ln(t) / n)``; bonus 2 as published."""

    def __init__(self, arms: int, *, bonus: float = 2.0) -> None:
        positive("bonus", bonus)
        super().__init__(arms, bonus=bonus)
