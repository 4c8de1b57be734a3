"""Decisions a second of the linear bandits, one select and one update each: ``python benchmarks/bandits.py``."""

import statistics
import time

import numpy as np

from mecpfm.bandits.linear import Linear, LinTS, LinUCB
from mecpfm.bandits.restricted import TSRC

ROUNDS = 5000
REPEATS = 9


def rate(policy: Linear, features: int) -> tuple[float, float]:
    """Median and best number of decisions a second, learning included, after one warm-up."""
    contexts = np.random.default_rng(0).uniform(-1, 1, (64, features))
    rates = []
    for _ in range(1 + REPEATS):
        policy.reset()
        start = time.perf_counter()
        for turn in range(ROUNDS):
            context = contexts[turn & 63]
            policy.update(policy.select(context), context, 0.5)
        rates.append(ROUNDS / (time.perf_counter() - start))
    return statistics.median(rates[1:]), max(rates[1:])


def main() -> None:
    print(f"{'policy':>8} {'arms':>5} {'features':>9} {'median 1/s':>11} {'best 1/s':>11}   ({REPEATS} x {ROUNDS})")
    for features in (10, 50):
        for policy in (LinUCB(20, features), LinTS(20, features), TSRC(20, features, features // 5)):
            median, best = rate(policy, features)
            print(f"{type(policy).__name__:>8} {20:>5} {features:>9} {median:>11,.0f} {best:>11,.0f}")


if __name__ == "__main__":
    main()
