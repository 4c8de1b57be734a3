"""Depth-first search for a plan below a limit, where each cloudlet is a knapsack and pulls are free.

At every node the ways of one request are tried in turn: rows of ``Sites``, or remote. After Posta, Ferland and Michelon
(2012), an exact method with variable fixing for the generalized assignment problem.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.kernels.coupled_levels_node import AWAY, Worksheet, visit
from mecpfm.kernels.coupled_single import Sites
from mecpfm.kernels.slices import copy
from mecpfm.typing import Bools, Floats, Ints

DONE, FOUND, MORE = range(3)
"""What a search says: nothing is below the limit, a plan may be, or nodes are open still."""
ROOT = -2
"""The way of the first node, which decides nothing."""
ROOT_STEPS, STEPS = 300, 20
"""Steps of the prices at the first node and at others, at most."""
CHILD = 0.05
"""What every child counts, beside the square of the way to the limit that it leaves, when a request is chosen."""


class Path(NamedTuple):
    """Nodes from the first one to the deepest; D is two more than the requests."""

    open: Bools
    """Rows that plans of a node may use, (D, n)."""
    away: Bools
    """Requests that may be remote there, (D, R)."""
    v: Floats
    """Prices of the requests, (D, R), s."""
    way: Ints
    """Rows, or ``AWAY``, of the request that a node decides, those of least loss first, (D, C + 1)."""
    ways: Ints
    """How many, (D,)."""
    tried: Ints
    """Of these, (D,)."""
    request: Ints
    """That request, (D,)."""
    depth: Ints
    """Of the deepest node, (1,)."""


@kernel
def smallest(
    sites: Sites, remote_s: Floats, open_: Bools, away: Bools, v: Floats, sheet: Worksheet, room: float
) -> int:
    """The request whose ways leave the smallest trees, about: any where each has one, ``AWAY`` where one has none."""
    n, requests = len(open_), len(away)
    size, ways = np.zeros(requests), np.zeros(requests, dtype=np.int64)
    for i in range(n + requests):
        if not (open_[i] if i < n else away[i - n]):
            continue
        r = sites.request[i] if i < n else i - n
        loss = sheet.loss[i] if i < n else remote_s[r] - v[r]
        part = 1 - min(max(loss, 0.0) / room, 1.0)
        ways[r] += 1
        size[r] += CHILD + part * part
    if ways.min() == 0:
        return AWAY
    chosen = 0
    for r in range(requests):
        if ways[r] > 1 and (ways[chosen] == 1 or size[r] < size[chosen]):
            chosen = r
    return chosen


@kernel
def note(sites: Sites, path: Path, d: int, sheet: Worksheet, r: int) -> None:
    """The node decides request r, or nothing: its ways, those of least loss first."""
    path.request[d], path.ways[d], path.tried[d], count = r, 0, 0, 0
    if r < 0:
        return
    for i in range(len(sites.request)):
        if path.open[d, i] and sites.request[i] == r:
            at = count
            while at > 0 and sheet.loss[path.way[d, at - 1]] > sheet.loss[i]:
                path.way[d, at] = path.way[d, at - 1]
                at -= 1
            path.way[d, at] = i
            count += 1
    if path.away[d, r]:
        path.way[d, count] = AWAY
        count += 1
    path.ways[d] = count


@kernel
def descend(sites: Sites, path: Path, d: int) -> None:
    """The next node below node d, on the next way of its request."""
    i, r = path.way[d, path.tried[d]], path.request[d]
    path.tried[d] += 1
    copy(path.v[d], path.v[d + 1])
    copy(path.away[d], path.away[d + 1])
    for k in range(len(sites.request)):
        path.open[d + 1, k] = path.open[d, k] and (i == ROOT or k == i or sites.request[k] != r)
    if i >= 0:
        path.away[d + 1, r] = False
    path.ways[d + 1], path.tried[d + 1] = 0, 0
    path.depth[0] = d + 1


@kernel
def search(
    sites: Sites, at: Ints, remote_s: Floats, path: Path, sheet: Worksheet, limit: float, nodes: int
) -> tuple[int, int]:
    """At most so many nodes, from where the path ends: ``DONE``, ``FOUND`` or ``MORE``, and how many were visited.

    What is found is in ``sheet.only``; units may be rounded, so that the caller checks it. The search may go on then.
    """
    for node in range(nodes):
        d = path.depth[0]
        while d >= 0 and path.tried[d] >= path.ways[d]:
            d -= 1
        path.depth[0] = d
        if d < 0:
            return DONE, node
        descend(sites, path, d)
        d += 1
        steps = ROOT_STEPS if d == 1 else STEPS
        bound = visit(sites, at, remote_s, path.open[d], path.away[d], path.v[d], sheet, limit, steps)
        if bound >= limit:
            continue
        if sheet.first[-1] == 0:
            return FOUND, node + 1
        room = limit - bound
        note(sites, path, d, sheet, smallest(sites, remote_s, path.open[d], path.away[d], path.v[d], sheet, room))
    return MORE, nodes
