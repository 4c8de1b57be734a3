"""Dispatch rules: which place and variant a request gets, from the queues, caches and predictions at hand.

An *option* of a request is a variant at a place, numbered ``variant * (K + 1) + place``; an *arm* is a variant at a
physical cloudlet or at the data centre, numbered ``variant * (C + 1) + cloudlet``: arms are what bandits keep
statistics of, options what is open to this request.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels import elementary, linear_bandit
from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.online_edge import congestion_s, edge_s, remote_s
from mecpfm.kernels.online_records import Edge, Log, World
from mecpfm.kernels.slices import copy
from mecpfm.kernels.tabular_bandit import PLAYS, REWARDS
from mecpfm.typing import Bools, Floats

REMOTE, RANDOM, NEAREST, SHORTEST_QUEUE, TABULAR, DISJOINT, HYBRID, STRUCTURED = range(8)
ALL_SEEN, NEAREST_SEEN, RANDOM_SEEN, CREDIT_SEEN, BELIEF_SEEN = range(5)
"""Whose state is probed: everybody's; or the nearest, random, most credited (TSRC), most promising (belief) ones'."""
LINEAR_S, LINEAR_MOST = 60.0, 4.0
"""Losses are divided by this and cut at LINEAR_MOST before linear models see them, s."""
RATE_S, MOST_LOAD = 300.0, 0.9
"""Time constant of arrival rate and load in the price, and the load above which it rises no more."""
CONGESTION_S = 600.0
"""How fast the last congestion seen loses its weight, s."""
BELIEF_S, BELIEF_SD = 60.0, 20.0
"""Time constant at which a wait seen loses its weight, and deviation of what replaces it, s."""
LAST, WHEN, TOTAL, SEEN = range(4)
"""Entries of ``Learner.remote`` and ``Learner.belief``: the last value seen, when (s), sum and number of all seen."""
ARRIVING, LOAD, UPDATED = range(3)
"""Rows of ``Learner.rate``: arrivals a second, load, and when both were last updated (s)."""


class Rule(NamedTuple):
    """Scalars that tell policies apart (:class:`mecpfm.online.policy.Policy`)."""

    dispatch: int
    """``REMOTE`` to ``STRUCTURED``."""
    variants: int
    """Variants of each model that may be used."""
    explore: float
    """Probability of a random option."""
    bonus: float
    """Factor of the UCB bonus."""
    cut_s: float
    """Loss from which on a reward is 0, s."""
    scale: float
    """Factor of a linear model's standard deviation."""
    sample: bool
    """Whether linear models are sampled (LinTS) or optimistic (LinUCB)."""
    priced: bool
    """Whether the delay added to later requests counts."""
    probing: int
    """``ALL_SEEN`` to ``BELIEF_SEEN``."""
    probes: int
    """Cloudlets probed for each request."""
    held_s: float
    """Time that observing features and probing states takes, s."""


class Learner(NamedTuple):
    """What a dispatch rule has learned; rows named below."""

    tally: Floats
    """Each arm's ``PLAYS`` and ``REWARDS``, shape (2, arms)."""
    state: Floats
    """Linear models of DISJOINT (one an arm) and HYBRID (one), packed as in :mod:`.linear_bandit`."""
    context: Floats
    """What the model saw of each request, shape (T, n)."""
    remote: Floats
    """Congestion of the data centre: ``LAST``, ``WHEN``, ``TOTAL`` and ``SEEN``, shape (4,)."""
    rate: Floats
    """Each cloudlet's ``ARRIVING`` (1/s), ``LOAD`` and ``UPDATED`` (s), shape (3, C)."""
    belief: Floats
    """Waits at each place of each home: ``LAST``, ``WHEN``, ``TOTAL`` and ``SEEN``, shape (4, C, K)."""
    probed: Floats
    """``PLAYS`` (probes) and ``REWARDS`` of each place of each home, shape (2, C, K)."""
    seen: Bools
    """Places whose state is visible now, shape (K,)."""
    looked: Bools
    """The same, kept for each request, shape (T, K)."""


@inlined
def congestion_guess(learner: Learner, now: float) -> float:
    """Last congestion seen, decaying to the mean of all seen; 0 before any was."""
    last, when, total, count = learner.remote
    if count == 0:
        return 0.0
    return total / count + (last - total / count) * elementary.exp((when - now) / CONGESTION_S)


@inlined
def backlog_guess(world: World, edge: Edge, log: Log, cloudlet: int, now: float) -> float:
    """Predicted time until a cloudlet is free, from the predictions of the requests in its queue."""
    total, speed = 0.0, world.speed[cloudlet]
    for place in range(edge.waiting[cloudlet]):
        request = edge.queue[cloudlet, (edge.first[cloudlet] + place) % edge.queue.shape[1]]
        work = log.guess_s[request] * (world.constants.small_work if log.variant[request] else 1.0) / speed
        if place == 0:
            # The first one runs, or waits for its model; one that ran longer than predicted has a quarter left.
            elapsed = now - log.start_s[request]
            work = max(work - elapsed, 0.25 * work)
        total += work
    return total


@kernel
def probe(
    world: World, log: Log, rule: Rule, learner: Learner, request: int, now: float, random: np.random.Generator
) -> None:
    """Decide which places of the request's home are visible.

    Belief: a wait is drawn around the last one seen, which decays to the mean of all seen as it ages; the least sum of
    wait and predicted service is looked at.
    """
    places, home = world.near.shape[1], world.home[request]
    if rule.probing == ALL_SEEN:
        learner.seen[:] = True
        return
    keys = np.zeros(places)
    for place in range(places):
        if rule.probing == NEAREST_SEEN:
            keys[place] = -place
        elif rule.probing == RANDOM_SEEN:
            keys[place] = random.random()
        elif rule.probing == CREDIT_SEEN:
            count, reward = learner.probed[PLAYS, home, place], learner.probed[REWARDS, home, place]
            keys[place] = random.beta(1 + reward, 1 + count - reward)
        else:
            last, when, total, count = learner.belief[:, home, place]
            weight = elementary.exp((when - now) / BELIEF_S) if count else 0.0
            mean = total / count if count else 0.0
            wait = mean + weight * (last - mean) + BELIEF_SD * np.sqrt(1 - weight) * random.standard_normal()
            keys[place] = -max(wait, 0.0) - log.guess_s[request] / world.speed[world.near[home, place]]
    learner.seen[:] = False
    for place in linear_bandit.reveal(keys, rule.probes):
        learner.seen[place] = True
    copy(learner.seen, learner.looked[request])


@inlined
def is_open(world: World, edge: Edge, learner: Learner, request: int, place: int) -> bool:
    """Whether a place is visible and not full; the data centre always is."""
    if place == world.near.shape[1]:
        return True
    full = edge.waiting[world.near[world.home[request], place]] >= world.constants.queue_limit
    return learner.seen[place] and not full


@inlined
def price_s(world: World, learner: Learner, cloudlet: int, backlog: float, busy: float, now: float) -> float:
    """Delay that occupying a cloudlet for ``busy`` s adds to later arrivals, s.

    First policy improvement of M/G/1-FIFO, ``lam / (2 (1 - rho)) (2 backlog busy + busy^2)``: a heuristic here, where
    arrivals are neither Poisson nor bound to a cloudlet.
    """
    fade = elementary.exp((learner.rate[UPDATED, cloudlet] - now) / RATE_S)
    rate = learner.rate[ARRIVING, cloudlet] * fade
    load = min(learner.rate[LOAD, cloudlet] * fade, MOST_LOAD)
    return rate / (2 * (1 - load)) * (2 * backlog * busy + busy * busy)


@kernel
def structured(
    world: World, edge: Edge, log: Log, rule: Rule, learner: Learner, request: int, truth: bool, now: float
) -> int:
    """Option of the least predicted delay plus penalty (and price): the delay model is known, demand is predicted."""
    best, least, places = 0, np.inf, world.near.shape[1]
    home = world.home[request]
    congestion = congestion_s(world, now) if truth else congestion_guess(learner, now)
    for place in range(places + 1):
        if not is_open(world, edge, learner, request, place):
            continue
        backlog = 0.0
        if place < places:
            cloudlet = world.near[home, place]
            gap = max(edge.free[cloudlet] - now, 0.0)
            backlog = gap if truth else backlog_guess(world, edge, log, cloudlet, now)
        for variant in range(rule.variants):
            work = log.guess_s[request] * (world.constants.small_work if variant else 1.0)
            if place == places:
                score = remote_s(world, edge, request, work, congestion)
                score += world.constants.remote_load_s * edge.remote[0] if rule.priced else 0.0
            else:
                score = edge_s(world, edge, request, place, work, backlog, now)
                if rule.probing != ALL_SEEN and variant == 0:
                    remember(learner, home, place, score - work / world.speed[cloudlet], now)
                if rule.priced:
                    score += price_s(world, learner, cloudlet, backlog, score - backlog, now)
            score += world.constants.small_penalty_s * variant
            if score < least:
                best, least = variant * (places + 1) + place, score
    return best


@inlined
def remember(learner: Learner, home: int, place: int, wait: float, now: float) -> None:
    """Keep the wait seen at a probed place."""
    belief = learner.belief[:, home, place]
    belief[LAST], belief[WHEN] = wait, now
    belief[TOTAL] += wait
    belief[SEEN] += 1


@inlined
def expect(world: World, rule: Rule, learner: Learner, log: Log, request: int, option: int, now: float) -> None:
    """Count the arrival and the load that a dispatched request brings to its cloudlet, for later prices."""
    places = world.near.shape[1]
    place, variant = option % (places + 1), option // (places + 1)
    if place == places:
        return
    cloudlet = world.near[world.home[request], place]
    work = log.guess_s[request] * (world.constants.small_work if variant else 1.0)
    fade = elementary.exp((learner.rate[UPDATED, cloudlet] - now) / RATE_S)
    learner.rate[ARRIVING, cloudlet] = learner.rate[ARRIVING, cloudlet] * fade + 1 / RATE_S
    learner.rate[LOAD, cloudlet] = learner.rate[LOAD, cloudlet] * fade + work / world.speed[cloudlet] / RATE_S
    learner.rate[UPDATED, cloudlet] = now


@inlined
def arm_of(world: World, request: int, option: int) -> int:
    """The arm that an option of this request plays."""
    places, cloudlets = world.near.shape[1], world.near.shape[0]
    place, variant = option % (places + 1), option // (places + 1)
    where = cloudlets if place == places else world.near[world.home[request], place]
    return int(variant * (cloudlets + 1) + where)
