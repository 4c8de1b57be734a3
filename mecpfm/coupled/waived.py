"""The check of a certificate where a family has too many models to write out every set of them: plain NumPy.

What some best set has, or lacks, is decided first; models left undecided beyond ``MOST`` serve for nothing, which only
raises the value. Every comparison leaves room for rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.coupled.enumeration import EPS
from mecpfm.typing import Bools, Floats

MOST = 14
"""Models whose sets are written out: 2^14 sets."""


class Narrowed(NamedTuple):
    """What is left to write out: sets of ``rest``, each beside all of ``taken``; the empty one among them."""

    rest: Bools
    """Models left undecided, shape (K,)."""
    taken: Bools
    """Models of some best set, shape (K,)."""
    gifts: Bools
    """Models that serve for nothing, shape (K,)."""
    paid: Bools
    """Blocks that every set pays for, shape (B,)."""


def narrowed(table: Floats, needs: Bools, pays: Floats) -> Narrowed:
    """Of what requests gain by models, (R, K), the blocks that models need, (B, K), and their prices, (B,).

    A model goes that gains at most the price of what nobody else needs; one stays whose gain beside all others is
    worth its blocks. A set of one model may be better than all that is left.
    """
    slack = (len(table) + len(needs) + 8) * EPS
    alive, taken = np.ones(needs.shape[1], dtype=bool), np.zeros(needs.shape[1], dtype=bool)
    count = -1
    while count != (count := int(alive.sum() - taken.sum())):
        for k in np.flatnonzero(alive & ~taken).tolist():
            others = alive.copy()
            others[k] = False
            alone = needs[:, k] & ~needs[:, others].any(axis=1)
            own = needs[:, k] & ~needs[:, taken].any(axis=1) & ~needs[:, alive].all(axis=1)
            most, least = _beside(table, k, taken) * (1 + slack), _beside(table, k, others) * (1 - slack)
            alive[k] = most >= pays[alone].sum() * (1 - slack)
            taken[k] = alive[k] and least > pays[own].sum() * (1 + slack)
    paid = np.asarray(needs[:, taken].any(axis=1) | needs[:, alive].all(axis=1))
    rest = alive & ~taken
    gifts = _gifts(needs[~paid], pays[~paid], rest)
    return Narrowed(rest & ~gifts, taken, gifts, paid)


def _beside(table: Floats, k: int, others: Bools) -> float:
    """What model k gains beside others."""
    return float(np.maximum(table[:, k] - table[:, others].max(axis=1, initial=0), 0).sum())


def _gifts(needs: Bools, pays: Floats, rest: Bools) -> Bools:
    """Models beyond ``MOST``, one by one those whose blocks nobody else left needs cost least."""
    left = rest.copy()
    while left.sum() > MOST:
        single = needs[:, left].sum(axis=1) == 1
        own = (pays[single, None] * needs[single]).sum(axis=0)
        left[np.where(left, own, np.inf).argmin()] = False
    return rest & ~left
