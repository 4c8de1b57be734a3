"""What theory says of a rounding before it is drawn: a bound on its cost from the fractions alone (theorems 3 to 7)."""

from __future__ import annotations

import math

import numpy as np

from mecpfm.coupled.laminar import OFFERS, Forest, forest, shares
from mecpfm.coupled.opening import DELTA
from mecpfm.coupled.structure import Structure, owner, site
from mecpfm.kernels import arrays
from mecpfm.typing import Floats, Ints


def guaranteed(structure: Structure, x: Floats, method: str) -> float:
    """Most that the mean cost of a draw may be before its repair, s; of ``opening-tree`` that of every draw.

    NaN where nothing is proved: nested rounding bounds no delay. Blocks must form a tree, as for ``laminar.forest``.
    """
    if method == "rounding-nested":
        return math.nan
    cells, of, used = structure.cells, forest(structure), np.flatnonzero(x > 0)
    request, model = owner(structure)[used], structure.model[used]
    delay = np.repeat(cells.delay_s, np.diff(cells.first_option))[used]
    total = math.fsum(x[used] * (delay - cells.remote_s[request])) + math.fsum(cells.remote_s)
    size, sites = len(of.parent), len(cells.capacity_s)
    pull, known = np.zeros((sites, size)), np.flatnonzero(of.node >= 0)
    np.add.at(pull.T, of.node[known], cells.pull_s[:, known].T)
    entry, node = of.chain(of.deepest[model])
    place = site(structure)[used][entry] * size + node
    if method == "opening-tree":
        return (1 + DELTA) / (1 - DELTA) * total + math.fsum(pull.ravel()[np.unique(place)])
    below = shares(place, request[entry], x[used][entry], len(cells.remote_s))
    if method == "rounding-coupled":
        label = site(structure)[used] * len(of.deepest) + model
        chance = _coupled(of, shares(label, request, x[used], len(cells.remote_s)), pull.size)
    else:
        chance = (_independent if method == "rounding-independent" else _tree)(of, below, pull.size)
    users = np.bincount(below[0], below[2], pull.size)  # on average
    return total + math.fsum(pull.ravel() * np.minimum(np.minimum(users, 1.0), chance))


Sums = tuple[Ints, Ints, Floats]
"""Places or labels, requests and their sums of x, as of ``laminar.shares``."""


def _independent(of: Forest, below: Sums, places: int) -> Floats:
    """1 - prod (1 - y): the requests of a block draw alone."""
    place, _, y = below
    none = np.bincount(place, arrays.log1p(-np.minimum(y, 1.0)), places)
    return np.asarray(-arrays.expm1(none))


def _coupled(of: Forest, below: Sums, places: int) -> Floats:
    """(1 + ln n) m of every label that a block belongs to, added up."""
    high, users = _heights(below, int(below[0].max(initial=-1)) + 1)
    label = np.flatnonzero(high)
    used = (1 + arrays.log(users[label])) * high[label]
    entry, node = of.chain(of.deepest[label % len(of.deepest)])
    cloudlet = label[entry] // len(of.deepest)
    return np.asarray(np.bincount(cloudlet * len(of.parent) + node, used[entry], places), dtype=np.float64)


def _tree(of: Forest, below: Sums, places: int) -> Floats:
    """(rate ln n + 1) m, with a factor 1 / (1 - 1/e) in the rate for every node with others below on the way."""
    inner, rate = np.isin(np.arange(len(of.parent)), of.parent), np.ones(len(of.parent))
    for v, above in enumerate(of.parent.tolist()):
        rate[v] = (rate[above] if above >= 0 else 1.0) / (OFFERS if inner[v] else 1.0)
    high, users = _heights(below, places)
    return np.asarray((np.tile(rate, places // len(rate)) * arrays.log(np.maximum(users, 1)) + 1) * high)


def _heights(below: Sums, count: int) -> tuple[Floats, Floats]:
    """Largest sum and number of requests of each place, shape (count,)."""
    high = np.zeros(count)
    np.maximum.at(high, below[0], below[2])
    return high, np.bincount(below[0], minlength=count).astype(np.float64)
