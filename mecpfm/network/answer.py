"""A plan by name: who serves whom, what is pulled from where, and what is scarce, as tables with units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.check import REMOTE
from mecpfm.coupled.instance import DATA_CENTRE, most
from mecpfm.coupled.pulls import pulls_of
from mecpfm.network.build import Built
from mecpfm.network.network import Network
from mecpfm.plan import Plan

Ints = NDArray[np.int64]
AT_CENTRE = "data centre"
TABLES = ("sites", "users", "pulls")


@dataclass(frozen=True, eq=False)
class Answer:
    """A network's plan; the tables' columns carry their units.

    ``sites``: users and requests served, GPU time and memory used of what there is, GB and s pulled, what one more GB
    or GPU second is worth at most, s. ``users``: where and by which model, delay of one request, s, against the data
    centre, deadline, and the best other choice that needs no further pull. ``pulls``: block, site, holder, GB and s.
    """

    summary: dict[str, Any]
    sites: pd.DataFrame
    users: pd.DataFrame
    pulls: pd.DataFrame
    map: dict[str, Any]
    """Links as pairs of site names, for a picture."""

    def to_object(self) -> dict[str, Any]:
        """Summary, tables as lists of rows, and the map, ready for JSON; what is no number becomes null."""
        tables = {name: _records(getattr(self, name)) for name in TABLES}
        return {"summary": self.summary, "tables": tables, "map": self.map}

    @classmethod
    def from_object(cls, content: dict[str, Any]) -> Answer:
        """The answer that ``to_object`` wrote; KeyError when it is none."""
        tables = {name: pd.DataFrame(content["tables"][name]) for name in TABLES}
        return cls(content["summary"], **tables, map=content["map"])


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[Any, Any]] = frame.to_dict(orient="records")
    return [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()} for row in rows]


def answer(network: Network, built: Built, plan: Plan, proof: Certificate) -> Answer:
    """Tables of an integral plan of the network's instance."""
    instance, choice = built.instance, np.array(plan.decisions["option"], dtype=np.int64)
    names = [str(name) for name in network.sites["site"]]
    users = _users(network, built, choice, names)
    pulls = _pulls(built, choice, names)
    at_edge = int((choice != REMOTE).sum())
    summary = {
        "network": network.source or "tables",
        "method": plan.method,
        "status": plan.status,
        "objective_s": plan.objective,
        "bound_s": plan.bound,
        "gap": max(plan.gap, 0.0),
        "period_s": network.settings.period_s,
        "users": len(choice),
        "users_at_edge": at_edge,
        "pulled_gb": float(pulls["gb"].sum()),
        "deadlines_missed": int((users["deadline"] == "missed").sum()),
        "violations": list(plan.violations),
    }
    ends = zip(network.links["from"], network.links["to"], strict=True)
    sites = _sites(network, built, choice, proof, pulls)
    assert len(sites) == instance.sizes[2]
    return Answer(summary, sites, users, pulls, {"links": [[str(a), str(b)] for a, b in ends]})


def _sites(network: Network, built: Built, choice: Ints, proof: Certificate, pulls: pd.DataFrame) -> pd.DataFrame:
    instance, options = built.instance, built.instance.options
    chosen, count = choice[choice != REMOTE], instance.sizes[2]
    at, weight = options.cloudlet[chosen], instance.requests.weight
    assert weight is not None
    by_site = pulls.groupby("site")[["gb", "seconds"]].sum().reindex(network.sites["site"]).fillna(0.0)
    return pd.DataFrame(
        {
            "site": network.sites["site"].to_numpy(),
            "latitude_deg": network.sites["latitude_deg"].to_numpy(),
            "longitude_deg": network.sites["longitude_deg"].to_numpy(),
            "users": np.bincount(at, minlength=count),
            "requests": np.bincount(at, weight[options.request[chosen]], count),
            "gpu_s": np.bincount(at, options.compute_s[chosen], count),
            "gpu_s_available": instance.cloudlets.compute_s,
            "memory_gb": _memory(built, choice),
            "memory_gb_available": instance.cloudlets.memory_gb,
            "pulled_gb": by_site["gb"].to_numpy(),
            "pulling_s": by_site["seconds"].to_numpy(),
            "worth_of_a_gb_s": proof.memory_price_s_per_gb,
            "worth_of_a_gpu_s": proof.compute_price + proof.cut_price.max(axis=1, initial=0.0),
        }
    )


def _used(built: Built, choice: Ints) -> NDArray[np.bool_]:
    """Whether the plan uses block b at site c, shape (B, C)."""
    instance = built.instance
    used = np.zeros((instance.sizes[0], instance.sizes[2]), dtype=bool)
    for option in choice[choice != REMOTE].tolist():
        used[instance.models.blocks[int(instance.options.model[option])], instance.options.cloudlet[option]] = True
    return used


def _memory(built: Built, choice: Ints) -> NDArray[np.float64]:
    return np.asarray((built.instance.blocks.size_gb[:, None] * _used(built, choice)).sum(axis=0))


def _pulls(built: Built, choice: Ints, names: list[str]) -> pd.DataFrame:
    instance = built.instance
    found, blocks, models = pulls_of(instance, choice), instance.blocks.name or (), instance.models.name or ()
    chosen = choice[choice != REMOTE]
    pairs = set(zip(instance.options.model[chosen].tolist(), instance.options.cloudlet[chosen].tolist(), strict=True))
    rows = []
    for b, c, source, gb, seconds in zip(*(column.tolist() for column in found), strict=True):
        users = sorted(models[k] for k, at in pairs if at == c and b in instance.models.blocks[k])
        origin = AT_CENTRE if source == DATA_CENTRE else names[source]
        rows.append((blocks[b], names[c], origin, gb, seconds, ", ".join(users)))
    return pd.DataFrame(rows, columns=["block", "site", "from", "gb", "seconds", "models"])


def _users(network: Network, built: Built, choice: Ints, names: list[str]) -> pd.DataFrame:
    instance, options, requests = built.instance, built.instance.options, built.instance.requests
    weight, models = requests.weight, instance.models.name or ()
    assert weight is not None
    edge, n = choice != REMOTE, len(options.request)
    o = np.where(edge, choice, n)
    far = requests.remote_delay_s / weight
    delay = np.where(edge, np.append(options.delay_s, 0.0)[o] / weight, far)
    path = np.where(edge, 2 * built.path_s[built.home, np.append(options.cloudlet, 0)[o]], np.nan)
    access = network.settings.access_ms / 1000
    second = _second(built, choice)
    other = [
        "" if k < 0 else AT_CENTRE if k == n else f"{names[options.cloudlet[k]]}, {models[options.model[k]]}"
        for k in second.tolist()
    ]
    costs = np.append(options.delay_s, 0.0)[second]
    costs = np.where(second == n, requests.remote_delay_s, costs) / weight - delay
    limit = network.users["deadline_s"].to_numpy()
    return pd.DataFrame(
        {
            "user": list(requests.name or ()),
            "home": [names[c] for c in built.home],
            "served_at": [names[options.cloudlet[k]] if k != REMOTE else AT_CENTRE for k in choice],
            "model": [models[options.model[k]] if k != REMOTE else "" for k in choice],
            "requests": weight,
            "delay_s": delay,
            "path_s": path,
            "inference_s": np.where(edge, delay - path - access, np.nan),
            "remote_s": far,
            "accuracy": np.where(edge, np.append(options.accuracy, 0.0)[o], requests.remote_accuracy),
            "deadline": np.where(np.isinf(limit), "", np.where(delay <= limit * (1 + 1e-9), "kept", "missed")),
            "second_choice": other,
            "second_costs_s": np.where(second >= 0, costs, np.nan),
        }
    )


def _second(built: Built, choice: Ints) -> Ints:
    """Fastest other option whose blocks are there and whose GPU time is left; n for the data centre, -1 for none."""
    instance, options = built.instance, built.instance.options
    n, edge = len(options.request), choice != REMOTE
    second = np.where(edge, n, -1)
    if not n:
        return second
    used = _used(built, choice)
    held = np.stack([used[blocks].all(axis=0) for blocks in instance.models.blocks])
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
    second[requests] = rivals[first]
    return second
