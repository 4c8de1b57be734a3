"""Targets of the coupled setting in one table: ``python benchmarks/coupled.py [--sizes S,M] [--seeds 5] [--full]``.

Medians and worst over instance seeds, one process, one thread; compile time is spent on a small instance first. The
default takes a few minutes; ``--full`` adds HiGHS's LP with the cut at 816 x 50 x 96 and 10,000 requests.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mecpfm.coupled import branch, dual, methods, polish
from mecpfm.coupled.certificate import certificate, verify
from mecpfm.coupled.compress import compress
from mecpfm.coupled.formulation import linear_model
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.structure import build
from mecpfm.solvers import highs

SIZES = {
    "T60": Recipe(requests=60, cloudlets=6, models=24, families=4),
    "T150": Recipe(requests=150, cloudlets=10, models=36, families=4),
    "S": Recipe(requests=400, cloudlets=16, models=48, families=4),
    "M": Recipe(requests=816, cloudlets=50, models=96, families=8),
    "L": Recipe(requests=3_000, cloudlets=125, models=96, families=8),
    "XL": Recipe(requests=10_000, cloudlets=125, models=96, families=8),
}
SECONDS = {"T60": 10.0, "T150": 60.0, "S": 60.0, "M": 60.0, "L": 120.0, "XL": 120.0}
MUST = {"T60": 3.0, "T150": 3.0, "S": 5.0, "M": 7.0, "L": 6.0, "XL": float("nan")}
AIM = {"T60": 1.0, "T150": 1.0, "S": 3.0, "M": 5.0, "L": 4.5, "XL": float("nan")}


def show(what: str, values: list[float], unit: str, must: str, aim: str) -> None:
    middle, low, high = statistics.median(values), min(values), max(values)
    spread = f"{low:.4g} .. {high:.4g}" if len(values) > 1 else "one run"
    print(f"{what:<52} {middle:>10.4g} {unit:<3} ({spread})   must {must}   aim {aim}", flush=True)


def instances(name: str, seeds: int) -> Iterator[Instance]:
    return (generate(SIZES[name], seed) for seed in range(seeds))


def bound_quality(name: str, *, repeats: int = 3) -> None:
    """Bound against HiGHS's LP with the cut: quality, and ratio of times (compressed instance for HiGHS)."""
    instance = generate(SIZES[name], 0)
    structure = build(instance)
    own = [dual.solve(structure) for _ in range(repeats)]
    lp = highs.solve(linear_model(compress(instance).instance, cut=True).relaxed())
    show(f"{name}: bound / LP with cut", [100 * own[0].bound / lp.objective], "%", "99.5", "99.9")
    show(f"{name}: HiGHS time / bound time", [lp.runtime_s / one.runtime_s for one in own], "x", "50", "100")


def bounds(name: str, seeds: int) -> None:
    seconds = []
    for instance in instances(name, seeds):
        structure = build(instance)
        found = dual.solve(structure)
        seconds.append(found.runtime_s)
        saved = certificate(structure, found)
        assert abs(verify(instance, saved) - found.bound) <= 1e-9 * abs(found.bound)
    must, aim = ("30", "10") if name == "XL" else ("-", "-")
    show(f"{name}: bound, verified from the file's numbers", seconds, "s", must, aim)


def gaps(name: str, seeds: int, seconds: float) -> None:
    found = []
    for seed, instance in enumerate(instances(name, seeds)):
        if name in ("L", "XL"):
            plan, _ = polish.solve(instance, iterations=1_000_000, time_limit=seconds, seed=seed)
        else:
            plan = branch.solve(instance, iterations=1_000_000, time_limit=seconds, seed=seed)
        assert plan.feasible
        found.append(100 * plan.gap)
    show(f"{name}: certified gap in {seconds:g} s", found, "%", f"{MUST[name]:g}", f"{AIM[name]:g}")


def from_file(name: str) -> None:
    """Read, check, bound and cost an .npz file, as the command line does with method ``dual``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instance.npz"
        generate(SIZES[name], 0).write(path)
        start = time.perf_counter()
        instance = Instance.read(path)
        methods.solve(instance, "dual")
        show(f"{name}: read, check, solve with method dual", [time.perf_counter() - start], "s", "5", "3")
        print(f"    {len(instance.options.request):,} options")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="T60,S,M", help=f"comma-separated, of {','.join(SIZES)}")
    parser.add_argument("--seeds", type=int, default=1, help="instance seeds a size")
    parser.add_argument("--seconds", type=float, help="time limit of the gap rows in place of the target's")
    parser.add_argument("--full", action="store_true", help="all sizes, HiGHS's LP with the cut at 816 requests")
    options = parser.parse_args()
    names = list(SIZES) if options.full else options.sizes.split(",")
    if unknown := [name for name in names if name not in SIZES]:
        parser.error(f"--sizes names {', '.join(unknown)}; known: {', '.join(SIZES)}")
    print(f"{platform.machine()}, Python {platform.python_version()}, {highs.NAME}; regime {SIZES['M'].regime}")
    warm = generate(SIZES["T60"], 1)
    methods.solve(warm, "dual")
    branch.solve(warm, time_limit=600, iterations=25, nodes=3)
    for name in names:
        bounds(name, options.seeds)
        if name == "S" or (name == "M" and options.full):
            bound_quality(name)
        if name == "M":
            from_file(name)
        if name != "XL":
            gaps(name, options.seeds, options.seconds or SECONDS[name])
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB", file=sys.stdout)


if __name__ == "__main__":
    main()
