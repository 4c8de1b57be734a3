"""Roundings of one instance's LP against their theorems: Monte Carlo before any repair (docs/theory_coupled.md)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mecpfm.coupled.check import evaluate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.methods import dual_bound
from mecpfm.coupled.rounding import ROUNDINGS, fractions


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
