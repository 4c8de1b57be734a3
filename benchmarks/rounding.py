"""Request draws a second of the rounding kernel, uniforms included; python benchmarks/rounding.py."""

from __future__ import annotations

import time

import numpy as np

from mecpfm.published.generate import Recipe, generate
from mecpfm.published.instance import Instance
from mecpfm.published.relaxation import Relaxation, relax
from mecpfm.published.rounding import round_options

DRAWS = 20_000


def rate(relaxed: Relaxation, instance: Instance) -> float:
    """Best of five: million request draws a second."""
    random, best = np.random.default_rng(0), np.inf
    for _ in range(5):
        start = time.perf_counter()
        round_options(instance, relaxed, random.random((DRAWS, len(relaxed.x))))
        best = min(best, time.perf_counter() - start)
    return DRAWS * len(relaxed.x) / best / 1e6


def main() -> None:
    for models in (10, 30, 100):
        instance = generate(Recipe(cloudlets=100, models=models, families=5, requests=100), 0)
        relaxed = relax(instance)
        even = np.where(relaxed.options.allowed, 1.0, 0.0)
        spread = Relaxation(even / even.sum(axis=1, keepdims=True), relaxed.value, relaxed.options)
        rates = f"{rate(relaxed, instance):6.1f} by the LP's fractions, {rate(spread, instance):6.1f} by even ones"
        print(f"{models:4d} models: {rates} (million request draws a second)")


if __name__ == "__main__":
    main()
