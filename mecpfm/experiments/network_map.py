"""The data behind the map of a network: links, sites, holders and pulls as one tidy table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mecpfm.data.topologies import Topology
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
        rows += [_request(instance, plan, places, j), *_pulls(instance, plan, places, j)]
    return pd.DataFrame(rows)


def _row(kind: str, name: str, at: Place, to: Place | None = None, **more: Any) -> dict[str, Any]:
    row = {"kind": kind, "name": name, "lon": at[0], "lat": at[1]}
    if to is not None:
        row |= {"lon_to": to[0], "lat_to": to[1]}
    return row | more


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


def _request(instance: Instance, plan: Plan, places: list[Place], j: int) -> dict[str, Any]:
    k = plan.decisions["model"][j]
    return _row(
        "request", f"request {j}: model {k}", places[instance.requests.home[j]], family=int(instance.models.family[k])
    )


def _pulls(instance: Instance, plan: Plan, places: list[Place], j: int) -> list[dict[str, Any]]:
    home, k = int(instance.requests.home[j]), plan.decisions["model"][j]
    rows = []
    for part, size in (("shared", instance.models.shared_gb), ("private", instance.models.private_gb)):
        source = plan.decisions[f"{part}_source"][j]
        if source != home:
            seconds = float(size[k] * instance.distance_s_per_gb[home, source])
            rows.append(
                _row(
                    "pull", f"request {j}, {part} part of model {k}", places[source], places[home],
                    family=int(instance.models.family[k]), part=part, gb=float(size[k]), seconds=seconds,
                )
            )  # fmt: skip
    return rows
