"""The run of a policy over a trace: completions teach it, arrivals ask it, dispatches change queues and caches."""

from __future__ import annotations

import numpy as np

from mecpfm.kernels import elementary, linear_bandit
from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.online_demand import LOOKING, Demand, forecast, learn, look
from mecpfm.kernels.online_demand import TRUE as TRUTH
from mecpfm.kernels.online_edge import dispatch, least_s, leave
from mecpfm.kernels.online_events import pop
from mecpfm.kernels.online_history import IN_FLIGHT, History, describe, observe
from mecpfm.kernels.online_policy import (
    ALL_SEEN,
    DISJOINT,
    HYBRID,
    LAST,
    LINEAR_MOST,
    LINEAR_S,
    NEAREST,
    RANDOM,
    SEEN,
    SHORTEST_QUEUE,
    STRUCTURED,
    TABULAR,
    TOTAL,
    WHEN,
    Learner,
    Rule,
    arm_of,
    expect,
    is_open,
    probe,
    structured,
)
from mecpfm.kernels.online_records import Edge, Log, World
from mecpfm.kernels.online_state import describe_option, describe_state
from mecpfm.kernels.slices import copy
from mecpfm.kernels.tabular_bandit import PLAYS, REWARDS


@kernel
def run(
    world: World, edge: Edge, log: Log, history: History, demand: Demand, rule: Rule, learner: Learner,
    feature_random: np.random.Generator, arm_random: np.random.Generator, start: int, stop: int, until: float,
) -> None:  # fmt: skip
    """Serve the requests ``start`` to ``stop - 1``; each first lets everything complete that is due when it is sent.

    In the end lets everything complete that is due by ``until``, s.
    """
    for request in range(start, stop):
        now = world.arrival[request] + rule.held_s
        settle(world, edge, log, history, demand, rule, learner, now)
        if rule.dispatch != STRUCTURED:
            probe(world, log, rule, learner, request, now, arm_random)
        if rule.dispatch in (DISJOINT, HYBRID) or demand.predictor in LOOKING:
            group, model = world.group[request], world.model[request]
            describe(history, world.arrival, request, group, model, world.static[request], demand.raw)
            if rule.dispatch == DISJOINT:
                describe_state(world, edge, learner, request, now, demand.raw)
            look(demand, request, request, feature_random)
        if rule.dispatch == STRUCTURED:
            log.guess_s[request] = forecast(demand, history, request, world.work[request])
            probe(world, log, rule, learner, request, now, arm_random)  # belief ranks by the prediction too
        option = choose(world, edge, log, demand, rule, learner, request, now, arm_random)
        if rule.priced:
            expect(world, rule, learner, log, request, option, now)
        places = world.near.shape[1]
        log.least_s[request] = least_s(world, edge, request, rule.variants, now) + rule.held_s
        dispatch(world, edge, log, request, option % (places + 1), option // (places + 1), rule.held_s)
        history.marks[IN_FLIGHT] += 1
    settle(world, edge, log, history, demand, rule, learner, until)


@kernel
def settle(
    world: World, edge: Edge, log: Log, history: History, demand: Demand, rule: Rule, learner: Learner, until: float,
) -> None:  # fmt: skip
    """Let all requests complete that are due by ``until``: only then are work, congestion and delay known."""
    while edge.events.size[0] and edge.events.time[0] <= until:
        request = pop(edge.events)
        leave(world, edge, log, request)
        history.marks[IN_FLIGHT] -= 1
        observe(history, world.group[request], world.model[request], world.work[request])
        feed_back(world, log, demand, rule, learner, request)


@kernel
def feed_back(world: World, log: Log, demand: Demand, rule: Rule, learner: Learner, request: int) -> None:
    """Teach the rule what a completed request met and took."""
    loss = log.delay_s[request] + world.constants.small_penalty_s * log.variant[request]
    reward = 1 - min(loss / rule.cut_s, 1.0)
    place, places = log.place[request], world.near.shape[1]
    option = log.variant[request] * (places + 1) + place
    if place == places:
        learner.remote[LAST], learner.remote[WHEN] = log.congestion_s[request], world.arrival[request] + rule.held_s
        learner.remote[TOTAL] += log.congestion_s[request]
        learner.remote[SEEN] += 1
    if rule.dispatch == TABULAR:
        arm = arm_of(world, request, option)
        learner.tally[PLAYS, arm] += 1
        learner.tally[REWARDS, arm] += reward
    elif rule.dispatch in (DISJOINT, HYBRID):
        arm = arm_of(world, request, option) if rule.dispatch == DISJOINT else 0
        target = -min(loss / LINEAR_S, LINEAR_MOST)
        context = demand.context[request] if rule.dispatch == DISJOINT else learner.context[request]
        mean, _ = linear_bandit.moments(learner.state, context)
        linear_bandit.update(learner.state, context, arm, target)
        learn(demand, request, world.work[request], (target - mean[arm]) * LINEAR_S, reward)
    elif demand.predictor in LOOKING:
        surprise = min(world.work[request], demand.cap) - log.guess_s[request]
        learn(demand, request, world.work[request], surprise, reward)
    if rule.probing != ALL_SEEN:
        for seen in range(places):
            if learner.looked[request, seen]:
                learner.probed[PLAYS, world.home[request], seen] += 1
                learner.probed[REWARDS, world.home[request], seen] += reward


@kernel
def choose(
    world: World, edge: Edge, log: Log, demand: Demand, rule: Rule, learner: Learner, request: int, now: float,
    random: np.random.Generator,
) -> int:  # fmt: skip
    """Option of the rule; ties go to the lowest number."""
    places = world.near.shape[1]
    if rule.dispatch == STRUCTURED:
        return structured(world, edge, log, rule, learner, request, demand.predictor == TRUTH, now)
    if rule.dispatch == NEAREST:
        return 0 if is_open(world, edge, learner, request, 0) else places
    if rule.dispatch == SHORTEST_QUEUE:
        return _shortest_queue(world, edge, learner, request)
    if rule.dispatch in (RANDOM, TABULAR):
        if rule.dispatch == RANDOM or (rule.explore > 0 and random.random() < rule.explore):
            return _any(world, edge, rule, learner, request, random)
        return _best_arm(world, edge, rule, learner, request)
    if rule.dispatch in (DISJOINT, HYBRID):
        return _best_line(world, edge, demand, rule, learner, request, now, random)
    return places


@inlined
def _shortest_queue(world: World, edge: Edge, learner: Learner, request: int) -> int:
    best, least = world.near.shape[1], world.constants.queue_limit
    for place in range(world.near.shape[1]):
        waiting = edge.waiting[world.near[world.home[request], place]]
        if waiting < least and is_open(world, edge, learner, request, place):
            best, least = place, waiting
    return best


@inlined
def _any(world: World, edge: Edge, rule: Rule, learner: Learner, request: int, random: np.random.Generator) -> int:
    """A uniformly random open option."""
    places = world.near.shape[1]
    count = 0
    for place in range(places + 1):
        count += is_open(world, edge, learner, request, place)
    pick = int(random.random() * count * rule.variants)
    for place in range(places + 1):
        if is_open(world, edge, learner, request, place):
            if pick < rule.variants:
                return pick * (places + 1) + place
            pick -= rule.variants
    return places


@inlined
def _best_arm(world: World, edge: Edge, rule: Rule, learner: Learner, request: int) -> int:
    """Largest mean reward plus UCB bonus; an arm never played comes first."""
    places = world.near.shape[1]
    best, most, rounds = places, -np.inf, elementary.log(max(learner.tally[PLAYS].sum(), 1.0))
    for option in range(rule.variants * (places + 1)):
        if is_open(world, edge, learner, request, option % (places + 1)):
            arm = arm_of(world, request, option)
            count = learner.tally[PLAYS, arm]
            score = learner.tally[REWARDS, arm] / count + np.sqrt(rule.bonus * rounds / count) if count else np.inf
            if score > most:
                best, most = option, score
    return best


@inlined
def _best_line(
    world: World, edge: Edge, demand: Demand, rule: Rule, learner: Learner, request: int, now: float,
    random: np.random.Generator,
) -> int:  # fmt: skip
    """Largest ``c' mu + scale e sqrt(c' B^-1 c)`` of the open options; e is 1 (LinUCB) or standard normal (LinTS).

    The hybrid rule draws each option's score from its own marginal.
    """
    places = world.near.shape[1]
    context = np.empty(learner.context.shape[1])
    if rule.dispatch == DISJOINT:
        mean, spread = linear_bandit.moments(learner.state, demand.context[request])
    best, most = places, -np.inf
    for option in range(rule.variants * (places + 1)):
        if not is_open(world, edge, learner, request, option % (places + 1)):
            continue
        arm = arm_of(world, request, option)
        if rule.dispatch == HYBRID:
            describe_option(world, edge, demand, learner, request, option, now, context)
            mean, spread = linear_bandit.moments(learner.state, context)
            arm = 0
        noise = random.standard_normal() if rule.sample else 1.0
        score = mean[arm] + rule.scale * noise * np.sqrt(max(spread[arm], 0.0))
        if score > most:
            best, most = option, score
            if rule.dispatch == HYBRID:
                copy(context, learner.context[request])
    return best
