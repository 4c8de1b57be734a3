"""Time and memory of building 10,000 classes of users x 125 sites x 96 models: python benchmarks/network_build.py."""

from __future__ import annotations

import resource
import time

import numpy as np
import pandas as pd

from mecpfm.network.build import build
from mecpfm.network.network import Network

USERS, SITES, MODELS, TASKS, BACKBONES = 10_000, 125, 96, 12, 4


def network() -> Network:
    """Sites on a ring with chords; every backbone has two variants for each of twelve tasks."""
    random = np.random.default_rng(0)
    site = [f"s{c}" for c in range(SITES)]
    ends = [(c, (c + step) % SITES) for step in (1, 7) for c in range(SITES)]
    at = random.random((SITES, 2)) * (8, 10) + (44, 0)
    k = np.arange(MODELS)
    return Network(
        sites=pd.DataFrame(
            {"site": site, "latitude_deg": at[:, 0], "longitude_deg": at[:, 1], "gpu": "A10", "gpus": 8}
        ),
        links=pd.DataFrame({"from": [site[a] for a, _ in ends], "to": [site[b] for _, b in ends], "gbit_s": 10}),
        models=pd.DataFrame(
            {"model": [f"m{i}" for i in k], "task": [f"t{i % TASKS}" for i in k], "accuracy": random.random(MODELS),
             "parameters_b": 7, "backbone": [f"b{i % BACKBONES}" for i in k], "backbone_gb": 14, "own_gb": 0.1}
        ),
        users=pd.DataFrame(
            {"user": [f"u{i}" for i in range(USERS)], "latitude_deg": random.random(USERS) * 8 + 44,
             "longitude_deg": random.random(USERS) * 10, "task": [f"t{i % TASKS}" for i in range(USERS)],
             "tokens_in": random.integers(50, 2000, USERS), "tokens_out": random.integers(20, 300, USERS)}
        ),
    )  # fmt: skip


def main() -> None:
    """Print options, seconds of checking and building, and the peak of this process."""
    start = time.perf_counter()
    net = network()
    checked = time.perf_counter()
    options = len(build(net).instance.options.request)
    built = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{options:,} options; tables {checked - start:.1f} s, build {built - checked:.1f} s; peak {peak:.2f} GB")


if __name__ == "__main__":
    main()
