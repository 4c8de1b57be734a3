"""Branch and bound from level to level where cloudlets are knapsacks: optima of enumeration, nodes by other code."""

import itertools
import math

import numpy as np
import pytest
from coupled_strategies import begun
from hypothesis import given
from hypothesis import strategies as st
from test_coupled_single import located, priced
from test_coupled_swaps import assigned

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import levels, methods
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.dual import proven
from mecpfm.coupled.engine import EngineParams
from mecpfm.coupled.levels import Levels
from mecpfm.coupled.params import AutoParams
from mecpfm.coupled.state import AutoState
from mecpfm.coupled.structure import build
from mecpfm.kernels import coupled_levels as kernels
from mecpfm.kernels import coupled_levels_node as nodes

SEEDS = st.integers(0, 2**32 - 1)
LONG = (41, 50, 66, 74, 80, 117, 184, 194, 216, 242, 271, 282, 315, 320, 1, 19, 85)
NODES = [30, 44, 44, 37, 37, 31, 31, 36, 37, 29, 37, 32, 31, 30, 9, 22, 20]
PRICES = 33806.96461537


def free(seed, *, whole=True):
    """Pulls cost nothing, and remote service is so dear at times that it matters who may stay away."""
    instance, random = located(seed, whole=whole), np.random.default_rng(seed)
    remote = instance.requests.remote_delay_s * random.integers(1, 4)
    rate = np.zeros_like(instance.cloudlets.pull_s_per_gb)
    return instance.model_copy(
        update={
            "requests": instance.requests.model_copy(update={"remote_delay_s": remote}),
            "cloudlets": instance.cloudlets.model_copy(update={"pull_s_per_gb": rate}),
        }
    )


@pytest.mark.kernels
@given(seed=SEEDS, whole=st.booleans())
def test_levels_end_at_the_optimum(seed, whole):
    """Whole amounts and others, costs with steps and without: what enumeration finds, proved."""
    instance = free(seed, whole=whole)
    state, optimum = begun(instance), solve_nlip(instance).objective
    search = Levels.of(state)
    if search is None:
        return
    search.run(FOREVER)
    assert state.done
    assert state.cost == pytest.approx(optimum)
    assert state.bound <= optimum * (1 + 2e-9) + 1e-9


def unknown(seed):
    """Where only the plan that serves all remotely is known, with any prices: ties, no size, no cost, exact fits."""
    instance, random = free(seed), np.random.default_rng(seed)
    options, cloudlets = instance.options, instance.cloudlets
    compute = options.compute_s * (random.random(len(options.compute_s)) < 0.9)
    inside = random.random(len(compute)) < 0.6
    room = np.bincount(options.cloudlet[inside], compute[inside], instance.sizes[2])
    scale = random.choice([0.3, 1.0, 4.0, 400.0])  # 4: whole seconds
    remote = instance.requests.remote_delay_s * scale
    instance = instance.model_copy(
        update={
            "requests": instance.requests.model_copy(update={"remote_delay_s": remote}),
            "cloudlets": cloudlets.model_copy(update={"compute_s": room, "memory_gb": cloudlets.memory_gb + 2}),
            "options": options.model_copy(update={"delay_s": options.delay_s * scale, "compute_s": compute}),
        }
    )
    structure, nothing = build(instance), np.full(len(remote), -1)
    params = EngineParams(auto=AutoParams(dive_nodes=int(random.integers(1, 20))))
    state = AutoState(instance, structure, FOREVER, 0, 0.0, None, nothing, params=params)
    state.dual = priced(structure, random.random(len(remote)) * remote)
    state.offer(nothing)
    return state


@pytest.mark.kernels
@given(seed=SEEDS, each=st.integers(1, 30), dives=st.booleans())
def test_from_nothing_levels_end_at_the_optimum(seed, each, dives):
    """No other bound helps: each level's is true, and the last plan is one that enumeration finds no better one of."""
    state = unknown(seed)
    search, optimum = Levels.of(state), solve_nlip(state.instance).objective
    if search is None:
        return
    search.dived = math.inf if dives else 0.0
    while not state.done:
        before = search.nodes
        search.run(FOREVER, each)
        assert search.nodes <= before + each
        assert state.bound <= optimum * (1 + 2e-9)
    assert state.cost == pytest.approx(optimum, rel=2e-9)


@pytest.mark.kernels
def test_a_request_without_a_way_ends_its_node():
    """It decides nothing then; and where there is one request alone it decides that."""
    search = Levels.of(unknown(LONG[0]))
    rows, remote, path = search.state.rows, search.state.structure.cells.remote_s, search._begin()
    path.open[1], path.away[1], path.ways[1] = False, False, 1
    r = kernels.smallest(rows, remote, path.open[1], path.away[1], search.v, search._sheet, 1.0)
    kernels.note(rows, path, 1, search._sheet, r)
    assert (r, path.request[1], path.ways[1]) == (nodes.AWAY, nodes.AWAY, 0)
    one = rows._replace(request=np.zeros_like(rows.request))
    assert kernels.smallest(one, remote[:1], path.open[2], path.away[2, :1], search.v[:1], search._sheet, 1.0) == 0


@pytest.mark.kernels
def test_which_nodes_levels_visit():
    """Their number and the last prices as they were when this was written: how fast it ends is seen nowhere else."""
    ran = [Levels.of(unknown(seed)) for seed in LONG]
    for search in ran:
        search.run(FOREVER)
    assert [search.nodes for search in ran] == NODES
    assert sum(float(search.v.sum()) for search in ran) == pytest.approx(PRICES, rel=1e-10)


@pytest.mark.kernels
def test_dives_are_for_new_plans_and_for_time_that_is_left():
    """No node without time; none of a dive where the plan is the one that dives began with, but a level's."""
    search = Levels.of(unknown(LONG[0]))
    search.run(Budget(end=0.0))
    assert (search.nodes, search.path) == (0, None)
    search.run(FOREVER, 1)
    assert search.nodes == 1
    assert search.path is not None


@given(seed=SEEDS, each=st.integers(1, 7), dives=st.integers(0, 20))
def test_a_search_in_parts_is_the_same_search(seed, each, dives):
    """So many nodes at a time, and bounds on the way are true."""
    instance = assigned(seed=seed)
    whole, parts = (begun(instance, dive_nodes=dives) for _ in range(2))
    one, other = Levels.of(whole), Levels.of(parts)
    if one is None:
        return
    one.dived = other.dived = 0.0  # dives give up after some nodes
    one.run(FOREVER)
    assert whole.done
    while not parts.done:
        assert parts.bound * (1 - 1e-12) <= whole.cost <= parts.cost
        other.run(FOREVER, each)
    assert (other.nodes, parts.cost, parts.choice.tolist()) == (one.nodes, whole.cost, whole.choice.tolist())


def plans(state, open_, away):
    """Every plan of a node that keeps the rooms: its cost and its rows, -1 for remote."""
    sites, remote = state.rows, state.structure.cells.remote_s
    at = np.repeat(np.arange(len(sites.price_s)), np.diff(sites.first))
    ways = [
        [*np.flatnonzero(open_ & (sites.request == r)).tolist(), *([-1] if away[r] else [])] for r in range(len(remote))
    ]
    for plan in itertools.product(*ways):
        used = np.array([i for i in plan if i >= 0], dtype=np.int64)
        if (np.bincount(at[used], sites.units[used], len(sites.price_s)) > sites.room_units).any():
            continue
        cost = sites.delay_s[used].sum() + sum(remote[r] for r, i in enumerate(plan) if i < 0)
        yield float(cost), plan


@pytest.mark.kernels
@given(seed=SEEDS, steps=st.integers(1, 30))
def test_a_node_bounds_its_plans_and_closes_none_below_the_limit(seed, steps):
    """Whatever is open and whatever the limit: every plan written out."""
    state, random = begun(free(seed)), np.random.default_rng(seed)
    if state.rows is None:
        return
    sites, remote = state.rows, state.structure.cells.remote_s
    open_, away = random.random(len(sites.request)) < 0.8, random.random(len(remote)) < 0.7
    before = list(plans(state, open_, away))
    least = min((cost for cost, _ in before), default=math.inf)
    limit = min(least, float(remote.sum())) * random.uniform(0.8, 1.3)
    sheet, at = levels._sheet(len(remote), np.diff(sites.first), sites.room_units), Levels(state)._at
    v = np.where(away, np.minimum(remote, random.uniform(0, 10, len(remote))), random.uniform(0, 10, len(remote)))
    bound = nodes.visit(sites, at, remote, open_, away, v, sheet, limit, steps)
    assert bound <= least + 1e-9 or bound >= limit
    assert bound < limit or least >= limit - 1e-9
    left = {plan for _, plan in plans(state, open_, away)}
    assert all(plan in left for cost, plan in before if cost < limit - 1e-9) or bound >= limit
    if bound < limit and sheet.first[-1] == 0:
        assert (bound, tuple(sheet.only.tolist())) in [(pytest.approx(cost), plan) for cost, plan in before]


def test_where_a_path_or_a_table_is_too_large_there_are_none():
    """Nor where all is proved, or pulls cost."""
    state = begun(assigned())
    without_room = state.rows._replace(room_units=0 * state.rows.room_units)
    for rows, entries in ((state.rows, 1776), (without_room, 43)):  # tables are larger than paths, then smaller
        state.rows = rows
        state.params = EngineParams(auto=AutoParams(level_entries=entries))
        assert Levels.of(state) is not None
        state.params = EngineParams(auto=AutoParams(level_entries=entries - 1))
        assert Levels.of(state) is None
    paid = (begun(located(seed)) for seed in range(20))
    assert {Levels.of(state) for state in paid if state.rows is not None and state.rows.price_s.any()} == {None}
    done = begun(assigned())
    done.prove(done.cost)
    assert Levels.of(done) is None


def test_a_dive_finds_a_plan_and_levels_prove_it():
    """With no nodes to dive it takes the levels alone; without time nothing happens."""
    state = begun(assigned(40, 4, 3))
    greedy, search = state.cost, Levels.of(state)
    assert search is not None
    search.run(Budget(end=0.0))
    assert (search.nodes, state.cost) == (0, greedy)
    search.run(FOREVER, 300)
    assert state.cost < greedy
    search.run(FOREVER)
    assert state.done
    assert state.solver == "none"


@pytest.mark.kernels
def test_a_search_says_when_its_nodes_are_over():
    """One node decides nothing here; all of them end it, and the plan on the way is one below the limit."""
    state = begun(assigned(20, 3, 1))
    search = Levels.of(state)
    assert search is not None
    remote, path = state.structure.cells.remote_s, search._begin()
    given = (state.rows, search._at, remote, path, search._sheet, state.cost)
    assert kernels.search(*given, 1) == (kernels.MORE, 1)
    found = kernels.MORE
    while found == kernels.MORE:
        found, _ = kernels.search(*given, 100)
    assert found == kernels.FOUND
    while found != kernels.DONE:
        found, _ = kernels.search(*given[:5], 0.0, 100)
    assert path.depth[0] == -1


def test_the_default_proves_an_assignment_without_highs():
    """With iterations alone, twice: the same plan, proved by no solver's word."""
    one, other = (methods.solve(assigned(60, 5, 2), "auto", iterations=3_000) for _ in range(2))
    assert one.status == "optimal"
    assert one.solver == "none"
    assert proven(one.objective, one.bound) == "optimal"
    assert one.decisions["option"] == other.decisions["option"]
