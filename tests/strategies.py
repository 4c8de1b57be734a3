"""Tiny instances of the published problem, built from one seed, and Hypothesis strategies over them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from mecpfm.published.instance import Cloudlets, Instance, Models, Requests
from mecpfm.published.options import tabulate
from mecpfm.records import Ragged
from mecpfm.solvers import gurobi
from mecpfm.solvers.model import LinearModel

needs_gurobi = pytest.mark.skipif(
    gurobi.licence() not in ("full", "restricted"), reason=f"Gurobi cannot be used: {gurobi.licence()}"
)
BUDGETS = ("slack", "binding", "hopeless")


def tiny(seed: int, cloudlets: int = 3, models: int = 3, requests: int = 3, budget: str = "slack") -> Instance:
    """Random instance with few choices; some seeds are infeasible by capacity, accuracy or queue on purpose.

    ``budget`` sets the cost budgets: far above any cost, around the cost of the quickest choice (so that the
    network-wide pulling delay binds), or too small for the cheapest model of the first request.
    """
    random = np.random.default_rng(seed)
    holders = [_holders(random, cloudlets) for _ in range(models)]
    family = random.integers(0, 2, models)
    union = [np.unique(np.concatenate([holders[i] for i in np.flatnonzero(family == f)])) for f in family]
    distance = random.uniform(1, 20, (cloudlets + 1, cloudlets + 1))
    np.fill_diagonal(distance, 0)
    instance = Instance(
        memory_per_gb=random.uniform(0.2, 1),
        distance_s_per_gb=distance,
        cloudlets=_cloudlets(random, cloudlets),
        models=Models(
            shared_gb=random.uniform(1, 15, models),
            private_gb=random.uniform(1, 15, models),
            work_tflop=random.uniform(100, 3000, models),
            family=family,
            shared_at=Ragged.from_lists(union),
            private_at=Ragged.from_lists(holders),
        ),
        requests=Requests(
            home=random.integers(0, cloudlets, requests),
            instructions=random.uniform(1, 100, requests),
            cost_budget=np.full(requests, 1e6),
            accuracy_requirement=random.uniform(0, 0.7, requests),
            input_gb=random.uniform(0.1, 2, requests),
            rate_gb_per_s=random.uniform(0.05, 1, requests),
        ),
        accuracy=random.uniform(0.3, 1, (requests, models)),
        output_ratio=random.uniform(0, 0.3, (requests, models)),
    )
    return with_requests(instance, cost_budget=_budgets(instance, budget, random))


def with_requests(instance: Instance, **changes: Any) -> Instance:
    """The same instance with some fields of its requests replaced."""
    return instance.model_copy(update={"requests": instance.requests.model_copy(update=changes)})


def _holders(random: np.random.Generator, cloudlets: int) -> np.ndarray:
    size = int(random.integers(1, min(3, cloudlets) + 1))
    return random.choice(cloudlets + 1, size=size, replace=False)


def _cloudlets(random: np.random.Generator, count: int) -> Cloudlets:
    overloaded = random.uniform(size=count) < 0.02
    return Cloudlets(
        capacity_gb=random.uniform(6, 30, count),
        processing_tflops=random.uniform(100, 300, count),
        accessing_rate=random.uniform(0.1, 0.5, count),
        peak_power_w=random.uniform(0.8, 2.5, count),
        idle_power_w=random.uniform(0.1, 0.3, count),
        leak_power_w=random.uniform(0.1, 0.3, count),
        transmit_power_w=random.uniform(0.8, 2.5, count),
        service_rate_hz=random.uniform(0.5, 0.9, count),
        arrival_rate_hz=np.where(overloaded, 1.0, random.uniform(0.1, 0.45, count)),
    )


def _budgets(instance: Instance, budget: str, random: np.random.Generator) -> np.ndarray:
    options = tabulate(instance)
    least = options.own_cost.min(axis=1)
    if budget == "hopeless":
        return least * np.where(np.arange(len(least)) == 0, 0.5, 100)
    if budget == "slack":
        return np.full(len(least), 1e6)
    best = np.where(options.allowed, options.delay, np.inf).argmin(axis=1)
    request = np.arange(len(best))
    pulling = max(options.shared_pull[request, best].sum(), options.private_pull[request, best].sum())
    own = options.own_cost[request, best]
    return (own + options.transmit_power * pulling) * random.uniform(0.75, 1.3, len(best))


def partition(parts: list[int]) -> Instance:
    """Requests at one cloudlet, each with two models whose shared or private part alone is pulled; caps of half."""
    count = len(parts)
    sizes = np.array(parts, dtype=float)
    nothing, one = np.zeros(count), [1.0]
    cloudlets = {"capacity_gb": [1.0], "processing_tflops": one, "accessing_rate": [0.0], "service_rate_hz": one}
    cloudlets |= {"arrival_rate_hz": [0.0], "transmit_power_w": one}
    cloudlets |= {key: [0.0] for key in ("peak_power_w", "idle_power_w", "leak_power_w")}
    models = {
        "shared_gb": np.r_[sizes, nothing],
        "private_gb": np.r_[nothing, sizes],
        "work_tflop": np.zeros(2 * count),
    }
    models |= {"family": np.arange(2 * count), "shared_at": [[1]] * 2 * count, "private_at": [[1]] * 2 * count}
    requests = {"home": np.zeros(count, int), "cost_budget": np.full(count, sizes.sum() / 2)}
    requests |= {"rate_gb_per_s": np.ones(count), "accuracy_requirement": np.ones(count)}
    requests |= dict.fromkeys(("instructions", "input_gb"), nothing)
    return Instance.model_validate(
        {
            "memory_per_gb": 0.0, "distance_s_per_gb": [[0.0, 1.0], [1.0, 0.0]], "cloudlets": cloudlets,
            "models": models, "requests": requests, "accuracy": np.tile(np.eye(count), 2),
            "output_ratio": np.zeros((count, 2 * count)),
        }
    )  # fmt: skip


@st.composite
def tiny_instances(draw: st.DrawFn, requests: int = 4, models: int = 3) -> Instance:
    """Any tiny instance of at most the given sizes, feasible or not."""
    return tiny(
        draw(st.integers(0, 2**32 - 1)),
        cloudlets=draw(st.integers(1, 4)),
        models=draw(st.integers(1, models)),
        requests=draw(st.integers(1, requests)),
        budget=draw(st.sampled_from(BUDGETS)),
    )


def residual(model: LinearModel, x: np.ndarray) -> float:
    """Largest violation of any row, bound or integrality by ``x``; 0 when nothing is violated."""
    activity = model.rows @ x
    parts = [model.row_lower - activity, activity - model.row_upper, model.lower - x, x - model.upper]
    parts.append(np.abs(x - np.round(x))[model.integer])
    parts += [np.array([(b.values * x[b.left] * x[b.right]).sum() + b.linear @ x - b.upper]) for b in model.bilinear]
    return max([0.0, *(float(part.max()) for part in parts if part.size)])
