"""A 0-1 knapsack for the check of certificates: fronts of size and value, no code of the engine's.

All sums are raised, and sizes lowered, by more than their rounding: what comes out is never too small.
"""

from __future__ import annotations

import numpy as np

from mecpfm.coupled.enumeration import EPS
from mecpfm.typing import Floats

MOST_POINTS = 1 << 17
"""Longest front; beyond it the knapsack with one item cut stands for the whole one."""


def packed(value: Floats, size: Floats, room: float) -> float:
    """Upper bound, tight up to rounding, of the value of items that fit a room together; all numbers >= 0."""
    slack = 1 + 4 * (len(value) + 8) * EPS
    room *= slack
    fits = (value > 0) & (size <= room)
    value, size = value[fits], size[fits]
    if float(size.sum()) <= room:
        return float(value.sum()) * slack
    order = np.lexsort((size, -value / np.maximum(size, 1e-300)))
    value, size = value[order], size[order]
    fill, gain = np.append(0.0, np.cumsum(size)), np.append(0.0, np.cumsum(value))
    used, worth = np.zeros(1), np.zeros(1)
    top = float(_with_cut(fill, gain, value, size, 0, used, worth, room)[0]) * slack
    for i in range(len(value)):
        more = used + size[i] <= room
        used, worth = np.append(used, used[more] + size[i]), np.append(worth, worth[more] + value[i])
        used, worth = _front(used, worth)
        hope = _with_cut(fill, gain, value, size, i + 1, used, worth, room) * slack
        alive = (hope >= worth.max()) | (worth == worth.max())
        used, worth = used[alive], worth[alive]
        if len(used) > MOST_POINTS:
            return top
    return float(worth.max()) * slack


def _front(used: Floats, worth: Floats) -> tuple[Floats, Floats]:
    """Points that no other one, as small and worth as much, makes needless; by rising size."""
    order = np.lexsort((-worth, used))
    used, worth = used[order], worth[order]
    best = np.maximum.accumulate(worth)
    keep = np.append(True, worth[1:] > best[:-1])
    return used[keep], worth[keep]


def _with_cut(
    fill: Floats, gain: Floats, value: Floats, size: Floats, first: int, used: Floats, worth: Floats, room: float
) -> Floats:
    """Most that each point may become with the items from ``first`` on, densest first, of which one may be cut."""
    left = room - used
    last = np.clip(np.searchsorted(fill, fill[first] + left, side="right") - 1, first, len(value))
    total = worth + gain[last] - gain[first]
    cut = np.minimum(last, len(value) - 1)
    rest = np.maximum(left - (fill[last] - fill[first]), 0.0)
    part = np.where(last < len(value), value[cut] * np.minimum(rest / np.maximum(size[cut], 1e-300), 1.0), 0.0)
    return np.asarray(total + part)
