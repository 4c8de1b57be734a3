"""The view of an instance that the algorithms work on: records per cell, a cell being a (cloudlet, family) pair.

A family is a connected component of models under shared blocks; its models are bits of a mask. Options of one request
in one cell with equal delay and compute are one record whose mask lists their models. Options that no optimal plan
needs are left out: no faster than remote, or too large for the cloudlet on their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from mecpfm.coupled.instance import Instance
from mecpfm.kernels import coupled_structure as kernels
from mecpfm.kernels.coupled_masks import MASK_BITS as MASK_BITS
from mecpfm.kernels.coupled_records import Cells as Cells
from mecpfm.typing import Array, Bools, Floats, Ints

EXACT_MODELS = 14
"""Largest family whose 2^n sets of models are enumerated; larger ones are relaxed by price sharing."""


@dataclass(frozen=True, eq=False)
class Structure:
    """Cells plus the way back to the instance."""

    cells: Cells
    option: Ints
    """Instance option of each sorted option, shape (n,)."""
    model: Ints
    """Model of each sorted option, shape (n,)."""
    family: Ints
    """Family and place in it (the bit of its mask) of each model, both of shape (K,)."""
    rank: Ints
    block: Ints
    """Instance block at each place of the cells' block arrays, shape (B,): blocks are sorted by family."""
    blocks: Any
    """Blocks (places) of each model, CSR (K, B)."""
    share_request: Ints
    """Request of each share w, shape (W,)."""

    def expand(self, choice: Ints) -> Ints:
        """Instance options, or -1, of sorted options, or -1."""
        return np.append(self.option, -1)[choice]


def build(instance: Instance, *, exact_models: int = EXACT_MODELS) -> Structure:
    """Group the useful options of an instance; families of more than ``exact_models`` models use price sharing."""
    member, sites = _membership(instance), instance.sizes.cloudlets
    family, rank, exact = _families(member, min(exact_models, MASK_BITS))
    owner = np.full(member.shape[0], len(exact))
    owner[np.repeat(np.arange(len(owner)), np.diff(member.indptr))] = family[member.indices]
    block = np.argsort(owner, kind="stable")  # exact families come first, so their blocks do
    member, owner = member[block], owner[block]
    size = instance.blocks.size_gb[block]
    option, cell = _useful(instance, member.T @ size, family, rank, len(exact))
    model = instance.options.model[option]
    records = _records(instance, option, cell, family[model], np.left_shift(1, rank[model]), exact)
    head, blocks = records["first_option"][:-1], member.T.tocsr()
    shares, share_request = _shares(blocks, model[head], cell[head], records["request"], exact, sites)
    cells = Cells(
        first_record=_starts(cell[head], sites * len(exact)),
        **records,
        exact=exact,
        first_block=_starts(owner, int(exact.sum())),
        members=np.asarray(member @ np.left_shift(1, rank), dtype=np.int64),
        size_gb=size,
        pull_s=instance.pull_s[block].T.copy(),
        **shares,
        capacity_s=instance.cloudlets.compute_s,
        memory_gb=instance.cloudlets.memory_gb,
        remote_s=instance.requests.remote_delay_s,
    )
    return Structure(cells, option, model, family, rank, block, blocks, share_request)


def owner(structure: Structure) -> Ints:
    """Request of each sorted option."""
    return np.repeat(structure.cells.request, np.diff(structure.cells.first_option))


def record_cells(cells: Cells) -> Ints:
    """Cell of each record."""
    return np.repeat(np.arange(len(cells.first_record) - 1), np.diff(cells.first_record))


def option_records(cells: Cells) -> Ints:
    """Record of each sorted option."""
    return np.repeat(np.arange(len(cells.request)), np.diff(cells.first_option))


def option_cells(structure: Structure) -> Ints:
    """Cell of each sorted option."""
    return record_cells(structure.cells)[option_records(structure.cells)]


def site(structure: Structure) -> Ints:
    """Cloudlet of each sorted option."""
    return option_cells(structure) // len(structure.cells.exact)


def families(instance: Instance) -> tuple[Ints, Bools]:
    """Family of each model (K,), as ``build`` numbers them, and whether each family (F,) is solved exactly."""
    family, _, exact = _families(_membership(instance), EXACT_MODELS)
    return family, exact


def restrict(structure: Structure, kept: Bools) -> Structure:
    """The view on some of the sorted options, mask (n,): cells, requests and multipliers keep their places.

    A bound of it is none of the instance's: searches use it to leave out what the multipliers call hopeless.
    """
    cells = structure.cells
    count = np.bincount(option_records(cells)[kept], minlength=len(cells.request))
    alive = count > 0
    first_option = _running(count[alive])
    bit = np.left_shift(1, structure.rank[structure.model[kept]])
    paid = np.diff(cells.first_share)
    smaller = cells._replace(
        first_record=_running(alive)[cells.first_record],
        **{name: getattr(cells, name)[alive] for name in ("request", "delay_s", "compute_s")},
        models=np.bitwise_or.reduceat(bit, first_option[:-1]) if len(bit) else bit,
        first_option=first_option,
        first_share=_running(paid[alive]),
        share=cells.share[np.repeat(alive, paid)],
    )
    return replace(structure, cells=smaller, option=structure.option[kept], model=structure.model[kept])


def _running(count: Array) -> Ints:
    """0 and the running sums of ``count``."""
    return np.append(0, np.cumsum(count, dtype=np.int64))


def _starts(sorted_keys: Ints, count: int) -> Ints:
    """Where each key 0 ... count - 1 starts in a sorted array, closed by its length."""
    return np.searchsorted(sorted_keys, np.arange(count + 1)).astype(np.int64)


def _membership(instance: Instance) -> Any:
    """Which models contain a block, integer CSR (B, K)."""
    blocks, models, *_ = instance.sizes
    of = instance.models.blocks
    return scipy.sparse.csr_array(
        (np.ones(len(of.indices), np.int64), of.indices, of.indptr), (models, blocks)
    ).T.tocsr()


def _families(member: Any, exact_models: int) -> tuple[Ints, Ints, Bools]:
    """Family and rank of each model, and which families are exact: those come first.

    A component too large for a mask is cut into families of ``MASK_BITS`` models, which share blocks.
    """
    _, component = scipy.sparse.csgraph.connected_components(member.T @ member, directed=False)
    groups = [np.flatnonzero(component == label) for label in range(component.max() + 1)]
    small = [group for group in groups if len(group) <= exact_models]
    large = [group for group in groups if len(group) > exact_models]
    chunks = [group[i : i + MASK_BITS] for group in large for i in range(0, len(group), MASK_BITS)]
    family, rank = np.zeros((2, member.shape[1]), dtype=np.int64)
    for f, group in enumerate(small + chunks):
        family[group], rank[group] = f, np.arange(len(group))
    return family, rank, np.arange(len(small + chunks)) < len(small)


def _useful(instance: Instance, model_gb: Floats, family: Ints, rank: Ints, families: int) -> tuple[Ints, Ints]:
    """Options an optimal plan may need, by cell, request, delay, compute and model, and the cell of each."""
    options, useful = instance.options, instance.useful(model_gb)
    c, k = options.cloudlet, options.model
    cell = (c * families + family[k])[useful]
    narrow = cell.astype(np.uint16) if instance.sizes.cloudlets * families <= 1 << 16 else cell  # NumPy's radix sort
    order = np.argsort(narrow, kind="stable")
    option, cell = np.flatnonzero(useful)[order], cell[order]
    kernels.sort_within(cell, options.request, options.delay_s, options.compute_s, rank[k], option)
    again = np.flatnonzero(_same(instance, option, cell) & (k[option[1:]] == k[option[:-1]])) + 1
    return np.delete(option, again), np.delete(cell, again)


def _same(instance: Instance, option: Ints, cell: Ints) -> Bools:
    """Whether each sorted option but the first agrees with the one before in cell, request, delay and compute."""
    options = instance.options
    same = cell[1:] == cell[:-1]
    for values in (options.request, options.delay_s, options.compute_s):
        chosen = values[option]
        same &= chosen[1:] == chosen[:-1]
    return np.asarray(same)


def _records(instance: Instance, option: Ints, cell: Ints, family: Ints, bit: Ints, exact: Bools) -> dict[str, Any]:
    same = _same(instance, option, cell) & exact[family[1:]] if len(option) else np.zeros(0, dtype=bool)
    first = np.flatnonzero(np.append(True, ~same)) if len(option) else np.zeros(0, dtype=np.int64)
    head = option[first]
    return {
        "request": instance.options.request[head],
        "delay_s": instance.options.delay_s[head],
        "compute_s": instance.options.compute_s[head],
        "models": np.bitwise_or.reduceat(bit, first) if len(first) else first,
        "first_option": np.append(first, len(option)),
    }


def _shares(
    blocks: Any, model: Ints, cell: Ints, request: Ints, exact: Bools, cloudlets: int
) -> tuple[dict[str, Any], Ints]:
    """Multipliers w, one a (cloudlet, block, request) that some record of a relaxed family touches, and the request."""
    relaxed = np.flatnonzero(~exact[cell % len(exact)])
    used = blocks[model[relaxed]]  # one row a record
    of, counts = np.repeat(relaxed, np.diff(used.indptr)), np.zeros(len(cell) + 1, dtype=np.int64)
    counts[relaxed + 1] = np.diff(used.indptr)
    place = cell[of] // len(exact) * blocks.shape[1] + used.indices
    keys, share = np.unique(np.stack([place, request[of]]), axis=1, return_inverse=True)
    shares = {
        "first_share": np.cumsum(counts),
        "share": share.ravel().astype(np.int64),
        "first_share_of": _starts(keys[0], cloudlets * blocks.shape[1]),
    }
    return shares, keys[1]
