"""One request at a time, completions told by others: the simulator's rules on rows that come free.

A row of the request arrays belongs to one request in flight; ``Line`` says who else is there. Python writes a command
into ``Line.box`` and resumes :func:`serve`, which has all arrays at hand: a call with them takes 50 microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import inlined, kernel, pointed
from mecpfm.kernels.online_demand import LOOKING, Demand, forecast, look
from mecpfm.kernels.online_edge import pull_s, store
from mecpfm.kernels.online_history import COUNT, IN_FLIGHT, SUM, History, describe, observe
from mecpfm.kernels.online_policy import DISJOINT, HYBRID, STRUCTURED, Learner, Rule, expect, probe
from mecpfm.kernels.online_records import Edge, Log, World
from mecpfm.kernels.online_run import choose, feed_back
from mecpfm.kernels.online_state import describe_state
from mecpfm.typing import Bools, Floats, Ints

DECIDE, COMPLETE, FORGET = range(3)
"""Commands."""
COMMAND, ROW, NOW, SECONDS, SERVICE = range(5)
"""Places of the box: command and row; when a request is asked about; how long it took in all, and service alone (NaN:
not told), s. ``NOW`` also holds the option decided."""
DECIDED, ARRIVED = range(2)
"""Entries of ``Line.count``."""


class Line(NamedTuple):
    """What a dispatcher keeps besides the simulator's state."""

    box: Floats
    """A command and its answer: entries ``COMMAND``, ``ROW``, ``NOW``, ``SECONDS``, ``SERVICE``; shape (5,)."""
    arrival: Floats
    """Arrivals of the last ten minutes at least, oldest first, s, shape (A,); there must be room for one more."""
    count: Ints  # type: ignore[assignment]  # a tuple has a method of this name, which nobody calls
    """Entries ``DECIDED`` (requests so far) and ``ARRIVED`` (entries of ``arrival``), shape (2,)."""
    closed: Bools
    """Cloudlets that are down, shape (C,)."""


@kernel
def serve(
    world: World, edge: Edge, log: Log, history: History, demand: Demand, rule: Rule, learner: Learner, line: Line,
    feature_random: np.random.Generator, arm_random: np.random.Generator,
) -> Iterator[int]:  # fmt: skip
    """Carry out the command in the box, once each time it is resumed."""
    while True:
        _carry_out(
            pointed(world), pointed(edge), pointed(log), pointed(history), pointed(demand), pointed(rule),
            pointed(learner), pointed(line), feature_random, arm_random,
        )  # fmt: skip
        yield 0


@kernel
def _carry_out(
    world: World, edge: Edge, log: Log, history: History, demand: Demand, rule: Rule, learner: Learner, line: Line,
    feature_random: np.random.Generator, arm_random: np.random.Generator,
) -> None:  # fmt: skip
    row = int(line.box[ROW])
    if line.box[COMMAND] == DECIDE:
        now = line.box[NOW]
        line.box[NOW] = _decide(
            world, edge, log, history, demand, rule, learner, line, row, now, feature_random, arm_random
        )
    elif line.box[COMMAND] == COMPLETE:
        _complete(world, edge, log, history, demand, rule, learner, row, line.box[SECONDS], line.box[SERVICE])
    else:
        leave_row(world, edge, log, history, row)


@kernel
def _decide(
    world: World, edge: Edge, log: Log, history: History, demand: Demand, rule: Rule, learner: Learner, line: Line,
    row: int, arrival: float, feature_random: np.random.Generator, arm_random: np.random.Generator,
) -> int:  # fmt: skip
    """What :func:`.online_run.run` does with one request, its completion left open."""
    turn, now = line.count[DECIDED], arrival + rule.held_s
    world.arrival[row], world.work[row], log.guess_s[row] = arrival, 0.0, 0.0
    demand.explored[row] = False
    demand.context[row] = 0.0
    if rule.dispatch != STRUCTURED:
        probe(world, log, rule, learner, row, now, arm_random)
        _close(world, learner, line, row)
    if rule.dispatch in (DISJOINT, HYBRID) or demand.predictor in LOOKING:
        last = line.count[ARRIVED]
        line.arrival[last] = arrival
        line.count[ARRIVED] += 1
        describe(history, line.arrival, last, world.group[row], world.model[row], world.static[row], demand.raw)
        if rule.dispatch == DISJOINT:
            describe_state(world, edge, learner, row, now, demand.raw)
        look(demand, row, turn, feature_random)
    if rule.dispatch == STRUCTURED:
        log.guess_s[row] = forecast(demand, history, row, 0.0)
        probe(world, log, rule, learner, row, now, arm_random)
        _close(world, learner, line, row)
    option = choose(world, edge, log, demand, rule, learner, row, now, arm_random)
    if rule.priced:
        expect(world, rule, learner, log, row, option, now)
    _send(world, edge, log, row, option, now)
    history.marks[IN_FLIGHT] += 1
    line.count[DECIDED] += 1
    return int(option)


@inlined
def _close(world: World, learner: Learner, line: Line, row: int) -> None:
    """Nobody sees a cloudlet that is down."""
    for place in range(world.near.shape[1]):
        if line.closed[world.near[world.home[row], place]]:
            learner.seen[place] = False


@inlined
def _send(world: World, edge: Edge, log: Log, row: int, option: int, now: float) -> None:
    """As :func:`.online_edge.dispatch`, but for the end, which nobody knows yet.

    ``start_s`` is when service could begin if nobody waited before it (remote: without congestion).
    """
    places, constants = world.near.shape[1], world.constants
    place, variant = option % (places + 1), option // (places + 1)
    log.place[row], log.variant[row] = place, variant
    log.pull_s[row] = log.pulled_gb[row] = 0.0
    if place == places:
        way = constants.remote_path_s + world.payload_gb[row] / constants.remote_payload_gb_s
        log.start_s[row] = now + (way + constants.remote_load_s * edge.remote[0])
        edge.remote[0] += 1
        return
    home, model = world.home[row], world.model[row]
    cloudlet = world.near[home, place]
    log.pull_s[row] = pull_s(world, edge, cloudlet, model, now)
    net = world.net_s[home, place] + world.payload_gb[row] / constants.payload_gb_s
    log.start_s[row] = now + (net + log.pull_s[row])
    log.pulled_gb[row] = store(world, edge, cloudlet, model, now)
    slot = (edge.first[cloudlet] + edge.waiting[cloudlet]) % edge.queue.shape[1]
    edge.queue[cloudlet, slot] = row
    edge.waiting[cloudlet] += 1


@kernel
def leave_row(world: World, edge: Edge, log: Log, history: History, row: int) -> None:
    """Take a request out of its queue, wherever it stands there; it need not be the first."""
    history.marks[IN_FLIGHT] -= 1
    place = log.place[row]
    if place == world.near.shape[1]:
        edge.remote[0] -= 1
        return
    cloudlet, size = world.near[world.home[row], place], edge.queue.shape[1]
    first, at = edge.first[cloudlet], 0
    while edge.queue[cloudlet, (first + at) % size] != row:
        at += 1
    for later in range(at, 0, -1):  # whoever stood before it moves up one, and the queue begins one later
        edge.queue[cloudlet, (first + later) % size] = edge.queue[cloudlet, (first + later - 1) % size]
    edge.first[cloudlet] = (first + 1) % size
    edge.waiting[cloudlet] -= 1


@kernel
def _complete(
    world: World, edge: Edge, log: Log, history: History, demand: Demand, rule: Rule, learner: Learner, row: int,
    seconds: float, service: float,
) -> None:  # fmt: skip
    """A request is done ``seconds`` after it was decided: learn what its service took, and the centre's congestion."""
    arrival, place = world.arrival[row], log.place[row]
    finish = arrival + seconds
    rest, speed = finish - log.start_s[row], world.constants.remote_speed
    if place == world.near.shape[1]:
        if np.isnan(service):
            service = min(_usual(world, history, log, row) / speed, max(rest, 0.0))
        log.congestion_s[row] = max(rest - service, 0.0)
        leave_row(world, edge, log, history, row)
    else:
        cloudlet = world.near[world.home[row], place]
        speed = world.speed[cloudlet]
        if np.isnan(service):
            service = rest if rest > 0 else seconds  # it was not held up by what we thought it would be
        first = edge.queue[cloudlet, edge.first[cloudlet]] == row
        leave_row(world, edge, log, history, row)
        if first and edge.waiting[cloudlet]:
            head = edge.queue[cloudlet, edge.first[cloudlet]]
            log.start_s[head] = max(log.start_s[head], finish)
    world.work[row] = service * speed / (world.constants.small_work if log.variant[row] else 1.0)
    log.finish_s[row], log.delay_s[row] = finish, seconds
    observe(history, world.group[row], world.model[row], world.work[row])
    feed_back(world, log, demand, rule, learner, row)


@inlined
def _usual(world: World, history: History, log: Log, row: int) -> float:
    """Service time at speed 1 that was predicted for a request, or else that requests have on average."""
    work, total = log.guess_s[row], history.total
    if work == 0 and total[COUNT]:
        work = total[SUM] / total[COUNT]
    return float(work * (world.constants.small_work if log.variant[row] else 1.0))
