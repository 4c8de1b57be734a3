"""Certificates with a price for each block and cloudlet: what they take off the bound, every set written out.

A price lam of block b at cloudlet c is the multiplier of the cut: what uses b there takes G_c at most if b is open, and
nothing if it is not. So options pay lam for each second of compute, and the block is lam G_c cheaper, which may
leave it a negative price (docs/theory_coupled.md, theorem 2, strength). Then a model may be opened for its blocks
alone: no model is left out for gaining nothing, and no rule of theorem 2 that assumes prices >= 0 is used. Roundings
as in ``certificate``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mecpfm.coupled.enumeration import EPS, model_sets
from mecpfm.coupled.instance import Instance
from mecpfm.errors import InputError
from mecpfm.typing import Floats, Ints

if TYPE_CHECKING:
    from mecpfm.coupled.certificate import Certificate

MAX_MODELS = 20
"""Most models of a family that are enumerated: 2^20 sets."""


def credit(instance: Instance, price: Floats) -> Floats:
    """What open blocks are cheaper, s, shape (B, C), for prices of that shape."""
    return np.asarray(price * instance.cloudlets.compute_s)


def reduced(instance: Instance, given: Certificate, rows: Ints, gain: Floats, cut: bool = False) -> Floats:
    """Gains (n,) of the options ``rows`` less what they pay for compute; with ``cut`` also by the price of the cell."""
    options, price = instance.options, given.block_price
    assert price is not None
    model, site = options.model[rows], options.cloudlet[rows]
    charge, most = np.zeros(len(rows)), 0
    for k in np.unique(model).tolist():
        mine, blocks = model == k, instance.models.blocks[k]
        charge[mine] = price[blocks].sum(axis=0)[site[mine]]
        most = max(most, len(blocks))
    if cut:
        charge += given.cut_price[site, given.family[model]]
    return np.asarray(gain * (1 + 4 * EPS) - charge * options.compute_s[rows] * (1 - (most + 8) * EPS))


def open_cell(instance: Instance, given: Certificate, gain: Floats, price: Floats, rows: Ints, member: Floats) -> float:
    """Value of one (cloudlet, family) with every set of its models written out, zero when closing it is better.

    ``rows`` are all of its options that fit, ``gain`` what each gains before it pays for compute, at least 0.
    """
    options, lam = instance.options, given.block_price
    assert lam is not None
    c = int(options.cloudlet[rows[0]])
    models, column = np.unique(options.model[rows], return_inverse=True)
    requests, row = np.unique(options.request[rows], return_inverse=True)
    if len(models) > MAX_MODELS:
        raise InputError(f"certificate has prices of blocks and a family of more than {MAX_MODELS} models")
    table = np.zeros((len(requests), len(models)))
    np.maximum.at(table, (row, column), reduced(instance, given, rows, gain, cut=True))
    fixed = float(given.cut_price[c, given.family[models[0]]]) * float(instance.cloudlets.compute_s[c])
    owned = np.flatnonzero(member[:, models].any(axis=1))
    needs, pays, gets = member[np.ix_(owned, models)] > 0, price[owned, c], credit(instance, lam)[owned, c]
    slack, best = (len(requests) + 2 * len(owned) + 8) * EPS, 0.0
    for sets, served in model_sets(table):
        opened = np.zeros((len(sets), len(owned)), dtype=bool)
        for k in range(len(models)):
            opened |= sets[:, k, None] & needs[:, k]
        more = fixed + served.sum(axis=1) + (opened * gets).sum(axis=1)
        value = more * (1 + slack) - (opened * pays).sum(axis=1) * (1 - slack)
        best = max(best, float(value.max()))
    return best
