"""Targets of the coupled setting in one table: ``python benchmarks/coupled.py --full``, about half an hour.

Median, mean and worst over instance seeds, one process, one thread; compile time is spent on a small instance first.
``--sizes S,M`` and ``--seeds 1`` print part of it in minutes. Parameters were chosen on seeds from 100 on.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mecpfm.coupled import anytime, branch, dual, local_search, methods
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.engine import EngineParams
from mecpfm.coupled.formulation import linear_model
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.multipliers import certificate
from mecpfm.coupled.params import TreeParams
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.structure import build
from mecpfm.solvers import highs

SIZES = {
    "XL": Recipe(requests=10_000, cloudlets=125, models=96, families=8),  # first: its peak memory is then its own
    "T60": Recipe(requests=60, cloudlets=6, models=24, families=4),
    "T150": Recipe(requests=150, cloudlets=10, models=36, families=4),
    "S": Recipe(requests=400, cloudlets=16, models=48, families=4),
    "M": Recipe(requests=816, cloudlets=50, models=96, families=8),
    "L": Recipe(requests=3_000, cloudlets=125, models=96, families=8),
}
GAPS = {
    "T60": [(10.0, "3", "-"), (60.0, "-", "1")],
    "T150": [(10.0, "3", "-"), (60.0, "-", "1")],
    "S": [(60.0, "5", "3")],
    "M": [(60.0, "7", "5")],
    "L": [(120.0, "6", "4.5")],
    "XL": [],
}
"""Seconds, and the gap in % that must and should be reached by then."""
FASTEST = {"M": {"solver": "ipm", "run_crossover": "off"}, "S": {"solver": "simplex"}}
"""The faster way for HiGHS: at 816 requests its simplex had no solution after 170 s."""


def show(what: str, values: list[float], unit: str, must: str = "-", aim: str = "-", *, least: bool = False) -> None:
    """One row; ``least`` where large values are good."""
    middle, mean, worst = statistics.median(values), statistics.fmean(values), (min if least else max)(values)
    print(
        f"{what:<46} | {middle:9.4g} | {mean:9.4g} | {worst:9.4g} | {unit:<2} | {must:>4} | {aim:>4} | {len(values)}",
        flush=True,
    )


def machine() -> str:
    """Processor, cores and load: what the times below rest on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    kind = names[0] if names else platform.processor() or platform.machine()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{kind}, {os.cpu_count()} cores, load {load}; Python {platform.python_version()}, {highs.NAME}"


def instances(name: str, seeds: range) -> Iterator[Instance]:
    return (generate(SIZES[name], seed) for seed in seeds)


def bound_quality(name: str, seed: int, limit: float) -> None:
    """Bound against HiGHS's LP with the cut on the compressed instance: quality, and ratio of times."""
    instance = generate(SIZES[name], seed)
    own = dual.solve(build(instance))
    model = linear_model(presolve(instance).instance, cut=True).relaxed()
    lp = highs.solve(model, time_limit=limit, **FASTEST[name])
    ended = lp.status == "optimal"
    if ended:
        show(f"{name}: bound / LP with cut", [100 * own.bound / lp.objective], "%", "99.5", "99.9", least=True)
    else:
        print(f"{name}: bound / LP with cut: HiGHS without an end after {limit:g} s", flush=True)
    more, targets = "" if ended else "more than ", ("50", "100") if name == "M" else ("-", "-")
    show(f"{name}: {more}HiGHS time / bound time", [lp.runtime_s / own.runtime_s], "x", *targets, least=True)


def bounds(name: str, seeds: range) -> None:
    seconds = []
    for instance in instances(name, seeds):
        structure = build(instance)
        found = dual.solve(structure)
        seconds.append(found.runtime_s)
        if name == "XL" and len(seconds) == 1:
            memory_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            show("XL: peak memory of process", [memory_gb], "GB", "1")
        saved = certificate(structure, found)
        assert abs(verify(instance, saved) - found.bound) <= 1e-9 * abs(found.bound)
    must, aim = ("30", "10") if name == "XL" else ("-", "-")
    show(f"{name}: bound, verified from the file's numbers", seconds, "s", must, aim)


def gaps(name: str, seeds: range, seconds: float, must: str, aim: str) -> None:
    found, optimal = [], 0
    for seed, instance in zip(seeds, instances(name, seeds), strict=True):
        if name == "L":  # no branching closes anything there
            plan, *_ = anytime.solve(instance, iterations=1_000_000, time_limit=seconds, seed=seed)
        else:
            plan, *_ = branch.solve(instance, iterations=1_000_000, time_limit=seconds, seed=seed)
        assert plan.feasible
        found.append(100 * plan.gap)
        optimal += plan.status == "optimal"
    show(f"{name}: certified gap in {seconds:g} s ({optimal} proved optimal)", found, "%", must, aim)


def from_file(name: str, seeds: range) -> None:
    """Read, check, bound and cost an .npz file, as the command line does with method ``dual``."""
    seconds = []
    for written in instances(name, seeds):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "instance.npz"
            written.write(path)
            start = time.perf_counter()
            methods.solve(Instance.read(path), "dual")
            seconds.append(time.perf_counter() - start)
    show(f"{name}: read, check, solve with method dual", seconds, "s", "5", "3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="T60,S,M", help=f"comma-separated, of {','.join(SIZES)}")
    parser.add_argument("--seeds", type=int, help="instance seeds a size; default 1, with --full 5")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="time limit of the gap rows in place of the target's")
    parser.add_argument("--highs-limit", type=float, default=900.0, help="seconds HiGHS may take for its LP")
    parser.add_argument("--full", action="store_true", help="all sizes, HiGHS's LP with the cut at 816 requests")
    options = parser.parse_args()
    names = list(SIZES) if options.full else options.sizes.split(",")
    if unknown := [name for name in names if name not in SIZES]:
        parser.error(f"--sizes names {', '.join(unknown)}; known: {', '.join(SIZES)}")
    count = options.seeds or (5 if options.full else 1)
    seeds = range(options.first_seed, options.first_seed + count)
    print(f"{machine()}\nregime {SIZES['M'].regime}, instance seeds {seeds[0]} to {seeds[-1]}\n")
    print(f"{'row':<46} | {'median':>9} | {'mean':>9} | {'worst':>9} |    | must |  aim | n")
    warm = generate(SIZES["T60"], 100)
    methods.solve(warm, "dual")
    view = build(warm)
    unproved = dataclasses.replace(dual.solve(view), bound=0.0)  # else an early proof leaves kernels uncompiled
    local_search.improve(view, unproved, iterations=25)
    branch.solve(warm, time_limit=600, iterations=1_000, params=EngineParams(tree=TreeParams(nodes=3)))
    for name in names:
        bounds(name, seeds)
        if name == "S" or (name == "M" and options.full):
            bound_quality(name, seeds[0], options.highs_limit)
        if name == "M":
            from_file(name, seeds)
        for seconds, must, aim in GAPS[name]:
            gaps(name, seeds, options.seconds or seconds, must, aim)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
