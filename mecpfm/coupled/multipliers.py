"""Multipliers of the dual engine as a certificate, and back."""

from __future__ import annotations

import numpy as np

from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.dual import Dual
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.structure import Structure
from mecpfm.errors import InputError
from mecpfm.plan import instance_sha256
from mecpfm.typing import Floats, Ints


def certificate(structure: Structure, dual: Dual, instance: Instance | None = None) -> Certificate:
    """The multipliers of a bound, ready to be written to a file, tied to the instance if that is given."""
    cells = structure.cells
    requests, cloudlets = len(cells.remote_s), len(cells.capacity_s)
    v, mu, eta, w = np.split(dual.point, np.cumsum([requests, cloudlets, cloudlets]))
    site, block = _places(structure)
    return Certificate(
        bound_s=np.float64(dual.bound),
        request_price_s=v,
        compute_price=mu,
        memory_price_s_per_gb=eta,
        family=structure.family,
        exact=cells.exact.astype(np.int64),
        cut_price=dual.cut.reshape(cloudlets, -1),
        share_cloudlet=site,
        share_block=block,
        share_request=structure.share_request,
        share_s=w,
        instance_sha256=None if instance is None else instance_sha256(instance),
        memory_row=np.int64(1) if dual.memory_row else None,
        compute_row=np.int64(1) if dual.compute_row else None,
    )


def dual_of(structure: Structure, given: Certificate | None) -> Dual | None:
    """Multipliers of a certificate as those of a view with as many requests, cloudlets and models; None of none.

    Nothing is proved here: the bound is -inf until the engine evaluates them. A share that the certificate lacks is 0.
    InputError when the sizes differ.
    """
    if given is None:
        return None
    cells = structure.cells
    sizes = (len(structure.family), len(cells.capacity_s), len(cells.remote_s))
    found = (len(given.family), len(given.compute_price), len(given.request_price_s))
    if found != sizes:
        raise InputError(f"prices are for (K, C, R) = {found}; the instance has {sizes}")
    families, first = np.unique(structure.family, return_index=True)
    cut = np.zeros((sizes[1], len(cells.exact)))
    cut[:, families] = given.cut_price[:, given.family[first]]
    v = np.minimum(given.request_price_s, cells.remote_s)
    parts = (v, given.compute_price, given.memory_price_s_per_gb, _shares(structure, given))
    return Dual(-np.inf, np.concatenate(parts), cut.ravel(), 0, 0.0)


def _places(structure: Structure) -> tuple[Ints, Ints]:
    """Cloudlet and block of each share, shape (W,)."""
    first, blocks = structure.cells.first_share_of, len(structure.block)
    place = np.repeat(np.arange(len(first) - 1), np.diff(first))
    return place // blocks, structure.block[place % blocks]


def _shares(structure: Structure, given: Certificate) -> Floats:
    """The certificate's price of each share of the view, s, shape (W,)."""
    blocks, requests, (site, block) = len(structure.block), len(structure.cells.remote_s), _places(structure)
    wanted = (site * blocks + block) * requests + structure.share_request
    key = (given.share_cloudlet * blocks + given.share_block) * requests + given.share_request
    inside = (given.share_block < blocks) & (given.share_request < requests)
    key, share = key[inside], given.share_s[inside]
    order = np.argsort(key, kind="stable")
    at = np.searchsorted(key[order], wanted)
    hit = at < len(key)
    hit[hit] = key[order][at[hit]] == wanted[hit]
    out = np.zeros(len(wanted))
    out[hit] = share[order][at[hit]]
    return out
