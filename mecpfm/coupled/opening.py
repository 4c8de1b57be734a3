"""Tree opening: blocks open at random down the tree, requests share what is open, an assignment ends it (theorem 7).

A block opens with probability u = min(1, alpha z), z the least opening that the rows of the LP allow; an option whose
blocks are open counts x / u. A draw stands when it misses at most DELTA of any request and adds at most DELTA to any
load and to the delay; else alpha doubles. Where alpha is 1 / min z all is open: every draw stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mecpfm.coupled import generalized_assignment
from mecpfm.coupled.check import NEGLIGIBLE
from mecpfm.coupled.laminar import Forest, forest, shares
from mecpfm.coupled.structure import Structure, option_records, owner, site
from mecpfm.kernels.arrays import dot
from mecpfm.typing import Bools, Floats, Ints

DELTA = 1 / 3
"""Loads stay within (1 + DELTA) / (1 - DELTA) = 2 times what they may be, plus one item."""


def opening(structure: Structure, x: Floats) -> Callable[[np.random.Generator], Ints]:
    """Sorted option of each request, or -1. Compute of cloudlet c is at most 2 max(G_c, load of x) plus an item."""
    of, option = Opening.of(structure, x), np.append(np.flatnonzero(x > NEGLIGIBLE), -1)

    def draw(random: np.random.Generator) -> Ints:
        alpha = 1.0
        while not of.stands(alpha, *(drawn := of.draw(alpha, random))):
            alpha *= 2
        return option[of.assign(drawn[1])]

    return draw


@dataclass(frozen=True, eq=False)
class Opening:
    """What is drawn from: m options with fractions x at the places (C, V) of a forest's nodes at cloudlets."""

    forest: Forest
    items: generalized_assignment.Items
    node: Ints
    """Deepest node of each option, shape (m,)."""
    x: Floats
    z: Floats
    """Least opening, shape (C, V), monotone down the tree."""
    load_s: Floats
    """Compute of each cloudlet, or the load of x where that is more, s, shape (C,)."""
    memory_gb: Floats

    @classmethod
    def of(cls, structure: Structure, x: Floats) -> Opening:
        """Opening of fractions (n,) of the sorted options; InputError where blocks form no tree."""
        used, cells, tree = np.flatnonzero(x > NEGLIGIBLE), structure.cells, forest(structure)
        record = option_records(cells)[used]
        items = generalized_assignment.Items(
            owner(structure)[used], site(structure)[used], cells.delay_s[record], cells.compute_s[record],
            cells.remote_s,
        )  # fmt: skip
        node, part, sites = tree.deepest[structure.model[used]], x[used], len(cells.capacity_s)
        load = np.maximum(cells.capacity_s, np.bincount(items.site, items.compute_s * part, sites))
        z = least(tree, items, node, part, load, cells.memory_gb)
        return cls(tree, items, node, part, z, load, cells.memory_gb)

    def draw(self, alpha: float, random: np.random.Generator) -> tuple[Bools, Floats]:
        """Which places (C, V) are open, and the fractions (m,) that this makes: ``x`` on average."""
        u, parent = np.minimum(1.0, alpha * self.z), self.forest.parent
        coin, opened = random.random(u.shape), np.zeros(u.shape, dtype=bool)
        for v, above in enumerate(parent.tolist()):
            opened[:, v] = coin[:, v] < u[:, v]
            if above >= 0:
                opened[:, v] = opened[:, above] & (coin[:, v] * u[:, above] < u[:, v])
        at = self.items.site, self.node
        return opened, np.where(opened[at], self.x / u[at], 0.0)

    def stands(self, alpha: float, opened: Bools, x: Floats) -> bool:
        """Whether no request misses more than DELTA, and no load and the delay exceed theirs by more than that.

        A cloudlet's memory may be alpha times what it is, and DELTA of that more.
        """
        items, most = self.items, 1 + DELTA
        load = np.bincount(items.site, items.compute_s * x, len(self.load_s))
        memory = (opened * self.forest.gb).sum(axis=1)
        rest = dot(1 - self._served(self.x), items.remote_s)
        delay, least = (rest + dot(items.delay_s, one) for one in (x, self.x))
        return bool(
            (self._shares(x) >= 1 - DELTA).all() and (load <= most * self.load_s).all()
            and (memory <= most * alpha * self.memory_gb).all() and delay <= most * least
        )  # fmt: skip

    def assign(self, x: Floats) -> Ints:
        """Option, of the m, of each request, or -1: Shmoys and Tardos on its shares of what it got."""
        edge, items = np.flatnonzero(x > 0), self.items  # an option that is closed must fill no slot
        return np.append(edge, -1)[
            generalized_assignment.assign(items.taken(edge), (x / self._shares(x)[items.request])[edge])
        ]

    def _served(self, x: Floats) -> Floats:
        return np.asarray(np.bincount(self.items.request, x, len(self.items.remote_s)), dtype=np.float64)

    def _shares(self, x: Floats) -> Floats:
        """Sum of a request's fractions, the remote data centre's included, shape (R,)."""
        return 1 - self._served(self.x) + self._served(x)


def least(
    tree: Forest, items: generalized_assignment.Items, node: Ints, x: Floats, load_s: Floats, memory_gb: Floats
) -> Floats:
    """Least z (C, V) that keeps the rows of requests, of the cut, and of nested blocks with their memory cut."""
    shape = len(load_s), len(tree.parent)
    entry, above = tree.chain(node)
    place, _, y = shares(items.site[entry] * shape[1] + above, items.request[entry], x[entry], len(items.remote_s))
    z, below = np.zeros(shape), np.zeros(shape)
    np.maximum.at(z.reshape(-1), place, y)
    work = np.zeros(shape)
    np.add.at(work, (items.site[entry], above), (items.compute_s * x)[entry])
    z = np.maximum(z, np.divide(work, load_s[:, None], out=np.zeros(shape), where=work > 0))
    for v in range(shape[1] - 1, -1, -1):
        room = memory_gb - tree.gb[v]
        full = np.where(below[:, v] > 0, 1.0, 0.0)
        z[:, v] = np.maximum(z[:, v], np.divide(below[:, v], room, out=full, where=(below[:, v] > 0) & (room > 0)))
        up = tree.parent[v]
        if up >= 0:
            z[:, up] = np.maximum(z[:, up], z[:, v])
            below[:, up] += below[:, v] + tree.gb[v] * z[:, v]
    return np.minimum(z, 1.0)
