"""What every policy can do, and the range checks that their constructors share."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mecpfm.errors import InputError

Floats = NDArray[np.float64]


class Policy(Protocol):
    """A learner that is asked for an arm, sees one reward, and is asked again."""

    def reset(self) -> None:
        """Forget every reward and start the random streams anew."""

    def select(self, context: Floats) -> int:
        """Arm to play for a context of shape (N,)."""

    def update(self, arm: int, context: Floats, reward: float) -> None:
        """Learn from the reward of the arm that was played for this context."""


def at_least(name: str, value: float, low: float) -> None:
    """InputError unless ``low <= value < inf``."""
    if not low <= value < math.inf:
        raise InputError(f"{name} is {value}; must be finite and >= {low:g}")


def positive(name: str, value: float) -> None:
    """InputError unless ``0 < value < inf``."""
    if not 0 < value < math.inf:
        raise InputError(f"{name} is {value}; must be finite and > 0")


def within(name: str, value: float, low: float, high: float) -> None:
    """InputError unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise InputError(f"{name} is {value}; must be in [{low:g}, {high:g}]")
