"""Slices in kernels, entry by entry: what NumPy's words for them cost Numba is said at each."""

from __future__ import annotations

from typing import TypeVar

from mecpfm.kernels._jit import inlined, kernel
from mecpfm.typing import Bools, Floats, Ints

Entries = TypeVar("Entries", Floats, Ints, Bools)


@kernel
def copy(values: Entries, into: Entries) -> None:
    """Write values to an array of the same length: ``into[:] = values`` compiles an error's words, for a second."""
    for i in range(len(values)):
        into[i] = values[i]


@inlined
def summed(values: Floats, first: int, end: int) -> float:
    """Sum of some entries, one after the other: the same bits as Numba's sum of a slice, without an array for it."""
    found = 0.0
    for i in range(first, end):
        found += values[i]
    return found
