"""Independent draws by inverse cumulative distribution, from uniforms drawn outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecpfm.kernels._jit import kernel

Array = Any  # a NumPy array; Numba infers dtype and rank at the first call


@kernel
def place(cumulative: Array, uniform: float) -> int:
    """First index whose cumulative weight exceeds ``uniform``; the last one when none does."""
    k = 0
    while k < len(cumulative) - 1 and uniform >= cumulative[k]:
        k += 1
    return k


@kernel
def pick(cumulative: Array, uniforms: Array) -> Array:
    """Index drawn for every row: ``cumulative`` (J, N), ``uniforms`` (J,), result (J,)."""
    chosen = np.empty(len(uniforms), np.int64)
    for j in range(len(uniforms)):
        chosen[j] = place(cumulative[j], uniforms[j])
    return chosen


@kernel
def outcomes(cumulative: Array, base: Array, shared: Array, private: Array, caps: Array, uniforms: Array) -> Array:
    """Sums of independent roundings, without keeping the choices.

    Tables have shape (J, K), ``uniforms`` (r, J). Returns (r, 4): for every draw the sums B, S, P over the options
    drawn, s, and the least cap among them; a draw keeps every budget row when max(S, P) is at most that cap.
    """
    found = np.zeros((len(uniforms), 4))
    for i in range(len(uniforms)):
        found[i, 3] = np.inf
        for j in range(uniforms.shape[1]):
            k = place(cumulative[j], uniforms[i, j])
            found[i, 0] += base[j, k]
            found[i, 1] += shared[j, k]
            found[i, 2] += private[j, k]
            found[i, 3] = min(found[i, 3], caps[j, k])
    return found
