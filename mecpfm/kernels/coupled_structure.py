"""Sorting of options, linear in their number."""

from __future__ import annotations

from mecpfm.kernels._jit import kernel
from mecpfm.typing import Floats, Ints


@kernel
def sort_within(cell: Ints, request: Ints, delay: Floats, compute: Floats, rank: Ints, order: Ints) -> None:
    """Sort the options ``order``, by cell and request already, inside each such pair by delay, compute and rank.

    ``cell`` has the shape of ``order``, the rest is per option. Insertion: a pair holds a handful of options.
    """
    for i in range(1, len(order)):
        o = order[i]
        j = i
        while (
            j > 0
            and cell[j - 1] == cell[i]
            and request[order[j - 1]] == request[o]
            and _after(order[j - 1], o, delay, compute, rank)
        ):
            order[j] = order[j - 1]
            j -= 1
        order[j] = o


@kernel
def _after(p: int, q: int, delay: Floats, compute: Floats, rank: Ints) -> bool:
    if delay[p] != delay[q]:
        return delay[p] > delay[q]
    if compute[p] != compute[q]:
        return compute[p] > compute[q]
    return rank[p] > rank[q]
