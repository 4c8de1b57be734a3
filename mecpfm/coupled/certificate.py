"""Certificates: multipliers that prove a lower bound, saved in the instance's own terms and checked independently.

The check shares no code with the dual engine: plain NumPy, straight from the instance, every set of models written
out (of families of more than 14 models, those that ``waived`` leaves). It accepts any prices from 0 to 1e100 and
computes the bound they prove (docs/theory_coupled.md, theorem 1).

Rounding never helps: with u = EPS / 2 a computed sum of n non-negative terms is within (n - 1) u of the true one,
relative, and a product or difference within u of its own size. So what lowers the bound is raised, and what raises it
lowered, by EPS times the roundings that enter, generously counted, times the sum of the absolute values of the terms.
Options carry that in their gains, cells on each set of models, and totals come from ``math.fsum``, which rounds once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import PlainValidator

from mecpfm.coupled import priced, waived
from mecpfm.coupled.belonging import member_of, model_gb, require_fit
from mecpfm.coupled.enumeration import EPS, model_sets
from mecpfm.coupled.instance import Instance, most
from mecpfm.coupled.packing import packed
from mecpfm.errors import InputError
from mecpfm.records import FloatArray, IntArray, OptionalFloatArray, OptionalIntArray, Range, RootRecord, Shape
from mecpfm.typing import Floats, Ints

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
    newer_schema: ClassVar[str | None] = "mecpfm.certificate/2"

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
    memory_row: Annotated[OptionalIntArray, Shape(), Range(ge=1, le=1)] = None
    """1 where the exact families that are open at a cloudlet must fit its memory together; schema 2."""
    block_price: Annotated[OptionalFloatArray, Shape("B", "C"), Price] = None
    """Price of the cut of each block at each cloudlet, s of delay a second of compute; schema 2."""
    compute_row: Annotated[OptionalIntArray, Shape(), Range(ge=1, le=1)] = None
    """1 where the requests at a cell of one model must fit its cloudlet's compute together; schema 2."""

    def _schema(self) -> str:
        newer = (self.memory_row, self.block_price, self.compute_row)
        return self.file_schema if all(field is None for field in newer) else str(self.newer_schema)


def verify(instance: Instance, given: Certificate) -> float:
    """Lower bound that multipliers prove.

    Parameters
    ----------
    instance
        Read from its file: nothing of the solver is used.
    given
        Prices from 0 to 1e100; whatever they are, the bound is valid.

    Returns
    -------
    float
        s.

    Raises
    ------
    InputError
        They do not belong to the instance.
    """
    require_fit(instance, given)
    return total(instance, given, [terms(instance, given, np.arange(len(instance.options.request)))])


class Terms(NamedTuple):
    """What some cloudlets take off the bound, s: lists, so that any grouping of cloudlets has one and the same sum."""

    ties: list[float]
    relaxed: list[float]
    exact: list[float]


def worth(instance: Instance, given: Certificate) -> Floats:
    """Price of each request, s, shape (R,): more than its remote delay proves nothing."""
    return np.minimum(given.request_price_s, instance.requests.remote_delay_s)


def total(instance: Instance, given: Certificate, parts: Sequence[Terms]) -> float:
    """The bound, s, from the terms of all cloudlets."""
    cloudlets = instance.cloudlets
    less = [math.fsum(itertools.chain.from_iterable(part.ties for part in parts))]
    less.append(math.fsum(itertools.chain.from_iterable(part.relaxed for part in parts)))
    less += (given.compute_price * cloudlets.compute_s).tolist()
    less += (given.memory_price_s_per_gb * cloudlets.memory_gb).tolist()
    less += itertools.chain.from_iterable(part.exact for part in parts)
    bound = math.fsum([*worth(instance, given).tolist(), *(-(1 + 4 * EPS) * value for value in less)])
    if not math.isfinite(bound):
        raise InputError(f"certificate proves {bound}; must be a finite bound")
    return bound - 2 * EPS * abs(bound)


def terms(instance: Instance, given: Certificate, rows: Ints, site: int | None = None) -> Terms:
    """Terms of all cloudlets, or of one: ``rows`` are the options there, ascending."""
    options, member = instance.options, member_of(instance)
    gain, ties = _gains(instance, given, model_gb(instance), rows)
    price = instance.pull_s + np.outer(instance.blocks.size_gb, given.memory_price_s_per_gb)
    exact = given.exact[given.family[options.model[rows]]] == 1
    paying = gain if given.block_price is None else priced.reduced(instance, given, rows, gain)
    relaxed = _relaxed(instance, given, (rows, paying), price, np.flatnonzero(~exact & (paying > 0)), site)
    # Where blocks may have negative prices, a model may be open without a gain.
    positive = np.flatnonzero(exact & (gain > 0 if given.block_price is None else gain >= 0))
    option = rows[positive]
    cell = options.cloudlet[option] * len(given.exact) + given.family[options.model[option]]
    order = np.argsort(cell, kind="stable")
    cut = np.flatnonzero(np.diff(cell[order])) + 1
    parts = [part for part in np.split(positive[order], cut) if part.size]
    value = _exact if given.block_price is None else priced.open_cell
    values = [value(instance, given, gain[part], price, rows[part], member) for part in parts]
    if given.memory_row is not None:
        values = _fitting(instance, [rows[part] for part in parts], values, member)
    return Terms(ties, relaxed, values)


def _fitting(instance: Instance, cells: list[Ints], values: list[float], member: Floats) -> list[float]:
    """Most that the families of each cloudlet are worth which fit its memory together; ``cells`` are their options.

    A family takes at least the blocks that all its models with a gain contain: serving nobody by another one, it
    would be worth no less. Among prices of blocks ``cells`` hold all its models that fit.
    """
    site = np.array([instance.options.cloudlet[rows[0]] for rows in cells], dtype=np.int64)
    size, room = np.zeros(len(cells)), most(instance.cloudlets.memory_gb) * (1 + (len(member) + 8) * EPS)
    for i, rows in enumerate(cells):
        common = member[:, np.unique(instance.options.model[rows])].all(axis=1)
        size[i] = math.fsum(instance.blocks.size_gb[common].tolist()) * (1 - 4 * EPS)
    worth = np.array(values)
    return [packed(worth[site == c], size[site == c], float(room[c])) for c in np.unique(site).tolist()]


def _gains(instance: Instance, given: Certificate, whole_gb: Floats, rows: Ints) -> tuple[Floats, list[float]]:
    """What each option of ``rows`` gains at most, -inf where it does not fit, and charges for gains of rounding alone.

    The charge in place of the option keeps the cells as small as they would be without rounding.
    """
    options, cloudlets = instance.options, instance.cloudlets
    site, compute, delay = options.cloudlet[rows], options.compute_s[rows], options.delay_s[rows]
    v, work = worth(instance, given)[options.request[rows]], given.compute_price[site] * compute
    gain = v - delay - work
    raised = gain + 4 * EPS * (v + delay + work)
    # No plan may use an option that exceeds its cloudlet on its own.
    fits = whole_gb[options.model[rows]] <= most(cloudlets.memory_gb)[site]
    fits &= compute <= most(cloudlets.compute_s)[site]
    ties = raised[fits & (gain <= 0) & (raised > 0)]
    return np.where(fits, np.where(gain > 0, raised, 0.0), -np.inf), ties.tolist()


def _exact(instance: Instance, given: Certificate, gain: Floats, price: Floats, rows: Ints, member: Floats) -> float:
    """Value of one (cloudlet, family) with every set of its models written out, zero when closing it is better.

    Of more than ``waived.MOST`` models an upper bound.
    """
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
    best, least = 0.0, 0.0
    if len(models) > waived.MOST:
        left = waived.narrowed(table, needs > 0, pays)
        single = (fixed + table.sum(axis=0)) * (1 + slack) - pays @ needs * (1 - slack)
        base, least = table[:, left.taken | left.gifts].max(axis=1, initial=0), pays[left.paid].sum()
        best = max(0.0, float(single.max()), (fixed + base.sum()) * (1 + slack) - least * (1 - slack))
        table = np.maximum(table[:, left.rest], base[:, None])
        needs, pays = needs[np.ix_(~left.paid, left.rest)], pays[~left.paid]
    for sets, served in model_sets(table):
        paid = least + ((sets @ needs.T > 0) * pays).sum(axis=1)
        value = (fixed + served.sum(axis=1)) * (1 + slack) - paid * (1 - slack)
        best = max(best, float(value.max()))
    if given.compute_row is not None and len(models) == 1:
        whole = packed(gain, options.compute_s[rows], float(most(instance.cloudlets.compute_s)[c]))
        best = min(best, max(whole * (1 + slack) - float(pays.sum()) * (1 - slack), 0.0))
    return best


def _relaxed(
    instance: Instance, given: Certificate, gains: tuple[Ints, Floats], price: Floats, which: Ints, site: int | None
) -> list[float]:
    """Values of all relaxed families: what requests gain after their shares, plus shares beyond a block's price.

    ``gains`` are options and what they gain; ``which`` are the places of those of relaxed families.
    """
    options, blocks, (row, gain) = instance.options, instance.models.blocks, gains
    here = slice(None) if site is None else np.flatnonzero(given.share_cloudlet == site)
    cloudlet, block = given.share_cloudlet[here], given.share_block[here]
    request, share_s = given.share_request[here], given.share_s[here]
    paid, count = np.zeros_like(price), np.zeros_like(price)
    np.add.at(paid, (block, cloudlet), share_s)
    np.add.at(count, (block, cloudlet), 1)
    if given.block_price is not None:
        sites, owner = np.arange(paid.shape[1]), given.exact[given.family] == 0
        mine = member_of(instance)[:, owner].any(axis=1, keepdims=True) & (sites == (sites if site is None else site))
        paid, count = paid + np.where(mine, priced.credit(instance, given.block_price), 0.0), count + 2
    places = zip(cloudlet.tolist(), block.tolist(), request.tolist(), strict=True)
    share = dict(zip(places, share_s.tolist(), strict=True))
    best: dict[tuple[int, int, int], float] = {}
    for i in which.tolist():
        o = int(row[i])
        c, r, k = int(options.cloudlet[o]), int(options.request[o]), int(options.model[o])
        own = math.fsum(share.get((c, b, r), 0.0) for b in blocks[k].tolist())
        cell = (c, r, int(given.family[k]))
        best[cell] = max(best.get(cell, 0.0), float(gain[i]) * (1 + 4 * EPS) - own * (1 - 4 * EPS))
    beyond = np.maximum(paid * (1 + (count + 8) * EPS) - price * (1 - 8 * EPS), 0)[paid > 0]
    return [*best.values(), *beyond.tolist()]
