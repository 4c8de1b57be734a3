"""Certified optimum by structure against HiGHS on the explicit LP, in one run; python benchmarks/exact.py [--ipm]."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mecpfm.published.exact import solve_exact
from mecpfm.published.formulation import ilp
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.relaxation import relax
from mecpfm.solvers import highs

PEER = Recipe(cloudlets=100, models=30, families=6, requests=100)
LARGE = (
    Recipe(cloudlets=300, models=100, families=20, requests=300),
    Recipe(cloudlets=500, models=100, families=20, requests=500),
    Recipe(cloudlets=500, models=300, families=60, requests=2000, cost_budget=1e6),
)


def median(call: Callable[[], Any], repeats: int = 9) -> float:
    """Median seconds of a call, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def row(recipe: Recipe, seed: int = 0) -> float:
    """Print one line about the structure at one size; the certified solve's seconds."""
    instance = generate(recipe, seed)
    plan = solve_exact(instance)
    seconds, dual = median(lambda: solve_exact(instance)), median(lambda: relax(instance))
    size = f"{recipe.cloudlets}/{recipe.requests}/{recipe.models}"
    print(f"{size:>14} {1e3 * dual:9.2f} ms {1e3 * seconds:9.2f} ms  gap {plan.gap:.1e}  {plan.objective:.6f} s")
    return seconds


def main() -> None:
    print(
        "C/J/K, strengthened LP by structure, certified optimum (both from the Instance, medians of 9), gap, objective"
    )
    seconds = row(PEER)
    for recipe in LARGE:
        row(recipe)
    instance = generate(PEER, 0)
    model = ilp(instance).relaxed()
    explicit = highs.solve(model, solver="simplex")
    assert np.isclose(explicit.objective, relax(instance).value, rtol=1e-7)
    print(
        f"HiGHS simplex on the explicit LP ({model.shape[1]} columns): {explicit.runtime_s:.2f} s, same value to 1e-7"
    )
    print(f"exact is {explicit.runtime_s / seconds:,.0f} x faster, and integral")
    if "--ipm" in sys.argv:
        print(f"HiGHS interior point: {highs.solve(model, solver='ipm').runtime_s:.2f} s")


if __name__ == "__main__":
    main()
