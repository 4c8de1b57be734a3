"""Limits that queueing theory knows: one cloudlet with Poisson arrivals, nothing to pull, no way to go."""

import numpy as np
import pytest
from online_strategies import ALL, CONSTANTS, scene, scene_of

from mecpfm.kernels.online_records import World
from mecpfm.online.policy import Policy
from mecpfm.online.simulate import Run, simulate

HOME = Policy(dispatch="nearest")
REQUESTS = 150_000


def queue(seed, load, works, *, speed=2.0, queue_limit=None, requests=REQUESTS):
    """Poisson arrivals at one cloudlet that has everything; ``works`` draws service times at speed 1."""
    random = np.random.default_rng(seed)
    work = works(random, requests)
    zero = np.zeros(requests, dtype=np.int64)
    limit = queue_limit or requests
    return scene_of(
        World(
            arrival=np.cumsum(random.exponential(works.mean / speed / load, requests)),
            work=work, home=zero, model=zero, group=zero, payload_gb=np.zeros(requests),
            static=np.zeros((requests, 0)), near=np.zeros((1, 1), dtype=np.int64), net_s=np.zeros((1, 1)),
            speed=np.array([speed]), memory_gb=np.ones(1), part_gb=np.zeros(2), base=np.zeros(1, dtype=np.int64),
            congestion=np.zeros(2),
            constants=CONSTANTS._replace(queue_limit=limit, remote_path_s=0.0, remote_load_s=0.0),
        )
    )  # fmt: skip


class Exponential:
    mean, square = 4.0, 32.0

    def __call__(self, random, size):
        return random.exponential(self.mean, size)


class Constant:
    mean, square = 4.0, 16.0

    def __call__(self, random, size):
        return np.full(size, self.mean)


class TwoPoint:
    """1 with probability 0.9, else 31: squared coefficient of variation 5.06."""

    mean, square = 4.0, 0.9 + 0.1 * 31**2

    def __call__(self, random, size):
        return np.where(random.random(size) < 0.9, 1.0, 31.0)


def assert_mean(values, expected, batches=50):
    """The mean is within four standard errors, these from means of batches, and they are not vacuous."""
    means = values[len(values) // 20 :][: len(values) * 9 // 10].reshape(batches, -1).mean(axis=1)
    error = means.std(ddof=1) / np.sqrt(batches)
    assert abs(means.mean() - expected) < 4 * error
    assert error < 0.1 * expected


@pytest.mark.parametrize("works", [Exponential(), Constant(), TwoPoint()], ids=lambda w: type(w).__name__)
@pytest.mark.parametrize("load", [0.5, 0.75])
def test_waiting_is_that_of_pollaczek_and_khinchine(works, load):
    """M/M/1, M/D/1 and M/G/1: mean wait is lam E[S^2] / (2 (1 - rho)), the busy share is rho."""
    at = queue(1, load, works)
    world, log = at.world, simulate(at, HOME).log
    rate, square = load / (works.mean / 2), works.square / 4
    assert_mean(log.start_s - world.arrival, rate * square / (2 * (1 - load)))
    assert (log.place == 0).all()
    busy = (log.finish_s - log.start_s)[: REQUESTS * 9 // 10].sum() / world.arrival[REQUESTS * 9 // 10]
    assert busy == pytest.approx(load, rel=0.02)


@pytest.mark.parametrize("limit", [1, 3])
def test_full_queues_turn_away_what_loss_formulas_say(limit):
    """M/M/1/L turns away (1 - rho) rho^L / (1 - rho^(L+1)) of its requests, M/G/1/1 rho / (1 + rho) (Erlang's B)."""
    load = 0.8
    log = simulate(queue(2, load, Exponential(), queue_limit=limit), HOME).log
    assert_mean(1.0 * (log.place == 1), (1 - load) * load**limit / (1 - load ** (limit + 1)))
    log = simulate(queue(3, load, TwoPoint(), queue_limit=1), HOME).log
    assert_mean(1.0 * (log.place == 1), load / (1 + load))


def test_data_centre_serves_everybody_at_once():
    """M/G/infinity: every delay is the service time, the number in flight has mean lam E[S] and variance the same."""
    at = queue(4, 3.0, TwoPoint())
    log = simulate(at, Policy(dispatch="remote")).log
    np.testing.assert_allclose(log.delay_s, at.world.work / 2.0, rtol=0, atol=1e-8)
    times = np.linspace(1_000, at.world.arrival[-1], 20_000)
    flying = np.searchsorted(at.world.arrival, times) - np.searchsorted(np.sort(log.finish_s), times)
    assert flying.mean() == pytest.approx(3.0, rel=0.03)
    assert flying.var() == pytest.approx(3.0, rel=0.06)


@pytest.mark.kernels
@pytest.mark.parametrize(
    "name", ["random", "shortest-queue", "priced-tsrc", "hybrid-lints", "structured-oracle", "held"]
)
def test_number_in_system_and_delays_obey_littles_law(name):
    """What the queues count at dispatch is the step function of dispatches and finishes, whose integral is lam W T."""
    at = scene(150, queue_limit=4)
    run = Run(at, ALL[name])
    log, sent = run.log, at.world.arrival + run.rule.held_s
    counted = []
    for request in range(len(sent)):
        run.advance(request + 1)
        counted.append(int(run.edge.waiting.sum() + run.edge.remote[0]))
        assert run.history.marks[0] == counted[-1]
    run.finish()
    done = np.sort(log.finish_s)
    index = np.arange(1, len(sent) + 1)
    assert counted == (index - np.searchsorted(done, sent, side="right")).tolist()
    moments = np.sort(np.concatenate([sent, done]))
    inside = np.searchsorted(sent, moments, side="right") - np.searchsorted(done, moments, side="right")
    length = moments[-1] - moments[0]
    average = (inside[:-1] * np.diff(moments)).sum() / length
    assert average == pytest.approx(len(sent) / length * (log.delay_s.mean() - run.rule.held_s), rel=1e-10)
    assert max(counted) > 4


@pytest.mark.kernels
@pytest.mark.parametrize("name", ["random", "nearest", "priced-full", "disjoint-linucb"])
def test_cloudlets_serve_one_at_a_time_in_order(name):
    """At each cloudlet requests start in the order of dispatch and never overlap, and never more are in than fit."""
    at = scene(150, queue_limit=3, load=1.1)
    log = simulate(at, ALL[name]).log
    world, reach = at.world, at.setting.reach
    where = np.where(log.place < reach, world.near[world.home, np.minimum(log.place, reach - 1)], -1)
    used = [c for c in range(len(world.speed)) if (where == c).sum() > 2]
    for cloudlet in used:
        rows = np.flatnonzero(where == cloudlet)
        start, finish = log.start_s[rows], log.finish_s[rows]
        assert (start[1:] >= finish[:-1] - 1e-9).all()
        np.testing.assert_allclose(finish - start, world.work[rows] / world.speed[cloudlet], rtol=0, atol=1e-9)
        inside = 1 + np.arange(len(rows)) - np.searchsorted(finish, world.arrival[rows], side="right")
        assert inside.max() <= 3
    assert len(used) > 3
