"""Features of queues, pulls and congestion as a dispatcher sees them: of all cloudlets, or of one option."""

from __future__ import annotations

from mecpfm.kernels._jit import inlined
from mecpfm.kernels.online_demand import Demand
from mecpfm.kernels.online_edge import pull_s
from mecpfm.kernels.online_history import DYNAMIC
from mecpfm.kernels.online_policy import Learner, congestion_guess
from mecpfm.kernels.online_records import Edge, World
from mecpfm.typing import Floats

HYBRID_STATE = 8
"""Features of an option that the hybrid rule adds to the request's own."""


@inlined
def describe_state(world: World, edge: Edge, learner: Learner, request: int, now: float, raw: Floats) -> None:
    """Append queue lengths / 3, pulls / 30 s (visible cloudlets, else 0) and congestion / 15 s to the features."""
    cloudlets = world.near.shape[0]
    at = world.static.shape[1] + DYNAMIC
    raw[at:] = 0.0
    for place in range(world.near.shape[1]):
        if learner.seen[place]:
            cloudlet = world.near[world.home[request], place]
            raw[at + cloudlet] = edge.waiting[cloudlet] / 3
            raw[at + cloudlets + cloudlet] = pull_s(world, edge, cloudlet, world.model[request], now) / 30
    raw[-1] = congestion_guess(learner, now) / 15


@inlined
def describe_option(
    world: World, edge: Edge, demand: Demand, learner: Learner, request: int, option: int, now: float, out: Floats
) -> None:
    """Features of one option for the hybrid rule: its state, then the request's features over its speed."""
    places = world.near.shape[1]
    place, variant = option % (places + 1), option // (places + 1)
    out[:] = 0.0
    speed = world.constants.remote_speed
    if place < places:
        cloudlet = world.near[world.home[request], place]
        speed = world.speed[cloudlet]
        out[1] = pull_s(world, edge, cloudlet, world.model[request], now) / 30
        out[2] = edge.waiting[cloudlet] / 3
        out[3] = edge.waiting[cloudlet] / (3 * speed)
    else:
        out[5] = 1.0
        out[6] = congestion_guess(learner, now) / 30
    out[0], out[4], out[7] = 1.0, 1 / speed, variant
    for i in range(demand.context.shape[1] - 1):
        out[HYBRID_STATE + i] = demand.context[request, i] / speed
