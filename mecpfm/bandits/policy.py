"""What every policy can do."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from mecpfm.errors import InputError
from mecpfm.typing import Floats


def finite_context(context: Any, features: int) -> Floats:
    """Context as the kernels need it, shape (N,); InputError unless it has that shape and finite entries."""
    if type(context) is not np.ndarray or context.dtype.char != "d":
        try:
            context = np.asarray(context, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError("context must hold numbers only") from None
    if context.shape != (features,):
        raise InputError(f"context has shape {context.shape}; must be ({features},), the policy's number of features")
    if not math.isfinite(context.dot(context)):  # cheaper than a look at each entry
        raise InputError("context must be finite, and its squares too")
    found: Floats = context
    return found


def require_played(arm: int, arms: int, reward: float) -> None:
    """InputError unless there is such an arm and the reward is finite."""
    if not (0 <= arm < arms and arm == int(arm)):
        raise InputError(f"arm is {arm}; must be a whole number in [0, {arms - 1}]")
    if not math.isfinite(reward):
        raise InputError(f"reward is {reward}; must be finite")


class BanditPolicy(Protocol):
    """A learner that is asked for an arm, sees one reward, and is asked again."""

    def reset(self) -> None:
        """Forget every reward and start the random streams anew."""

    def select(self, context: Floats) -> int:
        """Arm to play for a context of shape (N,)."""

    def update(self, arm: int, context: Floats, reward: float) -> None:
        """Learn from the reward of the arm that was played for this context.

        Parameters
        ----------
        arm
            The one that was played.
        context
            The one that it was chosen for, shape (N,).
        reward
            Finite; larger is better.
        """
