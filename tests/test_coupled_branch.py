import numpy as np
import pytest
from coupled_strategies import instances, small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.coupled import branch, dual, polish
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.check import assess
from mecpfm.coupled.structure import build

FAMILIES = pytest.mark.parametrize("families", [True, False])


@FAMILIES
@pytest.mark.parametrize("mip_options", [4_000, 0])
@settings(max_examples=8)
@given(data=st.data())
def test_bound_and_cost_enclose_the_optimum(families, mip_options, data):
    """Cost >= optimum >= bound, with MIP leaves and without; status optimal is claimed only for the optimum."""
    instance = data.draw(instances(families=families, requests=5, cloudlets=2, per_request=4))
    plan, *_ = branch.solve(instance, iterations=25, nodes=40, mip_options=mip_options)
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
    choice = polish.improve(structure, root, iterations=100).choice
    return branch.Search(instance, structure, choice, assess(instance, "branch", choice).objective), root


def test_a_leaf_that_is_not_solved_keeps_its_bound(monkeypatch):
    """With every node a leaf and no MIP allowed, the bound stays at the root's: the incumbent is not called optimal."""
    search, root = enclosed()
    assert root.bound < search.cost - 1e-3
    monkeypatch.setattr(branch, "branch", lambda *_: [])
    bound = branch.run(search, root, nodes=100, deadline=np.inf, mip_options=0)
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
    monkeypatch.setattr(branch, "MIP_SECONDS", 5.0)
    bound = branch.run(search, root, nodes=60, deadline=np.inf, mip_options=5)
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
    bound = branch.run(search, root, nodes=10, deadline=np.inf, mip_options=10_000)
    assert bound == pytest.approx(root.bound)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_reduced_costs_keep_every_better_plan(seed):
    """Cells and options removed at the root are used by no plan cheaper than the incumbent: the optimum survives."""
    instance = small(seed, 5, 2, families=True, per_request=4)
    structure, best = build(instance), solve_nlip(instance)
    root = dual.solve(structure)
    search = branch.Search(instance, structure, np.full(instance.sizes[3], -1), best.objective + 0.25)
    node, kept, _ = branch.tighten(search, root, dual.free(structure.cells))
    chosen = np.array(best.decisions["option"])
    chosen = chosen[chosen >= 0]
    needed = chosen[np.isin(chosen, structure.option)]
    assert set(needed.tolist()) <= set(structure.option[kept].tolist())
    assert (node.state <= 1).all()
