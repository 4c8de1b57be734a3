"""Linear bandits with disjoint arms: LinUCB, linear Thompson sampling and the choice of visible features.

Each arm k keeps the inverse of its precision ``B_k = ridge I + sum c c'`` and its mean ``mu_k = B_k^-1 g_k``. All
live in one array of shape (N (N + 1) / 2 + N, K): first the packed upper triangles, then the means. The arm is the
innermost index, so that the quadratic forms of all arms are summed side by side, each in a fixed order: vector
instructions without reordering any sum. Entries of a context that are exactly zero cost nothing.
"""

from __future__ import annotations

import numpy as np

from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.ordering import largest, places
from mecpfm.typing import Floats, Ints

CREDIT = 2.0**-40
"""Sums of up to 2^13 rewards in [0, 1] are exact in such steps."""
ROUNDS, REWARDS = range(2)
"""Rows of the counts of features: rounds in which each was shown, and the sum of their rewards."""
EARNED, SHOWN = range(2)
"""Columns of the ring of rounds: the reward, and from here on the features shown."""
BETA, UNIFORM, FIXED = range(3)
"""Where the keys that rank the features come from: Beta posterior, fresh uniforms, uniforms drawn once."""


def fresh(arms: int, features: int, ridge: float) -> Floats:
    """State before any observation: every inverse is I / ridge, every mean 0. Run once, by Python."""
    state = np.zeros((features * (features + 1) // 2 + features, arms))
    pair = 0
    for i in range(features):
        state[pair] = 1 / ridge
        pair += features - i
    return state


@inlined
def _check(state: Floats, context: Floats) -> None:
    features = len(context)
    if state.shape[0] != features * (features + 1) // 2 + features:
        raise ValueError("the context's length is not the policy's number of features")


@kernel
def moments(state: Floats, context: Floats) -> tuple[Floats, Floats]:
    """``c' mu_k`` and ``c' B_k^-1 c`` of every arm: two arrays of shape (K,)."""
    _check(state, context)
    features, arms = len(context), state.shape[1]
    means = features * (features + 1) // 2
    seen = places(context)
    c = context[seen]
    mean, spread = np.zeros(arms), np.zeros(arms)
    for a in range(len(seen)):
        i, twice = seen[a], 2 * c[a]
        start = i * features - i * (i + 1) // 2  # pair (i, j) stands at start + j
        for k in range(arms):
            mean[k] += c[a] * state[means + i, k]
            spread[k] += c[a] * c[a] * state[start + i, k]
        b = a + 1
        while b + 4 <= len(seen):  # four pairs at a time: a quarter of the loads and stores of the sums
            w0, w1, w2, w3 = twice * c[b], twice * c[b + 1], twice * c[b + 2], twice * c[b + 3]
            p0, p1, p2, p3 = start + seen[b], start + seen[b + 1], start + seen[b + 2], start + seen[b + 3]
            for k in range(arms):
                spread[k] += (w0 * state[p0, k] + w1 * state[p1, k]) + (w2 * state[p2, k] + w3 * state[p3, k])
            b += 4
        while b < len(seen):
            w0, p0 = twice * c[b], start + seen[b]
            for k in range(arms):
                spread[k] += w0 * state[p0, k]
            b += 1
    return mean, spread


@kernel
def choose(state: Floats, context: Floats, noise: Floats, row: int, scale: float) -> int:
    """Arm of the largest ``c' mu + scale noise[row] sqrt(c' B^-1 c)``; ties go to the lowest index.

    With ``noise`` all ones this is LinUCB; with standard normals it is exact linear Thompson sampling, because
    disjoint arms only need the scalar ``c' mu~ ~ N(c' mu, v^2 c' B^-1 c)``.
    """
    mean, spread = moments(state, context)
    best, top = 0, -np.inf
    for k in range(len(mean)):
        score = mean[k] + scale * noise[row, k] * np.sqrt(max(spread[k], 0.0))
        if score > top:
            best, top = k, score
    return best


@kernel
def _solve(state: Floats, context: Floats, arm: int) -> Floats:
    """``B^-1 c`` of one arm, shape (N,); every stored pair is read at most once, hidden rows only where c is seen."""
    features = len(context)
    seen = places(context)
    solved = np.zeros(features)
    start, following = 0, 0  # first pair of row i; first place in `seen` beyond i
    for i in range(features):
        if context[i] != 0.0:
            following += 1
            total = context[i] * state[start, arm]
            for j in range(i + 1, features):
                entry = state[start + j - i, arm]
                solved[j] += context[i] * entry
                total += context[j] * entry
        else:
            total = 0.0
            for j in seen[following:]:
                total += context[j] * state[start + j - i, arm]
        solved[i] += total
        start += features - i
    return solved


@kernel
def update(state: Floats, context: Floats, arm: int, reward: float) -> None:
    """``B += c c'``, ``g += reward c`` of one arm, as a rank-one update of inverse and mean (Sherman-Morrison)."""
    _check(state, context)
    if not 0 <= arm < state.shape[1]:
        raise ValueError("no such arm")
    if not np.isfinite(reward):
        raise ValueError("a reward must be finite")
    features = len(context)
    means = features * (features + 1) // 2
    solved = _solve(state, context, arm)
    gain, surprise = 1.0, reward
    for i in range(features):
        gain += context[i] * solved[i]
        surprise -= context[i] * state[means + i, arm]
    start = 0
    for i in range(features):
        step = solved[i] / gain
        if step != 0.0:
            state[means + i, arm] += step * surprise
            for j in range(i, features):
                state[start + j - i, arm] -= step * solved[j]
        start += features - i


@kernel
def correct(state: Floats, context: Floats, arm: int, change: float) -> None:
    """``g += change c`` of one arm: the reward of a context that was learned before turns out to differ by ``change``.

    With :func:`update` by the forecast at arrival and this by the error at completion, delayed ridge keeps the bound of
    docs/theory_online.md (O2).
    """
    _check(state, context)
    if not 0 <= arm < state.shape[1]:
        raise ValueError("no such arm")
    if not np.isfinite(change):
        raise ValueError("a reward must be finite")
    means = len(context) * (len(context) + 1) // 2
    found = _solve(state, context, arm)
    for i in range(len(found)):
        state[means + i, arm] += change * found[i]


@kernel
def reveal(keys: Floats, observed: int) -> Ints:
    """Indices of the ``observed`` largest keys (all finite), ascending; ties go to the lowest index."""
    left = keys.copy()
    for _ in range(observed):  # few are observed, and Numba takes 10 s to compile a stable sort
        left[largest(left)] = -np.inf
    return places(left == -np.inf)


@kernel
def masked(context: Floats, shown: Ints) -> Floats:
    """The context with exact zeros outside ``shown`` (ascending, may be empty)."""
    if len(shown) and shown[-1] >= len(context):
        raise ValueError("the context's length is not the policy's number of features")
    out = np.zeros(len(context))
    for i in shown:
        out[i] = context[i]
    return out


@kernel
def credit(counts: Floats, history: Floats, turn: int, shown: Ints, reward: float) -> None:
    """Count one round for the revealed features: ``n_i += 1``, ``r_i += reward`` with counts of shape (2, N).

    ``history`` of shape (w, 1 + d) is the ring of the last w rounds: what leaves it is taken off again (WTSRC).
    No rows: nothing is ever forgotten (TSRC). Rewards are counted in steps of ``CREDIT``, so that what is taken off
    leaves exactly what was never added: else a feature without rewards keeps a last bit of them, by the sign of which
    the Beta sampler takes another way.
    """
    reward = np.rint(reward / CREDIT) * CREDIT
    if len(history):
        slot = turn % len(history)
        if turn >= len(history):
            for place in range(len(shown)):
                i = int(history[slot, SHOWN + place])
                counts[ROUNDS, i] -= 1
                counts[REWARDS, i] -= history[slot, EARNED]
        history[slot, EARNED] = reward
        for place in range(len(shown)):
            history[slot, SHOWN + place] = shown[place]
    for i in shown:
        counts[ROUNDS, i] += 1
        counts[REWARDS, i] += reward
