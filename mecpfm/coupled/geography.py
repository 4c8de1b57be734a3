"""Where cloudlets and users are and how long the ways between them take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from mecpfm.data.fetch import locate
from mecpfm.data.sites import BOX, KM_PER_DEGREE, USERS, positions, read_positions
from mecpfm.data.topologies import distance_s_per_gb, load
from mecpfm.errors import InputError
from mecpfm.kernels import arrays
from mecpfm.typing import Floats

S_PER_KM = 5e-6
"""Light in fibre, 200,000 km/s."""
HOP_S = 0.001
"""Forwarding to another site than the user's own, s each way."""
CORE_GBIT_S = 100.0
"""Links of the wide-area topologies between the library's node and the cloudlets."""


@dataclass(frozen=True, eq=False)
class Geography:
    """Positions (longitude, latitude in degrees) of C cloudlets and R users, and what lies between them."""

    cloudlets: Floats
    requests: Floats
    path_s: Floats
    """There and back between each user's own site and each cloudlet, s, shape (R, C)."""
    pull_s_per_gb: Floats
    """Time from the library's node to each cloudlet, s/GB, shape (C,), the last link not counted."""
    names: tuple[str, ...]


def of_eua(cloudlets: int, requests: int, random: np.random.Generator) -> Geography:
    """Sites and users of Melbourne's centre (EUA data set), uniform in the same box where the files are absent."""
    for_sites, for_users = random.spawn(2)
    sites, _ = positions(cloudlets, for_sites)
    users = arrays.uniform(for_users, BOX[0], BOX[1], (requests, 2))
    if path := locate(USERS):
        known = read_positions(path, "Longitude", "Latitude")[:requests]
        users[: len(known)] = known
    scale = KM_PER_DEGREE * np.array([arrays.cos(np.radians(BOX[:, 1].mean())), 1.0])
    km = arrays.settled(np.sqrt(np.square((users[:, None] - sites[None]) * scale).sum(axis=2)))
    other = np.arange(cloudlets) != km.argmin(axis=1)[:, None]
    names = tuple(f"site {c}" for c in range(cloudlets))
    return Geography(sites, users, 2 * (S_PER_KM * km + HOP_S * other), np.zeros(cloudlets), names)


def of_topology(name: str, cloudlets: int, requests: int, random: np.random.Generator) -> Geography:
    """The first nodes of a topohub network, users at uniformly drawn ones; the library sits at the most central node.

    InputError when the network has fewer nodes or is not connected.
    """
    network = load(name)
    size = len(network.nodes)
    if size < cloudlets:
        raise InputError(f"topology {name} has {size} nodes; {cloudlets} cloudlets are wanted")
    seconds = 2 * (S_PER_KM * network.length_km + HOP_S)
    graph = coo_array((seconds, (network.edges[:, 0], network.edges[:, 1])), (size, size)).tocsr()
    path = np.asarray(dijkstra(graph, directed=False))
    if not np.isfinite(path).all():
        raise InputError(f"topology {name} is not connected")
    home = random.integers(0, cloudlets, requests)
    centre = int(path.sum(axis=1).argmin())
    pull = distance_s_per_gb(network, link_gb_per_s=CORE_GBIT_S / 8)[centre, :cloudlets]
    where = network.coordinates
    return Geography(where[:cloudlets], where[home], path[home, :cloudlets], pull, network.nodes[:cloudlets])
