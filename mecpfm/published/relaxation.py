"""The linear relaxation without budget rows, solved by its one multiplier (docs/theory.md, T3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecpfm.kernels import minmax
from mecpfm.published.options import Floats


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Optimum of ``min B + weight * max(S, P)`` over fractions of options, sums as in :mod:`mecpfm.kernels.minmax`."""

    value: float
    """The dual bound, equal to the primal optimum up to rounding."""
    multiplier: float
    """Price of the shareable sum, in [0, 1]; that of the private sum is one minus it."""
    x: Floats
    """Optimal fractions, shape (J, K): at most one request has two positive ones, all others a single 1."""
    pull: float
    """Network-wide pulling delay max(S, P) of ``x``, s."""


def relax(base: Floats, shared: Floats, private: Floats, weight: float = 1.0) -> Relaxation:
    """Solve for tables of shape (J, K); ``base`` is infinite where an option may not be chosen."""
    u, value, low, high = minmax.balance(base, shared, private, weight)
    j, fraction = minmax.cross(shared, private, low, high)
    x = np.zeros(base.shape)
    x[np.arange(len(low)), low] = 1
    if j >= 0:
        x[j, low[j]], x[j, high[j]] = fraction, 1 - fraction
    pull = max(float((x * shared).sum()), float((x * private).sum()))
    return Relaxation(float(value), float(u), x, pull)
