"""Roundings of one instance's LP against their theorems: Monte Carlo before any repair (docs/theory_coupled.md)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mecpfm.coupled.check import evaluate
from mecpfm.coupled.drawing import GUARANTEE
from mecpfm.coupled.guarantee import guaranteed
from mecpfm.coupled.instance import Blocks, Cloudlets, Instance, Models, Options, Requests
from mecpfm.coupled.methods import dual_bound, solve
from mecpfm.coupled.rounding import ROUNDINGS, fractions
from mecpfm.coupled.structure import build
from mecpfm.coupled.table import METHODS
from mecpfm.experiments.study import Rows
from mecpfm.records import Ragged
from mecpfm.typing import Floats, Ints


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
        random, draw = np.random.default_rng(seed), rounding(view, x)
        found = []
        for _ in range(draws):
            choice = draw(random)
            _, metrics, broken = evaluate(instance, view.option[choice[choice >= 0]], np.ones((choice >= 0).sum()))
            found.append((metrics["total_delay_s"] - metrics["pulling_s"], metrics["pulling_s"], not broken))
        delay, pulling, kept = np.mean(found, axis=0)
        rows[name] = (delay / (total - lp["pulling_s"]), pulling / (lp["pulling_s"] or np.nan), kept)
    return pd.DataFrame(rows.values(), index=list(rows), columns=["delay / LP", "pulling / LP", "keeps rows"])


def registered() -> list[str]:
    """Every method that rounds the LP: what is called rounding or opening."""
    return [name for name in METHODS if name.startswith(("rounding", "opening"))]


def guarantees(instance: Instance, seed: int) -> pd.DataFrame:
    """A row a method of ``registered``, over the certified bound: its plan, and what theory said of it beforehand.

    ``guaranteed / bound``: most that the mean cost of a draw may be before its repair, of a tree opening that of any
    draw, of configurations that of the plan itself: all remote less the saving it guarantees. NaN: nothing is proved.
    """
    remote = float(instance.requests.remote_delay_s.sum())
    view, dual = dual_bound(instance, remote)
    rows = {}
    for name in registered():
        plan = solve(instance, name, seed=seed)
        known = remote - plan.metrics.get(GUARANTEE, np.nan)
        if name in ROUNDINGS:
            x, _ = fractions(instance, view, dual, memory_cut=name == "opening-tree")
            known = guaranteed(view, x, name)
        rows[name] = (plan.objective / plan.bound, known / plan.bound)
    return pd.DataFrame(rows.values(), index=list(rows), columns=["plan / bound", "guaranteed / bound"])


def separation(requests: int, draws: int, seed: int) -> Rows:
    """How often each rounding opens a backbone that n requests share, each with 0.05 of a model of its own on it."""
    n, share = requests, 0.05
    instance = _roomy([[0, 1 + k] for k in range(n)], np.arange(n))
    return [{**row, "factor": row["opened"] / share} for row in _opened(instance, np.full(n, share), draws, seed)]


def openings(requests: int, draws: int, seed: int) -> Rows:
    """How often each rounding opens a block that ``requests`` requests use to a fraction of 1/n each."""
    n = requests
    instance = _roomy([[0]], np.zeros(n, dtype=np.int64))
    return [{**row, "factor": row["opened"] * n} for row in _opened(instance, np.full(n, 1 / n), draws, seed)]


def _roomy(blocks: list[list[int]], model: Ints) -> Instance:
    """Models of these blocks, one cloudlet with room for all, and an option, of one of the models, for each request."""
    n = len(model)
    return Instance(
        blocks=Blocks(size_gb=np.ones(1 + max(max(blocks)))),
        models=Models(blocks=Ragged.from_lists(blocks)),
        cloudlets=Cloudlets(
            memory_gb=np.array([n + 1.0]), compute_s=np.array([float(n)]), pull_s_per_gb=np.ones(1),
            cached=Ragged.from_lists([[]]),
        ),
        requests=Requests(remote_delay_s=np.full(n, 2.0), remote_accuracy=np.ones(n)),
        options=Options(
            request=np.arange(n), model=model, cloudlet=np.zeros(n, dtype=np.int64),
            delay_s=np.ones(n), compute_s=np.ones(n), accuracy=np.ones(n),
        ),
    )  # fmt: skip


def _opened(instance: Instance, x: Floats, draws: int, seed: int) -> Rows:
    """How often each rounding that draws from x alone uses anything, the options in the order of the requests."""
    view, rows = build(instance), []
    for name, rounding in ROUNDINGS.items():
        if name == "opening-tree":
            continue  # looks at capacities, which have room here
        random, draw = np.random.default_rng(seed), rounding(view, x)
        opened = np.mean([draw(random).max() >= 0 for _ in range(draws)])
        rows.append({"method": name, "requests": len(x), "opened": float(opened)})
    return rows
