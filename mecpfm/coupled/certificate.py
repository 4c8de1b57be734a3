"""Certificates: multipliers that prove a lower bound, saved in the instance's own terms and checked independently.

The check shares no code with the dual engine: plain NumPy, straight from the instance, every set of models written
out. It accepts any non-negative numbers and computes the bound they prove (docs/theory_coupled.md, theorem 1).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from mecpfm.coupled.check import TOLERANCE
from mecpfm.coupled.dual import Dual
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.structure import Structure
from mecpfm.errors import InputError
from mecpfm.records import FloatArray, IntArray, Range, RootRecord, Shape

Floats = NDArray[np.float64]
MAX_MODELS = 20
"""Most models of an exact family the check enumerates: 2^20 sets."""


class Certificate(RootRecord):
    """Multipliers of one bound; F families, W shares, the rest as in the instance."""

    file_schema: ClassVar[str] = "mecpfm.certificate/1"

    bound_s: Annotated[FloatArray, Shape()]
    request_price_s: Annotated[FloatArray, Shape("R"), Range(ge=0)]
    compute_price: Annotated[FloatArray, Shape("C"), Range(ge=0)]
    memory_price_s_per_gb: Annotated[FloatArray, Shape("C"), Range(ge=0)]
    family: Annotated[IntArray, Shape("K"), Range(ge=0)]
    exact: Annotated[IntArray, Shape("F"), Range(ge=0, le=1)]
    cut_price: Annotated[FloatArray, Shape("C", "F"), Range(ge=0)]
    share_cloudlet: Annotated[IntArray, Shape("W"), Range(ge=0)]
    share_block: Annotated[IntArray, Shape("W"), Range(ge=0)]
    share_request: Annotated[IntArray, Shape("W"), Range(ge=0)]
    share_s: Annotated[FloatArray, Shape("W"), Range(ge=0)]


def certificate(structure: Structure, dual: Dual) -> Certificate:
    """The multipliers of a bound, ready to be written to a file."""
    cells = structure.cells
    requests, cloudlets = len(cells.remote_s), len(cells.capacity_s)
    v, mu, eta, w = np.split(dual.point, np.cumsum([requests, cloudlets, cloudlets]))
    place = np.repeat(np.arange(len(cells.first_share_of) - 1), np.diff(cells.first_share_of))
    return Certificate(
        bound_s=np.float64(dual.bound),
        request_price_s=v,
        compute_price=mu,
        memory_price_s_per_gb=eta,
        family=structure.family,
        exact=cells.exact.astype(np.int64),
        cut_price=dual.cut.reshape(cloudlets, -1),
        share_cloudlet=place // len(structure.block),
        share_block=structure.block[place % len(structure.block)],
        share_request=structure.share_request,
        share_s=w,
    )


def verify(instance: Instance, given: Certificate) -> float:
    """Lower bound (s) that the multipliers prove; InputError when they do not belong to the instance."""
    member = _member(instance)
    _require_fit(instance, given, member)
    options = instance.options
    v = np.minimum(given.request_price_s, instance.requests.remote_delay_s)
    gain = v[options.request] - options.delay_s - given.compute_price[options.cloudlet] * options.compute_s
    price = instance.pull_s + np.outer(instance.blocks.size_gb, given.memory_price_s_per_gb)
    bound = v.sum() - given.compute_price @ instance.cloudlets.compute_s
    bound -= given.memory_price_s_per_gb @ instance.cloudlets.memory_gb
    size = instance.blocks.size_gb @ member
    fits = size[options.model] <= instance.cloudlets.memory_gb[options.cloudlet] * (1 + TOLERANCE)
    fits &= options.compute_s <= instance.cloudlets.compute_s[options.cloudlet] * (1 + TOLERANCE)
    gain = np.where(fits, gain, -np.inf)  # no plan may use an option that exceeds its cloudlet on its own
    exact = given.exact[given.family[options.model]] == 1
    bound -= _relaxed(instance, given, gain, price, np.flatnonzero(~exact))
    positive = np.flatnonzero(exact & (gain > 0))
    cell = options.cloudlet[positive] * len(given.exact) + given.family[options.model[positive]]
    order = np.argsort(cell, kind="stable")
    for rows in np.split(positive[order], np.flatnonzero(np.diff(cell[order])) + 1):
        if rows.size:
            bound -= _exact(instance, given, gain[rows], price, rows, member)
    return float(bound)


def _exact(
    instance: Instance, given: Certificate, gain: Floats, price: Floats, rows: NDArray[np.int64], member: Floats
) -> float:
    """Value of one (cloudlet, family) with every set of its models written out, zero when closing it is better."""
    options = instance.options
    c = int(options.cloudlet[rows[0]])
    models, column = np.unique(options.model[rows], return_inverse=True)
    requests, row = np.unique(options.request[rows], return_inverse=True)
    lam = float(given.cut_price[c, given.family[models[0]]])
    table = np.zeros((len(requests), len(models)))
    np.maximum.at(table, (row, column), gain - lam * options.compute_s[rows])
    fixed = lam * float(instance.cloudlets.compute_s[c])
    if fixed + table.max(axis=1).sum() <= (price[:, c] @ member[:, models]).min():
        return 0.0
    best = 0.0
    for chunk in np.array_split(np.arange(1, 1 << len(models)), 1 + (len(requests) << len(models) >> 22)):
        sets = (chunk[:, None] >> np.arange(len(models))) & 1 == 1
        served = np.zeros((len(sets), len(requests)))
        for k in range(len(models)):
            served = np.maximum(served, sets[:, k, None] * table[:, k])
        paid = (sets @ member[:, models].T > 0) @ price[:, c]
        best = max(best, fixed + float((served.sum(axis=1) - paid).max()))
    return best


def _relaxed(instance: Instance, given: Certificate, gain: Floats, price: Floats, rows: NDArray[np.int64]) -> float:
    """Value of all relaxed families: what requests gain after their shares, plus shares beyond a block's price."""
    options, blocks = instance.options, instance.models.blocks
    paid = np.zeros_like(price)
    np.add.at(paid, (given.share_block, given.share_cloudlet), given.share_s)
    share = {
        key: value
        for *key_parts, value in zip(
            given.share_cloudlet, given.share_block, given.share_request, given.share_s, strict=True
        )
        for key in [tuple(map(int, key_parts))]
    }
    best: dict[tuple[int, int, int], float] = {}
    for o in rows[gain[rows] > 0].tolist():
        c, r, k = int(options.cloudlet[o]), int(options.request[o]), int(options.model[o])
        net = float(gain[o]) - sum(share.get((c, b, r), 0.0) for b in blocks[k].tolist())
        cell = (c, r, int(given.family[k]))
        best[cell] = max(best.get(cell, 0.0), net)
    return sum(best.values()) + float(np.maximum(paid - price, 0)[paid > 0].sum())


def _member(instance: Instance) -> Floats:
    """Whether model k contains block b, shape (B, K), 0 or 1."""
    member = np.zeros(instance.sizes[:2])
    of = instance.models.blocks
    member[of.indices, np.repeat(np.arange(len(of)), np.diff(of.indptr))] = 1
    return member


def _require_fit(instance: Instance, given: Certificate, member: Floats) -> None:
    _, models, cloudlets, requests = instance.sizes
    found = (len(given.family), len(given.compute_price), len(given.request_price_s))
    if found != (models, cloudlets, requests):
        raise InputError(f"certificate is for (K, C, R) = {found}; the instance has {(models, cloudlets, requests)}")
    if given.family.max() >= len(given.exact):
        raise InputError(f"certificate names family {given.family.max()}; it has {len(given.exact)}")
    for b in range(len(member)):
        families = np.unique(given.family[member[b] > 0])
        if len(families) > 1 and given.exact[families].any():
            raise InputError(f"certificate splits the models of block {b} over families; an exact family must own it")
    if max(np.bincount(given.family)[given.exact[: given.family.max() + 1] == 1], default=0) > MAX_MODELS:
        raise InputError(f"certificate has an exact family of more than {MAX_MODELS} models")
