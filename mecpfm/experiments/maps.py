"""The data behind the maps of plans, as tidy tables: sites, links, who holds what, what travels, who serves whom."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from mecpfm.coupled import instance as coupled
from mecpfm.data.topologies import Topology
from mecpfm.errors import InputError
from mecpfm.plan import Plan
from mecpfm.published.instance import Instance

Place = tuple[float, float]
"""Longitude and latitude, degrees."""


def network_map(instance: Instance, plan: Plan, topology: Topology, centre: Place) -> pd.DataFrame:
    """Rows of kind link, site, centre, holds, request, pull."""
    places = [*map(tuple, topology.coordinates.tolist()), centre]
    rows = [_row("link", "", places[a], to=places[b]) for a, b in topology.edges.tolist()]
    rows += [_row("site", name, place) for name, place in zip(topology.nodes, places, strict=False)]
    gateway = int(instance.distance_s_per_gb[:-1, -1].argmin())  # the data centre is one link behind it
    rows += [_row("link", "", places[gateway], to=centre), _row("centre", "data centre", centre)]
    rows += _holders(instance, places[:-1])
    for j in range(len(instance.requests.home)):
        rows += _request(instance, plan, places, j)
    return pd.DataFrame(rows)


def _row(kind: str, name: str, at: Place, to: Place | None = None, **more: Any) -> dict[str, Any]:
    ends = {} if to is None else {"lon_to": to[0], "lat_to": to[1]}
    return {"kind": kind, "name": name, "lon": at[0], "lat": at[1], **more, **ends}


def _holders(instance: Instance, places: list[Place]) -> list[dict[str, Any]]:
    models = instance.models
    rows = []
    for location, place in enumerate(places):
        for family in sorted(set(models.family.tolist())):
            members = [k for k in range(len(models.family)) if models.family[k] == family]
            if location in models.shared_at[members[0]]:
                name = f"shareable part of family {family}"
                rows.append(_row("holds", name, place, family=family, part="shared"))
            for k in members:
                if location in models.private_at[k]:
                    rows.append(_row("holds", f"private part of model {k}", place, family=family, part="private"))
    return rows


def _request(instance: Instance, plan: Plan, places: list[Place], j: int) -> list[dict[str, Any]]:
    """Who asks, and what is pulled for it."""
    home, k = int(instance.requests.home[j]), plan.decisions["model"][j]
    family = int(instance.models.family[k])
    rows = [_row("request", f"request {j}: model {k}", places[home], family=family)]
    for part, size in (("shared", instance.models.shared_gb), ("private", instance.models.private_gb)):
        source = plan.decisions[f"{part}_source"][j]
        if source != home:
            seconds = float(size[k] * instance.distance_s_per_gb[home, source])
            name, more = f"request {j}, {part} part of model {k}", {"gb": float(size[k]), "seconds": seconds}
            rows.append(_row("pull", name, places[source], places[home], family=family, part=part, **more))
    return rows


def coupled_map(instance: coupled.Instance, plan: Plan) -> pd.DataFrame:
    """Rows of kind site, holds, serves and remote; a backbone is the largest block of a family at a cloudlet.

    InputError when the instance has no coordinates or families.
    """
    sites, users, family = instance.cloudlets, instance.requests, instance.models.family
    if sites.longitude_deg is None or sites.latitude_deg is None or family is None:
        raise InputError("a map needs coordinates of the cloudlets and families of the models")
    if users.longitude_deg is None or users.latitude_deg is None:
        raise InputError("a map needs coordinates of the requests")
    place = list(zip(sites.longitude_deg.tolist(), sites.latitude_deg.tolist(), strict=True))
    home = list(zip(users.longitude_deg.tolist(), users.latitude_deg.tolist(), strict=True))
    names = sites.name or tuple(f"cloudlet {c}" for c in range(len(place)))
    rows = [_row("site", name, at) for name, at in zip(names, place, strict=True)]
    choice = np.array(plan.decisions["option"])
    far = Counter(home[r] for r in np.flatnonzero(choice < 0).tolist())
    rows += [_row("remote", f"{n} served remotely", at, count=n) for at, n in sorted(far.items())]
    chosen = choice[choice >= 0]
    options = instance.options
    served: Counter[tuple[Any, int, int]] = Counter()
    held: dict[tuple[int, int], set[int]] = {}
    for o in chosen.tolist():
        c, k = int(options.cloudlet[o]), int(options.model[o])
        served[home[int(options.request[o])], c, int(family[k])] += 1
        held.setdefault((c, int(family[k])), set()).update(instance.models.blocks[k].tolist())
    for (c, f), blocks in sorted(held.items()):
        gb = float(instance.blocks.size_gb[sorted(blocks)].max())
        rows.append(_row("holds", f"{gb:.1f} GB and {len(blocks) - 1} more blocks", place[c], family=f, gb=gb))
    for (at, c, f), n in sorted(served.items()):
        rows.append(_row("serves", f"{n} requests by {names[c]}", at, place[c], family=f, count=n))
    return pd.DataFrame(rows)
