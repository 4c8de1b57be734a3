"""Simulated requests a second on a trace, by policy: ``python benchmarks/trace.py``.

Medians of seven runs over one window of 8,000 requests (base scenario; the drawn trace where the real one is absent),
one thread; compilation and the building of the window are not counted.

``--planner`` plans the 15 epochs of six windows instead, the same for every planner: CPU time of an epoch's plan, in
the middle of the windows, and what all plans of a window cost beside ``cold``, which begins every epoch from nothing.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import replace

from mecpfm.coupled import dual, local_search, structure
from mecpfm.coupled.check import assess
from mecpfm.coupled.instance import Instance
from mecpfm.online import placement
from mecpfm.online.placement import Planner
from mecpfm.online.placement import simulate as planned
from mecpfm.online.policy import POLICIES
from mecpfm.online.setting import BASE, SCENARIOS, Setting
from mecpfm.online.simulate import Run, simulate
from mecpfm.online.trace import load
from mecpfm.online.world import build
from mecpfm.typing import Ints

SHOWN = (
    "remote", "shortest-queue", "ucb1", "disjoint-lints", "disjoint-tsrc", "hybrid-lints", "structured-mean",
    "structured-full", "priced-tsrc", "priced-cov", "priced-full",
)  # fmt: skip
RUNS = 7
SCENES = {name: SCENARIOS[name] for name in ("base", "LLM", "8 cloudlets", "16 cloudlets", "load 1.1")}
SCENES["10 GB each"] = replace(BASE, memory_gb=(10.0,))
PLANNERS = {"polish": Planner(), "trimcaching": Planner("trimcaching"), "cold": None}
WINDOWS = 6
"""Of each scene, by seed."""
COLD_ITERATIONS = 100
"""Of the local search that begins with no plan and no epoch's prices."""


def epochs(setting: Setting, seed: int) -> list[Instance]:
    """Forecasts of a window's epochs, caches planned by TrimCaching-Gen."""
    scene, greedy = build(setting, load(True, setting.trace), seed), Planner("trimcaching")
    run, found = Run(scene, POLICIES["priced-cov"], seed), list[Instance]()
    for stop in range(greedy.epoch, setting.requests, greedy.epoch):
        run.advance(stop)
        found.append(placement.forecast(run, greedy))
        placement.adopt(run, placement.propose(run, greedy)[0], run.now)
    return found


def cold(instance: Instance) -> Ints:
    """An epoch's plan, as options (R,) or -1, of a search from nothing but the dual's prices."""
    view = structure.build(instance)
    return local_search.improve(view, dual.solve(view), iterations=COLD_ITERATIONS).choice


def plans(instances: list[Instance], planner: Planner | None) -> tuple[float, float]:
    """CPU time of all plans, one epoch after the other, and their cost, both in s; cold ones without a planner."""
    prices, cost, took = None, 0.0, 0.0
    for instance in instances:
        start = time.process_time()
        choice, prices = placement.plan(instance, planner, prices) if planner else (cold(instance), None)
        took += time.process_time() - start
        cost += assess(instance, "planned", choice).objective
    return took, cost


def planners() -> None:
    """Print the table of ``--planner``."""
    compiling = epochs(BASE, WINDOWS)[:2]
    for planner in PLANNERS.values():
        plans(compiling, planner)
    print(f"scene | planner | ms CPU an epoch | cost beside cold, %: mean and standard error over {WINDOWS} windows")
    for scene, setting in SCENES.items():
        windows = [epochs(setting, seed) for seed in range(WINDOWS)]
        runs = {name: [plans(window, planner) for window in windows] for name, planner in PLANNERS.items()}
        for name, found in runs.items():
            took = statistics.median(took / len(window) for (took, _), window in zip(found, windows, strict=True))
            more = [100 * (own / cold - 1) for (_, own), (_, cold) in zip(found, runs["cold"], strict=True)]
            error = statistics.stdev(more) / WINDOWS**0.5
            print(f"{scene} | {name} | {1000 * took:.1f} | {statistics.mean(more):+.2f} ± {error:.2f}", flush=True)


def main() -> None:
    """Print either table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planner", action="store_true")
    if parser.parse_args().planner:
        planners()
        return
    trace = load(real=True)
    start = time.perf_counter()
    scene = build(BASE, trace, seed=0)
    print(f"{platform.machine()}, Python {platform.python_version()}, {trace.source}")
    print(f"{'window built':<18} {time.perf_counter() - start:8.2f} s (kernels compiled or loaded)")
    for name in SHOWN:
        simulate(scene, POLICIES[name])
        seconds = []
        for _ in range(RUNS):
            start = time.perf_counter()
            simulate(scene, POLICIES[name])
            seconds.append(time.perf_counter() - start)
        middle, slowest, fastest = (BASE.requests / f(seconds) for f in (statistics.median, max, min))
        print(f"{name:<18} {middle:8,.0f} requests/s ({slowest:,.0f} .. {fastest:,.0f})")
    start = time.perf_counter()
    planned(scene, POLICIES["priced-cov"], Planner())
    print(f"{'planned-cov':<18} {time.perf_counter() - start:8.2f} s a window, caches planned every epoch")


if __name__ == "__main__":
    main()
