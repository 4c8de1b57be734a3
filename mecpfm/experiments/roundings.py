"""Roundings of one instance's LP against their theorems: Monte Carlo before any repair (docs/theory_coupled.md)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mecpfm.coupled.check import evaluate
from mecpfm.coupled.instance import Blocks, Cloudlets, Instance, Models, Options, Requests
from mecpfm.coupled.methods import dual_bound
from mecpfm.coupled.rounding import ROUNDINGS, fractions
from mecpfm.coupled.structure import build
from mecpfm.experiments.study import Rows
from mecpfm.records import Ragged


def against_theory(instance: Instance, draws: int, seed: int) -> pd.DataFrame:
    """A row a rounding, over the LP with the cut: means of ``draws`` draws that nothing has repaired.

    ``delay / LP`` and ``pulling / LP`` are mean over LP value, a block's LP opening being that of the request that uses
    it most; ``keeps rows`` is the share of draws within every capacity. Without pulls in the LP the ratio is NaN.
    """
    view, dual = dual_bound(instance, float(instance.requests.remote_delay_s.sum()))
    x, _ = fractions(instance, view, dual)
    used = x > 0
    total, lp, _ = evaluate(instance, view.option[used], x[used])
    rows = {}
    for name, rounding in ROUNDINGS.items():
        random = np.random.default_rng(seed)
        found = []
        for _ in range(draws):
            choice = rounding(view, x, random)
            _, metrics, broken = evaluate(instance, view.option[choice[choice >= 0]], np.ones((choice >= 0).sum()))
            found.append((metrics["total_delay_s"] - metrics["pulling_s"], metrics["pulling_s"], not broken))
        delay, pulling, kept = np.mean(found, axis=0)
        rows[name] = (delay / (total - lp["pulling_s"]), pulling / (lp["pulling_s"] or np.nan), kept)
    return pd.DataFrame(rows.values(), index=list(rows), columns=["delay / LP", "pulling / LP", "keeps rows"])


def openings(requests: int, draws: int, seed: int) -> Rows:
    """How often each rounding opens a block that ``requests`` requests use to a fraction of 1/n each."""
    n = requests
    instance = Instance(
        blocks=Blocks(size_gb=np.ones(1)),
        models=Models(blocks=Ragged.from_lists([[0]])),
        cloudlets=Cloudlets(
            memory_gb=np.ones(1), compute_s=np.array([float(n)]), pull_s_per_gb=np.ones(1),
            cached=Ragged.from_lists([[]]),
        ),
        requests=Requests(remote_delay_s=np.full(n, 2.0), remote_accuracy=np.ones(n)),
        options=Options(
            request=np.arange(n), model=np.zeros(n, dtype=np.int64), cloudlet=np.zeros(n, dtype=np.int64),
            delay_s=np.ones(n), compute_s=np.ones(n), accuracy=np.ones(n),
        ),
    )  # fmt: skip
    view, x, rows = build(instance), np.full(n, 1 / n), []
    for name, rounding in ROUNDINGS.items():
        random = np.random.default_rng(seed)
        opened = np.mean([(rounding(view, x, random) >= 0).any() for _ in range(draws)])
        rows.append({"method": name, "requests": n, "factor": float(opened * n)})
    return rows
