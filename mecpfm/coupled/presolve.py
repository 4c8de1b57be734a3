"""Lossless compression: options and blocks that no optimum needs are taken away, the optimal value stays.

Three rules. An option goes when it never fits its cloudlet on its own, or is no faster than the remote data centre.
An option goes when another one of the same request and cloudlet needs a subset of its blocks, no more delay and no
more compute (identical options: the first stays). Blocks that belong to the same models, and are cached at the same
cloudlets, are pulled and stored together: they merge into one, whoever they come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecpfm.coupled.check import REMOTE
from mecpfm.coupled.instance import LARGEST, Blocks, Instance, most
from mecpfm.records import Ragged
from mecpfm.typing import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class Presolved:
    """A smaller instance of the same optimal value; ``option[i]`` is what its option i was called before."""

    instance: Instance
    option: Ints

    def expand(self, choice: Ints) -> Ints:
        """The decision (R,) in terms of the original instance."""
        return np.append(self.option, REMOTE)[choice]


def presolve(instance: Instance) -> Presolved:
    """Apply the rules, each once: options first, then blocks."""
    kept = np.flatnonzero(instance.useful(membership(instance) @ instance.blocks.size_gb))
    kept = kept[~_dominated(instance, kept)]
    return Presolved(_merge_blocks(instance.with_options(kept)), kept)


def membership(instance: Instance) -> Bools:
    """Whether model k contains block b, shape (K, B)."""
    return instance.models.blocks.mask(instance.sizes.blocks)


def _dominated(instance: Instance, kept: Ints) -> Bools:
    """Mask over ``kept`` (m,): each option is compared with those of its request and cloudlet on subset models."""
    options = instance.options
    model, delay, compute = options.model[kept], options.delay_s[kept], options.compute_s[kept]
    subset, equal = subsets(membership(instance))
    group = (options.request[kept] * instance.sizes.cloudlets + options.cloudlet[kept]) * instance.sizes.models
    order = np.argsort(group + model, kind="stable")
    key = (group + model)[order]
    dominated = np.zeros(len(kept), dtype=bool)
    for shift in range(int(subset.sum(axis=0).max(initial=0))):
        hit = subset & (np.cumsum(subset, axis=0) == shift + 1)  # one subset of each model after the other
        rival = np.where(hit.any(axis=0), hit.argmax(axis=0), -1)[model]
        mine = np.flatnonzero(rival >= 0)
        wanted = group[mine] + rival[mine]
        low, high = np.searchsorted(key, wanted, "left"), np.searchsorted(key, wanted, "right")
        one = np.repeat(mine, high - low)
        start = np.repeat(low - (np.cumsum(high - low) - (high - low)), high - low)
        other = order[start + np.arange(len(one))]
        strict = (delay[other] < delay[one]) | (compute[other] < compute[one]) | ~equal[model[other], model[one]]
        wins = (delay[other] <= delay[one]) & (compute[other] <= compute[one]) & (strict | (other < one))
        dominated[one[wins]] = True
    return dominated


def subsets(member: Bools) -> tuple[Bools, Bools]:
    """Masks of rows of a mask: whether row i is a subset of row k, and whether both are equal."""
    shared = member.astype(np.int64) @ member.T.astype(np.int64)
    count = np.diagonal(shared)
    return shared == count[:, None], (shared == count[:, None]) & (count[:, None] == count)


def _merge_blocks(instance: Instance) -> Instance:
    member = membership(instance)
    pattern = np.packbits(np.hstack([member.T, instance.cached]), axis=1)
    _, first, number = np.unique(pattern, axis=0, return_index=True, return_inverse=True)
    # Only what no model uses can add up to more than any memory.
    size_gb = np.minimum(np.bincount(number, instance.blocks.size_gb), LARGEST)
    group = np.arange(len(first))[:, None] == number
    return pooled(instance, group, size_gb, instance.cached[first], member[:, first])


def pooled(instance: Instance, group: Bools, size_gb: Floats, cached: Bools, member: Bools) -> Instance:
    """The instance with one block of ``size_gb`` (G,) in place of the blocks of each group, (G, B).

    ``cached`` (G, C) says which a cloudlet holds already, ``member`` (K, G) which a model consists of. Blocks that are
    cached together may exceed the memory together: then no model with them fits, and they count as not cached.
    """
    rate, cloudlets = instance.cloudlets.pull_s_per_gb, instance.cloudlets
    if rate.ndim == 2:  # each block's own: the whole group takes what its blocks take
        whole, each = (group @ instance.blocks.size_gb)[:, None], instance.blocks.size_gb[:, None] * rate
        rate = np.divide(group @ each, whole, out=np.zeros((len(group), rate.shape[1])), where=whole > 0)
    held = cached & (size_gb[:, None] <= most(cloudlets.memory_gb))
    here = {"cached": _listed(held.T), "pull_s_per_gb": rate, "source": None}
    return Instance(
        blocks=Blocks(size_gb=size_gb),
        models=instance.models.model_copy(update={"blocks": _listed(member)}),
        cloudlets=cloudlets.model_copy(update=here),
        requests=instance.requests,
        options=instance.options,
    )


def _listed(mask: Bools) -> Ragged:
    return Ragged.from_lists([np.flatnonzero(row) for row in mask])
