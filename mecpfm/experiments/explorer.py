"""The running example with other numbers: what notebook 11 and docs/explorer.html let one slide through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from mecpfm.coupled.instance import Instance
from mecpfm.coupled.methods import solve
from mecpfm.experiments.lesson import two_cloudlets

FRACTIONS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.97, 0.9993)
GBIT_S = (1.0, 2.5, 5.0, 10.0, 25.0, 100.0)
MEMORY_GB = (14.0, 16.0, 20.0, 24.0, 28.0)
REQUESTS = (6, 12, 24)
METHODS: Mapping[str, Mapping[str, Any]] = {
    "ilp": {"solver": "highs"},
    "trimcaching": {},
    "no-sharing": {"iterations": 50},
}
"""The optimum, the greedy rule that counts shared blocks once, and planning as if nothing were shared."""
MODEL_GB = 13.51


def variant(shared_fraction: float, gbit_s: float, memory_gb: float, requests: int) -> Instance:
    """The running example with a number changed at a time; its own are 0.9993, 10 Gbit/s, 16 GB and 6.

    Parameters
    ----------
    shared_fraction
        Share of the 13.51 GB of *chat* and *code* that is their backbone.
    gbit_s
        Link of the north; that of the south has half of it.
    memory_gb
        Memory of the north.
    requests
        A multiple of six: the six come again and again, and GPU time grows with them.
    """
    base, times = two_cloudlets(), requests // 6
    options, backbone = base.options, round(shared_fraction * MODEL_GB, 2)
    own = round(MODEL_GB - backbone, 2)
    repeated = {name: np.tile(getattr(options, name), times) for name in type(options).model_fields}
    repeated["request"] = np.concatenate([options.request + 6 * i for i in range(times)])
    return base.change(
        blocks={"size_gb": [backbone, own, own, 12.0]},
        cloudlets={
            "memory_gb": [memory_gb, 24.0],
            "pull_s_per_gb": [8 / gbit_s, 16 / gbit_s],
            "compute_s": base.cloudlets.compute_s * times,
        },
        requests={
            "remote_delay_s": np.tile(base.requests.remote_delay_s, times),
            "remote_accuracy": np.tile(base.requests.remote_accuracy, times),
        },
        options=repeated,
    )


def grid(
    fractions: Sequence[float] = FRACTIONS,
    gbit_s: Sequence[float] = GBIT_S,
    memory_gb: Sequence[float] = MEMORY_GB,
    requests: Sequence[int] = REQUESTS,
) -> pd.DataFrame:
    """Every combination, solved: columns shared_fraction, gbit_s, memory_gb, requests, method, mean_s (a request)."""
    rows = [
        (*point, method, round(solve(variant(*point), method, **wanted).objective / point[-1], 6))
        for point in product(fractions, gbit_s, memory_gb, requests)
        for method, wanted in METHODS.items()
    ]
    return pd.DataFrame(rows, columns=["shared_fraction", "gbit_s", "memory_gb", "requests", "method", "mean_s"])
