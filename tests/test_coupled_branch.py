import functools
import itertools
import signal

import numpy as np
import pytest
from coupled_strategies import instances, small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm import clock
from mecpfm.coupled import branch, diving, dual, local_search, methods
from mecpfm.coupled.brute_force import nlip_objective, solve_nlip
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.engine import EngineParams
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.params import TreeParams
from mecpfm.coupled.structure import build

FAMILIES = pytest.mark.parametrize("families", [True, False])


def limits(nodes, leaf):
    """So many nodes, and so many options that HiGHS gets."""
    return EngineParams(tree=TreeParams(nodes=nodes, branch_leaf_options=leaf))


@FAMILIES
@pytest.mark.parametrize("mip_options", [4_000, 0])
@settings(max_examples=8)
@given(data=st.data())
def test_bound_and_cost_enclose_the_optimum(families, mip_options, data):
    """Cost >= optimum >= bound, with MIP leaves and without; status optimal is claimed only for the optimum."""
    instance = data.draw(instances(families=families, requests=5, cloudlets=2, per_request=4))
    plan, *_ = branch.solve(instance, iterations=25, params=limits(40, mip_options))
    optimum = solve_nlip(instance).objective
    assert plan.feasible
    assert plan.bound <= optimum + 1e-6
    assert plan.objective >= optimum - 1e-9
    if plan.status == "optimal":
        assert plan.objective == pytest.approx(optimum, abs=1e-6)
    if mip_options:
        assert plan.status == "optimal"


def enclosed(seed=2):
    """An instance with an incumbent above its root bound, ready for the search."""
    instance = small(seed, 30, 3, families=True, per_request=8)
    structure = build(instance)
    root = dual.solve(structure)
    choice = local_search.improve(structure, root, iterations=100).choice
    return branch.BranchSearch(instance, structure, choice, assess(instance, "branch", choice).objective), root


def test_a_leaf_that_is_not_solved_keeps_its_bound(monkeypatch):
    """With every node a leaf and no MIP allowed, the bound stays at the root's: the incumbent is not called optimal."""
    search, root = enclosed()
    assert root.bound < search.cost - 1e-3
    monkeypatch.setattr(branch, "branch", lambda *_: [])
    search.params = limits(100, 0)
    bound = branch.run(search, root)
    assert bound == root.bound
    assert search.given_up == root.bound


def test_a_planted_leaf_survives_the_rest_of_the_tree(monkeypatch):
    """One subtree planted as an unsolved leaf holds the final bound down, although all others are solved."""
    search, root = enclosed()
    real, planted = branch.branch, []

    def plant(*arguments):
        if not planted:
            planted.append(root.bound)
            search.given_up = min(search.given_up, root.bound + 1e-4)
            return real(*arguments)[:1]
        return real(*arguments)

    monkeypatch.setattr(branch, "branch", plant)
    search.params = limits(60, 5)
    bound = branch.run(search, root)
    assert planted
    assert bound <= root.bound + 1e-4 < search.cost


def test_an_interrupted_mip_gives_its_leaf_up(monkeypatch):
    """When HiGHS stops without a proof, the leaf's bound enters the minimum instead of vanishing."""
    search, root = enclosed()
    real = branch.solve_ilp

    def unfinished(*arguments, **keywords):
        plan = real(*arguments, **keywords)
        return plan.__class__(**{**plan.__dict__, "status": "feasible", "bound": root.bound})

    monkeypatch.setattr(branch, "solve_ilp", unfinished)
    search.params = limits(10, 10_000)
    bound = branch.run(search, root)
    assert bound == pytest.approx(root.bound)


def overloaded(instance):
    """Every request at its fastest option, which breaks a row."""
    first, delay = instance.first_option, instance.options.delay_s
    each = [[-1, *range(low, high)] for low, high in itertools.pairwise(first.tolist())]
    choice = np.array([min(options, key=lambda o: delay[o] if o >= 0 else np.inf) for options in each])
    assert not assess(instance, "ilp", choice).feasible
    return choice


@pytest.mark.parametrize("decide", [overloaded, lambda instance: np.full(instance.sizes[3], -1)])
def test_a_leaf_whose_optimal_plan_is_refused_is_given_up(monkeypatch, decide):
    """HiGHS's word "optimal" closes no leaf when its plan breaks a row, or costs more than the bound it claims."""
    search, root = enclosed()

    def wrong(instance, **_):
        return assess(instance, "ilp", decide(instance), bound=root.bound, status="optimal")

    monkeypatch.setattr(branch, "solve_ilp", wrong)
    cost = search.cost
    search.params = limits(10, 10_000)
    assert branch.run(search, root) == root.bound
    assert search.given_up == root.bound < search.cost == cost


@pytest.mark.parametrize("calls", [1, 3, 60])
def test_interrupting_the_search_skips_the_tree(monkeypatch, calls):
    """Ctrl-C in the first search, between its phases or inside one: the best plan and a certificate, no tree."""
    instance, seen = generate(Recipe(requests=120, cloudlets=8, models=24, families=4), 104), []

    def progress(*_):
        seen.append(1)
        if len(seen) == calls:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(branch, "expand", lambda *_, **__: pytest.fail("the tree was entered"))
    with clock.listening():
        plan, proof = methods.certified(instance, "branch", progress=progress)
    assert calls <= len(seen) <= calls + 2  # the starts, and a phase that was interrupted, still report their plans
    assert plan.status == "interrupted"
    assert plan.feasible
    assert plan.bound < plan.objective < instance.requests.remote_delay_s.sum()
    assert verify(instance, proof) == pytest.approx(plan.bound, abs=1e-9)


def plans(structure, instance):
    """Every feasible decision over the sorted options (N, R), its cost, and whether it uses each cell (N, cells)."""
    request = instance.options.request[structure.option]
    each = [[-1, *np.flatnonzero(request == r)] for r in range(instance.sizes[3])]
    choices = np.array(list(itertools.product(*each)))
    cost = nlip_objective(instance, structure.expand(choices))
    choices, cost = choices[np.isfinite(cost)], cost[np.isfinite(cost)]
    cells = len(structure.cells.first_record) - 1
    used = np.zeros((len(choices), cells + 1), dtype=bool)
    used[np.arange(len(choices))[:, None], np.append(diving.option_cells(structure), cells)[choices]] = True
    return choices, cost, used[:, :cells]


def require_kept(search, root, node, better, used):
    """Fixed cells are as in all better plans, and no better plan uses a removed option."""
    tight, kept, _ = branch.tighten(search, root, node)
    assert not used[:, tight.state == -1].any()
    assert used[:, tight.state == 1].all()
    assert np.append(kept, True)[better].all()
    return int(((tight.state != 0) & (node.state == 0)).sum()), int((~kept).sum())


@pytest.mark.parametrize("exact_models", [14, 0])
def test_reduced_costs_agree_with_every_better_plan(exact_models):
    """At the root and below it, whatever the incumbent: enumeration finds no cheaper plan that the fixings exclude."""
    fixed = np.zeros(2, dtype=int)
    for seed in range(80):
        instance = small(seed, 5, 2, families=seed % 2 == 0, per_request=4)
        structure = build(instance, exact_models=exact_models)
        choices, cost, used = plans(structure, instance)
        root, node = dual.solve(structure, iterations=[2_000, 20][seed // 2 % 2]), dual.free(structure.cells)
        remote, best = instance.requests.remote_delay_s.sum(), cost.min()
        for incumbent in np.array([best, best + 0.25, (best + remote) / 2, remote]) + 1e-6:  # a little room at least
            search = branch.BranchSearch(instance, structure, np.full(instance.sizes[3], -1), incumbent)
            better = cost < incumbent - 1e-9
            fixed += require_kept(search, root, node, choices[better], used[better])
            for j in np.flatnonzero(np.tile(structure.cells.exact, instance.sizes[2])):
                for state in (-1, 1):
                    inside = better & (used[:, j] == (state == 1))
                    child = node._replace(state=np.where(np.arange(len(node.state)) == j, state, 0))
                    below = dual.solve(structure, target=incumbent, warm=root, node=child, iterations=100)
                    require_kept(search, below, child, choices[inside], used[inside])
    assert (fixed > 50).all() or exact_models == 0  # relaxed families have nothing to fix


@functools.cache
def tiny(seed):
    """An instance whose plans can be written out, its view and its optimum."""
    instance = small(seed, 5, 2, families=seed % 2 == 0, per_request=4)
    return instance, build(instance), solve_nlip(instance).objective


@pytest.mark.parametrize("mip_options", [0, 3, 20])
@pytest.mark.parametrize("iterations", [2_000, 5])
def test_the_tree_from_all_remote_never_passes_the_optimum(iterations, mip_options):
    """The weakest incumbent, a good or a poor root, and little help from HiGHS: the fixings and bounds decide."""
    proved = 0
    for seed in range(120):
        instance, structure, optimum = tiny(seed)
        remote = np.full(instance.sizes[3], -1)
        search = branch.BranchSearch(instance, structure, remote, float(instance.requests.remote_delay_s.sum()))
        root = dual.solve(structure, iterations=iterations)
        search.params = limits(40, mip_options)
        bound = branch.run(search, root)
        assert bound <= optimum + 1e-6 * max(optimum, 1), seed
        assert search.cost >= optimum - 1e-9
        proved += dual.proven(search.cost, bound) == "optimal"
    assert proved


def test_a_dives_bound_holds_for_the_plans_of_its_cells():
    """The bound never exceeds the cost of a plan that uses every open cell and no closed one."""
    compared = 0
    for seed in range(60):
        instance, structure, _ = tiny(seed)
        _, cost, used = plans(structure, instance)
        opened = diving.dive(structure, dual.solve(structure), limit=structure.cells.remote_s.sum() + 1)
        inside = cost[(used == (opened.state == 1)).all(axis=1)]
        compared += len(inside) > 0
        assert opened.dual.bound <= inside.min(initial=np.inf) + 1e-9, seed
    assert compared > 30
