import numpy as np
import pytest
from coupled_strategies import instances
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.coupled import auto, baselines, exchange, methods
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.check import assess
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Blocks, Cloudlets, Instance, Models, Options, Requests
from mecpfm.coupled.structure import build
from mecpfm.errors import InputError
from mecpfm.records import Ragged


def union_knapsack(seed=0, items=9, elements=8):
    """Set-union knapsack as one cloudlet: items are models, one request each; elements are blocks."""
    random = np.random.default_rng(seed)
    blocks = [sorted(random.choice(elements, random.integers(1, 4), replace=False).tolist()) for _ in range(items)]
    size = random.integers(1, 9, elements).astype(float)
    each = np.arange(items)
    return Instance(
        blocks=Blocks(size_gb=size),
        models=Models(blocks=Ragged.from_lists(blocks)),
        cloudlets=Cloudlets(
            memory_gb=np.array([0.5 * size.sum()]), compute_s=np.ones(1), pull_s_per_gb=np.zeros(1),
            cached=Ragged.from_lists([[]]),
        ),
        requests=Requests(
            remote_delay_s=random.integers(1, 20, items).astype(float), remote_accuracy=np.ones(items)
        ),
        options=Options(
            request=each, model=each, cloudlet=np.zeros(items, dtype=np.int64), delay_s=np.full(items, 1e-6),
            compute_s=np.full(items, 1e-6), accuracy=np.ones(items),
        ),
    )  # fmt: skip


@pytest.mark.kernels
@pytest.mark.parametrize("seed", range(6))
def test_exchanges_reach_the_best_union_knapsack(seed):
    """From greedy's plan, where memory is full, exchanges find what enumeration finds."""
    instance = union_knapsack(seed)
    found = exchange.improve(build(instance), baselines.trimcaching(instance), iterations=20)
    assert assess(instance, "exchange", found.choice).objective == pytest.approx(solve_nlip(instance).objective)


@pytest.mark.kernels
@pytest.mark.parametrize("families", [True, False])
@settings(max_examples=30)
@given(data=st.data(), seed=st.integers(0, 100))
def test_exchanges_keep_all_rows_and_never_lose(families, data, seed):
    """A plan that keeps all rows comes out, no dearer than what it began with; its cost is what the checker finds."""
    instance = data.draw(instances(families=families))
    structure, first = build(instance), baselines.trimcaching(instance)
    begun, found = (exchange.improve(structure, first, iterations=count, seed=seed) for count in (0, 5))
    plan = assess(instance, "exchange", found.choice)
    assert plan.feasible
    assert found.cost <= begun.cost
    assert found.cost == pytest.approx(plan.objective, rel=1e-9)


@pytest.mark.kernels
def test_a_seed_gives_the_same_exchanges():
    """Bit by bit, and better ones than the plan they began with, where no single request pays for a pull."""
    instance = generate(Recipe(requests=100, cloudlets=8, models=24), seed=1)
    structure, first = build(instance), np.full(100, -1)
    begun, one, same = (exchange.improve(structure, first, iterations=count, seed=3) for count in (0, 5, 5))
    assert one.choice.tolist() == same.choice.tolist()
    assert one.cost < 0.5 * begun.cost


def test_memory_binds_where_not_all_fits():
    """Not where a cloudlet holds every block that its options need."""
    recipe = Recipe(requests=20, cloudlets=2, models=6)
    assert not exchange.binds(build(generate(Recipe(**{**vars(recipe), "memory_gb": 1e6}), seed=0)))
    assert exchange.binds(build(union_knapsack()))


def test_one_core_proves_what_two_do():
    """In turn, or at once: the same optimum."""
    instance = generate(Recipe(requests=25, cloudlets=4, models=8), seed=1)
    one, two = (auto.solve(instance, time_limit=100, threads=threads)[0] for threads in (1, 2))
    assert one.status == two.status == "optimal"
    assert one.objective == pytest.approx(two.objective, rel=1e-6)


@pytest.mark.parametrize(("method", "threads", "message"), [("polish", 2, "goes with"), ("auto", 0, "whole number")])
def test_threads_are_for_auto_alone(method, threads, message):
    """Methods that use one core whatever is asked for say so."""
    with pytest.raises(InputError, match=f"threads .*{message}"):
        methods.solve(union_knapsack(), method, threads=threads)
