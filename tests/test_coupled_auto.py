"""Memory rows kept as knapsacks, fixing, and the default method that puts them together with HiGHS."""

import itertools
import math
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from coupled_strategies import family_models, instances, small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm import clock
from mecpfm.coupled import auto, baselines, dual, fix, methods, tree
from mecpfm.coupled.beside import Remainder
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import Certificate, terms, verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.engine import EngineParams
from mecpfm.coupled.formulation import linear_model
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance, most
from mecpfm.coupled.multipliers import certificate
from mecpfm.coupled.packing import packed
from mecpfm.coupled.params import AutoParams, TreeParams
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.proof import Proof
from mecpfm.coupled.structure import build
from mecpfm.errors import InputError
from mecpfm.kernels import coupled_pack
from mecpfm.solvers import highs, process

SEEDS = st.integers(0, 2**32 - 1)
FAMILIES = pytest.mark.parametrize("families", [True, False])


def best_subset(value, size, room, must=(), never=()):
    """The 0-1 knapsack, every set written out."""
    best = -math.inf
    for inside in itertools.product([False, True], repeat=len(value)):
        fits = sum(s for s, i in zip(size, inside, strict=True) if i) <= room
        if fits and all(inside[i] for i in must) and not any(inside[i] for i in never):
            best = max(best, sum(v for v, i in zip(value, inside, strict=True) if i))
    return best


@pytest.mark.kernels
@settings(max_examples=200)
@given(SEEDS)
def test_both_knapsacks_equal_enumeration(seed):
    """The engine's and the check's, which share no code; ties, items that never fit, forced and forbidden ones."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 8))
    value, size = random.integers(-3, 9, n) / 4, random.integers(0, 7, n) / 4
    state, room, taken = random.integers(-1, 2, n), float(random.integers(0, 15)) / 4, np.empty(n, dtype=bool)
    expected = best_subset(value, size, room, np.flatnonzero(state == 1), np.flatnonzero(state == -1))
    assert coupled_pack.pack(value, size, state, room, taken) == expected
    if math.isfinite(expected):
        assert (value[taken].sum(), size[taken].sum() <= room) == (expected, True)
    whole = best_subset(np.maximum(value, 0), size, room)
    assert whole <= packed(np.maximum(value, 0), size, room) <= whole * (1 + 1e-12)


@pytest.mark.kernels
def test_a_knapsack_too_hard_counts_with_one_item_cut(monkeypatch):
    """Where the search for the best set is given up, what is returned is no smaller."""
    random = np.random.default_rng(1)
    value, room = random.uniform(1, 1.001, 60), 20.3
    size = value.copy()
    value[7] += 1  # the densest item, of which the bound must know
    found = coupled_pack.pack(value, size, np.zeros(60, dtype=np.int64), room, np.empty(60, dtype=bool))
    assert found == pytest.approx(room + 1, abs=1e-9)
    monkeypatch.setattr("mecpfm.coupled.packing.MOST_POINTS", 4)
    assert packed(value, size, room) == pytest.approx(room + 1, abs=1e-9)


def crowded(seed):
    """Three families of two models, worth opening, at one or two cloudlets whose memory takes about half of them."""
    random = np.random.default_rng(seed)
    sites, count = int(random.integers(1, 3)), int(random.integers(3, 6))
    size = np.concatenate([random.integers(2, 9, 3), random.integers(0, 4, 6)]) / 4
    request = np.repeat(np.arange(count), 3)
    return Instance(
        blocks={"size_gb": size},
        models={"blocks": family_models(random, 3, 2)},
        cloudlets={
            "memory_gb": random.integers(4, 17, sites) / 4,
            "compute_s": random.integers(3, 9, sites) / 2,
            "pull_s_per_gb": random.integers(0, 3, sites) / 4,
            "cached": [[] for _ in range(sites)],
        },
        requests={"remote_delay_s": random.integers(12, 33, count) / 4, "remote_accuracy": np.ones(count)},
        options={
            "request": request,
            "model": random.integers(0, 6, len(request)),
            "cloudlet": random.integers(0, sites, len(request)),
            "delay_s": random.integers(0, 9, len(request)) / 4,
            "compute_s": random.integers(0, 5, len(request)) / 4,
            "accuracy": np.ones(len(request)),
        },
    )


def drawn(data, families):
    """A small instance of any kind, or a crowded one."""
    return data.draw(st.one_of(instances(families=families), st.builds(crowded, SEEDS)))


def random_dual(structure, seed):
    """Multipliers of the size that converged ones have, and what the engine proves by them."""
    random, cells = np.random.default_rng(seed), structure.cells
    point = random.uniform(0, 1, len(dual.start(cells))) * random.choice([0, 0.3, 1], len(dual.start(cells)))
    point[: len(cells.remote_s)] = random.uniform(0, 1, len(cells.remote_s)) * cells.remote_s
    count = len(cells.first_record) - 1
    cut, node = random.uniform(0, 1, count), fix.free(cells)
    sheet = dual.sheet_of(point, cut, len(structure.option))
    coupled_pack.least(cells, node, sheet.size)
    bound = coupled_pack.evaluate(cells, point, cut, node, sheet, 1.0, dual.scratch(cells), True)
    return dual.Dual(bound, point, cut, 0, 0.0, memory_row=True)


def slow_bound(instance, given):
    """The bound with memory rows, every set of families written out, from the values of single cells."""
    plain = given.model_copy(update={"memory_row": None})
    options, bound = instance.options, verify(instance, plain)
    for c in range(instance.sizes[2]):
        value, size = [], []
        for f in range(len(given.exact)):
            rows = np.flatnonzero((options.cloudlet == c) & (given.family[options.model] == f))
            worth = terms(instance, plain, rows, c).exact if given.exact[f] else []
            if worth and worth[0] > 0:
                v = np.minimum(given.request_price_s, instance.requests.remote_delay_s)[options.request[rows]]
                gain = v - options.delay_s[rows] - given.compute_price[c] * options.compute_s[rows]
                quick = options.compute_s[rows] <= most(instance.cloudlets.compute_s)[c]
                blocks = [set(instance.models.blocks[k].tolist()) for k in options.model[rows]]
                whole = [instance.blocks.size_gb[sorted(own)].sum() for own in blocks]
                fits = quick & (np.array(whole) <= most(instance.cloudlets.memory_gb)[c])
                common = set.intersection(*(own for own, a, ok in zip(blocks, gain, fits, strict=True) if a > 0 and ok))
                value.append(worth[0])
                size.append(float(instance.blocks.size_gb[sorted(common)].sum()))
        bound += sum(value) - best_subset(value, size, float(most(instance.cloudlets.memory_gb)[c]))
    return bound


@FAMILIES
@settings(max_examples=60)
@given(data=st.data())
def test_memory_rows_lift_the_bound_and_prove_no_more_than_is_true(families, data):
    """At any multipliers: the check equals the slow twin, is at least the engine's, and at most the optimum."""
    instance = drawn(data, families)
    structure = build(instance)
    found = random_dual(structure, data.draw(SEEDS))
    given_ = certificate(structure, found)
    proved = verify(instance, given_)
    assert proved == pytest.approx(slow_bound(instance, given_), abs=1e-9)
    assert found.bound <= proved + 1e-9
    assert verify(instance, given_.model_copy(update={"memory_row": None})) <= proved + 1e-9
    assert proved <= solve_nlip(instance).objective + 1e-6 * (1 + instance.requests.remote_delay_s.sum())
    assert Proof.of(instance, given_).bound == proved
    more = instance.change(cloudlets={"memory_gb": instance.cloudlets.memory_gb + 0.25})
    assert Proof.of(instance, given_).moved(more).bound == verify(more, given_)


@pytest.mark.parametrize("row", [None, np.int64(1)])
@pytest.mark.parametrize(("seed", "c"), [(14, 0), (28, 0), (30, 0), (55, 1), (273, 0), (333, 0)])
def test_prices_of_compute_are_slopes_where_families_are_closed(seed, c, row):
    """A cut is paid for by a family that is open, beside the others too: less and more compute follow the price."""
    instance = crowded(seed)
    structure = build(instance)
    given_ = certificate(structure, random_dual(structure, seed)).model_copy(update={"memory_row": row})
    proof = Proof.of(instance, given_)
    price, least, most = proof.valid_range(c, "compute_s")
    assert least < 0 < most
    for change in (least, min(most, 9.0)):
        other = instance.change(cloudlets={"compute_s": {c: instance.cloudlets.compute_s[c] + change}})
        assert verify(other, given_) == pytest.approx(proof.bound - price * change, rel=2e-9, abs=2e-9)


def test_the_engine_climbs_where_memory_binds():
    """Half of the families fit: the price of memory alone opens fractions of the others."""
    instance = generate(Recipe(requests=60, cloudlets=4, models=24, families=8, regime="memory-bound"), 3)
    structure = build(instance)
    plain, kept = dual.solve(structure), dual.solve(structure, memory_row=True)
    assert kept.bound > plain.bound * 1.001
    given_ = certificate(structure, kept)
    assert verify(instance, given_) == pytest.approx(kept.bound, rel=1e-9)


def test_schema_two_is_written_where_it_is_needed(tmp_path):
    """Old files are read as ever; the new field is refused in them, and what is not 1 everywhere."""
    instance = small(5, 5, 2, families=True)
    structure = build(instance)
    for row in (False, True):
        path = tmp_path / f"{row}.json"
        certificate(structure, dual.solve(structure, memory_row=row), instance).write(path)
        assert f'"mecpfm.certificate/{1 + row}"' in path.read_text()
        assert verify(instance, Certificate.read(path)) > 0
    text = path.read_text()
    for old, new in (("certificate/2", "certificate/1"), ('"memory_row": 1', '"memory_row": 0'), ("e/2", "e/3")):
        path.write_text(text.replace(old, new))
        with pytest.raises(InputError):
            Certificate.read(path)


@FAMILIES
@settings(max_examples=60)
@given(data=st.data())
def test_fixing_keeps_every_better_plan(families, data):
    """At any multipliers and any cost above the optimum, an optimal plan is left; and its cells are not closed."""
    instance = drawn(data, families)
    structure = build(instance)
    found = random_dual(structure, data.draw(SEEDS))
    optimum = solve_nlip(instance).objective
    cost = optimum + data.draw(st.sampled_from([1e-3, 0.25, 2.0]))
    fixed = fix.fix(structure, found, fix.free(structure.cells), cost)
    assert fixed.bound <= optimum + 1e-6 * (1 + optimum)
    left = instance.with_options(np.sort(structure.option[fixed.kept]))
    assert solve_nlip(left).objective == pytest.approx(optimum, abs=1e-6)


@FAMILIES
@settings(max_examples=30)
@given(data=st.data())
def test_decisions_are_implied(families, data):
    """Cells fixed open or closed, and models ruled out, agree with an optimal plan when only it is cheaper."""
    instance = drawn(data, families)
    structure = build(instance)
    plan = solve_nlip(instance)
    fixed = fix.fix(
        structure, random_dual(structure, data.draw(SEEDS)), fix.free(structure.cells), plan.objective + 0.01
    )
    again = fix.fix(structure, dual.solve(structure, memory_row=True), fixed.node, plan.objective + 0.01)
    assert again.bound <= plan.objective + 0.01


@FAMILIES
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_it_calls_optimal_is(families, data):
    """Against enumeration: cost and bound on either side of the optimum, never dearer than greedy's plan."""
    instance = drawn(data, families)
    optimum = solve_nlip(instance).objective
    plan, proof = methods.certified(instance, "auto", iterations=data.draw(st.sampled_from([0, 50])))
    slack = 1e-6 * (1 + optimum)
    assert plan.feasible
    assert optimum - slack <= plan.objective <= assess(instance, "", baselines.trimcaching(instance)).objective
    assert verify(instance, proof) - 1e-9 <= plan.bound <= optimum + slack
    if plan.status == "optimal":
        assert plan.objective <= optimum + slack


@FAMILIES
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_tree_ends_with_the_optimum(families, data):
    """Whatever HiGHS gets: nothing but what cannot be branched on, small leaves, or everything."""
    instance = drawn(data, families)
    optimum = solve_nlip(instance).objective
    leaf, iterations = data.draw(st.sampled_from([0, 3, 1_000])), data.draw(st.sampled_from([1, 50]))
    params = EngineParams(tree=TreeParams(leaf_options=leaf, iterations=iterations))
    state = auto.begin(instance, params=params)
    tree.Tree(state).run(clock.FOREVER)
    assert state.done
    assert state.cost == pytest.approx(optimum, abs=1e-6 * (1 + optimum))
    assert state.bound <= optimum + 1e-6 * (1 + optimum)


def test_iterations_make_it_the_same_everywhere(monkeypatch):
    """One part after the other, no clock: equal plans and bounds bit by bit, and no other process."""
    monkeypatch.setattr(process, "start", None)
    instance = generate(Recipe(requests=40, cloudlets=5, models=12, families=3), 4)
    one, other = (methods.solve(instance, "auto", iterations=100, seed=3) for _ in range(2))
    assert one.decisions == other.decisions
    assert (one.objective, one.bound, one.status) == (other.objective, other.bound, other.status)
    assert one.status == "optimal"


def test_it_proves_what_ilp_proves():
    """In time: the same cost, optimal, and the word of HiGHS is named where the multipliers leave a gap."""
    instance = generate(Recipe(requests=40, cloudlets=5, models=12, families=3), 4)
    optimum = methods.solve(instance, "ilp", solver="highs")
    plan, proof = methods.certified(instance, "auto", time_limit=600.0)
    assert plan.status == optimum.status == "optimal"
    assert plan.objective == pytest.approx(optimum.objective, rel=1e-9)
    assert (plan.solver == "none") == (verify(instance, proof) >= plan.objective * (1 - 1e-6))


@pytest.mark.parametrize("near", [0.0, 1e-4])
def test_a_plan_near_the_bound_is_proved_before_its_round_ends(near):
    instance = generate(Recipe(requests=60, cloudlets=8, models=12, regime="link-bound"), 7)
    params, budget = EngineParams(auto=AutoParams(near=near)), clock.Budget.of(10_000.0)
    state = auto.begin(instance, budget, params=params)
    state.search(100, budget)
    assert state.done == (near > 0)
    assert (state.iterations < 100) == (near > 0)


def begun(rest):
    """A remainder that HiGHS was given, and is done with, is one that it is at work on."""
    rest._future = Future()
    rest._future.set_result(None)


@pytest.mark.parametrize("less", [0, 1])
def test_highs_begins_once_what_is_left_is_small_enough(monkeypatch, less):
    """What was too large for it was never begun, so that it begins with the first that is not."""
    monkeypatch.setattr(Remainder, "start", lambda self, *_: started.append(self))
    instance, started = generate(Recipe(requests=60, cloudlets=8, models=12, regime="link-bound"), 7), []
    budget = clock.Budget.of(10_000.0)
    state = auto.begin(instance, budget)
    now, state.tighten = state.remainder(), lambda: None
    before = replace(now, rows=np.append(now.rows, 0))
    if not less:
        begun(before)
    assert (auto._renewed(state, before) is before) == (not less)
    assert len(started) == less


def test_highs_begins_anew_on_half_of_the_options(monkeypatch):
    """And is kept while more is left."""
    started = []
    monkeypatch.setattr(Remainder, "start", lambda self, *_: started.append(self))
    instance, budget = generate(Recipe(requests=60, cloudlets=8, models=12, regime="link-bound"), 7), clock.Budget()
    state = auto.begin(instance, budget)
    now, state.tighten = state.remainder(), lambda: None
    before = replace(now, rows=np.resize(now.rows, 3 * len(now.rows)))
    begun(before)
    after = auto._renewed(state, before)
    assert after is started[0]
    assert (after.rows == now.rows).all()
    begun(after)
    assert auto._renewed(state, after) is after  # what is left did not shrink since
    assert len(started) == 1


def test_a_round_ends_with_a_plan_or_a_bound_that_proves():
    """HiGHS's plan that costs what is proved, its bound at the best plan's cost, or either to within the gap."""
    instance = generate(Recipe(requests=20, cloudlets=4, models=6, families=2), 4)
    state = auto.begin(instance)
    rest = state.remainder()
    state.bound = state.cost / 2
    assert not state.answered(rest)
    rest.told_cost = state.cost / 2
    assert state.answered(rest)
    rest.told_cost, rest._bound, rest.cutoff = math.inf, state.cost, state.cost
    assert state.answered(rest)
    rest._bound = 0.6 * state.cost
    assert not state.answered(rest)
    state.gap = 0.4
    assert state.answered(rest)


def test_a_known_plan_prices_and_a_gap():
    """Begins with them, never leaves the plan for a dearer one, and ends at the gap."""
    instance = generate(Recipe(requests=40, cloudlets=5, models=12, families=3), 4)
    first, proof = methods.certified(instance, "auto", iterations=100)
    choice = np.array(first.decisions["option"])
    again, *_ = auto.solve(instance, iterations=0, start=choice, prices=proof)
    assert again.objective <= first.objective
    rough, *_ = auto.solve(instance, iterations=100, gap=0.5)
    assert rough.objective * 0.5 <= rough.bound


def test_nothing_to_serve_and_nothing_that_fits():
    """All remote is the plan, and proved."""
    tight = generate(Recipe(requests=8, cloudlets=2, models=6, families=2), 1).change(
        cloudlets={"compute_s": [0.0, 0.0], "memory_gb": [0.0, 0.0]}
    )
    for limits in ({"iterations": 10}, {"time_limit": 5.0}, {"time_limit": 0.0}):
        plan = methods.solve(tight, "auto", **limits)
        assert plan.decisions["option"] == [-1] * 8
        if limits != {"time_limit": 0.0}:
            assert plan.status == "optimal"


def test_a_cutoff_below_the_optimum_leaves_nothing():
    """Above it the optimum is found as ever; a remainder without a cheaper plan is settled with the known one."""
    instance = generate(Recipe(requests=20, cloudlets=4, models=6, families=2), 4)
    model = linear_model(presolve(instance).instance, cut=True)
    optimum = highs.here(model).objective
    assert highs.here(model, cutoff=optimum * 1.01).objective == pytest.approx(optimum, rel=1e-9)
    for share in (1 - 1e-6, 0.9, 0.5):
        assert highs.here(model, cutoff=optimum * share).status == "infeasible"
    nothing, cost = np.full(20, -1), optimum * 0.9
    rest = Remainder(instance, np.sort(build(instance).option), nothing, cost, cutoff=cost * (1 - fix.CLOSE))
    rest.run(clock.FOREVER, 0.0, 0)
    assert rest.settled
    assert (rest.best == nothing).all()
    assert rest.bound == rest.cutoff


def test_what_highs_refuses_or_has_no_time_for_settles_nothing():
    """A remainder stopped at once keeps the plan that was known, and proves nothing."""
    instance = generate(Recipe(requests=40, cloudlets=5, models=12, families=3), 4)
    nothing = np.full(40, -1)
    cost = assess(instance, "", nothing).objective
    rest = Remainder(instance, np.sort(build(instance).option), nothing, cost, cutoff=cost * (1 - fix.CLOSE))
    rest.start(clock.Budget.of(0.0), 0.0, 0)
    rest.wait()
    assert not rest.settled
    assert (rest.best == nothing).all()
    assert rest.bound == -math.inf
