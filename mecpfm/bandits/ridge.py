"""Online ridge regression of a demand that is revealed late, with the bound on its errors.

A request counts from its arrival on: with the forecast made for it until its demand is known, with the demand from
then. Theorems O1 to O4 of docs/theory_online.md bound the squared errors and what they cost a dispatcher, with proofs.
"""

from __future__ import annotations

import math

import numpy as np

from mecpfm.bandits.policy import positive
from mecpfm.errors import InputError
from mecpfm.kernels import arrays
from mecpfm.typing import Floats


class OnlineRidge:
    """Forecasts ``theta' x`` clipped to [0, top]; theta is the ridge solution over all requests that have arrived.

    Demands must lie in [0, ``top``] (any unit). Hidden features are exact zeros; give a constant feature for a mean.
    ``start`` of shape (N,) is the rule before anything is known, and what the ridge pulls towards; default zeros.
    """

    def __init__(self, features: int, *, ridge: float = 1.0, top: float = 1.0, start: Floats | None = None) -> None:
        if features < 1:
            raise InputError(f"features is {features}; must be >= 1")
        positive("ridge", ridge)
        positive("top", top)
        self.features, self.ridge, self.top = features, float(ridge), float(top)
        self.start: Floats = self._checked(np.zeros(features) if start is None else start)
        self.reset()

    def reset(self) -> None:
        """Forget every request."""
        self.inverse: Floats = np.eye(self.features) / self.ridge
        self.theta: Floats = np.array(self.start, dtype=np.float64)
        self.log_det = 0.0
        """ln det(A / ridge), A the precision; never below the sum of leverages."""

    def arrive(self, x: Floats) -> tuple[float, float]:
        """Forecast for features of shape (N,), and their leverage ``x' A^-1 x`` in [0, 1), A after this arrival."""
        x = self._checked(x)
        solved, raw = (self.inverse * x).sum(axis=1), arrays.dot(self.theta, x)
        spread = arrays.dot(x, solved)
        forecast = min(max(raw, 0.0), self.top)
        self.inverse -= np.outer(solved, solved) / (1 + spread)
        self.theta += (forecast - raw) / (1 + spread) * solved
        self.log_det += arrays.log1p(spread)
        return forecast, spread / (1 + spread)

    def complete(self, x: Floats, forecast: float, demand: float) -> None:
        """Replace the forecast of a request with these features by its demand; InputError outside [0, top]."""
        if not 0 <= demand <= self.top:
            raise InputError(f"demand is {demand}; must be in [0, top = {self.top:g}]")
        self.theta += (demand - forecast) * (self.inverse * self._checked(x)).sum(axis=1)

    def _checked(self, x: Floats) -> Floats:
        if np.shape(x) != (self.features,) or not np.isfinite(x).all():
            raise InputError(f"features have shape {np.shape(x)}; must be finite, ({self.features},)")
        return x


def hindsight(x: Floats, demand: Floats, ridge: float, start: Floats | None = None) -> float:
    """``V = min_u sum (u' x_t - w_t)^2 + ridge |u - start|^2`` over all requests, x (T, N), demand (T,), start (N,)."""
    if start is not None:
        demand = demand - (x * start).sum(axis=1)
    u = arrays.solved(arrays.products(x, x) + ridge * np.eye(x.shape[1]), arrays.products(x, demand[:, None])[:, 0])
    return float(np.square((x * u).sum(axis=1) - demand).sum() + ridge * np.square(u).sum())


def error_bound(best: float, weighed: float, outstanding: int) -> float:
    """Sum of squared errors, at most: ``(sqrt(V) + sqrt(D Q))^2 + Q`` (O2; O1 for D = 0).

    ``best`` is V (:func:`hindsight`), ``outstanding`` D, the most requests unfinished at an arrival. ``weighed`` is Q,
    the sum of leverage times squared error, or what is known not to be below it: ``top^2 log_det``.
    """
    return (math.sqrt(best) + math.sqrt(outstanding * weighed)) ** 2 + weighed


def dispatch_bound(spreads: Floats, squared_errors: float) -> float:
    """Loss to the per-round oracle, at most: ``sqrt(sum spread_t^2) sqrt(sum of squared errors)`` (O3).

    ``spreads`` of shape (T,) are the largest differences of 1 / speed among the arms of a round.
    """
    return math.sqrt(float(np.sum(np.square(spreads)))) * math.sqrt(squared_errors)
