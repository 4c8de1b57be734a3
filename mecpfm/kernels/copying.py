"""Copying in kernels: to ``into[:] = values`` Numba compiles what words the error of unequal lengths, for a second."""

from __future__ import annotations

from typing import TypeVar

from mecpfm.kernels._jit import kernel
from mecpfm.typing import Bools, Floats, Ints

Entries = TypeVar("Entries", Floats, Ints, Bools)


@kernel
def copy(values: Entries, into: Entries) -> None:
    """Write values to an array of the same length."""
    for i in range(len(values)):
        into[i] = values[i]
