"""The default on public instances with published values, beside MIP solvers: ``python benchmarks/public.py``.

Bound, cost and seconds until the proof, all with the same cores and time, medians of ``--repeat`` runs; the peers get
the compressed model with the cut. SCIP and CP-SAT come with ``pip install mecpfm[solvers]``. Instances are those of
``optima.json`` in ``--data`` (default: ``public`` in MECPFM_DATA_DIR): ``.json`` as the planner writes them, other
files as OR-Library does. ``--generated`` takes drawn ones in place of them, and counts wins, ties and losses.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import orlib
from coupled import machine

from mecpfm.coupled import formulation, methods
from mecpfm.coupled.dual import proven
from mecpfm.coupled.generate import REGIMES, Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.presolve import presolve
from mecpfm.errors import InputError, LimitError, MecpfmError
from mecpfm.plan import relative_gap
from mecpfm.solvers import highs

MODELS = (2, 6, 12, 24)
"""Models of a family in the drawn instances, which have two families."""
SAME_GAP, SAME_S = 1e-4, 0.5
"""Gaps, and seconds until the proof, that count as equal."""
SOURCES = "its files are public: OR-Library and others, listed in docs/benchmarks.md"


class Case(NamedTuple):
    """An instance, its family, and the published value as a cost, NaN where none is known."""

    name: str
    family: str
    instance: Instance
    published: float


class Run(NamedTuple):
    """What one method says of one instance."""

    cost: float
    bound: float
    seconds: float

    @property
    def gap(self) -> float:
        """Share of the cost; inf without a plan."""
        return relative_gap(self.cost, self.bound) if math.isfinite(self.cost) else math.inf

    @property
    def proof(self) -> float:
        """Seconds until the proof; inf without one."""
        return self.seconds if math.isfinite(self.cost) and proven(self.cost, self.bound) == "optimal" else math.inf


def auto(instance: Instance, limit: float, cores: int) -> Run:
    plan = methods.solve(instance, "auto", time_limit=limit)
    return Run(plan.objective, plan.bound, plan.runtime_s)


def ilp(instance: Instance, limit: float, cores: int) -> Run:
    plan = formulation.solve_ilp(presolve(instance).instance, solver="highs", time_limit=limit)
    return Run(plan.objective, plan.bound, math.nan)


def ortools(kind: str, instance: Instance, limit: float, cores: int) -> Run:
    """SCIP or CP-SAT, each as a MIP solver; the model is made within the limit, as the others' is."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.mps"
        highs.write_mps(formulation.linear_model(presolve(instance).instance, cut=True), path)
        made = time.perf_counter() - began
        command = [sys.executable, Path(__file__).with_name("peer.py"), path, kind, str(limit - made), str(cores)]
        told = subprocess.run(command, capture_output=True, text=True)
    try:
        found = json.loads(told.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise InputError(f"{kind}: {(told.stderr.splitlines() or ['no answer'])[-1]}") from None
    cost = math.inf if found["cost"] is None else found["cost"]
    return Run(cost, found["bound"], made + found["seconds"])


def peers() -> dict[str, Any]:
    """Methods by name: the default, HiGHS, and what else is installed."""
    found: dict[str, Any] = {"auto": auto, "ilp": ilp}
    if importlib.util.find_spec("ortools"):
        found |= {name: functools.partial(ortools, kind) for name, kind in (("SCIP", "scip"), ("CP-SAT", "sat"))}
    return found


def timed(method: Any, instance: Instance, limit: float, cores: int) -> Run:
    """One run, with the seconds of everything unless it says better."""
    began = time.perf_counter()
    try:
        found = method(instance, limit, cores)
    except LimitError:  # nothing within the limit
        return Run(math.inf, -math.inf, time.perf_counter() - began)
    return found if math.isfinite(found.seconds) else found._replace(seconds=time.perf_counter() - began)


def middle(runs: list[Run]) -> Run:
    """Median of each number."""
    return Run(*(statistics.median(values) for values in zip(*runs, strict=True)))


def published(folder: Path, only: str) -> Iterator[Case]:
    """The instances of a data folder; InputError, in one line, where there is none."""
    listed = folder / "optima.json"
    if not listed.is_file():
        raise InputError(f"{listed}: is not there; {SOURCES}")
    try:
        entries = json.loads(listed.read_text())
    except ValueError as error:
        raise InputError(f"{listed}: is not valid JSON ({error})") from None
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        raise InputError(f"{listed}: must be a list of objects")
    for entry in entries:
        if missing := [key for key in ("name", "family", "file") if not isinstance(entry.get(key), str)]:
            raise InputError(f"{listed}: {missing[0]}: must be a text")
        if only and not any(entry["name"].startswith(start) for start in only.split(",")):
            continue
        value, offset = entry.get("published"), entry.get("offset", 0.0)
        if not isinstance(value, int | float | None) or not isinstance(offset, int | float):
            raise InputError(f"{listed}: {entry['name']}: published and offset must be numbers")
        path = folder / entry["file"]
        if path.suffix == ".json":
            instance = Instance.read(path)
        else:
            instance, offset = orlib.read(path, entry["family"])
        cost = math.nan if value is None else offset - value if offset else value
        yield Case(entry["name"], entry["family"], instance, cost)


def drawn(seeds: int, only: str) -> Iterator[Case]:
    """Two families of 2 to 24 models in each of the four regimes."""
    for regime, models, seed in itertools.product(REGIMES, MODELS, range(seeds)):
        name = f"{regime}-{models}-{seed}"
        if not only or any(name.startswith(start) for start in only.split(",")):
            recipe = Recipe(requests=100, cloudlets=10, models=2 * models, families=2, regime=regime)
            yield Case(name, regime, generate(recipe, seed), math.nan)


def row(case: Case, name: str, run: Run) -> str:
    """One line of the table, with a word where a bound is above a cost, and where a plan is below the published one."""
    off = "" if math.isnan(case.published) else f"{100 * (run.cost / case.published - 1):+.3f}"
    proof = f"{run.proof:.2f}" if math.isfinite(run.proof) else "-"
    known = "" if math.isnan(case.published) else f"{case.published:.10g}"
    wrong = " FALSE BOUND" if run.bound > min(case.published, run.cost) * (1 + 2e-6) + 0.1 else ""
    wrong += " BELOW PUBLISHED" if run.cost < case.published * (1 - 2e-6) - 0.1 else ""
    cells = (case.name, known, name, f"{run.cost:.10g}", off, f"{run.bound:.10g}", f"{100 * run.gap:.3f}", proof)
    return f"| {' | '.join(cells)} |{wrong}"


def verdict(own: Run, other: Run) -> str:
    """By the gap at the end; where both are as small, by the seconds until the proof."""
    if abs(own.gap - other.gap) > SAME_GAP:
        return "win" if own.gap < other.gap else "loss"
    if own.proof == other.proof or abs(own.proof - other.proof) <= SAME_S:
        return "tie"
    return "win" if own.proof < other.proof else "loss"


def pin(cores: int) -> None:
    """No method gets more cores than another: threads and processes of this one keep to the first ``cores``."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    else:
        print("(this system pins no process: every method takes the cores that it finds)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    folder = Path(os.environ.get("MECPFM_DATA_DIR") or "data") / "public"
    parser.add_argument("--data", type=Path, default=folder)
    parser.add_argument("--only", default="", help="names that begin so, comma-separated")
    parser.add_argument("--methods", default="", help="comma-separated; default: all that are installed")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds a run")
    parser.add_argument("--repeat", type=int, default=3, help="runs a row")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--generated", action="store_true")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each drawn family")
    options = parser.parse_args()
    use = {name: call for name, call in peers().items() if name in (options.methods or name).split(",")}
    cases = list(drawn(options.seeds, options.only) if options.generated else published(options.data, options.only))
    pin(options.cores)
    also = f"; OR-Tools {version('ortools')} (SCIP, CP-SAT)" if "SCIP" in use or "CP-SAT" in use else ""
    print(f"{machine()}{also}; {options.cores} cores, {options.limit:g} s, medians of {options.repeat}\n")
    print(
        "| instance | published | method | cost | off % | bound | gap % | proof, s |\n|---|---|---|---|---|---|---|---|"
    )
    warm = generate(Recipe(requests=20, cloudlets=4, models=8), 0)
    for call in use.values():
        timed(call, warm, 2.0, options.cores)
    count = {name: Counter[str]() for name in use if name != "auto"}
    for case in cases:
        runs = {
            name: middle([timed(call, case.instance, options.limit, options.cores) for _ in range(options.repeat)])
            for name, call in use.items()
        }
        for name, run in runs.items():
            print(row(case, name, run), flush=True)
        for name in count if "auto" in runs else ():
            count[name][verdict(runs["auto"], runs[name])] += 1
    print()
    for name, words in count.items():
        print(f"auto against {name}: {words['win']} wins, {words['tie']} ties, {words['loss']} losses")


if __name__ == "__main__":
    try:
        main()
    except MecpfmError as error:
        sys.exit(f"mecpfm: error: {error}")
