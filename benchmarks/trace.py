"""Simulated requests a second on a trace, by policy: ``python benchmarks/trace.py``.

Medians of seven runs over one window of 8,000 requests (base scenario; the drawn trace where the real one is absent),
one thread; compilation and the building of the window are not counted.
"""

from __future__ import annotations

import platform
import statistics
import time

from mecpfm.online.placement import Planner
from mecpfm.online.placement import simulate as planned
from mecpfm.online.policy import POLICIES
from mecpfm.online.setting import BASE
from mecpfm.online.simulate import simulate
from mecpfm.online.trace import load
from mecpfm.online.world import build

SHOWN = (
    "remote", "shortest-queue", "ucb1", "disjoint-lints", "disjoint-tsrc", "hybrid-lints", "structured-mean",
    "structured-full", "priced-tsrc", "priced-cov", "priced-full",
)  # fmt: skip
RUNS = 7


def main() -> None:
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
