"""Tables of a coupled plan by name: who serves whom, what is pulled from where, and what is scarce, units in columns.

Without names a row is called as in the checker's words: ``request 3``, ``cloudlet 0``, ``model 2``, ``block 5``.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mecpfm.coupled.check import REMOTE
from mecpfm.coupled.instance import DATA_CENTRE, Instance, most
from mecpfm.coupled.pins import used
from mecpfm.coupled.proof import Proof, Resource
from mecpfm.coupled.pulls import pulls_of
from mecpfm.network.build import Built, rates
from mecpfm.network.network import Network
from mecpfm.typing import Floats, Ints

AT_CENTRE = "data centre"
RESOURCES: tuple[tuple[Resource, str, str], ...] = (
    ("memory_gb", "price_s_per_gb", "gb"),
    ("compute_s", "price_s_per_gpu_s", "gpu_s"),
)
PRICES = tuple(price for _, price, _ in RESOURCES)
PULLS = {"block": "str", "site": "str", "from": "str", "gb": "float64", "seconds": "float64", "models": "str"}
"""Columns of pulls, also where there are none."""
ENDS = ("least", "most")
MANY = 100_000
"""Options from which on the ranges of prices are left out: they take as long as a solve."""


class Names(NamedTuple):
    """What the rows of an instance are called, each once."""

    users: list[str]
    sites: list[str]
    models: list[str]
    blocks: list[str]

    @classmethod
    def of(cls, instance: Instance) -> Names:
        """Names of a coupled instance, or its words and indices."""
        blocks, models, sites, users = instance.sizes
        return cls(
            called(instance.requests.name, "request", users),
            called(instance.cloudlets.name, "cloudlet", sites),
            called(instance.models.name, "model", models),
            called(instance.blocks.name, "block", blocks),
        )

    def say(self, row: str) -> str:
        """A broken row in the checker's words, by name."""

        def name(found: re.Match[str]) -> str:
            own = {"request": self.users, "cloudlet": self.sites}[found[1]][int(found[2])]
            return own if own == found[0] else f"{'user' if found[1] == 'request' else 'site'} {own!r}"

        return re.sub(r"\b(request|cloudlet) (\d+)\b", name, row)


def called(given: tuple[str, ...] | None, word: str, count: int) -> list[str]:
    """A name for each of ``count`` rows; the word and index where there is none, or beside one that stands twice."""
    if given is None:
        return [f"{word} {i}" for i in range(count)]
    times = Counter([*given, AT_CENTRE])
    return [name if name and times[name] == 1 else f"{name} ({word} {i})".lstrip() for i, name in enumerate(given)]


class Tables(NamedTuple):
    """Tables of a plan, by name, units in the columns."""

    sites: pd.DataFrame
    users: pd.DataFrame
    pulls: pd.DataFrame


class Context(NamedTuple):
    """What an instance does not say of itself: the network it was built of."""

    network: Network
    built: Built


def tabulate(instance: Instance, choice: Ints, proof: Proof, context: Context | None) -> Tables:
    """Tables of an integral plan ``choice`` (R,): options, or -1 for the data centre."""
    names = Names.of(instance)
    pulls = _pulls(instance, choice, names)
    sites = _sites(instance, choice, names, pulls)
    for resource, price, _ in RESOURCES:
        sites[price] = [proof.price(c, resource) for c in range(len(sites))]
    users = _users(instance, choice, names)
    if context is not None:
        users = _with_parts(users, instance, choice, context)
    return Tables(sites, users, pulls)


def prices(proof: Proof) -> pd.DataFrame:
    """Prices of every site and how far they hold, as ``Proof.valid_range`` says.

    Columns: ``site``, ``price_s_per_gb`` with ``gb_least`` and ``gb_most``, the changes of its memory over which the
    bound follows the price, and ``price_s_per_gpu_s`` with ``gpu_s_least`` and ``gpu_s_most``.
    """
    names = Names.of(proof.instance).sites
    few = len(proof.instance.options.request) <= MANY
    columns: dict[str, Any] = {"site": names}
    for resource, price, unit in RESOURCES:
        columns[price] = [proof.price(c, resource) for c in range(len(names))]
        if few:
            ranges = [proof.valid_range(c, resource) for c in range(len(names))]
            columns |= {f"{unit}_{end}": [getattr(one, end) for one in ranges] for end in ENDS}
    return pd.DataFrame(columns)


def _sites(instance: Instance, choice: Ints, names: Names, pulls: pd.DataFrame) -> pd.DataFrame:
    options, cloudlets = instance.options, instance.cloudlets
    chosen, count = choice[choice != REMOTE], instance.sizes[2]
    at, weight = options.cloudlet[chosen], _weight(instance)
    by_site = pulls.groupby("site")[["gb", "seconds"]].sum().reindex(names.sites).fillna(0.0)
    columns: dict[str, Any] = {"site": names.sites}
    if cloudlets.latitude_deg is not None and cloudlets.longitude_deg is not None:
        columns |= {"latitude_deg": cloudlets.latitude_deg, "longitude_deg": cloudlets.longitude_deg}
    columns |= {
        "users": np.bincount(at, minlength=count),
        "requests": np.bincount(at, weight[options.request[chosen]], count),
        "gpu_s": np.bincount(at, options.compute_s[chosen], count),
        "gpu_s_available": cloudlets.compute_s,
        "memory_gb": (instance.blocks.size_gb[:, None] * used(instance, choice)).sum(axis=0),
        "memory_gb_available": cloudlets.memory_gb,
        "pulled_gb": by_site["gb"].to_numpy(dtype=float),
        "pulling_s": by_site["seconds"].to_numpy(dtype=float),
    }
    return pd.DataFrame(columns)


def _weight(instance: Instance) -> Floats:
    weight = instance.requests.weight
    return np.ones(instance.sizes[3]) if weight is None else weight


def _pulls(instance: Instance, choice: Ints, names: Names) -> pd.DataFrame:
    found, of = pulls_of(instance, choice), instance.models.blocks
    chosen = choice[choice != REMOTE]
    pairs = set(zip(instance.options.model[chosen].tolist(), instance.options.cloudlet[chosen].tolist(), strict=True))
    needed: dict[tuple[int, int], list[str]] = {}
    for k, c in sorted(pairs):
        for b in of[k].tolist():
            needed.setdefault((b, c), []).append(names.models[k])
    rows = []
    for b, c, source, gb, seconds in zip(*(column.tolist() for column in found), strict=True):
        origin = AT_CENTRE if source == DATA_CENTRE else names.sites[source]
        rows.append((names.blocks[b], names.sites[c], origin, gb, seconds, ", ".join(needed[b, c])))
    return pd.DataFrame(rows, columns=list(PULLS)).astype(PULLS)


def _users(instance: Instance, choice: Ints, names: Names) -> pd.DataFrame:
    options, requests, weight = instance.options, instance.requests, _weight(instance)
    edge, n = choice != REMOTE, len(options.request)
    o = np.where(edge, choice, n)
    cost = np.where(edge, np.append(options.delay_s, 0.0)[o], requests.remote_delay_s)
    second = _second(instance, choice)
    sites, models = [*names.sites, AT_CENTRE], [*names.models, ""]
    at, by = np.append(options.cloudlet, -1), np.append(options.model, -1)
    other = ["" if k < 0 else AT_CENTRE if k == n else f"{sites[at[k]]}, {models[by[k]]}" for k in second.tolist()]
    then = np.where(second == n, requests.remote_delay_s, np.append(options.delay_s, 0.0)[second])
    return pd.DataFrame(
        {
            "user": names.users,
            "served_at": [sites[c] for c in at[o].tolist()],
            "model": [models[k] for k in by[o].tolist()],
            "requests": weight,
            "delay_s": cost / weight,
            "remote_s": requests.remote_delay_s / weight,
            "accuracy": np.where(edge, np.append(options.accuracy, 0.0)[o], requests.remote_accuracy),
            "second_choice": other,
            "second_costs_s": np.where(second >= 0, (then - cost) / weight, np.nan),
        }
    )


def _with_parts(users: pd.DataFrame, instance: Instance, choice: Ints, context: Context) -> pd.DataFrame:
    """The same with each user's own site, the parts of a delay at the edge, and its deadline."""
    network, built = context
    edge, n = choice != REMOTE, len(instance.options.request)
    o = np.where(edge, choice, n)
    c, k = np.append(instance.options.cloudlet, 0)[o], np.append(instance.options.model, 0)[o]
    before, after = (rate[c, k] for rate in rates(network, network.sites["gpu"].tolist()))
    parts = {
        "access_s": np.full(len(choice), network.settings.access_ms / 1000),
        "path_s": 2 * built.path_s[built.home, c],
        "prefill_s": network.users["tokens_in"].to_numpy() * before,
        "decode_s": network.users["tokens_out"].to_numpy() * after,
    }
    limit, delay = network.users["deadline_s"].to_numpy(), users["delay_s"].to_numpy()
    kept = np.where(delay <= limit * (1 + 1e-9), "kept", "missed")
    names = Names.of(instance).sites
    users.insert(1, "home", [names[at] for at in built.home.tolist()])
    place = users.columns.tolist().index("delay_s") + 1
    for i, (name, part) in enumerate(parts.items()):
        users.insert(place + i, name, np.where(edge, part, np.nan))
    users.insert(len(users.columns) - 2, "deadline", np.where(np.isinf(limit), "", kept).astype(object))
    return users


def _second(instance: Instance, choice: Ints) -> Ints:
    """Fastest other option whose blocks are there and whose GPU time is left; n for the data centre, -1 for none."""
    options = instance.options
    n, edge = len(options.request), choice != REMOTE
    second = np.where(edge, n, -1)
    if not n:
        return second
    there = used(instance, choice)
    held = np.stack([there[blocks].all(axis=0) for blocks in instance.models.blocks])
    own = np.maximum(choice, 0)
    load = np.bincount(options.cloudlet[choice[edge]], options.compute_s[choice[edge]], instance.sizes[2])
    at_own = edge[options.request] & (options.cloudlet == options.cloudlet[own][options.request])
    freed = np.where(at_own, options.compute_s[own][options.request], 0.0)
    room = (most(instance.cloudlets.compute_s) - load)[options.cloudlet] + freed
    usable = held[options.model, options.cloudlet] & (options.compute_s <= room)
    usable[choice[edge]] = False
    rivals = np.flatnonzero(usable)
    rivals = rivals[np.lexsort((rivals, options.delay_s[rivals], options.request[rivals]))]
    requests, first = np.unique(options.request[rivals], return_index=True)
    # The data centre, always open to who is served at the edge, may be faster than any of them.
    rival = rivals[first]
    better = ~edge[requests] | (options.delay_s[rival] <= instance.requests.remote_delay_s[requests])
    second[requests[better]] = rival[better]
    return second
