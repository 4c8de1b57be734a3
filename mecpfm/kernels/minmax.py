"""Minimise one sum plus the larger of two others, one option a request, by its one-multiplier Lagrangian dual.

Tables ``base``, ``shared`` and ``private`` have shape (J, K), in seconds; ``base`` is infinite where an option may not
be chosen, and every request has an option. With sums B, S, P over the choice, ``weight * max(S, P)`` equals the
largest of ``weight * (u S + (1 - u) P)`` over u in [0, 1], and for fixed u every request decides alone. The dual is
concave and piecewise linear in u, so intersecting the lines at both ends of a bracket ends at its exact maximiser after
finitely many evaluations of O(JK); about a dozen in practice (docs/theory.md, T3).
"""

from __future__ import annotations

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.kernels.slices import copy
from mecpfm.typing import Floats, Ints

ROUNDING = 1e-13
"""A line is met when the dual comes this close to it, relative to the sums involved."""


@kernel
def assign(
    base: Floats, shared: Floats, private: Floats, on_shared: float, on_private: float, choice: Ints
) -> tuple[float, float, float]:
    """Fill ``choice`` (J,) with the options of least ``base + on_shared * shared + on_private * private``.

    Ties go to the lowest index. Returns the sums (B, S, P) over the choice.
    """
    b, s, p = 0.0, 0.0, 0.0
    for j in range(base.shape[0]):
        least, at = np.inf, 0
        for k in range(base.shape[1]):
            value = base[j, k] + on_shared * shared[j, k] + on_private * private[j, k]
            if value < least:
                least, at = value, k
        choice[j] = at
        b += base[j, at]
        s += shared[j, at]
        p += private[j, at]
    return b, s, p


@kernel
def balance(base: Floats, shared: Floats, private: Floats, weight: float) -> tuple[float, float, Ints, Ints]:
    """Maximise the dual over u at a fixed weight.

    Returns (u, value, low, high): the multiplier, the dual value there, and two optimal choices (J,) of the
    Lagrangian, S >= P by ``low`` and S <= P by ``high``; both are the same at an end of the interval.
    """
    low = np.empty(base.shape[0], np.int64)
    high, middle = np.empty(base.shape[0], np.int64), np.empty(base.shape[0], np.int64)
    b0, s0, p0 = assign(base, shared, private, 0.0, weight, low)
    if s0 <= p0:
        return 0.0, b0 + weight * p0, low, low.copy()
    b1, s1, p1 = assign(base, shared, private, weight, 0.0, high)
    if p1 <= s1:
        return 1.0, b1 + weight * s1, high, high.copy()
    while True:
        rise = weight * ((s0 - p0) - (s1 - p1))
        u = min(max((b1 - b0 + weight * (p1 - p0)) / rise, 0.0), 1.0)
        level = b0 + weight * (p0 + u * (s0 - p0))
        b, s, p = assign(base, shared, private, weight * u, weight * (1 - u), middle)
        value = b + weight * (p + u * (s - p))
        if value >= level - ROUNDING * (abs(b0) + weight * (s0 + p0)):
            return u, value, low, high
        if s == p:
            return u, value, middle, middle.copy()
        if s > p:
            low, middle, b0, s0, p0 = middle, low, b, s, p
        else:
            high, middle, b1, s1, p1 = middle, high, b, s, p


@kernel
def cross(shared: Floats, private: Floats, low: Ints, high: Ints) -> tuple[int, float]:
    """Turn two optimal choices of one Lagrangian into an optimal solution of the relaxation.

    Switches ``low`` (changed in place, (J,)) to ``high`` request by request until S - P would turn negative. Returns
    (j, fraction): request j takes ``low[j]`` with that fraction and ``high[j]`` with the rest, so that S = P; all
    other requests take ``low``. Without a fractional request j is -1.
    """
    excess = 0.0
    for j in range(len(low)):
        excess += shared[j, low[j]] - private[j, low[j]]
    for j in range(len(low)):
        change = shared[j, high[j]] - private[j, high[j]] - shared[j, low[j]] + private[j, low[j]]
        if low[j] != high[j] and excess + change < 0:
            return j, -(excess + change) / -change
        excess += change
        low[j] = high[j]
    return -1, 1.0


@kernel
def mixture(base: Floats, shared: Floats, private: Floats, low: Ints, high: Ints) -> tuple[float, float]:
    """Sum B and larger sum max(S, P) of the relaxation's solution between two optimal choices (J,)."""
    b0, s0, p0, b1, s1, p1 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(len(low)):
        b0, b1 = b0 + base[j, low[j]], b1 + base[j, high[j]]
        s0, s1 = s0 + shared[j, low[j]], s1 + shared[j, high[j]]
        p0, p1 = p0 + private[j, low[j]], p1 + private[j, high[j]]
    part = 1.0
    if s0 - p0 > s1 - p1:
        part = (p1 - s1) / ((s0 - p0) - (s1 - p1))
    return part * b0 + (1 - part) * b1, max(part * s0 + (1 - part) * s1, part * p0 + (1 - part) * p1)


@kernel
def _set_pair(ends: Ints, row: int, low: Ints, high: Ints) -> None:
    """Two choices, written to a row of ``ends`` and to the next."""
    copy(low, ends[row])
    copy(high, ends[row + 1])


@kernel
def balance_capped(
    base: Floats, shared: Floats, private: Floats, cap: float
) -> tuple[float, float, float, Ints, Ints, Ints]:
    """Maximise the dual of ``min B + max(S, P)`` subject to ``max(S, P) <= cap``, both relaxed.

    Returns (on_shared, on_private, value, low, high, ends): multipliers whose sum w is at least 1, the dual value,
    which is the least ``B + on_shared S + on_private P`` minus ``(w - 1) cap`` and infinite when the relaxation is
    infeasible, and two optimal choices as from :func:`balance`. ``ends`` (4, J) holds two such pairs, low and high:
    an optimal solution lies between the mixture of the first, above the cap or at it, and that of the second, below.
    """
    u, value, low, high = balance(base, shared, private, 1.0)
    ends = np.empty((4, base.shape[0]), np.int64)
    _set_pair(ends, 0, low, high)
    _set_pair(ends, 2, low, high)
    b0, t0 = mixture(base, shared, private, low, high)
    if t0 <= cap:
        return u, 1 - u, value, low, high, ends
    free = np.empty(base.shape)
    for j in range(base.shape[0]):
        for k in range(base.shape[1]):
            free[j, k] = 0.0 if np.isfinite(base[j, k]) else np.inf
    u, value, low, high = balance(free, shared, private, 1.0)
    _set_pair(ends, 2, low, high)
    if value > cap:
        return u, 1 - u, np.inf, low, high, ends
    b1, t1 = mixture(base, shared, private, low, high)
    while True:
        w = max((b1 - b0) / (t0 - t1), 1.0)
        u, value, low, high = balance(base, shared, private, w)
        value -= (w - 1) * cap
        level = b0 + w * t0 - (w - 1) * cap
        b, t = mixture(base, shared, private, low, high)
        if value >= level - 10 * ROUNDING * (abs(b0) + w * t0):
            return w * u, w * (1 - u), value, low, high, ends
        if t >= cap:
            b0, t0 = b, t
            _set_pair(ends, 0, low, high)
        if t <= cap:
            b1, t1 = b, t
            _set_pair(ends, 2, low, high)
        if t == cap:
            return w * u, w * (1 - u), value, low, high, ends
