"""Models in and out of one memory: the best move is found, rows are kept, nothing gets dearer."""

import itertools

import numpy as np
import pytest
from coupled_strategies import begun
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coupled_exchange import union_knapsack
from test_coupled_swaps import assigned

from mecpfm.coupled import baselines, tabu
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.check import assess
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.structure import build
from mecpfm.kernels import coupled_union as kernels

SEEDS = st.integers(0, 2**32 - 1)


def pulled(seed, **sizes):
    """A knapsack whose blocks cost a pull too, so that not everything that fits is worth it."""
    instance = union_knapsack(seed, **sizes)
    cloudlets = instance.cloudlets.model_copy(update={"pull_s_per_gb": np.array([0.7])})
    return instance.model_copy(update={"cloudlets": cloudlets})


def saved(items, inside):
    """What a choice saves, s, and the memory that it takes, GB, by its definition."""
    parts = [items.block[items.first_block[k] : items.first_block[k + 1]] for k in np.flatnonzero(inside)]
    used = np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))
    return items.gain_s[inside].sum() - items.pull_s[used].sum(), items.size_gb[used].sum()


@pytest.mark.kernels
@settings(max_examples=60)
@given(seed=SEEDS)
def test_the_best_move_is_that_of_trying_all(seed):
    """Coming, leaving and both, with forbidden ones left out and the memory kept."""
    random, view = np.random.default_rng(seed), build(pulled(seed, items=7))
    items = tabu._items(view)
    if len(items.gain_s) == 0:
        return
    inside = random.random(len(items.gain_s)) < 0.4
    while saved(items, inside)[1] > items.room_gb[0]:
        inside[random.choice(np.flatnonzero(inside))] = False
    chosen = tabu._chosen(items, inside)
    chosen.until[:] = random.integers(0, 2, len(inside))
    now = saved(items, inside)[0]
    assert chosen.saved_s[0] == pytest.approx(now)

    def gain(*moves):
        new = inside.copy()
        for k in moves:
            if chosen.until[k] > 0:
                return -np.inf
            new[k] = not new[k]
        total, size = saved(items, new)
        return total - now if size <= items.room_gb[0] * (1 + 1e-12) else -np.inf

    outside, there = np.flatnonzero(~inside), np.flatnonzero(inside)
    come = max((gain(k) for k in outside), default=-np.inf)
    rest = [gain(k) for k in there] + [gain(*pair) for pair in itertools.product(outside, there)]
    wanted = come if come > 1e-12 else max([come, *rest])
    scratch = np.empty((2, len(inside)))
    assert kernels.best_move(items, chosen, *scratch)[0] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.kernels
@settings(max_examples=40)
@given(seed=SEEDS)
def test_it_reaches_the_best_of_small_knapsacks(seed):
    """From greedy's plan to what enumeration finds, with all rows kept and the checker's cost; twice the same bits."""
    instance = pulled(seed)
    view, first = build(instance), baselines.trimcaching(instance)
    found, same = (tabu.unions(view, first, iterations=200, seed=1) for _ in range(2))
    plan = assess(instance, "union", found.choice)
    assert plan.feasible
    assert found.cost == pytest.approx(plan.objective, rel=1e-9)
    assert plan.objective == pytest.approx(solve_nlip(instance).objective)
    assert found.choice.tolist() == same.choice.tolist()


def test_the_default_uses_it_on_such_instances_alone():
    """Not where several cloudlets serve, nor where a request may take one of several models."""
    assert begun(union_knapsack()).exchanges.improve.func is tabu.unions
    for other in (generate(Recipe(requests=30, cloudlets=1, models=12), 0), assigned(requests=30)):
        assert begun(other).exchanges.improve.func is not tabu.unions
