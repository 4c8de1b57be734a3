"""Cloudlets with queues and caches, and a remote data centre that congests: what one dispatched request does to them.

Letters: T requests, C cloudlets, K reachable ones a home, P parameter parts (backbones, then what each model owns).
A *place* is one of a request's K reachable cloudlets, nearest first, or K for the remote data centre. Times in s.
"""

from __future__ import annotations

import numpy as np

from mecpfm.kernels import elementary
from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.online_events import push
from mecpfm.kernels.online_records import BY_VALUE, Edge, Log, World


@inlined
def transfer_s(world: World, edge: Edge, part: int) -> float:
    """Time to pull a part that this cloudlet lacks: fast from another cloudlet, slow from the data centre."""
    constants = world.constants
    return world.part_gb[part] / (constants.edge_gb_s if edge.holders[part] else constants.centre_gb_s)


@kernel
def pull_s(world: World, edge: Edge, cloudlet: int, model: int, now: float) -> float:
    """Wait until both parts of a model are there: the missing ones travel in parallel once the link is free."""
    done = now
    for part in (world.base[model], len(world.part_gb) - len(world.base) + model):
        if edge.held[cloudlet, part]:
            done = max(done, edge.ready[cloudlet, part])
        else:
            done = max(done, max(now, edge.link[cloudlet]) + transfer_s(world, edge, part))
    return done - now


@inlined
def decay(world: World, seconds: float) -> float:
    """Weight of a use that lies ``seconds`` back."""
    return elementary.exp(-seconds / world.constants.memory_of_use_s)


@kernel
def evict(world: World, edge: Edge, cloudlet: int, needed_gb: float, keep: int, also: int, now: float) -> None:
    """Drop parts until ``needed_gb`` fit: the least recently used, or the one whose uses save least time per GB."""
    while edge.used_gb[cloudlet] + needed_gb > world.memory_gb[cloudlet] + 1e-9:
        victim, least = -1, np.inf
        for part in range(len(world.part_gb)):
            if edge.held[cloudlet, part] and part != keep and part != also:
                worth = edge.used[cloudlet, part]
                if world.constants.eviction == BY_VALUE:
                    rate = world.constants.edge_gb_s if edge.holders[part] > 1 else world.constants.centre_gb_s
                    worth = edge.uses[cloudlet, part] * decay(world, now - edge.used[cloudlet, part]) / rate
                if worth < least:
                    victim, least = part, worth
        if victim < 0:
            return
        drop(world, edge, cloudlet, victim)


@inlined
def drop(world: World, edge: Edge, cloudlet: int, part: int) -> None:
    """Forget a part."""
    edge.held[cloudlet, part] = False
    edge.used_gb[cloudlet] -= world.part_gb[part]
    edge.holders[part] -= 1


@inlined
def hold(world: World, edge: Edge, cloudlet: int, part: int, done: float) -> None:
    """Keep a part that is complete at ``done``; there must be room."""
    edge.held[cloudlet, part] = True
    edge.ready[cloudlet, part] = done
    edge.uses[cloudlet, part] = 0.0
    edge.used_gb[cloudlet] += world.part_gb[part]
    edge.holders[part] += 1


@kernel
def store(world: World, edge: Edge, cloudlet: int, model: int, now: float) -> float:
    """Pull what a model lacks, evicting for it, and return the GB pulled."""
    base, own = world.base[model], len(world.part_gb) - len(world.base) + model
    pulled = 0.0
    base_s, own_s = transfer_s(world, edge, base), transfer_s(world, edge, own)
    for part, seconds in ((base, base_s), (own, own_s)):
        if not edge.held[cloudlet, part]:
            evict(world, edge, cloudlet, world.part_gb[part], base, own, now)
            hold(world, edge, cloudlet, part, max(now, edge.link[cloudlet]) + seconds)
            pulled += world.part_gb[part]
        else:
            edge.uses[cloudlet, part] *= decay(world, now - edge.used[cloudlet, part])
        edge.uses[cloudlet, part] += 1.0
        edge.used[cloudlet, part] = now
    return pulled


@kernel
def prefetch(world: World, edge: Edge, cloudlet: int, part: int, now: float) -> float:
    """Order a missing part in advance; such transfers follow one another on the link. Returns the GB pulled."""
    if edge.held[cloudlet, part] or edge.used_gb[cloudlet] + world.part_gb[part] > world.memory_gb[cloudlet] + 1e-9:
        return 0.0
    done = max(now, edge.link[cloudlet]) + transfer_s(world, edge, part)
    edge.link[cloudlet] = done
    hold(world, edge, cloudlet, part, done)
    edge.used[cloudlet, part] = now
    return float(world.part_gb[part])


@inlined
def congestion_s(world: World, now: float) -> float:
    """Congestion of the data centre at a time; the last value stands for all that comes later."""
    return world.congestion[min(int(now / world.constants.grid_s), len(world.congestion) - 1)]


@inlined
def remote_s(world: World, edge: Edge, request: int, work: float, congestion: float) -> float:
    """Delay at the data centre with this congestion."""
    constants = world.constants
    fixed = constants.remote_path_s + world.payload_gb[request] / constants.remote_payload_gb_s
    return fixed + congestion + constants.remote_load_s * edge.remote[0] + work / constants.remote_speed


@kernel
def edge_s(world: World, edge: Edge, request: int, place: int, work: float, backlog: float, now: float) -> float:
    """Delay from ``now`` at a place with this backlog: transfers and waiting overlap, then the work."""
    home = world.home[request]
    cloudlet = world.near[home, place]
    net = world.net_s[home, place] + world.payload_gb[request] / world.constants.payload_gb_s
    pull = pull_s(world, edge, cloudlet, world.model[request], now)
    return max(net + pull, backlog) + work / world.speed[cloudlet]


@kernel
def least_s(world: World, edge: Edge, request: int, variants: int, now: float) -> float:
    """Least delay plus penalty of any place that is not full, demand and congestion known."""
    best = np.inf
    for variant in range(variants):
        work = world.work[request] * (world.constants.small_work if variant else 1.0)
        penalty = world.constants.small_penalty_s * variant
        best = min(best, penalty + remote_s(world, edge, request, work, congestion_s(world, now)))
        for place in range(world.near.shape[1]):
            cloudlet = world.near[world.home[request], place]
            if edge.waiting[cloudlet] < world.constants.queue_limit:
                backlog = edge.free[cloudlet] - now
                best = min(best, penalty + edge_s(world, edge, request, place, work, backlog, now))
    return best


@kernel
def dispatch(world: World, edge: Edge, log: Log, request: int, place: int, variant: int, held_s: float) -> None:
    """Send a request, which its dispatcher kept for ``held_s``, to a place; its completion becomes an event."""
    now = world.arrival[request] + held_s
    work = world.work[request] * (world.constants.small_work if variant else 1.0)
    log.place[request], log.variant[request] = place, variant
    if place == world.near.shape[1]:
        log.congestion_s[request] = congestion_s(world, now)
        finish = now + remote_s(world, edge, request, work, log.congestion_s[request])
        start = finish - work / world.constants.remote_speed
        edge.remote[0] += 1
    else:
        cloudlet = world.near[world.home[request], place]
        if edge.waiting[cloudlet] >= world.constants.queue_limit:
            raise ValueError("the cloudlet is full")
        log.pull_s[request] = pull_s(world, edge, cloudlet, world.model[request], now)
        finish = now + edge_s(world, edge, request, place, work, edge.free[cloudlet] - now, now)
        start = finish - work / world.speed[cloudlet]
        log.pulled_gb[request] = store(world, edge, cloudlet, world.model[request], now)
        edge.free[cloudlet] = finish
        slot = (edge.first[cloudlet] + edge.waiting[cloudlet]) % edge.queue.shape[1]
        edge.queue[cloudlet, slot] = request
        edge.waiting[cloudlet] += 1
    log.start_s[request], log.finish_s[request] = start, finish
    log.delay_s[request] = finish - world.arrival[request]
    push(edge.events, finish, request)


@inlined
def leave(world: World, edge: Edge, log: Log, request: int) -> None:
    """A request is done: it leaves its queue."""
    if log.place[request] == world.near.shape[1]:
        edge.remote[0] -= 1
        return
    cloudlet = world.near[world.home[request], log.place[request]]
    edge.first[cloudlet] = (edge.first[cloudlet] + 1) % edge.queue.shape[1]
    edge.waiting[cloudlet] -= 1
