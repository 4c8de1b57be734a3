"""The default beside plain HiGHS and the local search, equal time: ``python benchmarks/engine.py``, a few minutes.

One instance a row (seed 7), compiled and warmed before; seconds until the method ends, gap it proves, cost. ``--limit``
is each method's time limit, ``--only`` names rows, ``--runs`` repeats them and prints the median run of each.
"""

from __future__ import annotations

import argparse

from mecpfm.coupled import methods
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.plan import Plan

INSTANCES = {
    "g60": Recipe(requests=60, cloudlets=8, models=12),
    "m400": Recipe(requests=400, cloudlets=16, models=48, regime="memory-bound"),
    "l400": Recipe(requests=400, cloudlets=16, models=48, regime="link-bound"),
    "g150": Recipe(requests=150, cloudlets=12, models=24),
    "g400": Recipe(requests=400, cloudlets=16, models=48),
    "g816": Recipe(requests=816, cloudlets=50, models=96),
    "g816-8": Recipe(requests=816, cloudlets=50, models=96, families=8),
}
USUAL = ("g60", "m400", "l400", "g150", "g400")
"""Rows without ``--only``; g816 has four families of 24 models, g816-8 twice as many of twelve."""
METHODS = ("auto", "ilp", "polish")
SEED = 7


def middle(runs: list[Plan]) -> Plan:
    """The run of median time."""
    return sorted(runs, key=lambda plan: plan.runtime_s)[len(runs) // 2]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(USUAL))
    parser.add_argument("--limit", type=float, default=30.0)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    warm = generate(Recipe(requests=20, cloudlets=4, models=8), 0)
    for method in METHODS:
        methods.solve(warm, method, time_limit=2.0)
    print("instance | method | seconds | status | gap % | cost s | solver")
    for name in options.only.split(","):
        instance = generate(INSTANCES[name], SEED)
        for method in METHODS:
            plan = middle([methods.solve(instance, method, time_limit=options.limit) for _ in range(options.runs)])
            cells = (f"{plan.runtime_s:.2f}", plan.status, f"{100 * plan.gap:.3f}", f"{plan.objective:.2f}")
            print(" | ".join((name, method, *cells, plan.solver)), flush=True)


if __name__ == "__main__":
    main()
