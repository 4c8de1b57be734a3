"""Demand that is unknown until served: predictions from the features (:mod:`.online_history`) that may be observed.

Regression adds a constant that is always visible: of N features, contexts have N + 1 entries.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels import follow_probe, linear_bandit
from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.episode import Visibility, draw_keys
from mecpfm.kernels.online_history import COUNT, SUM, History
from mecpfm.kernels.ordering import places
from mecpfm.kernels.slices import copy
from mecpfm.typing import Bools, Floats, Ints

MEAN, RIDGE, COVARIANCE, TRUE, NONE, FOLLOW = range(6)
"""Predictors: running mean, ridge on the visible features, ridge on the subset of :func:`greedy_subset`, the truth;
none where the dispatcher itself learns from the visible features; one of several experts (:mod:`.follow_probe`)."""
LOOKING = (RIDGE, COVARIANCE, FOLLOW)
"""Those that look at features."""
CLIP = 4.0
"""Standardised features are cut here."""
SEEN, PRODUCTS = range(2)
"""Layers of ``Demand.moments``: how often a pair was seen together, and the sum of its products."""
MEDIAN_STEP = 0.3
"""How far the running median of the error moves each time, s."""
RESELECT, WARM, FLOOR, SHRINK = 200, 150.0, 0.03, 20.0
"""COVARIANCE chooses its subset anew every RESELECT completions and explores with probability max(FLOOR, WARM / n)."""


class Demand(NamedTuple):
    """A predictor and what it has learned; ``shown`` and ``context`` remember what each request showed."""

    predictor: int
    """``MEAN`` to ``FOLLOW``."""
    error_credit: bool
    """Whether features are credited with small errors, or with the dispatcher's reward."""
    least: float
    """Service times are taken to be at least this, s."""
    cap: float
    """And at most this, s."""
    shift: Floats
    """Mean of each raw feature, shape (N,)."""
    scale: Floats
    """Standard deviation of each raw feature, shape (N,)."""
    sight: Visibility
    """How the visible features are chosen."""
    state: Floats
    """Ridge on N + 1 features, packed as in :mod:`.linear_bandit`; FOLLOW: one model an expert."""
    raw: Floats
    """Features of the request at hand, shape (N,)."""
    context: Floats
    """Visible features, 0 elsewhere, and the constant; shape (T, N + 1)."""
    shown: Ints
    """Visible features of each request, shape (T, d); FOLLOW: the d - 1 probed ones, and the expert followed."""
    explored: Bools
    """Whether a request's subset was drawn at random, shape (T,)."""
    moments: Floats
    """Counts and sums of products over exploring rounds; rows: features, work, one; shape (2, N + 2, N + 2)."""
    subset: Ints
    """Features that COVARIANCE looks at, shape (d,)."""
    median: Floats
    """Running median of the absolute error, s, shape (1,)."""
    learned: Ints
    """Completed requests, shape (1,)."""
    losses: Floats
    """FOLLOW: estimated sums of squared errors of the experts, as far as known, s^2, shape (N + 1,); else empty."""
    made: Floats
    """FOLLOW: forecasts of the experts that saw a request, s, shape (T, d); else empty."""
    rate: float
    """FOLLOW: how fast a loss takes an expert's weight away, 1/s^2."""


@kernel
def look(demand: Demand, request: int, turn: int, random: np.random.Generator) -> None:
    """Choose the visible features of a request and keep them, standardised, as its context.

    ``turn`` is how many requests came before it, ``request`` its row.
    """
    sight, features = demand.sight, len(demand.raw)
    if demand.predictor == FOLLOW:
        draw_keys(sight, random)
        probed = linear_bandit.reveal(sight.keys, sight.observed - 1)
        shown = np.append(probed, follow_probe.follow(demand.losses, demand.rate, random.random()))
    elif sight.observed == features:
        shown = np.arange(features)
    else:
        subset = demand.predictor == COVARIANCE
        if subset and random.random() >= max(FLOOR, min(1.0, WARM / (1.0 + turn))):
            shown = demand.subset
        else:
            demand.explored[request] = subset
            draw_keys(sight, random)
            shown = linear_bandit.reveal(sight.keys, sight.observed)
    demand.context[request, features] = 1.0
    for place in range(len(shown)):
        i = shown[place]
        demand.shown[request, place] = i
        if i == features:  # the expert that sees the constant alone
            continue
        standard = (demand.raw[i] - demand.shift[i]) / demand.scale[i]
        demand.context[request, i] = min(max(standard, -CLIP), CLIP)


@inlined
def forecast(demand: Demand, history: History, request: int, work: float) -> float:
    """Service time of an arriving request at speed 1, s.

    Ridge counts the request with its forecast until it completes: the learner of docs/theory_online.md (O2).
    """
    if demand.predictor == TRUE:
        return work
    if demand.predictor == MEAN:
        return max(history.total[SUM] / history.total[COUNT], demand.least) if history.total[COUNT] else demand.least
    if demand.predictor == FOLLOW:
        shown, context, made = demand.shown[request], demand.context[request], demand.made[request]
        return follow_probe.advise(demand.state, made, shown, context, demand.least, demand.cap)
    mean, _ = linear_bandit.moments(demand.state, demand.context[request])
    guess = min(max(mean[0], demand.least), demand.cap)
    linear_bandit.update(demand.state, demand.context[request], 0, guess)
    return guess


@kernel
def learn(demand: Demand, request: int, work: float, surprise: float, reward: float) -> None:
    """Learn from a completed request: its work, and the credit of what it showed.

    ``surprise`` is what it took beyond the forecast, s. The credit is 1 if its size is below the running median, or
    the dispatcher's reward in [0, 1].
    """
    error = abs(surprise)
    turn = demand.learned[0]
    demand.learned[0] += 1
    if demand.predictor == FOLLOW:
        shown, context, made = demand.shown[request], demand.context[request], demand.made[request]
        follow_probe.learn(demand.losses, demand.state, made, shown, context, min(work, demand.cap))
        return
    if demand.error_credit:
        reward = 1.0 if error < demand.median[0] else 0.0
    demand.median[0] += MEDIAN_STEP if error > demand.median[0] else -MEDIAN_STEP
    linear_bandit.credit(demand.sight.counts, demand.sight.history, turn, demand.shown[request], reward)
    if demand.predictor in (RIDGE, COVARIANCE):
        linear_bandit.correct(demand.state, demand.context[request], 0, surprise)
    if demand.explored[request]:
        _gather(demand, request, min(work, demand.cap))
    if demand.predictor == COVARIANCE and (turn + 1) % RESELECT == 0:
        copy(greedy_subset(demand.moments, len(demand.subset)), demand.subset)


@inlined
def _gather(demand: Demand, request: int, target: float) -> None:
    """Add the products that an exploring round reveals: of visible features, work (row N) and one (row N + 1)."""
    features, shown = len(demand.raw), demand.shown[request]
    entries, values = np.empty(len(shown) + 2, np.int64), np.ones(len(shown) + 2)
    for place in range(len(shown)):
        entries[place], values[place] = shown[place], demand.context[request, shown[place]]
    entries[-2], values[-2], entries[-1] = features, target, features + 1
    for a in range(len(entries)):
        for b in range(len(entries)):
            demand.moments[SEEN, entries[a], entries[b]] += 1.0
            demand.moments[PRODUCTS, entries[a], entries[b]] += values[a] * values[b]


@inlined
def _covariances(moments: Floats) -> Floats:
    """Of the N features and the work, shape (N + 1, N + 1); pairs rarely seen together are shrunk towards 0."""
    last = moments.shape[1] - 1
    left, mean = np.empty((last, last)), np.empty(last)
    for i in range(last):
        mean[i] = moments[PRODUCTS, i, last] / max(moments[SEEN, i, last], 1.0)
    for i in range(last):
        for j in range(last):
            left[i, j] = moments[PRODUCTS, i, j] / max(moments[SEEN, i, j], 1.0) - mean[i] * mean[j]
            if i != j:
                left[i, j] *= moments[SEEN, i, j] / (moments[SEEN, i, j] + SHRINK)
    return left


@inlined
def _take_off(left: Floats, best: int) -> None:
    """Take what a feature explains off all covariances."""
    column, row, pivot = left[:, best].copy(), left[best].copy(), left[best, best]
    for i in range(len(left)):
        for j in range(len(left)):
            left[i, j] -= column[i] * row[j] / pivot


@inlined
def greedy_subset(moments: Floats, size: int) -> Ints:
    """Features that explain the work best, ascending: greedy forward choice by reduction of variance.

    ``moments`` as in :class:`Demand`. Covariances of pairs rarely seen together are shrunk towards 0 by
    ``n / (n + SHRINK)``, and what n draws explain by chance is taken off a feature's gain.
    """
    left, work = _covariances(moments), moments.shape[1] - 2
    chosen = np.zeros(work, np.bool_)
    for _ in range(size):
        best, most = -1, -np.inf
        for i in range(work):
            chance = left[-1, -1] / max(moments[SEEN, i, i], 1.0)
            gain = left[i, work] ** 2 / left[i, i] - chance if left[i, i] > 1e-6 else 0.0
            if not chosen[i] and gain > most:
                best, most = i, gain
        chosen[best] = True
        if left[best, best] > 1e-6:
            _take_off(left, best)
    return places(chosen)
