"""Ridge regression on demands that are known late, replayed with and without the delay (docs/theory_online.md)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels import elementary
from mecpfm.kernels._jit import kernel
from mecpfm.typing import Floats, Ints


class Replay(NamedTuple):
    """What each request met; arrays of shape (T,)."""

    forecast: Floats
    """Forecast, clipped, f."""
    raw: Floats
    """The same before clipping, g."""
    prompt: Floats
    """Forecast of ridge regression without delay and clipping, r."""
    leverage: Floats
    """q, in [0, 1)."""
    outstanding: Ints
    """Earlier requests unfinished at its arrival, |M|."""
    waiting: Floats
    """What its own leverage lost while it was outstanding, p."""
    weighed: Floats
    """``(1 - q) |M| sum e_s^2 a_ts^2`` over the outstanding s: the terms of W."""
    log_det: Floats
    """Logarithm of ``det A / ridge^n`` after it."""
    rule: Floats
    """Solution of ridge regression over all requests, shape (n,)."""


@kernel
def replay(x: Floats, work: Floats, known: Ints, start: Floats, low: float, high: float, ridge: float) -> Replay:
    """Forecast each request from those before it, an outstanding one counting with its own forecast.

    ``x`` has shape (T, n), ``work`` (T,); ``known[s] > s`` is the first request at whose arrival the demand of s is
    known, T if none; ``start`` (n,) is the rule that the ridge pulls towards.
    """
    requests, features = x.shape
    out = Replay(
        np.zeros(requests), np.zeros(requests), np.zeros(requests), np.zeros(requests),
        np.zeros(requests, np.int64), np.zeros(requests), np.zeros(requests), np.zeros(requests), start.copy(),
    )  # fmt: skip
    inverse, solved, total = np.zeros((features, features)), np.zeros(features), 0.0
    for i in range(features):
        inverse[i, i] = 1 / ridge
    late, under_way, count = start.copy(), np.zeros(requests, np.int64), 0
    for t in range(requests):
        count = _complete(out, x, work, known, t, inverse, late, under_way, count)
        _apply(inverse, x[t], solved)
        gain = 1 + _dot(x[t], solved)
        out.raw[t], out.prompt[t] = _dot(x[t], late), _dot(x[t], out.rule)
        out.forecast[t] = min(max(out.raw[t], low), high)
        out.leverage[t], out.outstanding[t] = (gain - 1) / gain, count
        for s in under_way[:count]:
            doubt = _dot(x[s], solved) ** 2 / gain
            out.waiting[s] += doubt
            out.weighed[t] += count * (out.forecast[s] - work[s]) ** 2 * doubt
        for i in range(features):
            late[i] += (out.forecast[t] - out.raw[t]) / gain * solved[i]
            out.rule[i] += (work[t] - out.prompt[t]) / gain * solved[i]
            for j in range(features):
                inverse[i, j] -= solved[i] * solved[j] / gain
        total += elementary.log(gain)
        out.log_det[t] = total
        under_way[count] = t
        count += 1
    return out


@kernel
def _complete(
    out: Replay, x: Floats, work: Floats, known: Ints, now: int, inverse: Floats, late: Floats, under_way: Ints,
    count: int,
) -> int:  # fmt: skip
    """Replace the forecasts of those known now by their demands; how many stay under way."""
    solved, left = np.zeros(len(late)), 0
    for s in under_way[:count]:
        if known[s] > now:
            under_way[left] = s
            left += 1
            continue
        _apply(inverse, x[s], solved)
        for i in range(len(late)):
            late[i] += (work[s] - out.forecast[s]) * solved[i]
    return left


@kernel
def _dot(x: Floats, y: Floats) -> float:
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@kernel
def _apply(matrix: Floats, vector: Floats, out: Floats) -> None:
    """The product of a symmetric matrix and a vector into ``out``."""
    out[:] = 0.0
    for i in range(len(vector)):
        if vector[i] != 0.0:
            for j in range(len(vector)):
                out[j] += vector[i] * matrix[i, j]
