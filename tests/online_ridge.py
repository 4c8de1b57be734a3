"""Plain twin of the simulator's demand learner: online ridge regression of a demand that is revealed late.

A request counts from its arrival on: with the forecast made for it until its demand is known, with the demand from
then. Theorems O1 to O3 of docs/theory_online.md bound the squared errors and what they cost a dispatcher; run as a
program (``python tests/online_ridge.py``) this prints how sharp they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mecpfm.bandits.certificate import ledger
from mecpfm.errors import InputError
from mecpfm.kernels import arrays
from mecpfm.ranges import positive
from mecpfm.typing import Floats

SPEEDS = np.array([0.4, 0.6, 1.0, 1.5, 2.5])
"""Speeds of the arms of the drawn dispatch problem."""
TOP = 60.0
"""Its demands lie in [0, TOP], seconds at speed 1."""


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
    """Sum of squared errors, at most: ``(sqrt(V) + sqrt(D Q))^2 + Q`` (O2 without Omega; O1 for D = 0).

    ``best`` is V (:func:`hindsight`), ``outstanding`` D, the most requests unfinished at an arrival. ``weighed`` is Q,
    the sum of leverage times squared error, or what is known not to be below it: ``top^2 log_det``.
    """
    return (math.sqrt(best) + math.sqrt(outstanding * weighed)) ** 2 + weighed


def dispatch_bound(spreads: Floats, squared_errors: float) -> float:
    """Loss to the per-round oracle, at most: ``sqrt(sum spread_t^2) sqrt(sum of squared errors)`` (O3).

    ``spreads`` of shape (T,) are the largest differences of 1 / speed among the arms of a round.
    """
    return math.sqrt(float(np.sum(np.square(spreads)))) * math.sqrt(squared_errors)


class Sharpness(NamedTuple):
    """What is measured and what O1 to O3 and R1 allow, summed over requests: errors in s^2, losses in s."""

    outstanding: int
    squared: float
    best: float
    bound: float
    expected: float
    doubted: float
    worst_case: float
    constant: float
    loss: float
    loss_bound: float


def sharpness(lag: float, seed: int, rounds: int = 5_000, features: int = 12) -> Sharpness:
    """Forecast and dispatch drawn requests whose demands depend on two features and vary less than the backlogs.

    A request is outstanding for a geometric number of arrivals with mean ``lag``; every feature is seen.
    """
    random = np.random.default_rng(seed)
    x = arrays.normal(random, (rounds, features))
    demand = np.clip(20 + 8 * x[:, 0] + 6 * x[:, 1] + 4 * arrays.normal(random, rounds), 0, TOP)
    backlog = arrays.settled(random.exponential(60, (rounds, len(SPEEDS))))
    x = np.column_stack([np.ones(rounds), x])
    start = np.concatenate([[TOP / 2], np.zeros(features)])
    done = np.arange(rounds) + random.geometric(1 / (1 + lag), rounds)  # the first arrival that knows the demand
    found, run = ledger(x, demand, np.minimum(done, rounds), start, 0.0, TOP)
    forecast, delay = run.forecast, backlog + demand[:, None] / SPEEDS
    arm = (backlog + forecast[:, None] / SPEEDS).argmin(axis=1)
    loss = delay[np.arange(rounds), arm] - delay.min(axis=1)
    spread = 1 / SPEEDS.min() - 1 / SPEEDS.max()
    return Sharpness(
        found.outstanding, found.squared, found.ridged, found.bound(), found.expected_bound(),
        found.bound(found.outstanding * found.doubted),
        error_bound(found.ridged, TOP**2 * found.log_det, found.outstanding), found.constant,
        loss.sum(), dispatch_bound(np.full(rounds, spread), found.squared),
    )  # fmt: skip


if __name__ == "__main__":
    print("lag, most outstanding; per request: squared error, best linear, O2, R1, O2 with D P, O2 worst case,")
    print("constant rule, loss, O3(a)")
    for lag in (0, 10, 100):
        most, *sums = np.mean([sharpness(lag, seed) for seed in range(12)], axis=0)
        print(lag, f"{most:.0f}", *(f"{value / 5_000:.4g}" for value in sums))
