"""Blocks that form a tree: sets of models nested or disjoint; and the rounding that opens it (docs/theory_coupled.md).

A node is all blocks of one set of models, so LoRA and adapters have two levels and full copies one. A model lies at its
deepest node, whose ancestors hold the rest of its blocks. A place ``c * V + v`` is a node at a cloudlet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mecpfm.coupled.structure import Structure, owner, site
from mecpfm.errors import InputError
from mecpfm.kernels import coupled_rounding as kernels
from mecpfm.typing import Bools, Floats, Ints

OFFERS = 0.6321205588285577
"""1 - 1/e: the chance that a request below an open node, all of whose fraction is there, gets an offer of it."""


@dataclass(frozen=True, eq=False)
class Forest:
    """V nodes; a parent comes before its children."""

    parent: Ints
    """Shape (V,), -1 at the top."""
    deepest: Ints
    """Node of each model, shape (K,), -1 for one without blocks."""
    node: Ints
    """Node of each block, a place of the structure, shape (B,), -1 for one that no model has."""
    gb: Floats
    """Size of all blocks of a node, shape (V,)."""

    def chain(self, node: Ints) -> tuple[Ints, Ints]:
        """Pairs (entry, node): each entry of ``node`` (m,) with its node and all above it."""
        entries, nodes, entry = [], [], np.arange(len(node))
        while len(entry):
            entries.append(entry)
            nodes.append(node)
            above = self.parent[node]
            entry, node = entry[above >= 0], above[above >= 0]
        return np.concatenate([*entries, entry]), np.concatenate([*nodes, node])


def forest(structure: Structure) -> Forest:
    """Tree of the blocks' sets of models; InputError, which names two blocks, where the sets cross."""
    member = structure.blocks.toarray().T > 0
    sets, node = np.unique(member, axis=0, return_inverse=True)
    order = np.argsort(-sets.sum(axis=1), kind="stable")
    sets, node = sets[order], np.argsort(order)[node.ravel()]
    sets = sets[sets.any(axis=1)]
    node[node == len(sets)] = -1  # of no model: the smallest set
    common = sets.astype(np.int64) @ sets.T.astype(np.int64)
    count = np.diagonal(common)
    _require_laminar(structure, node, (common > 0) & (common < np.minimum(count[:, None], count)))
    around = np.tril(common == count[:, None], -1)  # the set of the column holds that of the row
    place = np.arange(len(sets))
    parent = np.where(around, place, -1).max(axis=1, initial=-1)
    deepest = np.where(sets, place[:, None], -1).max(axis=0, initial=-1)
    gb = np.zeros(len(sets))
    np.add.at(gb, node[node >= 0], structure.cells.size_gb[node >= 0])
    return Forest(parent, deepest, node, gb)


def _require_laminar(structure: Structure, node: Ints, crossing: Bools) -> None:
    if crossing.any():
        pair = np.argwhere(crossing)[0]
        one, other = sorted(int(structure.block[np.flatnonzero(node == v)].min()) for v in pair)
        raise InputError(
            f"models.blocks: blocks {one} and {other} share some models and each has others; rounding-tree and "
            "opening-tree need blocks whose sets of models are nested or disjoint"
        )


def tree(structure: Structure, x: Floats) -> Callable[[np.random.Generator], Ints]:
    """Open nodes ring for their children, leaves for requests above one threshold: tree rounding, theorem 6."""
    if not (x > 0).any():
        return lambda _: np.full(len(structure.cells.remote_s), -1)
    return functools.partial(kernels.round_tree, *rings(structure, x))


def rings(structure: Structure, x: Floats) -> tuple[kernels.Rings, int, int]:
    """Bells of all nodes with fractions below them, of which there are some; most nodes on a path; requests."""
    of, count, used = forest(structure), len(structure.cells.remote_s), np.flatnonzero(x > 0)
    entry, at, parent = _nodes(of, of.deepest[structure.model[used]], site(structure)[used])
    request, first = owner(structure)[used], np.arange(len(parent) + 1)
    node, below, y = shares(at, request[entry], x[used][entry], count)
    high, going = np.zeros(len(parent)), np.zeros(len(parent))
    np.maximum.at(high, node, y)
    high[0] = 1.0
    leaves = np.maximum(1 - y / high[node], 0.0)
    np.maximum.at(going, node, leaves)
    inner = np.isin(first[:-1], parent)
    rate = high / (np.where(inner, OFFERS, 1.0) * high[parent])
    child = np.argsort(parent, kind="stable")[1:]  # node 0 has no parent
    held = np.flatnonzero(~inner[at])
    held = held[np.lexsort((held, request[entry[held]], at[held]))]
    option, leaf = used[entry[held]], at[held]
    top = _running(leaf * count + request[entry[held]], x[option])
    return kernels.Rings(
        np.searchsorted(parent[child], first), child, _running(parent[child], rate[child]), going,
        np.searchsorted(node, first), below, leaves,
        np.searchsorted(leaf, first), option, request[entry[held]], top - x[option], top, high,
    ), int(np.bincount(entry).max()), count  # fmt: skip


def shares(place: Ints, request: Ints, x: Floats, requests: int) -> tuple[Ints, Ints, Floats]:
    """Sums of x by (place, request), ascending: both and the sums y."""
    key, where = np.unique(place * requests + request, return_inverse=True)
    return key // requests, key % requests, np.asarray(np.bincount(where, x), dtype=np.float64)


def _running(group: Ints, values: Floats) -> Floats:
    """Running sums within each group of a sorted array."""
    total = np.cumsum(values)
    return np.asarray(total - np.append(0.0, total)[np.searchsorted(group, group)])


def _nodes(of: Forest, node: Ints, cloudlet: Ints) -> tuple[Ints, Ints, Ints]:
    """Pairs (entry, node above it) of options at ``node`` (m,) of ``cloudlet`` (m,), and each node's parent.

    Node 0 is above all and its own parent. Options at a node that others lie below get a leaf of their own there.
    """
    entry, v = of.chain(node)
    place, above = cloudlet[entry] * len(of.parent) + v, of.parent[v]
    up = np.where(above < 0, 0, 1 + 2 * (place - v + above))  # odd numbers are nodes, the next even one its leaf
    own, zeros = 1 + 2 * (cloudlet * len(of.parent) + node), np.zeros(len(node), dtype=np.int64)
    among = np.flatnonzero(np.isin(own, up))
    number, first, at = np.unique(
        np.concatenate([zeros, 1 + 2 * place, own[among] + 1]), return_index=True, return_inverse=True
    )
    up = np.concatenate([zeros, up, own[among]])
    return np.concatenate([np.arange(len(node)), entry, among]), at, np.searchsorted(number, up[first])
