"""What the checks of certificates share, NumPy alone: the unit of rounding, and every set of models written out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mecpfm.typing import Bools, Floats

EPS = float(np.finfo(np.float64).eps)
"""Twice the largest relative error of one rounding."""
MOST_CELLS = 1 << 22
"""Largest part of the enumeration, sets times requests."""


def model_sets(table: Floats) -> Iterator[tuple[Bools, Floats]]:
    """Every non-empty set of models, in parts, and what each request gains at most by it: (S, K) and (S, requests)."""
    requests, width = table.shape
    low = min(width, max((MOST_CELLS // requests).bit_length() - 1, 0))
    served = np.zeros((1 << low, requests))
    for k in range(low):  # a set gains what it gains without its last model, or by that model
        np.maximum(served[: 1 << k], table[:, k], out=served[1 << k : 2 << k])
    for high in range(1 << (width - low)):
        sets = ((high << low) + np.arange(1 << low))[:, None] >> np.arange(width) & 1 == 1
        if high:
            yield sets, np.maximum(served, table[:, sets[0]].max(axis=1))
        elif low:
            yield sets[1:], served[1:]
