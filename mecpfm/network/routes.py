"""Shortest ways between the sites of a network, where its centre is and where its users are at home."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from mecpfm.coupled.geography import HOP_S, S_PER_KM
from mecpfm.data.topologies import great_circle_km
from mecpfm.errors import InputError
from mecpfm.network.network import Network
from mecpfm.typing import Floats, Ints


def index_of(names: pd.Series[str], values: pd.Series[str]) -> Ints:
    """Position of each value among the names, -1 where it is none of them."""
    return pd.Index(names).get_indexer(pd.Index(values))


def paths_between(network: Network, kind: str) -> Floats:
    """Least sums over links between every two sites: one-way latency, s, or time to pull, s/GB; shape (C, C)."""
    nodes, links, count = _nodes(network), network.links, len(network.sites)
    a, b = (index_of(nodes["site"], links[end]) for end in ("from", "to"))
    latitude, longitude = nodes["latitude_deg"].to_numpy(), nodes["longitude_deg"].to_numpy()
    if kind == "pull":
        weight = 8 / links["gbit_s"].to_numpy()
    else:
        km = np.nan_to_num(great_circle_km(latitude[a], longitude[a], latitude[b], longitude[b]))
        weight = np.where(links["latency_ms"].isna(), S_PER_KM * km + HOP_S, links["latency_ms"].to_numpy() / 1000)
    # The quickest of parallel links; a sparse zero would mean no link.
    weight, low, high = np.maximum(weight, 1e-12), np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((weight, high, low))
    low, high = low[order], high[order]
    quickest = (np.diff(low, prepend=-1) != 0) | (np.diff(high, prepend=-1) != 0)
    shape = (len(nodes), len(nodes))
    graph = coo_array((weight[order][quickest], (low[quickest], high[quickest])), shape).tocsr()
    found = np.asarray(dijkstra(graph, directed=False, indices=np.arange(count)))[:, :count]
    if not np.isfinite(found).all():
        lost = int((~np.isfinite(found)).sum(axis=1).argmax())
        raise InputError(f"{network.where('links')}: no path joins site {nodes['site'].iloc[lost]!r} to the others")
    return found


def _nodes(network: Network) -> pd.DataFrame:
    """Sites, then routers: whatever links join."""
    columns = ["site", "latitude_deg", "longitude_deg"]
    if network.routers is None:
        return network.sites[columns]
    routers = network.routers.rename(columns={"router": "site"})[columns]
    return pd.concat([network.sites[columns], routers], ignore_index=True)


def centre_site(network: Network, path_s: Floats) -> int:
    """Site that the data centre hangs on: the named one, or the most central."""
    names = network.sites["site"].tolist()
    named = network.settings.remote.site
    return names.index(named) if named else int(np.round(path_s.sum(axis=1), 9).argmin())  # ties: the first


def home_sites(network: Network) -> Ints:
    """Own site of every user, (R,): the named one, or the nearest on the great circle."""
    sites, users = network.sites, network.users
    where = [table[name].to_numpy() for table in (users, sites) for name in ("latitude_deg", "longitude_deg")]
    home = np.empty(len(users), dtype=np.int64)
    for start in range(0, len(users), 4096):
        part = slice(start, start + 4096)
        km = great_circle_km(where[0][part, None], where[1][part, None], where[2], where[3])
        home[part] = np.where(np.isnan(km), np.inf, km).argmin(axis=1)
    named = index_of(sites["site"], users["site"])
    return np.where(named >= 0, named, home)
