"""What a run of delayed ridge lost, to what, and how much it could have: docs/theory_online.md in numbers.

The ledger is exact. The two bounds hold with a stated probability, whatever the data.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from mecpfm.errors import InputError
from mecpfm.kernels import arrays, delayed_ridge
from mecpfm.kernels.delayed_ridge import Replay
from mecpfm.ranges import positive
from mecpfm.typing import Bools, Floats, Ints

MOST_SUBSETS = 50_000
DEPENDENT = 1e-10
"""A column of which less than this share is left by those before it counts as their combination."""
GRID = np.array([16, 4, 1, 1 / 4, 1 / 16, 1 / 64, 1 / 256])
"""Rates of :func:`hidden_bound`, in units of ``share / top^2``."""


@dataclass(frozen=True)
class Ledger:
    """Sums over all requests, squares of the unit of the demand; ``squared = best + learning + delay - clipping``."""

    requests: int
    squared: float
    """Of the forecasts' errors."""
    constant: float
    """Of the best constant forecast in hindsight."""
    best: float
    """Of the best linear rule in hindsight: least squares."""
    learning: float
    """Lost because nothing was known at first: what ridge adds to ``best``, and ``weighed``."""
    delay: float
    """Lost because demands were known late."""
    clipping: float
    """Gained by clipping forecasts, >= 0."""
    ridged: float
    """The best linear rule with its penalty, V."""
    penalty: float
    """That penalty, ``ridge |u - start|^2``."""
    weighed: float
    """Errors times leverages, Q."""
    omega: float
    """What outstanding requests moved the forecasts by, squared."""
    crossed: float
    """What ``omega`` is at most by Cauchy and Schwarz, W."""
    doubted: float
    """Errors times what their leverages lost while outstanding, P."""
    outstanding: int
    """Most requests unfinished at an arrival, D."""
    log_det: float

    @property
    def regret(self) -> float:
        """Beyond the best linear rule: exact, not a bound."""
        return self.squared - self.best

    def bound(self, omega: float | None = None) -> float:
        """Squared errors, at most, on any data (O2); ``omega`` may be what is known not to be below it."""
        moved = self.omega if omega is None else omega
        return (math.sqrt(self.ridged) + math.sqrt(moved)) ** 2 + self.weighed

    def expected_bound(self, misspecified: float = 0.0, omega: float | None = None) -> float:
        """The bound R1 with the run's values for expectations and ``ridged / requests`` for the variance of the noise.

        ``misspecified`` is the mean squared distance of the expected demand from a linear rule.
        """
        moved = self.omega if omega is None else omega
        truth = self.ridged / self.requests * self.log_det + misspecified * self.requests + self.penalty
        return self.ridged + self.weighed + 2 * math.sqrt(truth * moved) + moved


def known_from(arrival: Floats, finish: Floats) -> Ints:
    """First request at whose arrival the demand of each is known, T if none; both (T,), arrivals not decreasing."""
    after = np.arange(1, len(arrival) + 1)
    return np.asarray(np.maximum(np.searchsorted(arrival, finish, side="left"), after), dtype=np.int64)


def ledger(
    x: Floats, work: Floats, known: Ints, start: Floats, low: float, high: float, ridge: float = 1.0
) -> tuple[Ledger, Replay]:
    """Replay delayed ridge and account for its errors.

    Parameters
    ----------
    x
        Features as the forecaster saw them, hidden ones 0, shape (T, n).
    work, known
        Demands, in [low, high], and when they were known (:func:`known_from`), shape (T,).
    start
        The rule before anything is known, shape (n,).
    low, high
        The interval that forecasts are cut to.
    ridge
        Weight of the squared distance from ``start``.

    Returns
    -------
    tuple of Ledger and Replay
        Sums of squared errors by their causes, and the run.

    Raises
    ------
    InputError
        When there is no request, or a demand lies outside the interval.
    """
    if not len(work) or not ((work >= low) & (work <= high)).all():
        raise InputError(f"demands must lie in [{low:g}, {high:g}], and there must be one")
    positive("ridge", ridge)
    run = delayed_ridge.replay(x, work, known, start, float(low), float(high), float(ridge))
    rest, moved = 1 - run.leverage, run.prompt - run.raw
    errors = np.square(run.forecast - work)
    ridged, weighed = float((rest * np.square(work - run.prompt)).sum()), float((run.leverage * errors).sum())
    omega = float((rest * np.square(moved)).sum())
    best = least_squares(x, work)
    found = Ledger(
        requests=len(work), squared=float(errors.sum()), constant=float(np.square(work - work.mean()).sum()), best=best,
        learning=ridged - best + weighed, delay=float((2 * rest * (work - run.prompt) * moved).sum()) + omega,
        clipping=float((rest * (np.square(work - run.raw) - errors)).sum()), ridged=ridged,
        penalty=float(ridge * np.square(run.rule - start).sum()), weighed=weighed, omega=omega,
        crossed=float(run.weighed.sum()), doubted=float((run.waiting * errors).sum()),
        outstanding=int(run.outstanding.max()), log_det=float(run.log_det[-1]),
    )  # fmt: skip
    return found, run


def bounds(run: Replay, work: Floats, penalty: float, misspecified: float = 0.0) -> tuple[Floats, Floats]:
    """:meth:`Ledger.bound` and :meth:`Ledger.expected_bound` of the first t requests, for every t, shape (T,)."""
    rest, errors = 1 - run.leverage, np.square(run.forecast - work)
    ridged = np.cumsum(rest * np.square(work - run.prompt))
    weighed = np.cumsum(run.leverage * errors)
    omega = np.cumsum(rest * np.square(run.prompt - run.raw))
    count = np.arange(1, len(work) + 1)
    truth = ridged / count * run.log_det + misspecified * count + penalty
    moved = weighed + omega
    return np.square(np.sqrt(ridged) + np.sqrt(omega)) + weighed, ridged + moved + 2 * np.sqrt(truth * omega)


def least_squares(x: Floats, work: Floats) -> float:
    """Squared errors of the best linear rule in hindsight; columns may depend on each other."""
    return float(_left(_moments(x, work)[None])[0])


def best_subset(x: Floats, work: Floats, size: int) -> tuple[float, tuple[int, ...]] | None:
    """Squared errors of the best rule on ``size`` features and a constant, the last column, and these features.

    All subsets are tried; None where there are more than ``MOST_SUBSETS``.
    """
    features = x.shape[1] - 1
    if not 0 <= size <= features or math.comb(features, size) > MOST_SUBSETS:
        return None
    moments = _moments(x, work)
    subsets = np.array(list(itertools.combinations(range(features), size)), dtype=np.int64)
    ends = np.broadcast_to([features, features + 1], (len(subsets), 2))
    rows = np.concatenate([ends[:, :1], subsets, ends[:, 1:]], axis=1)
    left = _left(moments[rows[:, :, None], rows[:, None, :]])
    found = int(left.argmin())
    return float(left[found]), tuple(subsets[found].tolist())


def _moments(x: Floats, work: Floats) -> Floats:
    joined = np.column_stack([x, work])
    return arrays.products(joined, joined)


def _left(moments: Floats) -> Floats:
    """What the columns before it leave of the last one's square, for matrices (B, n, n) of products of columns."""
    left, whole = moments.copy(), np.diagonal(moments, axis1=1, axis2=2)
    for i in range(moments.shape[1] - 1):
        pivot = left[:, i, i]
        usable = pivot > DEPENDENT * whole[:, i]
        row = np.where(usable[:, None], left[:, i], 0.0)
        left -= row[:, :, None] * row[:, None, :] / np.where(usable, pivot, 1.0)[:, None, None]
    return np.maximum(left[:, -1, -1], 0.0)


def risk_bound(squared: float, requests: int, top: float, delta: float = 0.05) -> float:
    """Sum of the errors' conditional expectations, at most, with probability ``1 - delta`` (C3).

    Parameters
    ----------
    squared, requests
        Sum of the squared errors, and how many there are.
    top
        Largest size of an error.
    delta
        Probability with which the bound may fail.

    Returns
    -------
    float
        In the unit of ``squared``.

    Raises
    ------
    InputError
        ``top`` or ``delta`` out of range.
    """
    _check(top, delta)
    surprise = -float(arrays.log(delta))
    # Nearly the best where errors are a quarter of top: known before the run, as the proof wants it.
    kappa = min(0.5, math.sqrt(8 * surprise / requests))
    return (squared + top * top * surprise / (2 * kappa)) / (1 - kappa)


def hidden_bound(losses: Floats, seen: Bools, share: float, top: float, delta: float = 0.05) -> Floats:
    """Total loss of each expert, at least, with probability ``1 - delta`` for all of them (C4).

    Parameters
    ----------
    losses, seen
        Losses >= 0, about ``top^2`` at most (larger ones do no harm), and which were seen, shape (T, N).
    share
        Probability with which each round shows an expert, by coins tossed after its loss is determined.
    top
        Root of the usual largest loss.
    delta
        Probability with which the bounds may fail.

    Returns
    -------
    ndarray
        Shape (N,), in the unit of the losses.

    Raises
    ------
    InputError
        A share, ``top`` or ``delta`` out of range.
    """
    _check(top, delta)
    if not 0 < share <= 1:
        raise InputError(f"share is {share}; must be in (0, 1]")
    weighed = np.where(seen, losses, 0.0) / share
    union = arrays.log(losses.shape[1] * len(GRID) / delta)
    rates = GRID * share / (top * top)
    least = [(arrays.log1p(rate * weighed).sum(axis=0) - union) / rate for rate in rates]
    return np.asarray(np.max(least, axis=0))


def _check(top: float, delta: float) -> None:
    positive("top", top)
    if not 0 < delta < 1:
        raise InputError(f"delta is {delta}; must be in (0, 1)")
