"""Independent draws by inverse cumulative distribution, from uniforms drawn outside."""

from __future__ import annotations

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.typing import Floats, Ints

BASE, SHARED, PRIVATE, CAP = range(4)
"""Columns of what a draw comes to: the sums B, S and P, and the least cap."""


@kernel
def place(cumulative: Floats, uniform: float) -> int:
    """First index whose cumulative weight exceeds ``uniform``; the last one when none does."""
    k = 0
    while k < len(cumulative) - 1 and uniform >= cumulative[k]:
        k += 1
    return k


@kernel
def pick(cumulative: Floats, uniforms: Floats) -> Ints:
    """Index drawn for every row: ``cumulative`` (J, N), ``uniforms`` (J,), result (J,)."""
    chosen = np.empty(len(uniforms), np.int64)
    for j in range(len(uniforms)):
        chosen[j] = place(cumulative[j], uniforms[j])
    return chosen


@kernel
def outcomes(
    cumulative: Floats, base: Floats, shared: Floats, private: Floats, caps: Floats, uniforms: Floats
) -> Floats:
    """Sums of independent roundings, without keeping the choices.

    Tables have shape (J, K), ``uniforms`` (r, J). Returns (r, 4): for every draw the sums B, S, P over the options
    drawn, s, and the least cap among them; a draw keeps every budget row when max(S, P) is at most that cap.
    """
    found = np.zeros((len(uniforms), 4))
    for i in range(len(uniforms)):
        found[i, CAP] = np.inf
        for j in range(uniforms.shape[1]):
            k = place(cumulative[j], uniforms[i, j])
            found[i, BASE] += base[j, k]
            found[i, SHARED] += shared[j, k]
            found[i, PRIVATE] += private[j, k]
            found[i, CAP] = min(found[i, CAP], caps[j, k])
    return found
