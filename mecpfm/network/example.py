"""A small network to start from: a folder that solves as it is, and whose tables say what they hold."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mecpfm.data.topologies import Topology
from mecpfm.errors import InputError
from mecpfm.files import write_atomic
from mecpfm.network.drawn import MOST_SITES, NetworkRecipe, draw, places
from mecpfm.network.folder import find, links_of
from mecpfm.network.settings import SETTINGS

Row = tuple[object, ...]
SITES: list[Row] = [
    ("Lyon", 45.76, 4.84, "A10", 1, 24), ("Grenoble", 45.19, 5.72, "L4", 1, 24),
    ("Valence", 44.93, 4.89, "A10", 1, 24), ("Saint-Etienne", 45.44, 4.39, "L4", 1, 24),
    ("Annecy", 45.90, 6.13, "T4", 1, 16), ("Chambery", 45.57, 5.92, "T4", 1, 16),
    ("Geneva", 46.20, 6.14, "A10", 1, 24), ("Clermont", 45.78, 3.08, "L4", 1, 24),
]  # fmt: skip
LINKS: list[Row] = [
    ("Lyon", "Grenoble", 10), ("Lyon", "Valence", 10), ("Lyon", "Saint-Etienne", 5), ("Lyon", "Geneva", 10),
    ("Lyon", "Clermont", 1), ("Grenoble", "Chambery", 1), ("Chambery", "Annecy", 1), ("Annecy", "Geneva", 5),
    ("Saint-Etienne", "Clermont", 1), ("Valence", "Grenoble", 5),
]  # fmt: skip
BACKBONES = (("llama-7b", 6.7, 13.4), ("gpt-j-6b", 6.1, 12.2))
VARIANTS = (("chat", 0.86, 0.84, 0.008), ("code", 0.79, 0.75, 0.03), ("translate", 0.83, 0.88, 0.05))
"""Task, accuracy on either backbone, GB of its own."""
SETTINGS_TEXT = """\
# What holds for the whole network. Every line may go; defaults: docs/your_own_network.md.
period_s = 3600      # plan for one hour: rates of users and GPU time of sites are of this period
access_ms = 5        # from a user to its own site and back
reach = 2            # how many of the nearest sites may serve a user; 0: all

[remote]             # the data centre: always there, far away, and shared with others
site = {site}        # the site it hangs on
gpu = "A100-40GB"
congestion = 6       # inference takes so many times longer than on an idle accelerator
latency_ms = 25      # one way, from that site
gbit_s = 1           # for pulls from its library
"""


def write(folder: Path, topology: str | None = None, users: int = 60, drawn: NetworkRecipe | None = None) -> None:
    """Write the example, or a random network, into a new or empty folder.

    ``topology`` takes sites and links of a topohub network or a GraphML file; of a random network as many sites as its
    recipe says, the first nodes, the others being routers. InputError when something is in the folder already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already and not empty; name a new folder")
    graph = None if topology is None else find(topology, Path(), "topology")
    tables, settings = _example(graph, users) if drawn is None else _random(graph, drawn)
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        write_atomic(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n").encode())
    write_atomic(folder / SETTINGS, settings.encode())


def drawn(
    topology: str | None, users: int, sites: int | None, models: int | None, regime: str | None, seed: int | None
) -> NetworkRecipe | None:
    """Recipe of a random network, on all nodes of a topology by default; None where nothing asks for one."""
    given = {"sites": sites, "models": models, "regime": regime, "seed": seed}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        return None
    if topology is not None:
        wanted.setdefault("sites", MOST_SITES)
    return NetworkRecipe(users=users, **wanted)


def _example(graph: Topology | None, users: int) -> tuple[dict[str, pd.DataFrame], str]:
    sites, links, routers = (SITES, LINKS, []) if graph is None else _of(graph)
    random = np.random.default_rng(0)
    rows: dict[str, tuple[list[Row], str]] = {
        "sites": (sites, "site latitude_deg longitude_deg gpu gpus memory_gb"),
        "links": (links, "from to gbit_s"),
        "models": (_models(), "model task accuracy parameters_b backbone backbone_gb own_gb"),
        "users": (
            [_user(i, sites, random) for i in range(users)],
            "user site task tokens_in tokens_out per_hour min_accuracy deadline_s",
        ),
        "holds": ([(sites[0][0], "llama-7b")], "site block"),
        "routers": (routers, "router"),
    }
    frame = functools.partial(pd.DataFrame, dtype=object)
    tables = {name: frame(of, columns=columns.split()) for name, (of, columns) in rows.items() if of}
    return tables, SETTINGS_TEXT.format(site=json.dumps(sites[0][0], ensure_ascii=False))


def _random(graph: Topology | None, recipe: NetworkRecipe) -> tuple[dict[str, pd.DataFrame], str]:
    if graph is None:
        sites, links = places(recipe.sites, np.random.default_rng([recipe.seed, 1]))
        routers = sites.iloc[:0].rename(columns={"site": "router"})
    else:
        sites, links, routers = _nodes(graph, recipe.sites)
    tables, settings = draw(recipe, sites, links)
    if len(routers):
        tables["routers"] = routers
    return tables, settings


def _nodes(graph: Topology, most: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Sites, the first nodes that have a position; links, with speeds where stated; the other nodes as routers.

    A node whose name stands twice gets its number. InputError where nodes are too few, or parts of the graph apart.
    """
    names = [name.replace(",", " ") for name in graph.unique_names()]
    where, count = np.round(graph.coordinates, 4), len(names)
    joined = coo_array((np.ones(len(graph.edges)), (graph.edges[:, 0], graph.edges[:, 1])), (count, count))
    if connected_components(joined.tocsr(), directed=False)[0] > 1:
        raise InputError(f"topology {graph.name} is not connected; links.csv can join its parts")
    nodes = pd.DataFrame({"site": names, "latitude_deg": where[:, 1], "longitude_deg": where[:, 0]})
    placed = nodes["latitude_deg"].notna() & nodes["longitude_deg"].notna()
    chosen = placed & (placed.cumsum() <= most)
    if not chosen.any():
        raise InputError(f"topology {graph.name} has no node with a position")
    return nodes[chosen], links_of(graph, names), nodes[~chosen].rename(columns={"site": "router"})


def _of(graph: Topology) -> tuple[list[Row], list[Row], list[Row]]:
    """The example's sites, links and routers on a topology's nodes; speeds that it leaves open are 10, 5 and 1."""
    kinds = [site[3:] for site in SITES]
    nodes, ends, routers = _nodes(graph, len(graph.nodes))
    sites: list[Row] = [(*at, *kinds[i % len(kinds)]) for i, at in enumerate(nodes.itertuples(index=False, name=None))]
    links: list[Row] = [
        (a, b, (10, 5, 1)[i % 3] if np.isnan(speed) else speed)
        for i, (a, b, speed) in enumerate(ends.itertuples(index=False, name=None))
    ]
    return sites, links, [(name,) for name in routers["router"]]


def _models() -> list[Row]:
    return [
        (f"{backbone}-{task}", task, accuracy[f], parameters, backbone, size, own)
        for f, (backbone, parameters, size) in enumerate(BACKBONES)
        for task, *accuracy, own in VARIANTS
    ]


def _user(i: int, sites: list[Row], random: np.random.Generator) -> Row:
    task, *accuracy, _ = VARIANTS[int(random.integers(len(VARIANTS)))]
    tokens = random.integers(100, 1500), random.integers(50, 400)
    deadline = "" if random.random() < 0.8 else 60
    home = sites[int(random.integers(len(sites)))][0]
    return (f"u{i + 1}", home, task, *tokens, random.integers(50, 900), random.choice(accuracy), deadline)
