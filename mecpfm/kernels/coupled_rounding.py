"""Correlated rounding of fractional assignments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels import elementary
from mecpfm.kernels._jit import inlined, kernel
from mecpfm.typing import Floats, Ints

FREE, GONE = -2, -1
"""A request that has no offer yet, and one that takes none any more."""


@kernel
def round_coupled(
    first: Ints, option: Ints, request: Ints, x: Floats, requests: int, random: np.random.Generator
) -> Ints:
    """Draw a label and a threshold until every request has joined one; the option each takes, or -1, shape (R,).

    Options of label l are ``option[first[l]:first[l + 1]]``; the last label is the remote data centre, whose fraction
    is what a request's options leave. A request joins the first drawn label whose fraction is above the threshold.
    """
    labels = len(first)
    choice, left = np.full(requests, -2), requests
    remote = np.ones(requests)
    for i in range(len(x)):
        remote[request[i]] -= x[i]
    while left:
        label, theta = int(random.random() * labels), random.random()
        if label == labels - 1:
            for r in range(requests):
                if choice[r] == -2 and remote[r] > theta:
                    choice[r] = -1
                    left -= 1
            continue
        for i in range(first[label], first[label + 1]):
            o = option[i]
            if choice[request[o]] == -2 and x[o] > theta:
                choice[request[o]] = o
                left -= 1
    return choice


class Rings(NamedTuple):
    """Nodes of a tree that open each other as bells ring. Node 0 stands for all requests; N nodes, n options.

    The children of node v ring at rates whose running sums are ``rising[first_child[v]:first_child[v + 1]]``; one more
    bell, of rate ``going[v]``, lets requests go. A leaf has options in place of children.
    """

    first_child: Ints
    """Shape (N + 1,), into ``child`` and ``rising``."""
    child: Ints
    """Children of all nodes, one after the other."""
    rising: Floats
    """Running sums of their rates, shape of ``child``."""
    going: Floats
    """Largest ``leaves`` of each node, shape (N,)."""
    first_entry: Ints
    """Requests below a node, shape (N + 1,), into ``request`` and ``leaves``: the rate at which the request goes."""
    request: Ints
    """Requests below the nodes, one after the other."""
    leaves: Floats
    """Their rates of going, 1, shape of ``request``."""
    first_option: Ints
    """Options of a leaf, shape (N + 1,), into ``option``, ``owner``, ``low`` and ``top``."""
    option: Ints
    """Options of the leaves, one after the other."""
    owner: Ints
    """The request of each option."""
    low: Floats
    """A request takes the option whose range, from ``low`` to ``top``, holds the leaf's threshold."""
    top: Floats
    """Ends of those ranges, shape of ``option``."""
    high: Floats
    """Largest threshold of each node, shape (N,)."""


@kernel
def round_tree(tree: Rings, levels: int, requests: int, random: np.random.Generator) -> Ints:
    """The option that each request takes, or -1, shape (R,): every node but node 0 is open for one unit of time.

    ``levels`` is the largest number of nodes with children on a path from node 0.
    """
    node, clock = np.zeros(levels, np.int64), np.zeros(levels)
    offer = np.full((levels, requests), GONE)
    left, level = _begin(tree, 0, offer[0]), 0
    while left > 0:
        v = node[level]
        first, last = tree.first_child[v], tree.first_child[v + 1]
        bells = tree.rising[last - 1] + tree.going[v]
        clock[level] -= elementary.log(1.0 - random.random()) / bells
        changed = 0
        if level > 0 and clock[level] > 1.0:
            level -= 1
            changed = _hand_over(tree, v, offer[level + 1], offer[level])
        else:
            bell, i = random.random() * bells, first
            while i < last and bell >= tree.rising[i]:
                i += 1
            if i == last:
                changed = _let_go(tree, v, random.random() * tree.going[v], offer[level])
            elif tree.first_option[tree.child[i]] < tree.first_option[tree.child[i] + 1]:
                changed = _take(tree, tree.child[i], random.random() * tree.high[tree.child[i]], offer[level])
            else:
                level += 1
                node[level], clock[level] = tree.child[i], 0.0
                _begin(tree, tree.child[i], offer[level])
        left -= changed if level == 0 else 0
    return offer[0]


@inlined
def _begin(tree: Rings, v: int, offer: Ints) -> int:
    """Requests below a node become free; how many."""
    for e in range(tree.first_entry[v], tree.first_entry[v + 1]):
        offer[tree.request[e]] = FREE
    return tree.first_entry[v + 1] - tree.first_entry[v]


@inlined
def _let_go(tree: Rings, v: int, theta: float, offer: Ints) -> int:
    """Free requests whose rate is above the threshold go; how many."""
    changed = 0
    for e in range(tree.first_entry[v], tree.first_entry[v + 1]):
        if offer[tree.request[e]] == FREE and tree.leaves[e] > theta:
            offer[tree.request[e]] = GONE
            changed += 1
    return changed


@inlined
def _take(tree: Rings, leaf: int, theta: float, offer: Ints) -> int:
    """Free requests take the option of the leaf that holds the threshold; how many."""
    changed = 0
    for i in range(tree.first_option[leaf], tree.first_option[leaf + 1]):
        if offer[tree.owner[i]] == FREE and tree.low[i] <= theta < tree.top[i]:
            offer[tree.owner[i]] = tree.option[i]
            changed += 1
    return changed


@inlined
def _hand_over(tree: Rings, v: int, found: Ints, offer: Ints) -> int:
    """Free requests take what they found below a node; how many."""
    changed = 0
    for e in range(tree.first_entry[v], tree.first_entry[v + 1]):
        r = tree.request[e]
        if offer[r] == FREE and found[r] >= 0:
            offer[r] = found[r]
            changed += 1
    return changed
