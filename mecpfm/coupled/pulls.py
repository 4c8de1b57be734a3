"""From which holder each block comes: the paper's question, asked once a block and cloudlet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.coupled.check import REMOTE
from mecpfm.coupled.incidence import incidence
from mecpfm.coupled.instance import DATA_CENTRE, Instance
from mecpfm.typing import Bools, Floats, Ints


class Holders(NamedTuple):
    """Nearest holder of every block for every cloudlet, arrays of shape (B, C)."""

    pull_s_per_gb: Floats
    source: Ints
    """A cloudlet, or -1 for the data centre."""


class Pulls(NamedTuple):
    """What a plan pulls, arrays of shape (P,): by block, then cloudlet."""

    block: Ints
    cloudlet: Ints
    source: Ints
    """A cloudlet, or -1 for the data centre, also where the instance names no source."""
    size_gb: Floats
    seconds: Floats


def nearest_holders(between_s_per_gb: Floats, centre_s_per_gb: Floats, held: Bools) -> Holders:
    """Cheapest source of every block.

    Parameters
    ----------
    between_s_per_gb
        Seconds per GB from cloudlet i to cloudlet j, shape (C, C).
    centre_s_per_gb
        Seconds per GB from the data centre, which holds every block, shape (C,).
    held
        Whether cloudlet c holds block b now, shape (B, C).

    Returns
    -------
    Seconds per GB and source; a holder is its own source at no cost. Ties: a cloudlet before the data centre, and the
    lowest index.
    """
    cost = np.where(held[:, :, None], between_s_per_gb[None], np.inf)
    source = cost.argmin(axis=1)
    least = np.take_along_axis(cost, source[:, None], axis=1)[:, 0]
    from_centre = centre_s_per_gb < least
    own = np.arange(held.shape[1])
    source = np.where(held, own, np.where(from_centre, DATA_CENTRE, source))
    return Holders(np.where(held, 0.0, np.minimum(least, centre_s_per_gb)), source)


def pulls_of(instance: Instance, choice: Ints) -> Pulls:
    """Pulls of a decision ``choice`` (R,), options or -1: used blocks that their cloudlet does not hold already."""
    choice = np.asarray(choice, dtype=np.int64)
    use = incidence(instance, choice[choice != REMOTE])
    lacking = ~instance.cached[use.block, use.cloudlet]
    block, cloudlet = use.block[lacking], use.cloudlet[lacking]
    known = instance.cloudlets.source
    source = np.full(len(block), DATA_CENTRE) if known is None else known[block, cloudlet]
    return Pulls(block, cloudlet, source, instance.blocks.size_gb[block], instance.pull_s[block, cloudlet])
