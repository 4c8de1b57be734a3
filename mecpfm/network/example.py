"""A small network to start from: a folder that solves as it is, and whose tables say what they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mecpfm.data.topologies import load
from mecpfm.errors import InputError
from mecpfm.files import write_atomic
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
site = "{site}"        # the site it hangs on
gpu = "A100-40GB"
congestion = 6       # inference takes so many times longer than on an idle accelerator
latency_ms = 25      # one way, from that site
gbit_s = 1           # for pulls from its library
"""


def write(folder: Path, topology: str | None = None, users: int = 60) -> None:
    """Write the example into a new or empty folder; ``topology`` takes the sites and links of a topohub network.

    InputError when something is in the folder already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already and not empty; name a new folder")
    sites, links = (SITES, LINKS) if topology is None else _of(topology)
    random = np.random.default_rng(0)
    tables = {
        "sites": ["site,latitude_deg,longitude_deg,gpu,gpus,memory_gb", *(_row(site) for site in sites)],
        "links": ["from,to,gbit_s", *(_row(link) for link in links)],
        "models": ["model,task,accuracy,parameters_b,backbone,backbone_gb,own_gb", *_models()],
        "users": [
            "user,site,task,tokens_in,tokens_out,per_hour,min_accuracy,deadline_s",
            *(_user(i, sites, random) for i in range(users)),
        ],
        "holds": ["site,block", f"{sites[0][0]},llama-7b"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in tables.items():
        write_atomic(folder / f"{name}.csv", ("\n".join(lines) + "\n").encode())
    write_atomic(folder / SETTINGS, SETTINGS_TEXT.format(site=sites[0][0]).encode())


def _row(values: Row) -> str:
    return ",".join(map(str, values))


def _of(topology: str) -> tuple[list[Row], list[Row]]:
    """Sites and links of a topohub network; a node whose name stands twice gets its number."""
    network, kinds = load(topology), [site[3:] for site in SITES]
    names = [name.replace(",", " ") for name in network.unique_names()]
    where = np.round(network.coordinates, 4).tolist()
    sites = [
        (name, at[1], at[0], *kinds[i % len(kinds)]) for i, (name, at) in enumerate(zip(names, where, strict=True))
    ]
    return sites, [(names[a], names[b], (10, 5, 1)[i % 3]) for i, (a, b) in enumerate(network.edges.tolist())]


def _models() -> list[str]:
    return [
        _row((f"{backbone}-{task}", task, accuracy[f], parameters, backbone, size, own))
        for f, (backbone, parameters, size) in enumerate(BACKBONES)
        for task, *accuracy, own in VARIANTS
    ]


def _user(i: int, sites: list[Row], random: np.random.Generator) -> str:
    task, *accuracy, _ = VARIANTS[int(random.integers(len(VARIANTS)))]
    tokens = random.integers(100, 1500), random.integers(50, 400)
    deadline = "" if random.random() < 0.8 else 60
    home = sites[int(random.integers(len(sites)))][0]
    return _row((f"u{i + 1}", home, task, *tokens, random.integers(50, 900), random.choice(accuracy), deadline))
