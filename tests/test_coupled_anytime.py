import signal

import numpy as np
import pytest
from coupled_strategies import instances, small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm import clock
from mecpfm.coupled import anytime, assignment, baselines, branch, diving, dual, local_search, methods
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.ending import Ending
from mecpfm.coupled.engine import EngineParams
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.local_search import Polished
from mecpfm.coupled.params import TreeParams
from mecpfm.coupled.structure import build, restrict
from mecpfm.kernels import coupled_masks

FAMILIES = pytest.mark.parametrize("families", [True, False])
MIDDLE = Recipe(requests=120, cloudlets=8, models=24, families=4)


@pytest.mark.kernels
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), slots=st.sampled_from([1, 4, 64]))
def test_merging_adds_up_equal_masks(seed, slots):
    """Weights per mask equal those of a dictionary, also when there are fewer slots than masks, call after call."""
    random = np.random.default_rng(seed)
    slot = np.zeros(slots + 1, dtype=np.int64)
    for _ in range(3):
        n = int(random.integers(0, 40))
        mask, weight = random.integers(1, 1 << int(random.integers(1, 62)), n), random.integers(1, 9, n) / 4
        wanted = {}
        for m, w in zip(mask.tolist(), weight.tolist(), strict=True):
            wanted[m] = wanted.get(m, 0.0) + w
        count = coupled_masks.merge(mask, weight, n, slot)
        found = {}
        for m, w in zip(mask[:count].tolist(), weight[:count].tolist(), strict=True):
            found[m] = found.get(m, 0.0) + w
        assert found == wanted
        assert slots < 64 or (count == len(wanted) and mask[:count].tolist() == list(wanted))


@FAMILIES
@settings(max_examples=20)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), exact_models=st.sampled_from([14, 0]))
def test_a_restricted_view_is_the_view_of_the_remaining_options(families, data, seed, exact_models):
    """Dropping sorted options gives the cells of an instance that never had them, in the places of the old ones."""
    instance = data.draw(instances(families=families, requests=6, cloudlets=3, per_request=6))
    structure = build(instance, exact_models=exact_models)
    kept = np.random.default_rng(seed).random(len(structure.option)) < 0.6
    found = restrict(structure, kept)
    rows = np.sort(structure.option[kept])
    options = {name: getattr(instance.options, name)[rows] for name in type(instance.options).model_fields}
    content = {name: getattr(instance, name) for name in ("blocks", "models", "cloudlets", "requests")}
    wanted = build(type(instance)(**content, options=options), exact_models=exact_models)
    for name in ("first_record", "request", "delay_s", "compute_s", "models", "first_option"):
        assert (getattr(found.cells, name) == getattr(wanted.cells, name)).all(), name
    assert (found.option == rows[wanted.option]).all()
    assert (found.model == wanted.model).all()
    assert len(found.cells.share) == len(wanted.cells.share)
    assert (np.diff(found.cells.first_share) == np.diff(wanted.cells.first_share)).all()
    assert (found.share_request[found.cells.share] == wanted.share_request[wanted.cells.share]).all()


@FAMILIES
@settings(max_examples=10)
@given(data=st.data())
def test_settled_plans_are_feasible_and_use_open_blocks(families, data):
    """Settling opens no block, breaks no row, and among plans with these blocks only its gap is lost."""
    instance = data.draw(instances(families=families, requests=6, cloudlets=2, per_request=6))
    structure = build(instance)
    choice = local_search.improve(structure, dual.solve(structure), iterations=25).choice
    settled = assignment.settle(structure, local_search.sorted_choice(structure, choice))
    if settled is None:
        assert (choice < 0).all()
        return
    after = structure.expand(settled)
    assert assess(instance, "settled", after).feasible

    def used(decision):
        chosen = decision[decision >= 0]
        blocks = instance.models.blocks
        pairs = zip(instance.options.model[chosen], instance.options.cloudlet[chosen], strict=True)
        return {(b, c) for k, c in pairs for b in blocks[k].tolist()}

    assert used(after) <= used(choice)


def test_an_ending_asks_once_whether_a_near_plan_is_proved():
    """By the gap asked for, by a proof, or by somebody who is asked about the first plan that is near."""
    plan, asked = Polished(np.zeros(0, dtype=np.int64), 100.0, 0), []
    assert not Ending().met(plan, 99.9)
    assert Ending().met(plan, 100.0)
    assert Ending(gap=0.01).met(plan, 99.0)
    for says in (False, True):
        ending = Ending(near=0.01, proves=lambda near, says=says: asked.append(near) or says)
        assert not ending.met(plan, 98.0)
        assert ending.met(plan, 99.5) == says
        assert not ending.met(plan, 99.5)
    assert asked == [plan, plan]


def test_settling_improves_a_bad_assignment():
    """A greedy plan of the same blocks costs more than the settled one, which meets HiGHS's own optimum closely."""
    instance = generate(MIDDLE, 100)
    structure = build(instance)
    greedy = local_search.sorted_choice(structure, baselines.trimcaching(instance))
    before = local_search.improve(structure, dual.solve(structure), structure.expand(greedy), iterations=0)
    settled = assignment.settle(structure, greedy)
    after = assess(instance, "settled", structure.expand(settled))
    assert after.feasible
    assert after.objective < before.cost


@FAMILIES
@settings(max_examples=10)
@given(data=st.data())
def test_a_dive_decides_every_exact_cell_and_its_cells_suffice(families, data):
    """No exact cell stays free, and the options left are those of open cells (bound: test_coupled_branch.py)."""
    instance = data.draw(instances(families=families, requests=5, cloudlets=2, per_request=4))
    structure = build(instance)
    root = dual.solve(structure)
    view = diving.core(structure, root)
    opened = diving.dive(view, root, limit=structure.cells.remote_s.sum() + 1)
    assert (opened.state != 0).all()
    small = diving.opened_only(view, opened.state)
    assert set(diving.option_cells(small).tolist()) <= set(np.flatnonzero(opened.state == 1).tolist())


def test_perturbed_dives_repeat_with_their_seed():
    """The same random stream gives the same choice of cells."""
    structure = build(generate(MIDDLE, 101))
    root = dual.solve(structure)
    view = diving.core(structure, root)
    one, two = (diving.dive(view, root, np.random.default_rng(7)) for _ in range(2))
    assert (one.state == two.state).all()
    assert one.dual.bound == two.dual.bound


@pytest.mark.parametrize("regime", ["memory-bound", "link-bound", "mixed"])
def test_search_is_never_worse_than_its_starts(regime):
    """Whatever the budget, the plan costs no more than TrimCaching-Gen's or serving all remotely."""
    instance = generate(Recipe(requests=120, cloudlets=8, models=24, families=4, regime=regime), 102)
    start = assess(instance, "trimcaching", baselines.trimcaching(instance)).objective
    for iterations in (0, 50):
        plan, *_ = anytime.solve(instance, iterations=iterations)
        assert plan.feasible
        assert plan.objective <= min(start, instance.requests.remote_delay_s.sum()) + 1e-9


def test_search_is_monotone_and_repeatable():
    """Progress never reports a worse cost; the same budget and seed give the same plan bit by bit."""
    instance, trace = generate(MIDDLE, 103), []
    one, *_ = anytime.solve(instance, iterations=400, seed=5, progress=lambda _, cost, bound: trace.append(cost))
    assert trace == sorted(trace, reverse=True)
    two, *_ = anytime.solve(instance, iterations=400, seed=5)
    assert one.decisions == two.decisions
    assert one.objective == two.objective


@FAMILIES
def test_search_reaches_the_optimum_of_tiny_instances(families):
    """With every phase at work plans are feasible, bounded, and optimal on 58 of 60 tiny instances or more."""
    reached = 0
    for seed in range(60):
        instance = small(seed, 1 + seed % 5, 1 + seed % 2, families=families, per_request=4)
        plan, *_ = anytime.solve(instance, iterations=600)
        optimum = solve_nlip(instance).objective
        assert plan.feasible
        assert plan.bound <= optimum + 1e-9 <= plan.objective + 2e-9
        reached += plan.objective <= optimum + 1e-9
    assert reached >= 58


def test_a_time_limit_of_zero_still_gives_a_plan():
    """Without any time there is a start and a bound."""
    plan, _, found = anytime.solve(small(4, 60, 4, families=True, per_request=9), time_limit=0.0)
    assert plan.feasible
    assert 0 <= found.bound <= plan.objective


def interrupted_after(monkeypatch, calls):
    """Ctrl-C in the middle of the dual's ascent, once some chunks are done."""
    real, seen = dual.kernels.ascend, []

    def ascend(*arguments, **named):
        seen.append(1)
        if len(seen) == calls + 1:
            signal.raise_signal(signal.SIGINT)
        return real(*arguments, **named)

    monkeypatch.setattr(dual.kernels, "ascend", ascend)


@pytest.mark.parametrize("method", ["polish", "branch", "remote"])
@pytest.mark.parametrize("calls", [0, 1])
def test_interrupting_the_bound_leaves_a_plan_and_a_valid_certificate(monkeypatch, method, calls):
    """Ctrl-C before the search: a plan not worse than greedy's, and multipliers that prove the bound it states."""
    instance = generate(MIDDLE, 104)
    interrupted_after(monkeypatch, calls)
    with clock.listening():
        plan, proof = methods.certified(instance, method)
    assert plan.feasible
    assert plan.status == "interrupted"
    remote = instance.requests.remote_delay_s.sum()
    most = remote if method == "remote" else assess(instance, method, baselines.trimcaching(instance)).objective
    assert plan.objective <= most + 1e-9
    assert verify(instance, proof) == pytest.approx(plan.bound, abs=1e-9)
    assert 0 < plan.bound <= plan.objective


def test_interrupting_the_dive_keeps_the_start(monkeypatch):
    """Ctrl-C in the first dive: at least TrimCaching-Gen's plan."""
    instance = generate(MIDDLE, 105)
    structure = build(instance)
    bound = dual.solve(structure)
    interrupted_after(monkeypatch, 0)
    with clock.listening():
        found = anytime.search(instance, structure, bound)
    start = assess(instance, "trimcaching", baselines.trimcaching(instance)).objective
    assert assess(instance, "polish", found.choice).objective <= start + 1e-9


def test_interrupting_the_tree_keeps_every_open_bound(monkeypatch):
    """Ctrl-C between the children of a node: each still has a bound, no lower than the node's own."""
    instance = generate(MIDDLE, 106)
    structure = build(instance)
    root = dual.solve(structure)
    remote = np.full(instance.sizes[3], -1)
    search = branch.BranchSearch(instance, structure, remote, float(instance.requests.remote_delay_s.sum()))
    search.params = EngineParams(tree=TreeParams(nodes=9, branch_leaf_options=0))
    interrupted_after(monkeypatch, 1)
    with clock.listening():
        bound = branch.run(search, root)
    assert search.nodes == 1
    assert root.bound <= bound < search.cost
