"""Time and memory against size, and their exponents: ``python benchmarks/scale.py``, a few minutes.

Sizes grow from 1,000 options to about ``--most``, each in a process of its own, so that its peak memory is its own.
CPU seconds of reading the instance into cells, of the bound, and of greedy's plan; wall seconds of the bound with
``--threads``. An exponent is the slope of a straight line through the logarithms, over the sizes of 10,000 options or
more. ``--svg FILE`` draws the same.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from mecpfm.coupled import auto, baselines, dual
from mecpfm.coupled.check import assess
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.structure import MASK_BITS, build

SIZES = (
    Recipe(requests=30, cloudlets=6, models=12),
    Recipe(requests=100, cloudlets=12, models=24),
    Recipe(requests=400, cloudlets=16, models=48),
    Recipe(requests=816, cloudlets=50, models=96, families=8),
    Recipe(requests=3_000, cloudlets=125, models=96, families=8),
    Recipe(requests=10_000, cloudlets=125, models=96, families=8),
)
SEED = 7
FITTED = ("build", "bound", "greedy", "memory")
SMALLEST = 10_000
"""Options from which on the exponents are fitted: below, start-up is most of it."""


def measure(size: int, threads: int) -> dict[str, float]:
    """One size; compiled before on a tiny instance."""
    dual.solve(build(generate(Recipe(requests=20, cloudlets=4, models=8), 0)), memory_row=True)
    instance = generate(SIZES[size], SEED)
    start = time.process_time()
    structure = build(instance, exact_models=MASK_BITS)
    built = time.process_time()
    choice = baselines.trimcaching(instance)
    greedy, wall = time.process_time(), time.perf_counter()
    cost = assess(instance, "trimcaching", choice).objective
    begun = time.process_time()
    found = dual.solve(structure, target=cost, memory_row=True, threads=threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {
        "options": len(instance.options.request), "build": built - start, "greedy": greedy - built,
        "bound": time.process_time() - begun, "wall": time.perf_counter() - wall, "steps": found.iterations,
        "memory": peak, "gap": (cost - found.bound) / cost,
    }  # fmt: skip


def exponents(rows: list[dict[str, float]]) -> dict[str, float]:
    """Slope of each measure against the options, both as logarithms; NaN with fewer than two sizes."""
    rows = [row for row in rows if row["options"] >= SMALLEST]
    if len(rows) < 2:
        return dict.fromkeys(FITTED, float("nan"))
    size = np.log([row["options"] for row in rows])
    return {name: float(np.polyfit(size, np.log([row[name] for row in rows]), 1)[0]) for name in FITTED}


def svg(rows: list[dict[str, float]]) -> str:
    """Log-log picture: options against CPU seconds of build, greedy, bound, and GB of memory."""
    colours = {"build": "#4477aa", "greedy": "#228833", "bound": "#ee6677", "memory": "#777777"}
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 290" font-family="sans-serif" font-size="11">']
    for power in range(-3, 3):
        parts.append(
            f'<path d="M50 {110 - 45 * power}H400" stroke="#ddd"/>'
            f'<text x="45" y="{114 - 45 * power}" text-anchor="end">1e{power}</text>'
        )
    parts += [f'<text x="{70 * power - 90}" y="262" text-anchor="middle">1e{power}</text>' for power in range(2, 8)]
    parts.append('<text x="225" y="282" text-anchor="middle">options</text>')
    place = [50 + 70 * (np.log10(row["options"]) - 2) for row in rows]
    label = math.inf
    for name, colour in sorted(colours.items(), key=lambda item: rows[-1][item[0]]):  # upwards
        height = [110 - 45 * np.log10(max(row[name], 1e-3)) for row in rows]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(place, height, strict=True))
        label = min(height[-1] + 4, label - 13)  # below each other where lines meet
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        unit = "GB" if name == "memory" else "s"
        parts.append(f'<text x="{place[-1] + 5:.1f}" y="{label:.1f}" fill="{colour}">{name}, {unit}</text>')
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    """Print the table and the exponents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=float, default=1e6, help="options of the largest size, about")
    parser.add_argument("--threads", type=int, default=auto.cores())
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(options.one, options.threads)))
        return
    rows: list[dict[str, float]] = []
    print("requests x cloudlets x models | options | build s | greedy s | bound s (wall) | steps | GB | gap %")
    for number, recipe in enumerate(SIZES):
        if rows and rows[-1]["options"] * 2 > options.most:
            break
        command: list[Any] = [sys.executable, __file__, "--one", str(number), "--threads", str(options.threads)]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append(row)
        name = f"{recipe.requests} x {recipe.cloudlets} x {recipe.models}"
        cells = (f"{row[key]:.3g}" for key in ("build", "greedy"))
        bound = f"{row['bound']:.3g} ({row['wall']:.3g})"
        rest = (f"{row['steps']:.0f}", f"{row['memory']:.2f}", f"{100 * row['gap']:.2f}")
        print(" | ".join((name, f"{row['options']:.0f}", *cells, bound, *rest)), flush=True)
    print(f"exponents: {', '.join(f'{name} {slope:.2f}' for name, slope in exponents(rows).items())}")
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f}")
    if options.svg:
        options.svg.write_text(svg(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
