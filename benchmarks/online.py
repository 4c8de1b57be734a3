"""Delay and time a seed of the online policies, 100 cloudlets, 100 requests: ``python benchmarks/online.py``.

With MECPFM_DATA_DIR naming a folder that holds the EUA sites, these are the sites of the published evaluation.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mecpfm.published.baselines import solve_nonshare, solve_sc
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.instance import Instance
from mecpfm.published.online import simulate
from mecpfm.published.policies import POLICIES
from mecpfm.records import Ragged

SEEDS = range(30)
COMPARISON = ("nonshare", "sc", "ol", "mab", "adms")


def methods() -> dict[str, Callable[[Instance, int], Any]]:
    """The two offline baselines of the online comparison, then every policy under its released pull rule."""
    offline = {"nonshare": lambda i, _: solve_nonshare(i), "sc": lambda i, _: solve_sc(i)}
    return offline | {name: lambda i, seed, name=name: simulate(i, name, seed=seed) for name in POLICIES}


def unlisted(instance: Instance) -> Instance:
    """The same with cloudlets only as holders, as the released preheating lists them."""
    models, centre = instance.models, len(instance.distance_s_per_gb) - 1
    kept = {
        name: Ragged.from_lists([at[at != centre] for at in getattr(models, name)])
        for name in ("shared_at", "private_at")
    }
    return instance.model_copy(update={"models": models.model_copy(update=kept)})


def main() -> None:
    recipe = Recipe(cloudlets=100, requests=100, models=10, families=2)
    instances = [generate(recipe, seed) for seed in SEEDS]
    calls, medians = methods(), {}
    print(f"{'method':>15} {'delay s':>9} {'std err':>8} {'cost':>7} {'accuracy':>9} {'ms a seed':>10}")
    for name, call in calls.items():
        call(instances[0], 0)
        results, times = [], []
        for seed, instance in zip(SEEDS, instances, strict=True):
            start = time.perf_counter()
            results.append(call(instance, seed).to_object())
            times.append(1000 * (time.perf_counter() - start))
        delay, cost, accuracy = (
            np.array([row[key] for row in results]) for key in ("total_delay_s", "average_cost", "average_accuracy")
        )
        error, medians[name] = delay.std(ddof=1) / len(delay) ** 0.5, statistics.median(times)
        print(f"{name:>15} {delay.mean():>9.0f} {error:>8.0f} {cost.mean():>7.1f} {accuracy.mean():>9.3f}", end="")
        print(f" {medians[name]:>10.2f}")
    for words, of in (("listed as a holder", instances), ("not listed", [unlisted(one) for one in instances])):
        delay = np.array([solve_nonshare(one).metrics["total_delay_s"] for one in of])
        print(f"nonshare, data centre {words}: {delay.mean():.0f} +- {delay.std(ddof=1) / len(of) ** 0.5:.0f} s")
    print(f"{' + '.join(COMPARISON)}: {sum(medians[name] for name in COMPARISON):.1f} ms a seed")


if __name__ == "__main__":
    main()
