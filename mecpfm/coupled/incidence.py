"""Which options use which blocks at which cloudlets, as flat arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.coupled.instance import Instance
from mecpfm.typing import Ints


class Incidence(NamedTuple):
    """Entry i says: the ``entry[i]``-th of the given options uses pair ``pair[i]`` = (block, cloudlet)."""

    entry: Ints
    pair: Ints
    block: Ints
    """Block of each pair, shape (P,); pairs are numbered by block, then cloudlet."""
    cloudlet: Ints
    """Cloudlet of each pair, shape (P,)."""


def incidence(instance: Instance, option: Ints | None = None) -> Incidence:
    """All uses of blocks by the given options (indices, shape (m,)), or by all options."""
    blocks, cloudlets = instance.models.blocks, instance.sizes.cloudlets
    which = slice(None) if option is None else option
    model, cloudlet = instance.options.model[which], instance.options.cloudlet[which]
    first = blocks.indptr[model]
    count = blocks.indptr[model + 1] - first
    entry = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(entry)) - (np.cumsum(count) - count)[entry]
    pairs, pair = np.unique(blocks.indices[first[entry] + place] * cloudlets + cloudlet[entry], return_inverse=True)
    return Incidence(entry, pair, *np.divmod(pairs, cloudlets))
