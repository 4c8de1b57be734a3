"""Online regression of a demand that is revealed late: the forward (Vovk-Azoury-Warmuth) forecaster, and its bounds.

The precision takes a request's features when it arrives, the right-hand side takes its demand when it completes. With
no delay this is the forecaster of Vovk (2001) and of Azoury and Warmuth (2001). Theorems O1 to O3 of
docs/theory_online.md bound its squared errors, with proof; nothing is quoted.
"""

from __future__ import annotations

import math

import numpy as np

from mecpfm.bandits.policy import Floats, positive
from mecpfm.errors import InputError


class OnlineRidge:
    """Forecasts ``x' A^-1 b`` clipped to [0, top]; A = ridge I + sum of x x' over arrivals, b over completions.

    Demands must lie in [0, ``top``] (any unit). Hidden features are exact zeros; give a constant feature for a mean.
    """

    def __init__(self, features: int, *, ridge: float = 1.0, top: float = 1.0) -> None:
        if features < 1:
            raise InputError(f"features is {features}; must be >= 1")
        positive("ridge", ridge)
        positive("top", top)
        self.features, self.ridge, self.top = features, float(ridge), float(top)
        self.reset()

    def reset(self) -> None:
        """Forget every request."""
        self.inverse: Floats = np.eye(self.features) / self.ridge
        self.right: Floats = np.zeros(self.features)
        self.log_det = 0.0
        """ln det(A / ridge): never below the sum of leverages."""
        self.leverage = 0.0
        """Sum of x' A^-1 x, each with the A that already holds x."""

    def arrive(self, x: Floats) -> float:
        """Forecast of the demand of a request with features of shape (N,); they are learnt at once."""
        x = self._checked(x)
        solved = self.inverse @ x
        spread = float(x @ solved)
        self.inverse -= np.outer(solved, solved) / (1 + spread)
        self.log_det += math.log1p(spread)
        self.leverage += spread / (1 + spread)
        forecast = float(self.right @ solved) / (1 + spread)
        return min(max(forecast, 0.0), self.top)

    def complete(self, x: Floats, demand: float) -> None:
        """Learn the demand of a request that arrived with these features; InputError outside [0, top]."""
        if not 0 <= demand <= self.top:
            raise InputError(f"demand is {demand}; must be in [0, top = {self.top:g}]")
        self.right += demand * self._checked(x)

    def _checked(self, x: Floats) -> Floats:
        if np.shape(x) != (self.features,) or not np.isfinite(x).all():
            raise InputError(f"features have shape {np.shape(x)}; must be finite, ({self.features},)")
        return x


def hindsight(x: Floats, demand: Floats, ridge: float) -> float:
    """``min_u sum (u' x_t - w_t)^2 + ridge |u|^2`` over all requests, x of shape (T, N), demand of shape (T,)."""
    stacked = np.vstack([x, math.sqrt(ridge) * np.eye(x.shape[1])])
    target = np.concatenate([demand, np.zeros(x.shape[1])])
    u = np.linalg.lstsq(stacked, target)[0]
    return float(np.sum((stacked @ u - target) ** 2))


def error_bound(best: float, leverage: float, top: float, outstanding: int = 0, delay: int = 0) -> float:
    """O1 and O2: squared errors are at most ``best + (1 + outstanding + delay) top^2 leverage``.

    ``best`` is :func:`hindsight`; at most ``outstanding`` requests are unfinished at an arrival, and at most ``delay``
    arrivals happen while one is. ``leverage`` may be replaced by ln det(A / ridge), which is not smaller.
    """
    return best + (1 + outstanding + delay) * top**2 * leverage


def dispatch_bound(spreads: Floats, squared_errors: float) -> float:
    """O3: the loss to the per-round oracle is at most ``sqrt(sum spread_t^2) sqrt(sum of squared errors)``.

    ``spreads`` of shape (T,) are the largest differences of 1 / speed among the arms of a round.
    """
    return math.sqrt(float(np.sum(np.square(spreads)))) * math.sqrt(squared_errors)
