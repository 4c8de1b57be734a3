"""Places and orders of numbers; NumPy's own take Numba longer to compile than the kernels that use them."""

from __future__ import annotations

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.typing import Bools, Floats, Ints

RUN = 16
"""Length of the runs that are sorted by insertion before they are merged."""


@kernel
def largest(values: Floats) -> int:
    """Place of the largest number, the first of equal ones: ``np.argmax``, where none is NaN."""
    best = 0
    for i in range(1, len(values)):
        if values[i] > values[best]:
            best = i
    return best


@kernel
def least(values: Floats) -> float:
    """The smallest of some numbers: ``values.min()``, where none is NaN."""
    found = values[0]
    for i in range(1, len(values)):
        found = min(found, values[i])
    return found


@kernel
def places(values: Floats | Bools) -> Ints:
    """Places of the numbers that are not 0, or of what is true: ``np.flatnonzero``."""
    count = 0
    for i in range(len(values)):
        count += values[i] != 0
    found, at = np.empty(count, np.int64), 0
    for i in range(len(values)):
        if values[i] != 0:
            found[at] = i
            at += 1
    return found


@kernel
def ascending(keys: Floats) -> Ints:
    """Places of the numbers in ascending order: a stable ``np.argsort``, where none is NaN."""
    size = len(keys)
    order, other = np.empty(size, np.int64), np.empty(size, np.int64)
    for i in range(size):
        at = i
        while at > i // RUN * RUN and keys[order[at - 1]] > keys[i]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = i
    width = RUN
    while width < size:
        for start in range(0, size, 2 * width):
            left, middle, end = start, min(start + width, size), min(start + 2 * width, size)
            right = middle
            for at in range(start, end):
                if left < middle and (right == end or keys[order[left]] <= keys[order[right]]):
                    other[at] = order[left]
                    left += 1
                else:
                    other[at] = order[right]
                    right += 1
        order, other = other, order
        width *= 2
    return order
