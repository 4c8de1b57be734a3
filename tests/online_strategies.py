"""Worlds and traces for the tests of the online part: tiny ones rich in ties, and a trace that can be learned from."""

from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import strategies as st

from mecpfm.kernels.online_history import DYNAMIC
from mecpfm.kernels.online_records import LRU, Constants, World
from mecpfm.online.features import fresh_history
from mecpfm.online.policy import POLICIES, Policy
from mecpfm.online.setting import BASE, EVICTION, Setting
from mecpfm.online.trace import Trace
from mecpfm.online.world import Scene, build

EXTRA = {
    "belief": Policy(demand="mean", probing="belief", probes=1, priced=True),
    "credit": Policy(demand="ridge", observed=3, probing="tsrc", probes=2),
    "random-probe": Policy(dispatch="hybrid", probing="random", probes=2, sample=True),
    "nearest-probe": Policy(dispatch="tabular", explore=0.2, probing="nearest", probes=1),
    "held": Policy(demand="ridge", observed=2, features="random", feature_cost_s=1.5, priced=True),
}
"""Policies with probing or costs, which have no name of their own."""
ALL = {**POLICIES, **EXTRA}

CONSTANTS = Constants(
    edge_gb_s=2.0, centre_gb_s=0.5, payload_gb_s=4.0, remote_payload_gb_s=0.25, remote_path_s=0.25, remote_load_s=0.5,
    remote_speed=2.0, grid_s=4.0, small_work=0.5, small_penalty_s=BASE.small_penalty_s, queue_limit=2, eviction=LRU,
    memory_of_use_s=16.0,
)  # fmt: skip


def tiny(
    seed: int, requests: int = 20, *, cloudlets: int = 2, queue_limit: int = 2, eviction: int = LRU,
    dyadic: bool = True, tight: bool = True, gap_s: float = 1.0,
) -> World:  # fmt: skip
    """A world of eighths and powers of two (exact sums, real ties), or of arbitrary numbers."""
    random = np.random.default_rng(seed)

    def number(low: float, high: float, shape: object) -> np.ndarray:
        return random.integers(int(8 * low), int(8 * high), shape, endpoint=True) / 8 if dyadic else random.uniform(
            low, high, shape
        )  # fmt: skip

    reach = int(random.integers(1, cloudlets, endpoint=True))
    models, families = int(random.integers(1, 9)), int(random.integers(1, 4))
    backbone, own = number(1, 4, families), number(0, 1, models)
    base = random.integers(0, families, models)
    needed = (backbone[base] + own).max()
    return World(
        arrival=np.cumsum(number(0, gap_s, requests) * random.integers(0, 2, requests)),
        work=number(0, 6, requests),
        home=random.integers(0, cloudlets, requests),
        model=random.integers(0, models, requests),
        group=random.integers(0, 3, requests),
        payload_gb=number(0, 1, requests) * random.integers(0, 2, requests),
        static=random.normal(size=(requests, 2)),
        near=np.ascontiguousarray(
            np.array([random.permutation(cloudlets) for _ in range(cloudlets)])[:, :reach].astype(np.int64)
        ),
        net_s=number(0, 0.5, (cloudlets, reach)),
        speed=2.0 ** random.integers(-1, 2, cloudlets),
        memory_gb=needed + (0.0 if tight else 1.0) * number(0, 4, cloudlets),
        part_gb=np.concatenate([backbone, own]),
        base=base,
        congestion=number(0, 8, 6),
        constants=CONSTANTS._replace(eviction=eviction, queue_limit=queue_limit),
    )


def scene_of(world: World, *, variants: int = 1, cap_s: float = 1e9) -> Scene:
    """A scene without a past."""
    features = world.static.shape[1] + DYNAMIC
    setting = replace(
        BASE, cloudlets=len(world.speed), reach=world.near.shape[1], requests=len(world.work), variants=variants,
        queue_limit=world.constants.queue_limit,
    )  # fmt: skip
    past = fresh_history(int(world.group.max()) + 1, len(world.base))
    return Scene(world, past, np.zeros(features), np.ones(features), cap_s, setting, 0)


worlds = st.builds(
    tiny,
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    cloudlets=st.integers(1, 3),
    queue_limit=st.integers(1, 3),
    eviction=st.sampled_from(list(EVICTION.values())),
    dyadic=st.booleans(),
    tight=st.booleans(),
    gap_s=st.sampled_from([0.125, 1.0, 4.0]),
)


@cache
def trace(rows: int = 11_600) -> Trace:
    """Requests of 40 groups and 12 models in whole seconds; two features and the group's habit explain the work."""
    random = np.random.default_rng(20)
    group = random.integers(0, 40, rows)
    model = (group + random.integers(0, 3, rows)) % 12
    static = np.column_stack([random.integers(1, 5, rows), random.normal(size=(rows, 2)), random.integers(0, 2, rows)])
    work = (4 + 5 * static[:, 0] + (group % 7)) * random.gamma(8, 1 / 8, rows) + 20 * static[:, 3]
    return Trace(
        time_s=np.cumsum(np.floor(random.exponential(12, rows))),
        work_s=work,
        origin=group,
        group=group,
        model=model,
        payload_gb=0.0005 + 0.0015 * static[:, 0],
        static=static,
        static_names=("images", "noise", "more noise", "type"),
        source="drawn",
    )


@cache
def scene(requests: int = 400, seed: int = 0, **changes: object) -> Scene:
    """A short window of the trace after a past of 11,000 requests."""
    return build(replace(Setting(requests=requests), **changes), trace(), seed, real_sites=False)  # type: ignore[arg-type]
