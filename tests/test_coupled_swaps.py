"""Shifts and swaps under full compute: the best move is found, rows are kept, nothing gets dearer."""

import itertools

import numpy as np
import pytest
from coupled_strategies import begun
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coupled_single import located

from mecpfm.coupled import baselines, single, tabu
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.check import assess
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.structure import build
from mecpfm.kernels import coupled_swaps as kernels

SEEDS = st.integers(0, 2**32 - 1)


def assigned(requests=12, cloudlets=3, seed=0):
    """Generalised assignment: pulls are free, compute takes four fifths of the mean load, remote is dear."""
    random = np.random.default_rng(seed)
    request, site = (side.ravel() for side in np.divmod(np.arange(requests * cloudlets), cloudlets))
    compute = random.integers(5, 26, len(request)).astype(float)
    room = np.floor(0.8 * np.bincount(site, compute) / cloudlets)
    return Instance(
        blocks={"size_gb": [1.0]},
        models={"blocks": [[0]]},
        cloudlets={
            "memory_gb": np.ones(cloudlets), "compute_s": room, "pull_s_per_gb": np.zeros(cloudlets),
            "cached": [[] for _ in range(cloudlets)],
        },
        requests={"remote_delay_s": np.full(requests, 250.0), "remote_accuracy": np.ones(requests)},
        options={
            "request": request, "model": np.zeros_like(request), "cloudlet": site,
            "delay_s": random.integers(10, 51, len(request)), "compute_s": compute, "accuracy": np.ones(len(request)),
        },
    )  # fmt: skip


def paid(places, price, at):
    """Cost of a plan with what is paid for too much load."""
    load, cost = np.zeros(len(price)), 0.0
    for r, c in enumerate(at):
        load[c] += places.compute_s[r, c]
        cost += places.delay_s[r, c]
    over = np.maximum(load[:-1] - places.room_s[:-1], 0)
    return cost + places.pull_s[np.unique(at)].sum() + (price[:-1] * over).sum()


@pytest.mark.kernels
@settings(max_examples=60)
@given(seed=SEEDS)
def test_the_best_moves_are_those_of_trying_all(seed):
    """Shifts and swaps, with forbidden ones left out and load above the rooms paid for."""
    random = np.random.default_rng(seed)
    view = build(located(seed))
    rows = single.sites(view)
    if rows is None:
        return
    places, _ = tabu._places(view, rows)
    requests, width = places.delay_s.shape
    at = np.array([random.choice(np.flatnonzero(np.isfinite(line))) for line in places.delay_s])
    walk = tabu._walk(places, at)
    walk.price[:-1] = random.random(width - 1)
    walk.until[:] = random.integers(0, 2, walk.until.shape)
    now = paid(places, walk.price, at)

    def change(*moves):
        new = at.copy()
        for r, c in moves:
            if walk.until[r, c] > 0 or not np.isfinite(places.delay_s[r, c]):
                return np.inf
            new[r] = c
        return paid(places, walk.price, new) - now

    shifts = [change((r, c)) for r in range(requests) for c in range(width) if c != at[r]]
    pairs = itertools.combinations(range(requests), 2)
    both = [change((r, at[s]), (s, at[r])) for r, s in pairs if at[r] != at[s]]
    assert kernels.best_shift(places, walk)[0] == pytest.approx(min(shifts), abs=1e-9)
    assert kernels.best_swap(places, walk, np.inf)[0] == pytest.approx(min(both, default=np.inf), abs=1e-9)


@pytest.mark.kernels
@settings(max_examples=60)
@given(seed=SEEDS)
def test_swaps_keep_all_rows_and_never_lose(seed):
    """The cost is the checker's; on instances so small it is mostly the least there is."""
    instance = located(seed)
    view = build(instance)
    rows, first = single.sites(view), baselines.trimcaching(instance)
    if rows is None:
        return
    found = tabu.swaps(view, rows, first, iterations=20, seed=seed)
    plan = assess(instance, "swaps", found.choice)
    assert plan.feasible
    assert found.cost == pytest.approx(plan.objective, rel=1e-9)
    assert plan.objective <= assess(instance, "first", first).objective * (1 + 1e-12)


@pytest.mark.kernels
@pytest.mark.parametrize("seed", range(4))
def test_swaps_reach_the_best_assignment(seed):
    """From greedy's plan, where compute is full, to what enumeration finds; bit by bit with the same seed."""
    instance = assigned(requests=8, seed=seed)
    view = build(instance)
    rows, first = single.sites(view), baselines.trimcaching(instance)
    one, same = (tabu.swaps(view, rows, first, iterations=100, seed=1) for _ in range(2))
    assert one.choice.tolist() == same.choice.tolist()
    assert one.cost == pytest.approx(solve_nlip(instance).objective)


@pytest.mark.kernels
def test_load_too_much_is_never_free_for_ever():
    """The price of a place that is not overloaded in 40,000 steps rises again once it is."""
    view = build(assigned(requests=4))
    places, _ = tabu._places(view, single.sites(view))
    wide = places._replace(room_s=np.full_like(places.room_s, 1e9))
    walk = tabu._walk(wide, np.full(4, places.delay_s.shape[1] - 1))
    kernels.search(wide, walk, np.random.default_rng(0), 40_000)
    assert (walk.price[:-1] == kernels.CHEAPEST).all()
    narrow = places._replace(room_s=np.where(np.isfinite(places.room_s), 1e-3, np.inf))
    kernels.restart(narrow, walk)
    kernels.search(narrow, walk, np.random.default_rng(0), 10)
    assert walk.price[:-1].max() > kernels.CHEAPEST


def test_the_default_swaps_where_compute_is_short_and_exchanges_where_memory_is():
    """An assignment has one set of blocks a cloudlet; a library has many."""
    assert begun(assigned(requests=30)).exchanges.improve.func is tabu.swaps
    assert begun(generate(Recipe(requests=30, cloudlets=4, models=12), 0)).exchanges.improve.func is not tabu.swaps
