"""Whether multipliers belong to an instance: its sizes, its families, the blocks that they own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mecpfm.coupled.instance import Instance
from mecpfm.errors import InputError
from mecpfm.typing import Floats

if TYPE_CHECKING:
    from mecpfm.coupled.certificate import Certificate


def model_gb(instance: Instance) -> Floats:
    """Memory that each model takes on its own, GB, shape (K,)."""
    return np.asarray((instance.blocks.size_gb[:, None] * member_of(instance)).sum(axis=0))


def member_of(instance: Instance) -> Floats:
    """Whether model k contains block b, shape (B, K), 0 or 1."""
    member = np.zeros(instance.sizes[:2])
    of = instance.models.blocks
    member[of.indices, of.rows] = 1
    return member


def require_fit(instance: Instance, given: Certificate) -> None:
    """InputError when the multipliers do not belong to an instance of these sizes and families."""
    member = member_of(instance)
    blocks, models, cloudlets, requests = instance.sizes
    if given.block_price is not None and len(given.block_price) != blocks:
        raise InputError(f"certificate has prices of {len(given.block_price)} blocks; the instance has {blocks}")
    found = (len(given.family), len(given.compute_price), len(given.request_price_s))
    if found != (models, cloudlets, requests):
        raise InputError(f"certificate is for (K, C, R) = {found}; the instance has {(models, cloudlets, requests)}")
    if given.family.max() >= len(given.exact):
        raise InputError(f"certificate names family {given.family.max()}; it has {len(given.exact)}")
    for name, limit in (("cloudlet", cloudlets), ("block", len(member)), ("request", requests)):
        index = getattr(given, f"share_{name}")
        if (bad := np.flatnonzero(index >= limit)).size:
            raise InputError(f"share_{name}[{bad[0]}] is {index[bad[0]]}; must be < {limit}")
    for b in range(len(member)):
        families = np.unique(given.family[member[b] > 0])
        if len(families) > 1 and given.exact[families].any():
            raise InputError(f"certificate splits the models of block {b} over families; an exact family must own it")
