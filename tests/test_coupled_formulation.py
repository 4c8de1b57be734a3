"""The coupled ILP, its relaxations, the enumerated NLIP and lossless compression agree."""

import itertools

import numpy as np
import pytest
from coupled_strategies import instances, replaced, small
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import residual

from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.check import REMOTE, assess
from mecpfm.coupled.formulation import choice_of, linear_model, solve_ilp, solve_lp
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.methods import solve
from mecpfm.coupled.presolve import presolve
from mecpfm.errors import LimitError
from mecpfm.solvers import highs

any_instance = st.booleans().flatmap(lambda families: instances(families=families))


def best_of_all(instance: Instance) -> float:
    """Least objective the checker gives any feasible decision, tried one by one."""
    first = instance.first_option.tolist()
    options = [[REMOTE, *range(low, high)] for low, high in itertools.pairwise(first)]
    plans = (assess(instance, "try", np.array(choice)) for choice in itertools.product(*options))
    return min(plan.objective for plan in plans if plan.feasible)


@given(any_instance)
def test_nlip_ilp_and_brute_force_agree(instance: Instance) -> None:
    """NLIP by products = ILP by HiGHS, with and without the cut = the best decision under the checker."""
    expected = best_of_all(instance)
    nlip = solve_nlip(instance)
    assert nlip.feasible
    assert nlip.objective == pytest.approx(expected, abs=1e-9)
    for cut in (False, True):
        plan = solve_ilp(instance, cut=cut, solver="highs")
        assert plan.feasible, plan.violations
        assert plan.objective == pytest.approx(expected, abs=1e-6)
        assert plan.bound == pytest.approx(expected, abs=1e-6)


UNITS = st.sampled_from((1e-7, 1e-3, 0.1, 1.0, 1e3))


@given(any_instance, UNITS, UNITS, UNITS)
def test_units_do_not_matter(instance: Instance, delay: float, size: float, compute: float) -> None:
    """In other units of delay, size and compute, with sums that round, all exact methods find the same plan's cost."""
    assume(1e-8 <= delay / size <= 1e8)
    other = replaced(
        instance,
        blocks={"size_gb": instance.blocks.size_gb * size},
        cloudlets={
            "memory_gb": instance.cloudlets.memory_gb * size,
            "compute_s": instance.cloudlets.compute_s * compute,
            "pull_s_per_gb": instance.cloudlets.pull_s_per_gb * delay / size,
        },
        requests={"remote_delay_s": instance.requests.remote_delay_s * delay},
        options={
            "delay_s": instance.options.delay_s * delay,
            "compute_s": instance.options.compute_s * compute,
        },
    )
    expected = solve_nlip(instance).objective * delay
    for method in ("nlip", "ilp", "branch"):
        plan = solve(other, method, solver="highs", **({"iterations": 0} if method == "branch" else {}))
        assert plan.feasible, (method, plan.violations)
        assert plan.objective == pytest.approx(expected, rel=1e-6), method
        assert plan.bound <= expected * (1 + 1e-6), method


@given(any_instance)
@settings(max_examples=40)
def test_relaxations_are_ordered_and_recomputed(instance: Instance) -> None:
    """LP <= LP with cut <= ILP, and the checker recomputes either LP value from the fractions alone."""
    values = []
    for cut in (False, True):
        plan, x = solve_lp(instance, cut=cut, solver="highs")
        assert plan.feasible, plan.violations
        assert plan.objective == pytest.approx(plan.bound, abs=1e-6)
        assert ((x > -1e-9) & (x < 1 + 1e-9)).all()
        values.append(plan.objective)
    assert values[0] <= values[1] + 1e-7
    assert values[1] <= solve_nlip(instance).objective + 1e-7


@given(any_instance)
def test_compression_is_lossless(instance: Instance) -> None:
    """The compressed instance has the same optimum, and its decision costs no more in the original one."""
    small_one = presolve(instance)
    optimum = solve_nlip(instance).objective
    plan = solve_nlip(small_one.instance)
    assert plan.objective == pytest.approx(optimum, abs=1e-9)
    back = assess(instance, "back", small_one.expand(np.array(plan.decisions["option"])))
    assert back.feasible
    assert back.objective == pytest.approx(optimum, abs=1e-9)


@given(any_instance)
@settings(max_examples=30)
def test_nothing_is_left_to_compress(instance: Instance) -> None:
    """Compressing twice removes nothing more, and no two blocks of the result belong to the same models and caches."""
    once = presolve(instance).instance
    twice = presolve(once).instance
    assert len(twice.options.request) == len(once.options.request)
    assert twice.sizes == once.sizes


def test_compression_keeps_one_of_each_kind() -> None:
    """Of identical options the first stays, a larger model of equal speed goes, as does one slower than remote."""
    instance = Instance(
        blocks={"size_gb": [1.0, 2.0, 3.0, 1.0]},
        models={"blocks": [[0, 1], [0, 1, 2], [3]]},
        cloudlets={"memory_gb": [9.0], "compute_s": [9.0], "pull_s_per_gb": [0.0], "cached": [[0, 1]]},
        requests={"remote_delay_s": [5.0], "remote_accuracy": [1.0]},
        options={
            "request": [0, 0, 0, 0, 0],
            "model": [1, 0, 0, 2, 2],
            "cloudlet": [0] * 5,
            "delay_s": [1.0, 1.0, 1.0, 0.5, 5.0],
            "compute_s": [1.0, 1.0, 1.0, 2.0, 0.0],
            "accuracy": [0.5] * 5,
        },
    )
    result = presolve(instance)
    assert result.option.tolist() == [1, 3]
    assert sorted(result.instance.blocks.size_gb.tolist()) == [1, 3, 3]
    assert [len(row) for row in result.instance.models.blocks] == [1, 2, 1]
    assert result.instance.cached.sum() == 1


def test_cut_lifts_a_half_open_block() -> None:
    """One cloudlet with compute for one of two requests: the LP opens half a block, the cut opens it whole."""
    instance = replaced(
        two_requests(),
        cloudlets={"compute_s": [1.0]},
    )
    assert solve_lp(instance, solver="highs")[0].objective == pytest.approx(10 + 1)
    assert solve_lp(instance, cut=True, solver="highs")[0].objective == pytest.approx(10 + 2)
    assert solve_ilp(instance, solver="highs").objective == pytest.approx(12)


def two_requests() -> Instance:
    """Two requests, one cloudlet, one model of one block that takes 2 s to pull; remote costs 10 s, the edge none."""
    return Instance(
        blocks={"size_gb": [2.0]},
        models={"blocks": [[0]]},
        cloudlets={"memory_gb": [2.0], "compute_s": [2.0], "pull_s_per_gb": [1.0], "cached": [[]]},
        requests={"remote_delay_s": [10.0, 10.0], "remote_accuracy": [1.0, 1.0]},
        options={
            "request": [0, 1],
            "model": [0, 0],
            "cloudlet": [0, 0],
            "delay_s": [0.0, 0.0],
            "compute_s": [1.0, 1.0],
            "accuracy": [1.0, 1.0],
        },
    )


def test_cached_blocks_cost_memory_but_no_pull() -> None:
    """A block cached at the cloudlet is free to open; without memory for the whole model all stays remote."""
    cached = replaced(two_requests(), cloudlets={"cached": [[0]]})
    assert solve_ilp(cached, solver="highs").objective == 0
    two_blocks = replaced(cached, blocks={"size_gb": [2.0, 1.0]}, models={"blocks": [[0, 1]]})
    assert solve_ilp(two_blocks, solver="highs").objective == 20


def test_linking_rows_are_one_a_request_and_pair() -> None:
    """Two options of a request that share a block at a cloudlet share the linking row."""
    instance = replaced(
        two_requests(),
        blocks={"size_gb": [2.0, 0.0, 0.0]},
        models={"blocks": [[0, 1], [0, 2]]},
        options={"request": [0, 0], "model": [0, 1]},
    )
    model = linear_model(instance)
    assert model.shape == (2 + 1 + 1 + 3, 2 + 2 + 3)


def test_gurobi_agrees_within_its_licence() -> None:
    """Gurobi finds the same optimum where it is licensed for the size."""
    gurobi = pytest.importorskip("mecpfm.solvers.gurobi")
    instance = small(3, 4, 2, families=True)
    if reason := gurobi.refusal(linear_model(instance)):
        pytest.skip(reason)
    assert solve_ilp(instance, solver="gurobi").objective == pytest.approx(solve_nlip(instance).objective, abs=1e-6)


@pytest.mark.parametrize("requests", [60, 1000])
def test_enumeration_states_its_limit(requests: int) -> None:
    """An instance with too many decisions is refused by number, also where no float holds it."""
    with pytest.raises(LimitError, match=r"enumeration takes 1000000 decisions; this instance has 10\^\d+"):
        solve_nlip(small(1, requests, 2, families=True))


def test_solution_of_the_model_is_feasible_for_its_rows() -> None:
    """The LinearModel's own residual of HiGHS's optimum is zero, and decoding gives every request one entry."""
    instance = small(5, 4, 2, families=False)
    model = linear_model(instance, cut=True)
    found = highs.solve(model)
    assert found.x is not None
    assert residual(model, found.x) < 1e-6
    assert choice_of(instance, found.x).shape == (instance.sizes[3],)
