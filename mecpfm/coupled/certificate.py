"""Certificates: multipliers that prove a lower bound, saved in the instance's own terms and checked independently.

The check shares no code with the dual engine: plain NumPy, straight from the instance, every set of models written
out. It accepts any prices from 0 to 1e100 and computes the bound they prove (docs/theory_coupled.md, theorem 1).

Rounding never helps: with u = EPS / 2 a computed sum of n non-negative terms is within (n - 1) u of the true one,
relative, and a product or difference within u of its own size. So what lowers the bound is raised, and what raises it
lowered, by EPS times the roundings that enter, generously counted, times the sum of the absolute values of the terms.
Options carry that in their gains, cells on each set of models, and totals come from ``math.fsum``, which rounds once.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainValidator

from mecpfm.coupled.dual import Dual
from mecpfm.coupled.instance import Instance, most
from mecpfm.coupled.structure import Structure
from mecpfm.errors import InputError
from mecpfm.plan import instance_sha256
from mecpfm.records import FloatArray, IntArray, Range, RootRecord, Shape

Floats = NDArray[np.float64]
MAX_MODELS = 20
"""Most models of an exact family the check enumerates: 2^20 sets."""
EPS = float(np.finfo(np.float64).eps)
LARGEST_PRICE = 1e100
"""No product of a price with an instance's quantity overflows, so no NaN can hide a cell."""
Price = Range(ge=0, le=LARGEST_PRICE)


def _text(value: Any) -> str | None:
    text = value.tolist() if isinstance(value, np.ndarray) else value
    if not (text is None or isinstance(text, str)):
        raise ValueError("must be a text")
    return text


class Certificate(RootRecord):
    """Multipliers of one bound; F families, W shares, the rest as in the instance, whose SHA-256 is there if known."""

    file_schema: ClassVar[str] = "mecpfm.certificate/1"

    bound_s: Annotated[FloatArray, Shape(), Range()]
    request_price_s: Annotated[FloatArray, Shape("R"), Price]
    compute_price: Annotated[FloatArray, Shape("C"), Price]
    memory_price_s_per_gb: Annotated[FloatArray, Shape("C"), Price]
    family: Annotated[IntArray, Shape("K"), Range(ge=0)]
    exact: Annotated[IntArray, Shape("F"), Range(ge=0, le=1)]
    cut_price: Annotated[FloatArray, Shape("C", "F"), Price]
    share_cloudlet: Annotated[IntArray, Shape("W"), Range(ge=0)]
    share_block: Annotated[IntArray, Shape("W"), Range(ge=0)]
    share_request: Annotated[IntArray, Shape("W"), Range(ge=0)]
    share_s: Annotated[FloatArray, Shape("W"), Price]
    instance_sha256: Annotated[str | None, PlainValidator(_text)] = None


def certificate(structure: Structure, dual: Dual, instance: Instance | None = None) -> Certificate:
    """The multipliers of a bound, ready to be written to a file, tied to the instance if that is given."""
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
        instance_sha256=None if instance is None else instance_sha256(instance),
    )


def verify(instance: Instance, given: Certificate) -> float:
    """Lower bound (s) that the multipliers prove; InputError when they do not belong to the instance."""
    member = _member(instance)
    _require_fit(instance, given, member)
    options, cloudlets = instance.options, instance.cloudlets
    v = np.minimum(given.request_price_s, instance.requests.remote_delay_s)  # more than that proves nothing
    gain, ties = _gains(instance, given, v, (instance.blocks.size_gb[:, None] * member).sum(axis=0))
    price = instance.pull_s + np.outer(instance.blocks.size_gb, given.memory_price_s_per_gb)
    exact = given.exact[given.family[options.model]] == 1
    less = [ties, _relaxed(instance, given, gain, price, np.flatnonzero(~exact & (gain > 0)))]
    less += (given.compute_price * cloudlets.compute_s).tolist()
    less += (given.memory_price_s_per_gb * cloudlets.memory_gb).tolist()
    positive = np.flatnonzero(exact & (gain > 0))
    cell = options.cloudlet[positive] * len(given.exact) + given.family[options.model[positive]]
    order = np.argsort(cell, kind="stable")
    for rows in np.split(positive[order], np.flatnonzero(np.diff(cell[order])) + 1):
        if rows.size:
            less.append(_exact(instance, given, gain[rows], price, rows, member))
    bound = math.fsum([*v.tolist(), *(-(1 + 4 * EPS) * value for value in less)])
    if not math.isfinite(bound):
        raise InputError(f"certificate proves {bound}; must be a finite bound")
    return bound - 2 * EPS * abs(bound)


def _gains(instance: Instance, given: Certificate, v: Floats, model_gb: Floats) -> tuple[Floats, float]:
    """What each option gains at most, -inf where it is of no use, and a charge for gains of 0 but for rounding.

    The charge in place of the option keeps the cells as small as they would be without rounding.
    """
    options, cloudlets = instance.options, instance.cloudlets
    worth, work = v[options.request], given.compute_price[options.cloudlet] * options.compute_s
    gain = worth - options.delay_s - work
    raised = gain + 4 * EPS * (worth + options.delay_s + work)
    # No plan may use an option that exceeds its cloudlet on its own.
    fits = model_gb[options.model] <= most(cloudlets.memory_gb)[options.cloudlet]
    fits &= options.compute_s <= most(cloudlets.compute_s)[options.cloudlet]
    ties = raised[fits & (gain <= 0) & (raised > 0)]
    return np.where(fits & (gain > 0), raised, -np.inf), math.fsum(ties.tolist())


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
    np.maximum.at(table, (row, column), gain * (1 + 4 * EPS) - lam * options.compute_s[rows])
    fixed = lam * float(instance.cloudlets.compute_s[c])
    owned = np.flatnonzero(member[:, models].any(axis=1))
    needs, pays = member[np.ix_(owned, models)], price[owned, c]
    slack = (len(requests) + len(owned) + 8) * EPS
    if (fixed + table.max(axis=1).sum()) * (1 + slack) <= (pays[:, None] * needs).sum(axis=0).min() * (1 - slack):
        return 0.0
    best = 0.0
    for chunk in np.array_split(np.arange(1, 1 << len(models)), 1 + (len(requests) << len(models) >> 22)):
        sets = (chunk[:, None] >> np.arange(len(models))) & 1 == 1
        served = np.zeros((len(sets), len(requests)))
        for k in range(len(models)):
            served = np.maximum(served, sets[:, k, None] * table[:, k])
        paid = ((sets @ needs.T > 0) * pays).sum(axis=1)
        value = (fixed + served.sum(axis=1)) * (1 + slack) - paid * (1 - slack)
        best = max(best, float(value.max()))
    return best


def _relaxed(instance: Instance, given: Certificate, gain: Floats, price: Floats, rows: NDArray[np.int64]) -> float:
    """Value of all relaxed families: what requests gain after their shares, plus shares beyond a block's price."""
    options, blocks = instance.options, instance.models.blocks
    paid, count = np.zeros_like(price), np.zeros_like(price)
    np.add.at(paid, (given.share_block, given.share_cloudlet), given.share_s)
    np.add.at(count, (given.share_block, given.share_cloudlet), 1)
    places = (given.share_cloudlet, given.share_block, given.share_request)
    share = dict(zip(zip(*(place.tolist() for place in places), strict=True), given.share_s.tolist(), strict=True))
    best: dict[tuple[int, int, int], float] = {}
    for o in rows.tolist():
        c, r, k = int(options.cloudlet[o]), int(options.request[o]), int(options.model[o])
        own = math.fsum(share.get((c, b, r), 0.0) for b in blocks[k].tolist())
        cell = (c, r, int(given.family[k]))
        best[cell] = max(best.get(cell, 0.0), float(gain[o]) * (1 + 4 * EPS) - own * (1 - 4 * EPS))
    beyond = np.maximum(paid * (1 + (count + 8) * EPS) - price * (1 - 8 * EPS), 0)[paid > 0]
    return math.fsum([*best.values(), *beyond.tolist()])


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
    for name, limit in (("cloudlet", cloudlets), ("block", len(member)), ("request", requests)):
        index = getattr(given, f"share_{name}")
        if (bad := np.flatnonzero(index >= limit)).size:
            raise InputError(f"share_{name}[{bad[0]}] is {index[bad[0]]}; must be < {limit}")
    for b in range(len(member)):
        families = np.unique(given.family[member[b] > 0])
        if len(families) > 1 and given.exact[families].any():
            raise InputError(f"certificate splits the models of block {b} over families; an exact family must own it")
    if max(np.bincount(given.family)[given.exact[: given.family.max() + 1] == 1], default=0) > MAX_MODELS:
        raise InputError(f"certificate has an exact family of more than {MAX_MODELS} models")
