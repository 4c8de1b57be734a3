"""Targets of the front door: ``python benchmarks/network.py``, some minutes; medians, worst and ratios.

A folder from tables to a plan, what a change can save, and a search that begins with the plan from before the change.
``--parts solve,what-if`` runs part of it; ``--gap`` is that of the plan before the change (default: where the search
ends by itself).
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mecpfm import clock
from mecpfm.coupled import methods
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.proof import Proof
from mecpfm.network.build import build
from mecpfm.network.edit import Changes, changed
from mecpfm.network.network import Network
from mecpfm.network.prices import Priced
from mecpfm.network.settings import Remote, Settings
from mecpfm.plan import Plan

MEDIUM = Recipe(requests=816, cloudlets=50, models=96, families=8)
GPUS = ("A10", "L4", "T4")


def show(what: str, values: list[float], unit: str, most: str = "-") -> None:
    print(
        f"{what:<58} | {statistics.median(values):9.4g} | {max(values):9.4g} | {unit:<2} | {most:>5} | {len(values)}",
        flush=True,
    )


def tables(sites: int, models: int, users: int, backbones: int) -> Network:
    """A ring of sites with chords, models over some backbones, users of a task each."""
    random = np.random.default_rng(0)
    names = [f"site{i}" for i in range(sites)]
    ends = [(i, (i + 1) % sites) for i in range(sites)] + [(i, (i + sites // 3) % sites) for i in range(0, sites, 2)]
    backbone = [f"base{i % backbones}" for i in range(models)]
    frames = {
        "sites": pd.DataFrame(
            {
                "site": names,
                "latitude_deg": random.uniform(44, 50, sites),
                "longitude_deg": random.uniform(0, 8, sites),
                "gpu": [GPUS[i % 3] for i in range(sites)],
            }
        ),
        "links": pd.DataFrame(
            {
                "from": [names[a] for a, _ in ends],
                "to": [names[b] for _, b in ends],
                "gbit_s": random.choice([1.0, 5.0], len(ends)),
            }
        ),
        "models": pd.DataFrame(
            {
                "model": [f"m{i}" for i in range(models)],
                "task": [f"t{i % 4}" for i in range(models)],
                "accuracy": random.uniform(0.6, 0.95, models).round(3),
                "parameters_b": [3.0 + 2 * (i % backbones % 3) for i in range(models)],
                "backbone": backbone,
                "backbone_gb": [6.0 + 4 * (i % backbones % 3) for i in range(models)],
                "own_gb": random.uniform(0.01, 0.5, models).round(3),
            }
        ),
        "users": pd.DataFrame(
            {
                "user": [f"u{i}" for i in range(users)],
                "site": random.choice(names, users),
                "task": [f"t{i % 4}" for i in range(users)],
                "tokens_in": random.integers(50, 1500, users),
                "tokens_out": random.integers(20, 400, users),
                "per_hour": random.integers(20, 400, users),
                "min_accuracy": random.choice([0.0, 0.7], users),
            }
        ),
    }  # fmt: skip
    return Network(
        **frames, settings=Settings(reach=18 if sites > 18 else 0, remote=Remote(congestion=6.0, gbit_s=1.0))
    )


def timed(runs: list[Callable[[], object]]) -> list[float]:
    """Seconds of each."""
    seconds = []
    for run in runs:
        began = clock.now()
        run()
        seconds.append(clock.now() - began)
    return seconds


def solve_named(times: int) -> None:
    """12 sites, 9 models, 200 users: the whole process, from tables to plan.json, kernels in the cache."""
    network = tables(12, 9, 200, 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "net"
        folder.mkdir()
        for table in ("sites", "links", "models", "users"):
            getattr(network, table).replace([np.inf, np.nan], "").to_csv(folder / f"{table}.csv", index=False)
        (folder / "network.toml").write_text("[remote]\ncongestion = 6.0\ngbit_s = 1.0\n")
        plan = str(Path(name) / "plan.json")
        command = [sys.executable, "-m", "mecpfm", "solve", str(folder), "-o", plan, "--gap", "1%"]
        seconds = timed([lambda: subprocess.run(command, check=True, capture_output=True)] * (times + 1))
    show("folder of 12 sites, 9 models, 200 users: solve to 1 %", seconds[1:], "s", "3")


def what_if(times: int) -> None:
    """A change of one site at a time: memory, then GPUs; of the generator's instance and of tables."""
    instance = generate(MEDIUM, 100)
    proof = Proof.of(instance, methods.certified(instance, "polish", iterations=0, time_limit=5.0)[1])
    for field, change in (("memory_gb", "+8"), ("memory_gb", "-8"), ("compute_s", "+5")):
        changes = [{field: {c: change}} for c in range(times)]
        seconds = timed([functools.partial(_moved, proof, one) for one in changes])
        show(f"instance of 816 x 50 x 96: {field} {change}", [1000 * s for s in seconds], "ms", "50")
    network = tables(50, 96, 816, 8)
    built = build(network)
    priced = Priced.of(
        network, built, 0.0, methods.certified(built.instance, "polish", iterations=0, time_limit=5.0)[1]
    )
    for column, change in (("memory_gb", "+8"), ("memory_gb", "-6"), ("gpus", "+1")):
        rows = [{"sites": {f"site{c}": {column: change}}} for c in range(times)]
        seconds = timed([functools.partial(_saving, priced, one) for one in rows])
        show(f"network of 816 x 50 x 96: {column} {change}", [1000 * s for s in seconds], "ms", "50")


def _moved(proof: Proof, change: dict[str, dict[int, str]]) -> float:
    return proof.moved(proof.instance.change(cloudlets=change)).bound


def _saving(priced: Priced, change: Changes) -> float:
    return priced.saving(changed(priced.network, change)).at_most_s


def warm_start(times: int, gap: float) -> None:
    """The gap from before one capacity changed: from the plan and its prices, against from nothing."""
    instance = generate(MEDIUM, 100)
    plan, proof = methods.certified(instance, "polish", gap=gap)
    start = np.array(plan.decisions["option"])
    load = np.bincount(instance.options.cloudlet[start[start >= 0]], minlength=50)
    cold, warm, ratio = [], [], []
    for i, c in enumerate(np.argsort(-load)[:times].tolist()):
        field, change = (("memory_gb", "+8"), ("compute_s", "+2"), ("memory_gb", "-8"), ("compute_s", "-2"))[i % 4]
        other = instance.change(cloudlets={field: {c: change}})
        found, seconds = search(other, plan.gap)
        again, less = search(other, max(plan.gap, found.gap), start=start, prices=proof)  # cold may not reach it
        cold.append(seconds)
        warm.append(less)
        ratio.append(seconds / less)
        ends = f"cold {found.gap:.3%} in {seconds:.2f} s, warm {again.gap:.3%} in {less:.2f} s"
        print(f"  {field} {change} at {c}: {ends}", flush=True)
    show("816 x 50 x 96, one capacity changed: cold", cold, "s")
    show("the same from the plan and its prices", warm, "s")
    show("cold / warm", ratio, "x", ">= 5")


def search(instance: Instance, gap: float, **known: Any) -> tuple[Plan, float]:
    """Plan, and the seconds it took to come so near to its bound."""
    began = clock.now()
    plan, _ = methods.certified(instance, "polish", gap=gap, **known)
    return plan, clock.now() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="solve,what-if,start")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--gap", type=float, default=0.0)
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'what':<58} | {'median':>9} | {'worst':>9} |    | most  | n")
    if "solve" in args.parts:
        solve_named(args.times)
    if "what-if" in args.parts:
        what_if(max(args.times, 25))
    if "start" in args.parts:
        warm_start(args.times, args.gap)


if __name__ == "__main__":
    main()
