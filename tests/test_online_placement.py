"""Placement in the loop: what a plan may know, what it does to caches, and that every GB is counted."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from online_strategies import ALL, scene
from test_online_causality import differing, with_another_future

from mecpfm.coupled import baselines, dual, structure
from mecpfm.coupled.check import assess
from mecpfm.online import placement
from mecpfm.online.placement import Planner, adopt
from mecpfm.online.simulate import Run

PLANNER = Planner(epoch=30, steps=40, iterations=20)


@pytest.mark.parametrize(("name", "planner"), [("nearest", PLANNER), ("priced-tsrc", PLANNER)])
def test_plans_depend_on_what_is_complete_only(name, planner):
    """Another future of what is not complete at t changes no decision before t, plans and advance pulls included."""
    at, policy = scene(200, load=1.1), ALL[name]
    log = placement.simulate(at, policy, planner, seed=3).log
    time = float(np.quantile(at.world.arrival, 0.7))
    changed, late = with_another_future(at, log, time, seed=5)
    other = placement.simulate(changed, policy, planner, seed=3).log
    before = at.world.arrival <= time
    assert late[before].sum() > 3
    assert differing(log, other, before) == 0
    assert np.array_equal(log.pulled_gb[before], other.pulled_gb[before])
    assert np.array_equal(log.pull_s[before], other.pull_s[before])


SHORT = Planner(epoch=100, iterations=20)


def forecasts():
    """What a run forecasts for three epochs; memory is short, and the data centre slow."""
    at = scene(400, load=1.1, cloudlets=4, reach=4, memory_gb=(10.0,))
    run = Run(at, ALL["nearest"])
    for stop in (100, 200, 300):
        run.advance(stop)
        yield placement.forecast(run, SHORT)


def test_a_plan_is_greedys_or_better():
    """Every epoch, with the prices of the one before and without."""
    prices = None
    for instance in forecasts():
        choice, prices = placement.plan(instance, SHORT, prices)
        plan, greedy = (assess(instance, "plan", one) for one in (choice, baselines.trimcaching(instance)))
        assert plan.feasible
        assert plan.objective <= greedy.objective * (1 + 1e-9)


def test_prices_are_the_memory_knapsacks_and_go_on_from_the_last_epochs():
    """A planner's prices are those of the bound that keeps the memory rows; the next epoch's begin with them."""
    first, second, _ = forecasts()
    _, prices = placement.plan(first, SHORT)
    view = structure.build(first, exact_models=structure.MASK_BITS)
    requests, sites = len(view.cells.remote_s), 2 * len(view.cells.capacity_s)
    kept, left = (dual.solve(view, iterations=SHORT.steps, memory_row=row) for row in (True, False))
    assert np.array_equal(prices.resources, kept.point[requests : requests + sites])
    assert np.array_equal(prices.cut, kept.cut)
    assert not np.array_equal(prices.resources, left.point[requests : requests + sites])
    still = replace(SHORT, steps=1)
    went_on, anew = (placement.plan(second, still, one)[1].resources for one in (prices, None))
    assert np.array_equal(went_on, prices.resources) and not np.array_equal(anew, prices.resources)


def served(seed):
    """Bytes of what a run with planned caches decided and lost."""
    found = placement.simulate(scene(200, load=1.1), ALL["nearest"], PLANNER, seed)
    return found.log.place.tobytes(), found.log.pulled_gb.tobytes(), found.loss_s.tobytes(), found.prefetched_gb


def test_plans_are_the_same_whatever_ran_before_or_beside():
    """Prices belong to one run: order, threads and another process change no bit."""
    forth, back = [served(seed) for seed in (1, 2)], [served(seed) for seed in (2, 1)]
    assert forth == back[::-1]
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(1, get_context("spawn")) as process:
        assert list(threads.map(served, (1, 2))) == forth
        assert process.submit(served, 1).result() == forth[0]


def test_plans_matter_and_their_pulls_are_charged():
    """Planned caches change what happens, and the GB pulled count what was ordered in advance as well."""
    at = scene(200, load=1.1)
    planned = placement.simulate(at, ALL["nearest"], PLANNER)
    assert not np.array_equal(planned.log.pull_s, Run(at, ALL["nearest"]).finish().log.pull_s)
    assert planned.prefetched_gb > 0
    assert planned.metrics()["pulled_gb"] == pytest.approx(planned.log.pulled_gb.sum() + planned.prefetched_gb)


@pytest.mark.parametrize("eviction", ["lru", "value"])
def test_a_plan_that_fits_is_adopted(eviction):
    """Whatever the eviction rule, all parts of a plan that fits are held afterwards, ready one after the other."""
    at = scene(200, eviction=eviction)
    run, random = Run(at, ALL["nearest"]), np.random.default_rng(2)
    run.advance(150)
    world, edge = at.world, run.edge
    now = float(world.arrival[149]) + 1.0
    wanted = np.zeros_like(edge.held)
    for cloudlet, memory in enumerate(world.memory_gb):
        for part in random.permutation(len(world.part_gb)):
            wanted[cloudlet, part] = world.part_gb[wanted[cloudlet]].sum() + world.part_gb[part] <= memory
    fresh = wanted & ~edge.held
    adopt(run, wanted, now)
    assert edge.held[wanted].all()
    assert run.prefetched_gb == pytest.approx((fresh * world.part_gb).sum())
    used = (edge.held * world.part_gb).sum(axis=1)
    np.testing.assert_allclose(edge.used_gb, used, rtol=0, atol=1e-9)
    assert (used <= world.memory_gb + 1e-9).all()
    assert edge.holders.tolist() == edge.held.sum(axis=0).tolist()
    least = world.part_gb / at.setting.edge_gb_s
    for cloudlet in np.flatnonzero(fresh.sum(axis=1) > 1):
        ready = np.sort(edge.ready[cloudlet, fresh[cloudlet]])
        assert ready[0] >= now + least[fresh[cloudlet]].min()
        assert ready[-1] >= now + least[fresh[cloudlet]].sum() - 1e-9
        assert edge.link[cloudlet] == ready[-1]


def test_uses_of_wanted_parts_fade_until_the_plan():
    """What a plan keeps is marked as used now; the weight of its past uses has faded until now, and no more."""
    at = scene(200, eviction="value")
    run = Run(at, ALL["nearest"])
    run.advance(150)
    now = float(at.world.arrival[149]) + 50.0
    wanted, memory = run.edge.held.copy(), at.setting.memory_of_use_s
    worth = run.edge.uses * np.exp((run.edge.used - now) / memory)
    assert (worth[wanted] > 0).any()
    adopt(run, wanted, now)
    np.testing.assert_allclose(run.edge.uses[wanted], worth[wanted], rtol=1e-12)
    assert (run.edge.used[wanted] == now).all() and not run.edge.uses[~wanted].any()
