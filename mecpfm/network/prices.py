"""What a change can save at most: old prices, carried over by name, bound the cost of the changed network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mecpfm.coupled import methods
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.proof import Proof
from mecpfm.coupled.structure import families
from mecpfm.errors import InputError
from mecpfm.network.build import Built, build, memory_gb
from mecpfm.network.change import carry, services
from mecpfm.network.contract import TABLES
from mecpfm.network.network import Network
from mecpfm.plan import relative_gap
from mecpfm.typing import Bools, Floats, Ints

CAPACITIES = ["memory_gb", "gpus"]
"""Columns of sites that enter capacities alone: nothing else is built anew when they change."""


class Saving(NamedTuple):
    """What a change can save at most, s of the plan's period, proved; negative: what it costs at least."""

    change: str
    at_most_s: float
    """Against the plan: its own gap, which a longer search may close, counts too."""
    by_change_s: float
    """By how much the change moves the proved bound."""


class Resolved(NamedTuple):
    """What a change saves with the plan found for it, s, and how many users are served otherwise."""

    saves_s: float
    moved: int


@dataclass(frozen=True, eq=False)
class Priced:
    """A network, the cost of its plan, s, and the prices that came with it, evaluated once."""

    network: Network
    built: Built
    objective_s: float
    proof: Proof

    @classmethod
    def of(cls, network: Network, built: Built, objective_s: float, given: Certificate) -> Priced:
        """InputError when the certificate belongs to another network."""
        return cls(network, built, objective_s, Proof.of(built.instance, given))

    def saving(self, other: Network, name: str = "") -> Saving:
        """What any plan of another network saves at most; milliseconds where only memory or GPUs of sites differ.

        Sites, users and models of both are matched by name. What is new has no price yet: a new user counts as served
        at its least delay, a new site as free, so that the figure is proved, if not always close.
        """
        instance, old = rebuilt(self.network, self.built, other).instance, self.built.instance
        given = carry_prices(old, self.proof.given, instance)
        moved = self.proof.moved(instance) if given is self.proof.given else Proof.of(instance, given)
        return Saving(name, self.objective_s - moved.bound, self.proof.bound - moved.bound)

    def resolved(self, other: Network, choice: Ints, *, time_limit: float | None = None) -> Resolved:
        """Solve another network from the plan ``choice`` (R,) of this one and its prices, until the gap is no larger.

        Where the plan was optimal this one is proved as well, or the time limit ends it: 10 s unless stated.
        """
        here, there = self.built.instance, rebuilt(self.network, self.built, other).instance
        prices, start = carry_prices(here, self.proof.given, there), carry(here, choice, there)
        before = relative_gap(self.objective_s, self.proof.bound)
        plan = methods.solve(
            there, "auto", start=start, prices=prices, gap=min(max(before, 0.0), 0.5), time_limit=time_limit
        )
        one, two = services(here, choice), services(there, plan.decisions["option"])
        return Resolved(self.objective_s - plan.objective, sum(two[name] != one[name] for name in two if name in one))

    def ranked(self, others: Iterable[tuple[str, Network]]) -> list[Saving]:
        """Named networks that this one may become by what each can save at most, the largest first."""
        found = [self.saving(other, name) for name, other in others]
        return sorted(found, key=lambda saving: -saving.at_most_s)


def rebuilt(network: Network, built: Built, other: Network) -> Built:
    """The instance of another network, made from that of this one where only capacities of sites differ."""
    if not _capacities_only(network, other):
        return build(other)
    capacity = {"memory_gb": memory_gb(other), "compute_s": other.sites["gpus"].to_numpy() * other.settings.period_s}
    try:
        return replace(built, instance=built.instance.change(cloudlets=capacity))
    except InputError:  # such as a block that a site holds and has no memory for: let the builder say it
        return build(other)


def _capacities_only(network: Network, other: Network) -> bool:
    if differences(network, other) not in ([], ["sites"]) or list(network.sites) != list(other.sites):
        return False
    return network.sites.drop(columns=CAPACITIES).equals(other.sites.drop(columns=CAPACITIES))


def differences(network: Network, other: Network) -> list[str]:
    """Tables in which two networks differ, and ``settings`` where these do."""
    pairs = {name: (getattr(network, name), getattr(other, name)) for name in TABLES}
    found = [n for n, (a, b) in pairs.items() if a is not b and (a is None or b is None or not a.equals(b))]
    return found + (["settings"] if network.settings != other.settings else [])


def carry_prices(old: Instance, given: Certificate, new: Instance) -> Certificate:
    """Multipliers of one instance as those of another, by the names of requests, models, cloudlets and blocks.

    Any prices >= 0 prove a bound, so one always exists. A new request is worth its least delay, a new cloudlet is
    free; models that come to share blocks with others become one family, without a cut if none of them had one.
    """
    if _same_members(old, new):
        return given
    user, model, site, block = (
        _matched(getattr(old, part).name, getattr(new, part).name, n, m)
        for part, n, m in zip(("requests", "models", "cloudlets", "blocks"), _counts(old), _counts(new), strict=True)
    )
    family, exact = families(new)
    first = new.requests.remote_delay_s.copy()
    np.minimum.at(first, new.options.request, new.options.delay_s)
    return given.model_copy(
        update={
            "request_price_s": _taken(given.request_price_s, user, first),
            "compute_price": _taken(given.compute_price, site, np.zeros(len(site))),
            "memory_price_s_per_gb": _taken(given.memory_price_s_per_gb, site, np.zeros(len(site))),
            "family": family,
            "exact": exact.astype(np.int64),
            "cut_price": _cuts(given, family, exact, model, site),
            "block_price": _block_prices(given, block, site),
            **_shares(given, new, (user, site, block), exact[family]),
            "instance_sha256": None,
        }
    )


def _same_members(old: Instance, new: Instance) -> bool:
    names = [(getattr(old, part).name, getattr(new, part).name) for part in ("requests", "models", "cloudlets")]
    mine, other = old.models.blocks, new.models.blocks
    library = np.array_equal(mine.indptr, other.indptr) and np.array_equal(mine.indices, other.indices)
    return library and old.sizes == new.sizes and all(a == b for a, b in names) and old.blocks.name == new.blocks.name


def _counts(instance: Instance) -> tuple[int, int, int, int]:
    blocks, models, cloudlets, requests = instance.sizes
    return requests, models, cloudlets, blocks


def _matched(old: tuple[str, ...] | None, new: tuple[str, ...] | None, count: int, wanted: int) -> Ints:
    """Place in the old instance of each new one, -1 where there is none; without names the same place."""
    if old is None or new is None:
        return np.where(np.arange(wanted) < count, np.arange(wanted), -1)
    place = {name: i for i, name in enumerate(old)}
    return np.array([place.get(name, -1) for name in new], dtype=np.int64)


def _taken(values: Floats, index: Ints, default: Floats) -> Floats:
    return np.where(index >= 0, np.append(values, 0.0)[index], default)


def _cuts(given: Certificate, family: Ints, exact: Bools, model: Ints, site: Ints) -> Floats:
    """Cut prices (C, F): those of the first model of each family that was in an exact one."""
    out = np.zeros((len(site), len(exact)))
    before = np.append(given.family, 0)[model]
    had = (model >= 0) & (given.exact[before] == 1)
    for f in np.flatnonzero(exact).tolist():
        if (mine := np.flatnonzero(had & (family == f))).size:
            column = given.cut_price[:, before[mine[0]]]
            out[:, f] = _taken(column, site, np.zeros(len(site)))
    return out


def _block_prices(given: Certificate, block: Ints, site: Ints) -> Floats | None:
    """Prices of blocks (B, C), 0 for new blocks and cloudlets."""
    if given.block_price is None:
        return None
    here = (block >= 0)[:, None] & (site >= 0)
    return np.where(here, given.block_price[block[:, None], site], 0.0)


def _shares(
    given: Certificate, new: Instance, matched: tuple[Ints, Ints, Ints], exact_model: Bools
) -> dict[str, Floats | Ints]:
    """Shares of requests, cloudlets and blocks that still exist, for blocks of relaxed families."""
    of = new.models.blocks
    relaxed = np.zeros(new.sizes[0], dtype=bool)
    relaxed[of.indices[~np.repeat(exact_model, np.diff(of.indptr))]] = True
    places = []
    for index, old in zip(matched, (given.share_request, given.share_cloudlet, given.share_block), strict=True):
        inverse = np.full(max(int(old.max(initial=-1)), int(index.max(initial=-1))) + 1, -1)
        inverse[index[index >= 0]] = np.flatnonzero(index >= 0)
        places.append(inverse[old])
    request, cloudlet, block = places
    kept = (request >= 0) & (cloudlet >= 0) & (block >= 0) & np.append(relaxed, False)[block]
    named = {"share_request": request, "share_cloudlet": cloudlet, "share_block": block, "share_s": given.share_s}
    return {name: values[kept] for name, values in named.items()}
