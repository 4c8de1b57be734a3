"""A certificate evaluated cloudlet by cloudlet: a changed instance costs the cloudlets that changed, and no more.

The bound is a sum over requests and cloudlets, and ``math.fsum`` rounds it once: what is put together here is, to the
last bit, what ``certificate.verify`` computes anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from mecpfm.coupled.belonging import model_gb, require_fit
from mecpfm.coupled.certificate import Certificate, Terms, terms, total, worth
from mecpfm.coupled.instance import LARGEST, Instance, most
from mecpfm.typing import Bools, Floats, Ints

RESOLUTION = 1e-3
"""Ends of ranges are found to this share of a cloudlet's capacity, on the safe side."""
REACH = 16.0
"""Ranges are looked for up to so many times a cloudlet's capacity above it."""
SAME = 1e-9
"""Deviation, relative to the bound, that is rounding."""
Resource = Literal["memory_gb", "compute_s"]


class Validity(NamedTuple):
    """Where a price is the slope of the proved bound: from ``least`` to ``most``, changes of a capacity (GB or s)."""

    price: float
    """What one more GB, or GPU second, takes off the bound, s."""
    least: float
    most: float
    """inf where the price holds however far the capacity grows."""


@dataclass(frozen=True, eq=False)
class Proof:
    """An instance, multipliers, and what each cloudlet takes off the bound they prove.

    ``Proof.of(instance, certificate).moved(other).bound`` equals ``verify(other, certificate)``.
    """

    instance: Instance
    given: Certificate
    sites: tuple[Terms, ...]
    rows: tuple[Ints, ...]
    """Options at each cloudlet, ascending."""

    @classmethod
    def of(cls, instance: Instance, given: Certificate) -> Proof:
        """Evaluate all cloudlets; InputError when the multipliers do not belong to the instance."""
        require_fit(instance, given)
        rows = _rows(instance)
        return cls(instance, given, tuple(terms(instance, given, rows[c], c) for c in range(len(rows))), rows)

    @property
    def bound(self) -> float:
        """Lower bound, s, as ``verify`` computes it."""
        return total(self.instance, self.given, self.sites)

    def moved(self, instance: Instance) -> Proof:
        """The proof for an instance that changed: only cloudlets whose numbers changed are evaluated again.

        InputError when the multipliers do not belong to it: after a change of blocks, models, or the number of
        requests or cloudlets, see ``network.prices.carry_prices``.
        """
        require_fit(instance, self.given)
        if instance.options is self.instance.options:
            rows, stale = self.rows, np.zeros(len(self.sites), dtype=bool)
        else:
            rows = _rows(instance)
            stale = _options_differ(self.instance, instance, self.rows, rows)
        stale |= self._stale(instance)
        sites = list(self.sites)
        for c in np.flatnonzero(stale).tolist():
            sites[c] = terms(instance, self.given, rows[c], c)
        return replace(self, instance=instance, sites=tuple(sites), rows=rows)

    def _stale(self, new: Instance) -> Bools:
        """Cloudlets whose terms may change for what is not an option: shape (C,)."""
        old, given, count = self.instance, self.given, len(self.sites)
        if not _same_library(old, new):
            return np.ones(count, dtype=bool)
        stale = (old.pull_s != new.pull_s).any(axis=0)
        moved = worth(old, given) != worth(new, given)
        if moved.any():
            stale[np.unique(new.options.cloudlet[moved[new.options.request]])] = True
        size = model_gb(old)
        for c in np.flatnonzero(old.cloudlets.memory_gb != new.cloudlets.memory_gb).tolist():
            other = _fits(size, old.cloudlets.memory_gb, c) != _fits(size, new.cloudlets.memory_gb, c)
            stale[c] |= given.memory_row is not None or bool(other.any())
        for c in np.flatnonzero(old.cloudlets.compute_s != new.cloudlets.compute_s).tolist():
            work = old.options.compute_s[self.rows[c]]
            other = _fits(work, old.cloudlets.compute_s, c) != _fits(work, new.cloudlets.compute_s, c)
            rests = given.block_price is not None or given.compute_row is not None
            stale[c] |= rests or bool((given.cut_price[c] > 0).any() or other.any())
        return np.asarray(stale)

    def valid_range(self, site: int, resource: Resource) -> Validity:
        """How far a price of this certificate may be trusted as the slope of its bound.

        For a change d of one cloudlet's memory (GB) or compute (s), all else as it is, the bound that these
        multipliers prove is ``bound - price * d`` for every d from ``least`` to ``most``, up to rounding. Beyond, it
        still is a bound, which ``moved`` computes, but leaves that line: with more capacity it lies below, as models
        or options begin to fit the cloudlet on their own or a family opens there; with less, also above, as they
        cease to. It says nothing of other multipliers: those of a new solution may prove more, so that ``price * d``
        is the most that capacity within the range saves against the bound, and not what it does save. Where the bound
        bends exactly at the capacity as it is, the range is empty on one side, or on both.

        Ends are found by bisection: inside the true range, by at most ``RESOLUTION`` times the capacity. With less
        compute the range ends where any option ceases to fit, of use or not.
        """
        now = float(getattr(self.instance.cloudlets, resource)[site])
        price, before = self.price(site, resource), self._value(site, resource, now)
        noise = SAME * max(abs(self.bound), 1.0)
        needs = self.instance.options.compute_s[self.rows[site]]
        largest = float(needs[_fits(needs, self.instance.cloudlets.compute_s, site)].max(initial=0.0))

        def holds(change: float) -> bool:
            if resource == "compute_s" and change < 0 and largest > most(np.array(now + change)):
                return False  # it would lower the value where closing families raise it: nothing to bisect
            line = before + price * change
            return abs(self._value(site, resource, now + change) - line) <= noise

        step = RESOLUTION * max(now, 1.0)
        top = min(REACH * max(now, 1.0), LARGEST - now)
        up = _furthest(holds, top, step)
        return Validity(price, -_furthest(lambda change: holds(-change), now, step), np.inf if up == top else up)

    def _value(self, site: int, resource: Resource, amount: float) -> float:
        """What a cloudlet with so much of a resource takes off the bound, s."""
        cloudlets = self.instance.cloudlets
        changed = getattr(cloudlets, resource).copy()
        changed[site] = amount
        other = self.instance.model_copy(update={"cloudlets": cloudlets.model_copy(update={resource: changed})})
        part = self.sites[site] if not self._stale(other)[site] else terms(other, self.given, self.rows[site], site)
        capacity = {name: float(getattr(other.cloudlets, name)[site]) for name in ("memory_gb", "compute_s")}
        fixed = float(self.given.memory_price_s_per_gb[site]) * capacity["memory_gb"]
        fixed += float(self.given.compute_price[site]) * capacity["compute_s"]
        return fixed + sum(part.ties) + sum(part.relaxed) + sum(part.exact)

    def price(self, site: int, resource: Resource) -> float:
        """Slope of what the cloudlet takes off the bound, s per GB or GPU second, at its capacity as it is."""
        given, rows = self.given, self.rows[site]
        if resource == "memory_gb":
            return float(given.memory_price_s_per_gb[site])
        if given.block_price is not None:  # which blocks are open is not kept: the slope is that of a small step
            now = float(self.instance.cloudlets.compute_s[site])
            step = RESOLUTION * max(now, 1.0)
            return (self._value(site, resource, now + step) - self._value(site, resource, now)) / step
        family, price = given.family[self.instance.options.model[rows]], float(given.compute_price[site])
        for f in np.flatnonzero((given.cut_price[site] > 0) & (given.exact == 1)).tolist():
            if self._opened(rows, family == f, site):  # it pays for its cut
                price += float(given.cut_price[site, f])
        return price

    def _opened(self, rows: Ints, mine: Bools, site: int) -> bool:
        """Whether the family of options ``mine`` among ``rows`` is open at a cloudlet, beside its competitors."""
        if self.given.memory_row is None:
            return sum(terms(self.instance, self.given, rows[mine], site).exact) > 0
        every, others = sum(self.sites[site].exact), sum(terms(self.instance, self.given, rows[~mine], site).exact)
        return every - others > SAME * every  # one family more lifts the room for rounding as well


def _rows(instance: Instance) -> tuple[Ints, ...]:
    """Options of each cloudlet, ascending."""
    at, count = instance.options.cloudlet, instance.sizes[2]
    order = np.argsort(at.astype(np.uint16) if count <= 1 << 16 else at, kind="stable")  # NumPy's radix sort
    return tuple(np.split(order, np.searchsorted(at[order], np.arange(1, count))))


def _options_differ(old: Instance, new: Instance, before: tuple[Ints, ...], after: tuple[Ints, ...]) -> Bools:
    """Cloudlets whose options are not what they were, shape (C,)."""
    names = ("request", "model", "delay_s", "compute_s")
    pairs = [(getattr(old.options, name), getattr(new.options, name)) for name in names]
    return np.array(
        [
            len(was) != len(now) or any(not np.array_equal(a[was], b[now]) for a, b in pairs)
            for was, now in zip(before, after, strict=True)
        ]
    )


def _same_library(old: Instance, new: Instance) -> bool:
    """Whether blocks, and models made of them, are the same."""
    if old.blocks is new.blocks and old.models is new.models:
        return True
    mine, other = old.models.blocks, new.models.blocks
    pairs = ((old.blocks.size_gb, new.blocks.size_gb), (mine.indptr, other.indptr), (mine.indices, other.indices))
    return all(np.array_equal(a, b) for a, b in pairs)


def _fits(amount: Floats, limit: Floats, site: int) -> Bools:
    """Which amounts fit a cloudlet alone."""
    return amount <= most(limit[site : site + 1])


def _furthest(holds: Callable[[float], bool], top: float, step: float) -> float:
    """Largest change up to ``top`` for which it still holds, to within ``step``; it holds at 0, and not again."""
    if top <= 0 or holds(top):
        return max(top, 0.0)
    low, high = 0.0, top
    while high - low > step:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
