"""A network from a folder: CSV files, and in place of some of them a topohub network or a GraphML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mecpfm.data.graphml import read_graphml
from mecpfm.data.topologies import PLANE, Topology, load, names
from mecpfm.errors import InputError, nearest
from mecpfm.network.contract import TABLES, read_csv
from mecpfm.network.network import Network
from mecpfm.network.settings import SETTINGS, Settings, read_settings

FILES = (".graphml", ".xml")
"""Suffixes of GraphML files."""


def read(folder: Path | str) -> Network:
    """Network of a folder of CSV files (docs/your_own_network.md).

    Parameters
    ----------
    folder
        With sites.csv, links.csv, models.csv and users.csv, other tables, and network.toml.

    Returns
    -------
    Network
        Checked; its errors name the files.

    Raises
    ------
    InputError
        File, row, column and reason, in one line.

    Examples
    --------
    >>> import tempfile, mecpfm as mp
    >>> from mecpfm.network.example import write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder) / "net")
    ...     len(mp.read(f"{folder}/net").sites)
    8
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; `mecpfm new` writes an example of one")
    settings = read_settings(folder / SETTINGS)
    tables: dict[str, pd.DataFrame | None] = {}
    for name in TABLES:
        path = folder / f"{name}.csv"
        if path.exists():
            tables[name] = read_csv(path)
        elif name in ("sites", "links", "models", "users") and not (name == "links" and settings.topology):
            raise InputError(f"{path}: is missing; `mecpfm new` writes an example of every file")
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in TABLES:
            raise InputError(f"{path}: is no table of a network; {nearest(path.stem, TABLES)}")
    if settings.topology:
        tables |= _of_topology(folder, settings, tables)
    return Network(**tables, settings=settings, source=str(folder))  # type: ignore[arg-type]


def _of_topology(
    folder: Path, settings: Settings, tables: Mapping[str, pd.DataFrame | None]
) -> dict[str, pd.DataFrame | None]:
    """Tables that a topology stands for: links, sites with positions, and its other nodes as routers.

    InputError when the folder states these as well, or a site is no node.
    """
    for table in ("links", "routers"):
        if tables.get(table) is not None:
            raise InputError(f"{folder / table}.csv: stands beside topology of network.toml; remove one of them")
    topology = find(settings.topology, folder, f"{folder / 'network.toml'}: topology")
    nodes, sites = topology.unique_names(), tables["sites"]
    assert sites is not None
    if "site" in sites:
        for row, site in enumerate(sites["site"].astype(str).str.strip(), start=1):
            if site and site not in nodes:
                hint = nearest(site, nodes)
                raise InputError(f"{folder / 'sites.csv'}: column site, row {row}: {site!r} is no node; {hint}")
        sites = _placed(sites, dict(zip(nodes, topology.coordinates.tolist(), strict=True)))
    links = links_of(topology, nodes).fillna({"gbit_s": settings.link_gbit_s})
    named = set(sites["site"].astype(str).str.strip()) if "site" in sites else set()
    others = [i for i, name in enumerate(nodes) if name not in named]
    longitude, latitude = topology.coordinates[others].T
    free = [nodes[i] for i in others]
    routers = pd.DataFrame({"router": free, "latitude_deg": latitude, "longitude_deg": longitude})
    return {"sites": sites, "links": links, "routers": routers if others else None}


def find(name: str, folder: Path, where: str) -> Topology:
    """Topology by name, or by the path of a GraphML file from a folder; InputError, which starts with ``where``."""
    if Path(name).suffix.lower() in FILES:
        return read_graphml(folder / name)
    if name in PLANE:
        raise InputError(f"{where}: {name!r} cannot be used: its positions are points of a drawing")
    if name not in names():
        raise InputError(f"{where}: {name!r} is unknown; {nearest(name, names())}")
    return load(name)


def links_of(topology: Topology, names: list[str]) -> pd.DataFrame:
    """Table ``links`` of nodes of these names; ``gbit_s`` is NaN where the topology does not state it."""
    ends = np.array(names, dtype=object)[topology.edges]
    speed = np.full(len(ends), np.nan) if topology.gbit_s is None else topology.gbit_s
    return pd.DataFrame({"from": ends[:, 0], "to": ends[:, 1], "gbit_s": speed})


def _placed(sites: pd.DataFrame, where: dict[str, list[float]]) -> pd.DataFrame:
    """Sites with the topology's positions where they state none."""
    sites = sites.copy()
    for i, name in enumerate(("longitude_deg", "latitude_deg")):
        given = sites[name] if name in sites else [""] * len(sites)
        known = [where.get(str(site).strip(), [np.nan, np.nan])[i] for site in sites["site"]]
        cells = ["" if np.isnan(value) else repr(value) for value in known]
        sites[name] = [cell if str(cell).strip() else other for cell, other in zip(given, cells, strict=True)]
    return sites
