"""What an iteration of a local search changed, so that it can be taken back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import inlined
from mecpfm.kernels.coupled_records import Cells
from mecpfm.kernels.coupled_state import Moves, SearchState, assign, release
from mecpfm.typing import Ints

CHANGED, ITERATION = range(2)
"""Entries of ``Journal.count``."""


class Journal(NamedTuple):
    """Requests changed in this iteration, in order."""

    request: Ints
    """The requests, shape (R,)."""
    before: Ints
    """Sorted option that each had before, shape (R,)."""
    stamp: Ints
    """Number of the iteration that last changed each request, shape (R,)."""
    count: Ints  # type: ignore[assignment]  # a tuple has a method of this name, which nobody calls
    """Entries ``CHANGED`` (requests in the journal) and ``ITERATION`` (its number), shape (2,)."""


def empty_journal(requests: int) -> Journal:
    """An empty journal."""
    request, before, stamp = np.zeros((3, requests), dtype=np.int64)
    return Journal(request, before, stamp, np.zeros(2, dtype=np.int64))


@inlined
def note(journal: Journal, state: SearchState, r: int) -> None:
    """Remember what request r had before its first change in this iteration."""
    if journal.stamp[r] != journal.count[ITERATION]:
        journal.stamp[r] = journal.count[ITERATION]
        journal.request[journal.count[CHANGED]] = r
        journal.before[journal.count[CHANGED]] = state.choice[r]
        journal.count[CHANGED] += 1


@inlined
def undo(cells: Cells, moves: Moves, state: SearchState, journal: Journal, cost: float) -> None:
    """Take back every change of this iteration."""
    for i in range(journal.count[CHANGED]):
        release(cells, moves, state, journal.request[i])
    for i in range(journal.count[CHANGED]):
        assign(cells, moves, state, journal.request[i], journal.before[i])
    state.cost[0] = cost
