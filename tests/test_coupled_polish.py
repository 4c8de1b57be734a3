import signal

import numpy as np
import pytest
from coupled_strategies import instances, small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm import clock
from mecpfm.coupled import anytime, dual, local_search
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.check import assess
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.structure import build
from mecpfm.kernels import coupled_journal
from mecpfm.kernels import coupled_local_search as kernels
from mecpfm.kernels import coupled_state as states

FAMILIES = pytest.mark.parametrize("families", [True, False])


def original(structure, state):
    """The state's decision in options of the instance."""
    return structure.expand(state.choice)


def check_state(instance, structure, index, state):
    """Cost, feasibility and every derived array of a state against recomputation."""
    plan = assess(instance, "polish", original(structure, state))
    assert state.cost[0] == pytest.approx(plan.objective, abs=1e-9)
    assert plan.feasible
    again = local_search.fresh(structure)
    states.restart(structure.cells, index, again, state.choice)
    for name in ("choice", "users", "missing", "ready"):
        assert (getattr(again, name) == getattr(state, name)).all(), name
    for name in ("compute", "memory"):
        assert getattr(again, name) == pytest.approx(getattr(state, name), abs=1e-9)


@pytest.mark.kernels
@FAMILIES
@settings(max_examples=30)
@given(data=st.data())
def test_incremental_cost_equals_recomputation(families, data):
    """After any series of releases and cheapest insertions cost and loads equal those computed from the instance."""
    instance = data.draw(instances(families=families, requests=8, cloudlets=3, per_request=6))
    structure = build(instance)
    index, state = local_search.moves(structure), local_search.fresh(structure)
    states.restart(structure.cells, index, state, np.full(instance.sizes[3], -1))
    for r in data.draw(st.lists(st.integers(0, instance.sizes[3] - 1), max_size=20)):
        states.release(structure.cells, index, state, r)
        option, cost = states.cheapest(structure.cells, index, state, r)
        before = state.cost[0] - structure.cells.remote_s[r]
        states.assign(structure.cells, index, state, r, option)
        assert state.cost[0] == pytest.approx(before + cost, abs=1e-9)
    check_state(instance, structure, index, state)


@pytest.mark.kernels
@FAMILIES
@settings(max_examples=15)
@given(data=st.data())
def test_cheapest_is_the_best_of_all_options(families, data):
    """The insertion found is the cheapest feasible one of all options of the request, written out."""
    instance = data.draw(instances(families=families, requests=6, cloudlets=2, per_request=6))
    structure = build(instance)
    index, state = local_search.moves(structure), local_search.fresh(structure)
    states.restart(structure.cells, index, state, np.full(instance.sizes[3], -1))
    states.insert_all(structure.cells, index, state, np.arange(1, instance.sizes[3]))
    choice, costs = original(structure, state), []
    for option in (-1, *np.flatnonzero(instance.options.request == 0).tolist()):
        choice[0] = option
        plan = assess(instance, "polish", choice)
        costs.append(plan.objective if plan.feasible else np.inf)
    found = states.cheapest(structure.cells, index, state, 0)[1]
    rest = state.cost[0] - structure.cells.remote_s[0]
    assert rest + found == pytest.approx(min(costs), abs=1e-9)


@FAMILIES
@settings(max_examples=10)
@given(data=st.data())
def test_search_reaches_the_optimum_of_tiny_instances(families, data):
    """On tiny instances the search finds the optimum, which lies above the bound, and its plan is feasible."""
    instance = data.draw(instances(families=families, requests=5, cloudlets=2, per_request=4))
    plan, _, found = anytime.solve(instance, iterations=300)
    assert plan.feasible
    assert plan.objective == pytest.approx(solve_nlip(instance).objective, abs=1e-9)
    assert found.bound <= plan.objective + 1e-9


def busy(seed=4):
    return small(seed, 60, 4, families=True, per_request=9)


def test_undo_restores_the_plan():
    """A rejected iteration leaves decision, users and loads as they were."""
    instance = busy()
    structure = build(instance)
    index, state = local_search.moves(structure), local_search.fresh(structure)
    states.restart(structure.cells, index, state, np.full(60, -1))
    states.insert_all(structure.cells, index, state, np.arange(60))
    choice, users, cost = state.choice.copy(), state.users.copy(), float(state.cost[0])
    journal = coupled_journal.empty_journal(60)
    journal.count[1] = 1
    random, touched = np.random.default_rng(0), np.empty(4, dtype=np.int64)
    count = kernels.ruin(structure.cells, index, state, journal, random, 3, touched)
    value = structure.cells.remote_s.copy()
    work = local_search.workspace(structure)
    kernels.recreate(structure.cells, index, state, journal, random, touched[:count], value, np.zeros(4), 0.0, work)
    assert journal.count[0] > 0
    coupled_journal.undo(structure.cells, index, state, journal, cost)
    assert (state.choice == choice).all()
    assert (state.users == users).all()
    check_state(instance, structure, index, state)


def test_search_is_monotone_and_repeatable():
    """The incumbent never gets worse; equal seeds give equal plans bit by bit, other seeds other walks."""
    structure = build(busy())
    bound, trace = dual.solve(structure), []
    one = local_search.improve(structure, bound, iterations=600, seed=3, progress=lambda _, cost: trace.append(cost))
    assert trace == sorted(trace, reverse=True)
    two = local_search.improve(structure, bound, iterations=600, seed=3)
    assert (one.choice == two.choice).all()
    assert one.cost == two.cost


def test_search_starts_from_a_given_plan_and_never_ends_above_it():
    """A start of a known cost is kept or improved."""
    instance = busy()
    structure = build(instance)
    bound = dual.solve(structure)
    first = local_search.improve(structure, bound, iterations=200)
    again = local_search.improve(structure, bound, first.choice, iterations=100, seed=9)
    assert again.cost <= first.cost + 1e-9
    assert assess(instance, "polish", again.choice).objective == pytest.approx(again.cost, abs=1e-9)


def test_interrupt_returns_the_best_plan_so_far():
    """Ctrl-C in the middle of the search ends it with a feasible plan of the last known cost."""
    instance, seen = busy(), []

    def interrupt(done, cost):
        seen.append(cost)
        signal.raise_signal(signal.SIGINT)

    structure = build(instance)
    bound = dual.solve(structure)
    with clock.listening():
        found = local_search.improve(structure, bound, iterations=10_000, progress=interrupt)
    assert not clock.interrupted()
    assert found.iterations == DEFAULT.search.chunk
    assert assess(instance, "polish", found.choice).objective == pytest.approx(seen[0], abs=1e-9)


def test_large_families_are_searched_too():
    """A relaxed family of more models than the search enumerates still gets served at the edge."""
    models = 70
    content = {
        "blocks": {"size_gb": [0.5] * (models + 1)},
        "models": {"blocks": [[0, k + 1] for k in range(models)]},
        "cloudlets": {"memory_gb": [4.0], "compute_s": [9.0], "pull_s_per_gb": [1.0], "cached": [[]]},
        "requests": {"remote_delay_s": [9.0] * 3, "remote_accuracy": [1.0] * 3},
        "options": {
            "request": np.repeat(np.arange(3), models), "model": np.tile(np.arange(models), 3),
            "cloudlet": [0] * 3 * models, "delay_s": [2.0] * 3 * models, "compute_s": [1.0] * 3 * models,
            "accuracy": [1.0] * 3 * models,
        },
    }  # fmt: skip
    plan, *_ = anytime.solve(type(busy()).model_validate(content), iterations=50)
    assert plan.objective == pytest.approx(3 * 2 + 1.0)


def test_the_search_is_compiled_once_for_all_sizes():
    """Few and many cloudlets give the kernels equal types: a second compilation would eat a time limit unseen."""
    layouts = set()
    for cloudlets in (2, 1 + DEFAULT.search.neighbours, 3 * DEFAULT.search.neighbours):
        structure = build(small(1, 30, cloudlets, families=True, per_request=6))
        arrays = (
            *structure.cells,
            *local_search.moves(structure),
            *local_search.fresh(structure),
            *local_search.workspace(structure),
        )
        layouts.add(tuple((a.dtype.str, a.ndim, a.flags.c_contiguous, a.flags.writeable) for a in arrays))
    assert len(layouts) == 1
