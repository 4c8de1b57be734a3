"""Tables of a plan of the published problem; it has no names, so rows are called by the checker's words and indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mecpfm.network.tables import AT_CENTRE, PULLS, Tables
from mecpfm.plan import Plan
from mecpfm.published.instance import Instance
from mecpfm.published.options import Options, tabulate
from mecpfm.typing import Floats, Ints


def tables(instance: Instance, plan: Plan) -> Tables:
    """Tables of a plan of one model a request; what each request pulls is its own, so equal pulls add up."""
    cloudlets, _, requests = instance.sizes
    chosen = np.array(plan.decisions["model"], dtype=np.int64)
    options, every = tabulate(instance), np.arange(requests)
    home, pulls = instance.requests.home, _pulls(instance, plan, chosen)
    sites = [f"cloudlet {c}" for c in range(cloudlets)]
    need = instance.memory_per_gb * instance.models.size_gb[chosen]
    largest = np.zeros(cloudlets)
    np.maximum.at(largest, home, need)
    by_site = pulls.groupby("site")[["gb", "seconds"]].sum().reindex(sites).fillna(0.0)
    at = pd.DataFrame(
        {
            "site": sites,
            "users": np.bincount(home, minlength=cloudlets),
            "requests": np.bincount(home, minlength=cloudlets).astype(float),
            "memory_gb": largest,
            "memory_gb_available": instance.cloudlets.capacity_gb,
            "pulled_gb": by_site["gb"].to_numpy(dtype=float),
            "pulling_s": by_site["seconds"].to_numpy(dtype=float),
        }
    )
    waits = _pull_s(instance, plan, chosen)
    own = waits.max(axis=0) + options.base[every, chosen]
    second, costs = _second(instance, options, chosen, waits)
    users: dict[str, Any] = {
        "user": [f"request {j}" for j in every],
        "home": [sites[c] for c in home.tolist()],
        "served_at": [sites[c] for c in home.tolist()],
        "model": [f"model {k}" for k in chosen.tolist()],
        "requests": np.ones(requests),
        "delay_s": own,
        "pull_s": waits.max(axis=0),
        "inference_s": options.inference[every, chosen],
        "queue_s": options.queue,
        "transmission_s": options.transmission[every, chosen],
        "accuracy": instance.accuracy[every, chosen],
        "second_choice": second,
        "second_costs_s": costs,
    }
    return Tables(at, pd.DataFrame(users), pulls)


def parts_s(instance: Instance, plan: Plan) -> dict[str, float]:
    """What the objective is made of, s: the longer of the two pulls of all requests, and the rest."""
    chosen = np.array(plan.decisions["model"], dtype=np.int64)
    pulling = float(_pull_s(instance, plan, chosen).sum(axis=1).max())
    return {"pulls": pulling, "inference, queue, transmission": plan.objective - pulling}


def _pull_s(instance: Instance, plan: Plan, chosen: Ints) -> Floats:
    """Time to pull the shareable and the private part of every request, s, shape (2, J)."""
    home, models = instance.requests.home, instance.models
    return np.stack(
        [
            size[chosen] * instance.distance_s_per_gb[home, np.array(plan.decisions[source], dtype=np.int64)]
            for size, source in ((models.shared_gb, "shared_source"), (models.private_gb, "private_source"))
        ]
    )


def _pulls(instance: Instance, plan: Plan, chosen: Ints) -> pd.DataFrame:
    home, models = instance.requests.home, instance.models
    names = [*(f"cloudlet {c}" for c in range(instance.sizes[0])), AT_CENTRE]
    rows = []
    seconds = _pull_s(instance, plan, chosen)
    for part, (size, word) in enumerate(((models.shared_gb, "shared"), (models.private_gb, "private"))):
        for j, source in enumerate(plan.decisions[f"{word}_source"]):
            k = int(chosen[j])
            block = f"shareable part of family {models.family[k]}" if part == 0 else f"private part of model {k}"
            if source != home[j] and size[k] > 0:
                row = (block, names[home[j]], names[source], float(size[k]), float(seconds[part, j]), f"model {k}")
                rows.append(row)
    frame = pd.DataFrame(rows, columns=list(PULLS)).astype(PULLS)
    if not len(frame):
        return frame
    whole = frame.groupby(["block", "site", "from"], sort=False)
    found = whole[["gb", "seconds"]].sum()
    found["models"] = [", ".join(dict.fromkeys(group["models"])) for _, group in whole]
    return found.reset_index()


def _second(instance: Instance, options: Options, chosen: Ints, waits: Floats) -> tuple[list[str], Floats]:
    """Best other model that the rows allow while all else stays, and what it would cost, s of the objective."""
    every, power = np.arange(len(chosen)), options.transmit_power
    shared, private = (waits[part].sum() - waits[part][:, None] for part in (0, 1))
    pulling = np.maximum(shared + options.shared_pull, private + options.private_pull)
    budget = instance.requests.cost_budget
    # The time that all pulls take together enters every request's budget.
    spare = np.where(power > 0, (budget - options.own_cost[every, chosen]) / np.where(power > 0, power, 1), np.inf)
    tightest = np.sort(spare)[:2]
    others = np.where(spare == tightest[0], tightest[-1] if len(chosen) > 1 else np.inf, tightest[0])
    good = options.allowed & (options.own_cost + power[:, None] * pulling <= budget[:, None])
    good &= pulling <= others[:, None]
    good[every, chosen] = False
    before = waits.sum(axis=1).max() + options.base[every, chosen]
    costs = np.where(good, pulling + options.base - before[:, None], np.inf)
    best, least = costs.argmin(axis=1), costs.min(axis=1)
    found = np.isfinite(least)
    names = [f"model {k}" if there else "" for k, there in zip(best.tolist(), found.tolist(), strict=True)]
    return names, np.where(found, least, np.nan)
