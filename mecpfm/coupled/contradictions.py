"""What no coupled instance may say: numbers that name nothing, and amounts that contradict each other."""

from __future__ import annotations

import numpy as np

from mecpfm.coupled.instance import DATA_CENTRE, LARGEST, Instance, most
from mecpfm.ragged import Ragged
from mecpfm.typing import Ints


def check(instance: Instance) -> None:
    """ValueError that names the first field and place that contradicts the rest."""
    blocks, models, cloudlets, requests = instance.sizes
    if not all(instance.sizes):
        raise ValueError("blocks, models, cloudlets and requests must not be empty")
    _below("models.blocks", instance.models.blocks, blocks, "B")
    _below("cloudlets.cached", instance.cloudlets.cached, blocks, "B")
    _below("options.request", instance.options.request, requests, "R")
    _below("options.model", instance.options.model, models, "K")
    _below("options.cloudlet", instance.options.cloudlet, cloudlets, "C")
    _options(instance)
    _cached(instance)
    _source(instance)
    _deadlines(instance)


def _deadlines(instance: Instance) -> None:
    requests, options = instance.requests, instance.options
    if requests.deadline_s is None:
        return
    whole = requests.deadline_s if requests.weight is None else requests.deadline_s * requests.weight
    if (bad := np.flatnonzero(options.delay_s > most(whole)[options.request])).size:
        i = int(bad[0])
        r = options.request[i]
        raise ValueError(
            f"options.delay_s[{i}] is {options.delay_s[i]:g}; requests.deadline_s[{r}] allows {whole[r]:g}"
        )


def _options(instance: Instance) -> None:
    request, model = instance.options.request, instance.options.model
    if (bad := np.flatnonzero(request[1:] < request[:-1])).size:
        i = int(bad[0]) + 1
        raise ValueError(f"options.request[{i}] is {request[i]} after {request[i - 1]}; must not decrease")
    of = instance.models.blocks
    whole = np.bincount(of.rows, instance.blocks.size_gb[of.indices])
    if (bad := np.flatnonzero(whole > LARGEST)).size:
        raise ValueError(f"models.blocks[{bad[0]}] adds up to {whole[bad[0]]:g} GB; must be <= {LARGEST:g}")
    empty = np.diff(of.indptr) == 0
    if empty.any() and (bad := np.flatnonzero(empty[model])).size:
        raise ValueError(f"options.model[{bad[0]}] names model {model[bad[0]]}, which has no blocks")


def _cached(instance: Instance) -> None:
    at, size, memory = instance.cloudlets.cached, instance.blocks.size_gb, instance.cloudlets.memory_gb
    row = at.rows
    if (bad := np.flatnonzero(size[at.indices] > most(memory)[row])).size:
        c, b = int(row[bad[0]]), int(at.indices[bad[0]])
        raise ValueError(
            f"cloudlets.cached[{c}] holds block {b} of {size[b]:g} GB; cloudlets.memory_gb[{c}] is {memory[c]:g}"
        )


def _source(instance: Instance) -> None:
    """A cloudlet that is named as a source holds the block."""
    source = instance.cloudlets.source
    if source is None:
        return
    b, c = np.nonzero(source != DATA_CENTRE)
    holder = source[b, c]
    if (bad := np.flatnonzero(holder >= instance.sizes.cloudlets)).size:
        i = bad[0]
        raise ValueError(f"cloudlets.source[{b[i]}][{c[i]}] is {holder[i]}; must be < C = {instance.sizes.cloudlets}")
    if (bad := np.flatnonzero(~instance.cached[b, holder])).size:
        i = bad[0]
        raise ValueError(f"cloudlets.source[{b[i]}][{c[i]}] is {holder[i]}, which does not hold block {b[i]}")


def _below(name: str, values: Ints | Ragged, limit: int, letter: str) -> None:
    flat = values.indices if isinstance(values, Ragged) else values
    if not flat.size or flat.max() < limit:
        return
    i = int(np.flatnonzero(flat >= limit)[0])
    row = int(values.rows[i]) if isinstance(values, Ragged) else i
    raise ValueError(f"{name}[{row}] is {flat[i]}; must be < {letter} = {limit}")
