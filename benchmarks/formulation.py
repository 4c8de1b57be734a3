"""Time to write the ILP as arrays, to hand it to HiGHS, and to check a plan: ``python benchmarks/formulation.py``."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mecpfm.published.check import assess
from mecpfm.published.formulation import compact_lp, ilp
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.options import tabulate
from mecpfm.solvers import highs

REPEATS = 7
RECIPES = (
    Recipe(cloudlets=100, models=10, families=2, requests=100),
    Recipe(cloudlets=100, models=10, families=2, requests=500),
    Recipe(cloudlets=500, models=10, families=1, requests=300),
    Recipe(cloudlets=300, models=70, families=14, requests=300),
)


def median_ms(call: Callable[[], Any]) -> float:
    """Median of the repeats after one warm-up, ms."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    heads = ("C", "K", "J", "columns", "rows", "nonzeros", "ILP ms", "HiGHS ms", "compact ms", "assess ms")
    print(f"median of {REPEATS}")
    print(" ".join(f"{head:>10}" for head in heads))
    for recipe in RECIPES:
        instance = generate(recipe, seed=1)
        model, options = ilp(instance), tabulate(instance)
        chosen = np.argmax(instance.accuracy, axis=1)
        rows, columns = model.shape
        sizes = [*instance.sizes, columns, rows, model.rows.nnz]
        times = (
            median_ms(lambda i=instance: ilp(i)),
            median_ms(lambda m=model: highs.load(m)),
            median_ms(lambda i=instance, o=options: compact_lp(i, o)),
            median_ms(lambda i=instance, m=chosen: assess(i, "any", m)),
        )
        print(" ".join([*(f"{size:>10}" for size in sizes), *(f"{value:>10.1f}" for value in times)]))


if __name__ == "__main__":
    main()
