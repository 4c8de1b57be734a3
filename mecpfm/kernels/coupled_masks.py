"""Sets of models as masks, integers of up to 62 bits: counted, packed, and equal ones merged."""

from __future__ import annotations

from mecpfm.kernels._jit import inlined
from mecpfm.typing import Floats, Ints

MASK_BITS = 62
HASH = 0x9E3779B1
"""Odd multiplier that spreads masks (Knuth, vol. 3, 6.4)."""
LOW = (1 << 31) - 1
"""Bits of a mask that are hashed: their product with ``HASH`` fits 64 bits; exact families have at most 14 models."""


@inlined
def bits(mask: int) -> int:
    """How many bits are set."""
    total = 0
    while mask:
        mask &= mask - 1
        total += 1
    return total


@inlined
def compress(mask: int, alive: int) -> int:
    """Bits of ``mask`` at the places of ``alive``, moved together."""
    out, place = 0, 0
    while alive:
        if alive & 1:
            out |= (mask & 1) << place
            place += 1
        alive >>= 1
        mask >>= 1
    return out


@inlined
def expand(mask: int, alive: int) -> int:
    """Inverse of :func:`compress`."""
    out, place = 0, 0
    while alive:
        if alive & 1:
            out |= (mask & 1) << place
            mask >>= 1
        alive >>= 1
        place += 1
    return out


@inlined
def merge(mask: Ints, weight: Floats, n: int, slot: Ints) -> int:
    """Add up the weights of equal masks, in place and in order of first occurrence; returns how many are left.

    ``slot`` is an open-addressing table of places, and last the number of this call, which marks what is of now.
    """
    count, size = 0, len(slot) - 1
    slot[size] += 1
    mark = slot[size] << 32
    for i in range(n):
        at, key, weigh = ((mask[i] & LOW) * HASH >> 24) & (size - 1), mask[i], weight[i]
        for _ in range(size):
            if slot[at] < mark or mask[slot[at] - mark] == key:
                break
            at = (at + 1) & (size - 1)
        if slot[at] >= mark and mask[slot[at] - mark] == key:
            weight[slot[at] - mark] += weigh
            continue
        if slot[at] < mark:
            slot[at] = mark + count
        mask[count], weight[count] = key, weigh  # more masks than slots: the rest stays as it is
        count += 1
    return count
