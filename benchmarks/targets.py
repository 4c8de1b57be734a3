"""The engine's targets and whether they are met: ``python benchmarks/targets.py``, about 10 minutes a repetition.

Each row is measured as its name says, with all cores; medians of ``--repeat`` runs, and where a row is about several
instances the worst of their medians, unless it says otherwise. Rows about published instances take the folder of
``public.py`` (``--data``) and say so where it is not there. ``--only`` names groups: proof, gap, public, sukp.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orlib
import public
from coupled import machine
from engine import INSTANCES, SEED

from mecpfm import clock
from mecpfm.coupled import methods
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.kernels import arrays

GROUPS = ("proof", "gap", "public", "sukp")
SEEDS = (SEED, 0, 1, 2, 3)
"""Of g150."""
PROOFS = {"g60": (1.0, 0.3), "m400": (1.0, 0.3), "l400": (1.0, 0.3), "g150": (15.0, 5.0)}
GAPS = {"g400": (0.5, 0.2), "g816-8": (1.5, 0.8), "g816": (5.0, 2.0)}
"""Must and aim: seconds until the proof, and % after a minute."""
PATIENCE_S, MINUTE_S, SHORT_S = 30.0, 60.0, 10.0
START_UP_S = 0.5
"""Later than HiGHS by so much is not slower."""
DRAWN = 3
"""Assignments of each of the types c, d and e."""


class Row(NamedTuple):
    """One target: what was measured, and from where on it counts; ``sign`` is 1 where less is better, else -1."""

    name: str
    unit: str
    measured: float
    must: float
    aim: float
    sign: int = 1

    def __str__(self) -> str:
        met = [self.sign * self.measured <= self.sign * limit for limit in (self.must, self.aim)]
        words = "no data" if math.isnan(self.measured) else "aim met" if met[1] else "must met" if met[0] else "not met"
        value = "-" if not math.isfinite(self.measured) else f"{self.measured:.3g}"
        return f"| {self.name} | {self.unit} | {value} | {self.must:g} | {self.aim:g} | {words} |"


class Bench:
    """Runs, and how far each went beyond its time limit."""

    def __init__(self, repeat: int) -> None:
        self.repeat = repeat
        self.over: list[tuple[float, float]] = []
        """Time limit and seconds beyond it."""

    def runs(self, instance: Instance, limit: float) -> public.Run:
        """Median cost, bound and seconds of the default."""
        found = list[public.Run]()
        for _ in range(self.repeat):
            began = clock.now()
            plan = methods.solve(instance, "auto", time_limit=limit)
            seconds = clock.now() - began
            self.over.append((limit, max(seconds - limit, 0.0)))
            found.append(public.Run(plan.objective, plan.bound, seconds))
        return public.middle(found)

    def kept(self) -> Iterator[Row]:
        """Time beyond a limit as a share of what is allowed, the worst run of all."""
        must = max((over / (0.1 * limit + 1) for limit, over in self.over), default=math.nan)
        aim = max((over / (0.02 * limit + 0.3) for limit, over in self.over), default=math.nan)
        yield Row("longest run beyond its limit, in (10 % + 1 s)", "times", must, 1.0, 1.0)
        yield Row("the same in (2 % + 0.3 s), an aim only", "times", aim, math.inf, 1.0)


def proofs(bench: Bench) -> Iterator[Row]:
    for name, (must, aim) in PROOFS.items():
        seeds = SEEDS if name == "g150" else (SEED,)
        proved = [bench.runs(generate(INSTANCES[name], seed), PATIENCE_S).proof for seed in seeds]
        more = f" and seeds {', '.join(map(str, seeds[1:]))}" if len(seeds) > 1 else ""
        yield Row(f"proof: {name}{more}", "s", max(proved), must, aim)


def gaps(bench: Bench) -> Iterator[Row]:
    for name, (must, aim) in GAPS.items():
        found = bench.runs(generate(INSTANCES[name], SEED), MINUTE_S)
        yield Row(f"gap: {name} in 60 s", "%", 100 * found.gap, must, aim)


def drawn(kind: str, seed: int, agents: int = 5, jobs: int = 100) -> Instance:
    """Generalised assignment of type c, d or e, as Chu and Beasley (1997) and Laguna et al. (1995) draw them."""
    random, shape = np.random.default_rng((seed, ord(kind))), (agents, jobs)
    if kind == "c":
        load, cost = random.integers(5, 26, shape), random.integers(10, 51, shape)
    elif kind == "d":
        load = random.integers(1, 101, shape)
        cost = 111 - load + random.integers(-10, 11, shape)
    else:
        load = np.ceil(1 - 10 * arrays.log(1 - random.random(shape)))
        cost = np.maximum(np.round(1000 / load - 10 * random.random(shape)), 1)
    amount, value = load.astype(np.float64), cost.astype(np.float64)
    room = np.floor(0.8 * amount.sum(axis=1) / agents)
    return orlib.assignment(value, amount, room, orlib.DEAR * value.max(axis=0), np.zeros(agents))


def published(bench: Bench, cases: list[public.Case]) -> Iterator[Row]:
    """Proofs in 10 s beside HiGHS: how many of its proofs the default has too, and how long both need for those."""
    groups = {
        "location (cap*, ucap*)": [case.instance for case in cases if case.family in ("sscflp", "uflp")],
        "assignment (c, d, e; 5 x 100, drawn)": [drawn(kind, seed) for kind in "cde" for seed in range(DRAWN)],
    }
    for name, instances in groups.items():
        pairs = list[tuple[float, float]]()
        for instance in instances:
            other = public.middle([public.timed(public.ilp, instance, SHORT_S, 2) for _ in range(bench.repeat)])
            if math.isfinite(other.proof):
                pairs.append((bench.runs(instance, SHORT_S).proof, other.proof))
        both = [(own, other) for own, other in pairs if math.isfinite(own)]
        share = 100 * len(both) / len(pairs) if pairs else math.nan
        yield Row(f"{name}: proved of HiGHS's {len(pairs)} in 10 s", "%", share, 80, 100, -1)
        later = statistics.median([own - other for own, other in both]) if both else math.nan
        yield Row(f"{name}: proofs later than HiGHS's, median", "s", later, START_UP_S, 0)


def knapsacks(bench: Bench, cases: list[public.Case]) -> Iterator[Row]:
    worst = math.nan
    for case in cases:
        if case.family == "sukp":
            all_s = float(case.instance.requests.remote_delay_s.sum())
            profit = (all_s - bench.runs(case.instance, SHORT_S).cost) / (all_s - case.published)
            worst = float(np.fmin(worst, 100 * profit))
    yield Row("set-union knapsack: profit of the best known in 10 s", "%", worst, 98, 99.5, -1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", default=",".join(GROUPS))
    folder = Path(os.environ.get("MECPFM_DATA_DIR") or "data") / "public"
    parser.add_argument("--data", type=Path, default=folder)
    options = parser.parse_args()
    cases = list(public.published(options.data, "")) if (options.data / "optima.json").is_file() else []
    methods.solve(generate(Recipe(requests=20, cloudlets=4, models=8), 0), "auto", time_limit=2.0)
    bench, only = Bench(options.repeat), options.only.split(",")
    print(f"{machine()}; medians of {options.repeat}\n")
    print("| work | unit | measured | must | aim | |\n|---|---|---|---|---|---|")
    rows = {
        "proof": lambda: proofs(bench), "gap": lambda: gaps(bench), "public": lambda: published(bench, cases),
        "sukp": lambda: knapsacks(bench, cases),
    }  # fmt: skip
    for name in GROUPS:
        for row in rows[name]() if name in only else ():
            print(row, flush=True)
    print(*bench.kept(), sep="\n")
    print(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
