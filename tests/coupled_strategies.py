"""Small coupled instances for property tests, rich in ties, zero capacities, cached blocks, requests with no option."""

import functools
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mecpfm.coupled import auto
from mecpfm.coupled.engine import EngineParams
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.params import AutoParams
from mecpfm.coupled.state import AutoState

Generator = np.random.Generator


def family_models(random: Generator, families: int, variants: int) -> list[list[int]]:
    """Backbone f is block f; every variant adds one block of its own."""
    return [[f, families + f * variants + v] for f in range(families) for v in range(variants)]


def nested_models(random: Generator, blocks: int, models: int) -> list[list[int]]:
    """Arbitrary non-empty block sets: shared, equal and nested ones all occur."""
    return [
        random.choice(blocks, random.integers(1, min(3, blocks), endpoint=True), replace=False) for _ in range(models)
    ]


def small(seed: int, requests: int, cloudlets: int, *, families: bool, per_request: int = 3) -> Instance:
    """Random instance with quarter-second delays and capacities that bind about half of the time."""
    random = np.random.default_rng(seed)
    if families:
        variants = int(random.integers(1, 3))
        blocks = family_models(random, int(random.integers(1, 3)), variants)
    else:
        variants = 1
        blocks = [list(map(int, model)) for model in nested_models(random, 4, int(random.integers(1, 4)))]
    count = max(max(model) for model in blocks) + 1
    size = random.integers(0, 9, count) / 4
    memory = random.integers(0, 13, cloudlets) / 2
    held = [[b for b in range(count) if size[b] <= memory[c] and random.random() < 0.2] for c in range(cloudlets)]
    return Instance(
        blocks={"size_gb": size},
        models={"blocks": blocks},
        cloudlets={
            "memory_gb": memory,
            "compute_s": random.integers(0, 9, cloudlets) / 2,
            "pull_s_per_gb": random.integers(0, 5, cloudlets) / 2,
            "cached": held,
        },
        requests={
            "remote_delay_s": random.integers(4, 25, requests) / 4,
            "remote_accuracy": random.uniform(size=requests),
        },
        options=_options(random, requests, cloudlets, len(blocks), variants, per_request),
    )


def _options(random: Generator, requests: int, cloudlets: int, models: int, variants: int, most: int) -> dict[str, Any]:
    count = random.integers(0, most, requests, endpoint=True)
    request = np.repeat(np.arange(requests), count)
    model = random.integers(0, models, len(request))
    cloudlet = random.integers(0, cloudlets, len(request))
    # Delay and compute are a function of (request, cloudlet, family): a family is `variants` models in a row.
    shape = (requests, cloudlets, models)
    delay, compute = random.integers(0, 17, shape) / 4, random.integers(0, 9, shape) / 4
    place = (request, cloudlet, model // variants)
    return {
        "request": request,
        "model": model,
        "cloudlet": cloudlet,
        "delay_s": delay[place],
        "compute_s": compute[place],
        "accuracy": random.uniform(size=len(request)),
    }


@functools.cache  # a new one would be validated in every example
def instances(
    *, families: bool, requests: int = 4, cloudlets: int = 2, per_request: int = 3
) -> st.SearchStrategy[Instance]:
    """Small instances; with ``families`` every model is a backbone and one private block, else any block sets."""
    return st.builds(
        small,
        st.integers(0, 2**32 - 1),
        st.integers(1, requests),
        st.integers(1, cloudlets),
        families=st.just(families),
        per_request=st.just(per_request),
    )


def is_laminar(instance: Instance) -> bool:
    """Whether the sets of models that contain a block are nested or disjoint."""
    models = instance.models.blocks
    sets = [{k for k in range(len(models)) if b in models[k]} for b in range(instance.sizes[0])]
    return all(not one & other or one <= other or other <= one for one in sets for other in sets)


def replaced(instance: Instance, **groups: dict[str, Any]) -> Instance:
    """The instance with some fields changed, validated anew: ``replaced(i, cloudlets={"memory_gb": m})``."""
    content = {
        group: {name: getattr(getattr(instance, group), name) for name in type(getattr(instance, group)).model_fields}
        | groups.get(group, {})
        for group in type(instance).model_fields
    }
    return Instance.model_validate(content)


def begun(instance: Instance, **own: float) -> AutoState:
    """The default's state before any search; ``own`` are fields of ``AutoParams``."""
    return auto.begin(instance, params=EngineParams(auto=AutoParams(**own)))
