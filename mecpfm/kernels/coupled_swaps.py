"""Tabu search on an assignment under tight compute: one request shifts, or two change places, whichever is best.

Too much load is allowed at a price a place, dearer while the place is overloaded and cheaper otherwise: chains of
moves that no feasible plan lies between come about by that (Diaz and Fernandez, 2001; Yagiura et al., 1998).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.slices import copy
from mecpfm.typing import Floats, Ints

DEARER, CHEAPER = 1.05, 0.98
"""Factor a step of the price of an overloaded place, and of the others."""
CHEAPEST = 1e-30
"""No price is below, s of delay a s of load: once it were 0 it would stay so, and load there be free for ever."""
SHORTEST, LONGEST = 3, 8
"""Steps that a request does not come back to a place that it left."""
SLACK = 1e-12
STEP, LEAST = range(2)


class Places(NamedTuple):
    """Where R requests may be served: at C cloudlets or, in the last column, remotely."""

    delay_s: Floats
    """Shape (R, C + 1), s; inf where a request has no option."""
    compute_s: Floats
    """Shape (R, C + 1), s; 0 remotely."""
    pull_s: Floats
    """What a place costs that serves anyone, shape (C + 1,), s."""
    room_s: Floats
    """Shape (C + 1,), s; inf remotely."""


class Walk(NamedTuple):
    """A plan on its way, and the best one that keeps all rooms."""

    at: Ints
    """Place of each request, shape (R,)."""
    left: Floats
    """Compute left at each place, below 0 where there is too much load, shape (C + 1,), s."""
    users: Ints
    """Requests at each place, shape (C + 1,)."""
    price: Floats
    """Of a unit of load too much, shape (C + 1,)."""
    until: Ints
    """Step before which a request does not come to a place, shape (R, C + 1)."""
    best: Ints
    """Place of each request in the best plan, shape (R,)."""
    cost: Floats
    """The plan's cost without prices, and at ``LEAST`` the best one's, shape (2,), s."""
    step: Ints
    """Number of steps, shape (1,)."""


@inlined
def charge(walk: Walk, c: int, load: float) -> float:
    """What so much more load at a place changes of what is paid for too much."""
    return walk.price[c] * (max(load - walk.left[c], 0.0) - max(-walk.left[c], 0.0))


@kernel
def best_shift(places: Places, walk: Walk) -> tuple[float, int, int]:
    """Cheapest change of one request's place: what it changes, the request and its new place."""
    least, moved, to = np.inf, -1, -1
    for r in range(len(walk.at)):
        a = walk.at[r]
        leave = charge(walk, a, -places.compute_s[r, a]) - places.delay_s[r, a]
        if walk.users[a] == 1:
            leave -= places.pull_s[a]
        for b in range(len(walk.left)):
            if b == a or leave + places.delay_s[r, b] >= least or walk.until[r, b] > walk.step[0]:
                continue
            change = leave + places.delay_s[r, b] + charge(walk, b, places.compute_s[r, b])
            if walk.users[b] == 0:
                change += places.pull_s[b]
            if change < least:
                least, moved, to = change, r, b
    return least, moved, to


@kernel
def best_swap(places: Places, walk: Walk, limit: float) -> tuple[float, int, int]:
    """Cheapest change of places of two requests, if below the limit: what it changes, and both; -1 for none."""
    least, one, other = limit, -1, -1
    for r in range(len(walk.at)):
        a = walk.at[r]
        for s in range(r):
            b = walk.at[s]
            if a == b:
                continue
            change = places.delay_s[r, b] + places.delay_s[s, a] - places.delay_s[r, a] - places.delay_s[s, b]
            change += charge(walk, b, places.compute_s[r, b] - places.compute_s[s, b])
            change += charge(walk, a, places.compute_s[s, a] - places.compute_s[r, a])
            if change < least and max(walk.until[r, b], walk.until[s, a]) <= walk.step[0]:
                least, one, other = change, r, s
    return least, one, other


@inlined
def shift(places: Places, walk: Walk, r: int, b: int, tenure: int) -> None:
    """Serve a request elsewhere."""
    a = walk.at[r]
    walk.left[a] += places.compute_s[r, a]
    walk.left[b] -= places.compute_s[r, b]
    walk.users[a] -= 1
    walk.users[b] += 1
    walk.cost[0] += places.delay_s[r, b] - places.delay_s[r, a]
    if walk.users[a] == 0:
        walk.cost[0] -= places.pull_s[a]
    if walk.users[b] == 1:
        walk.cost[0] += places.pull_s[b]
    walk.until[r, a] = walk.step[0] + tenure
    walk.at[r] = b


@kernel
def restart(places: Places, walk: Walk) -> None:
    """Sums of the plan, anew."""
    copy(places.room_s, walk.left)
    walk.users[:] = 0
    walk.cost[0] = 0.0
    for r in range(len(walk.at)):
        c = walk.at[r]
        walk.left[c] -= places.compute_s[r, c]
        walk.users[c] += 1
        walk.cost[0] += places.delay_s[r, c]
    for c in range(len(walk.left)):
        if walk.users[c] > 0:
            walk.cost[0] += places.pull_s[c]


@kernel
def search(places: Places, walk: Walk, random: np.random.Generator, steps: int) -> None:
    """So many steps, each the best move that is not forbidden, whether it gains or not."""
    for _ in range(steps):
        walk.step[0] += 1
        change, r, b = best_shift(places, walk)
        _, one, other = best_swap(places, walk, change)
        tenure = SHORTEST + int(random.random() * (LONGEST - SHORTEST))
        if one >= 0:
            a, b = walk.at[one], walk.at[other]
            shift(places, walk, one, b, tenure)
            shift(places, walk, other, a, tenure)
        elif r >= 0:
            shift(places, walk, r, b, tenure)
        kept = True
        for c in range(len(walk.left)):
            over = walk.left[c] < -SLACK * places.room_s[c]
            walk.price[c] = max(walk.price[c] * (DEARER if over else CHEAPER), CHEAPEST)
            kept = kept and not over
        if kept and walk.cost[0] < walk.cost[LEAST]:
            walk.cost[LEAST] = walk.cost[0]
            copy(walk.at, walk.best)
