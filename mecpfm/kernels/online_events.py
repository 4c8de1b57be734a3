"""Completions to come: a binary heap of (time, request) in arrays, least first; of equal times the earlier request."""

from __future__ import annotations

from typing import NamedTuple

from mecpfm.kernels._jit import kernel
from mecpfm.typing import Floats, Ints


class Events(NamedTuple):
    """The heap: entries 0 to ``size[0] - 1`` of two arrays of shape (T,)."""

    time: Floats
    """When each request completes, s."""
    request: Ints
    """The request."""
    size: Ints
    """Number of entries, shape (1,)."""


@kernel
def push(events: Events, time: float, request: int) -> None:
    """Add a completion."""
    at = events.size[0]
    events.size[0] += 1
    while at > 0:
        up = (at - 1) // 2
        if (events.time[up], events.request[up]) <= (time, request):
            break
        events.time[at], events.request[at] = events.time[up], events.request[up]
        at = up
    events.time[at], events.request[at] = time, request


@kernel
def pop(events: Events) -> int:
    """Take the next completion off and return its request."""
    found = events.request[0]
    events.size[0] -= 1
    size = events.size[0]
    time, request = events.time[size], events.request[size]
    at = 0
    while 2 * at + 1 < size:
        down = 2 * at + 1
        if down + 1 < size and (events.time[down + 1], events.request[down + 1]) < (
            events.time[down],
            events.request[down],
        ):
            down += 1
        if (time, request) <= (events.time[down], events.request[down]):
            break
        events.time[at], events.request[at] = events.time[down], events.request[down]
        at = down
    events.time[at], events.request[at] = time, request
    return int(found)
