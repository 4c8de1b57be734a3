"""Follow one, probe others: of N features one is followed, by its record, and a few drawn at random keep the records.

Expert j < N forecasts by delayed ridge on feature j and a constant, expert N by the constant alone. A round probes a
uniformly random set of features; only those experts learn from it, and their losses count by one over the probability
of being probed. The constant is always seen. The expert followed is drawn with probability ``exp(-rate losses)``, of
the losses known (R3 of docs/theory_online.md).
"""

from __future__ import annotations

import numpy as np

from mecpfm.kernels import elementary, linear_bandit
from mecpfm.kernels._jit import inlined, kernel
from mecpfm.typing import Floats, Ints


@kernel
def follow(losses: Floats, rate: float, coin: float) -> int:
    """Expert to follow for a uniform coin in [0, 1)."""
    weights, least = np.empty(len(losses)), losses.min()
    for j in range(len(weights)):
        weights[j] = elementary.exp(-rate * (losses[j] - least))
    left = coin * weights.sum()
    for j in range(len(weights)):
        left -= weights[j]
        if left < 0:
            return j
    return len(weights) - 1


@inlined
def _pair(context: Floats, expert: int) -> Floats:
    """What an expert sees of the visible features, shape (2,)."""
    last = len(context) - 1
    return np.array([context[expert] if expert < last else 0.0, 1.0])


@kernel
def advise(state: Floats, made: Floats, shown: Ints, context: Floats, least: float, cap: float) -> float:
    """Forecast of the expert followed, the last one of ``shown``; the others' go into ``made``.

    Those that see the request, the probed ones and the constant, count it with their forecasts.
    """
    followed = shown[-1]
    guess = _forecast(state, _pair(context, followed), followed, least, cap)
    for place in range(len(shown)):
        j = shown[place] if place < len(shown) - 1 else len(context) - 1
        pair = _pair(context, j)
        made[place] = _forecast(state, pair, j, least, cap)
        linear_bandit.update(state, pair, j, made[place])
    return guess


@inlined
def _forecast(state: Floats, pair: Floats, expert: int, least: float, cap: float) -> float:
    return min(max(pair[0] * state[-2, expert] + pair[1] * state[-1, expert], least), cap)


@kernel
def learn(losses: Floats, state: Floats, made: Floats, shown: Ints, context: Floats, target: float) -> None:
    """Correct the experts that saw a completed request, and their records."""
    constant = len(context) - 1
    share = (len(shown) - 1) / constant
    for place in range(len(shown)):
        j = shown[place] if place < len(shown) - 1 else constant
        surprise = target - made[place]
        linear_bandit.correct(state, _pair(context, j), j, surprise)
        losses[j] += surprise * surprise / (share if j < constant else 1.0)
