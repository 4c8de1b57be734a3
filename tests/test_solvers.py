"""The solver door: statuses, limits, licence, fall-back and the residual that trusts no status."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from strategies import needs_gurobi, residual

from mecpfm.errors import LimitError
from mecpfm.solvers import gurobi, highs, solve
from mecpfm.solvers.model import Bilinear, LinearModel


def model(cost, rows, lower, upper, *, integer=False, columns=(0.0, np.inf), bilinear=()):
    """Small model from nested lists; all columns share their bounds and integrality."""
    count = len(cost)
    return LinearModel(
        cost=np.array(cost, dtype=float),
        rows=sp.csr_array(np.array(rows, dtype=float).reshape(-1, count)),
        row_lower=np.array(lower, dtype=float),
        row_upper=np.array(upper, dtype=float),
        lower=np.full(count, columns[0]),
        upper=np.full(count, columns[1]),
        integer=np.full(count, integer),
        bilinear=list(bilinear),
    )


def knapsack(items, seed, columns=(0.0, 1.0)):
    """Minimise minus the value of items under two weight limits; integer."""
    random = np.random.default_rng(seed)
    weights = random.integers(5, 60, (2, items))
    limits = weights.sum(axis=1) // 2
    return model(-random.integers(5, 60, items), weights, [-np.inf] * 2, limits, integer=True, columns=columns)


def best_by_enumeration(problem):
    """Least cost over all 0/1 points that keep every row."""
    points = (np.arange(2 ** len(problem.cost))[:, None] >> np.arange(len(problem.cost))) & 1
    kept = (problem.rows @ points.T <= problem.row_upper[:, None]).all(axis=0)
    return (points[kept] @ problem.cost).min()


each_solver = pytest.mark.parametrize("solver", ["highs", pytest.param("gurobi", marks=needs_gurobi)])


@each_solver
@given(seed=st.integers(0, 10_000))
def test_integer_optimum_is_the_enumerated_one(solver, seed):
    """Optimum, bound and residual of a random knapsack agree with trying every point."""
    problem = knapsack(8, seed)
    found = solve(problem, solver)
    assert found.status == "optimal"
    assert found.objective == pytest.approx(best_by_enumeration(problem))
    assert found.bound == pytest.approx(found.objective)
    assert residual(problem, found.x) <= 1e-6


@each_solver
def test_rows_of_every_kind(solver):
    """Equalities, ranges, one-sided and free rows are all kept at the optimum x = (1, 3)."""
    problem = model([1, 2], [[1, 1], [1, 0], [0, 1], [1, -1]], [4, 0, 3, -np.inf], [4, 2, np.inf, np.inf])
    found = solve(problem, solver)
    assert found.x == pytest.approx([1, 3])
    assert found.objective == found.bound == pytest.approx(7)


@each_solver
@pytest.mark.parametrize("integer", [False, True])
def test_infeasible_models_have_no_solution(solver, integer):
    """Contradictory rows give status infeasible and no x."""
    found = solve(model([1.0], [[1.0], [1.0]], [2, -np.inf], [np.inf, 1], integer=integer), solver)
    assert found.status == "infeasible"
    assert found.x is None
    assert np.isnan(found.objective)


@each_solver
def test_unbounded_models_are_never_called_optimal(solver):
    """A model without a finite optimum is reported unbounded (or not told apart from infeasible)."""
    found = solve(model([-1.0, 0.0], [[1.0, -1.0]], [-np.inf], [1]), solver)
    assert found.status in ("unbounded", "infeasible")
    assert found.status == "unbounded" or solver == "gurobi"


@each_solver
def test_time_limit_without_an_incumbent_is_unknown_or_feasible(solver):
    """Stopped at once, a hard model is never called optimal, and what it returns keeps its rows."""
    random = np.random.default_rng(1)
    rows = random.integers(1, 100, (20, 60))
    sides = rows.sum(axis=1) // 2
    problem = model(random.integers(1, 50, 60), rows, sides, sides, integer=True, columns=(0, 1))
    found = solve(problem, solver, time_limit=0.0)
    assert found.status in ("unknown", "feasible")
    assert found.x is None or residual(problem, found.x) <= 1e-6


def test_node_limit_stops_with_bound_below_incumbent():
    """After one node HiGHS reports an incumbent as feasible, and its bound is on the right side."""
    problem = knapsack(30, 0, columns=(0.0, 3.0))
    stopped = highs.solve(problem, mip_max_nodes=1, mip_heuristic_effort=0.1)
    optimal = highs.solve(problem)
    assert stopped.status == "feasible"
    assert stopped.bound < optimal.objective <= stopped.objective + 1e-6
    assert residual(problem, stopped.x) <= 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_highs_repeats_itself(seed):
    """The same model and seed give the same solution bit by bit."""
    one, other = (highs.solve(knapsack(25, seed), seed=7) for _ in range(2))
    assert np.array_equal(one.x, other.x)
    assert one.bound == other.bound


def test_unknown_highs_options_are_refused():
    """A misspelt option is an error, not a silent default."""
    with pytest.raises(ValueError, match="no_such_option"):
        highs.solve(knapsack(3, 0), no_such_option=1)


def test_numbers_too_large_for_highs_are_a_limit():
    """HiGHS takes no coefficient of 1e15 and above: a LimitError says so."""
    with pytest.raises(LimitError, match="too large"):
        highs.solve(model([1.0], [[1e16]], [1.0], [np.inf]))


@each_solver
@pytest.mark.parametrize("unit", [1e-9, 1e-3])
def test_small_costs_are_not_lost_in_tolerances(solver, unit):
    """Costs far below the solvers' absolute tolerances give the same optimum, bound and duals in their unit."""
    large = knapsack(8, 3)
    small = replace(large, cost=large.cost * unit)
    one, other = solve(large, solver), solve(small, solver)
    assert np.array_equal(one.x.round(), other.x.round())
    assert (other.objective, other.bound) == pytest.approx((one.objective * unit, one.bound * unit), rel=1e-9)
    relaxed = [highs.solve(of.relaxed()) for of in (large, small)]
    np.testing.assert_allclose(relaxed[1].duals, relaxed[0].duals * unit, rtol=1e-6, atol=1e-9 * unit)


def test_duals_price_the_rows():
    """Row duals have the sign of d(objective)/d(row side), and strong duality holds."""
    problem = model([2, 3], [[1, 1], [1, 0]], [4, -np.inf], [np.inf, 1])
    found = highs.solve(problem)
    assert found.duals == pytest.approx([3, -1])
    assert found.duals @ [4, 1] == pytest.approx(found.objective)
    nudged = highs.solve(model([2, 3], [[1, 1], [1, 0]], [4.5, -np.inf], [np.inf, 1]))
    assert nudged.objective - found.objective == pytest.approx(0.5 * found.duals[0])


def test_residual_measures_the_largest_violation():
    """Rows, column bounds, integrality and products are each measured in their own unit."""
    product = Bilinear(np.array([0]), np.array([1]), np.array([2.0]), np.array([0.0, -1.0]), 1.0)
    problem = model([1, 1], [[1, 1]], [1], [3], integer=True, columns=(0, 5), bilinear=[product])
    assert residual(problem, np.array([0.0, 1.0])) == 0
    assert residual(problem, np.array([0.0, 0.0])) == pytest.approx(1)  # row below its lower side
    assert residual(problem, np.array([-0.75, 2.0])) == pytest.approx(0.75)  # column bound
    assert residual(problem, np.array([0.5, 1.0])) == pytest.approx(0.5)  # integrality
    assert residual(problem, np.array([2.0, 1.0])) == pytest.approx(2 * 2 * 1 - 1 - 1)  # product
    assert residual(problem.relaxed(), np.array([0.25, 1.0])) == 0


@needs_gurobi
def test_gurobi_keeps_bilinear_rows():
    """Minimising -x - y with x y <= 0.5 and x, y in {0, 1, 2} attains 2 by (0, 2) or (2, 0)."""
    product = Bilinear(np.array([0]), np.array([1]), np.array([1.0]), np.zeros(2), 0.5)
    problem = model([-1, -1], np.zeros((0, 2)), [], [], integer=True, columns=(0, 2), bilinear=[product])
    found = solve(problem)
    assert found.objective == pytest.approx(-2)
    assert residual(problem, found.x) <= 1e-6


def wide(columns, rows=1, bilinear=()):
    """A model of the given size with minimum zero."""
    unlimited = np.full(rows, np.inf)
    return model(np.ones(columns), np.ones((rows, columns)), np.zeros(rows), unlimited, bilinear=bilinear)


def test_licence_limits_are_known_before_the_solve(restricted):
    """The restricted licence takes 2,000 columns and 2,000 rows, 200 columns with a product; one more is refused."""
    product = Bilinear(np.array([0]), np.array([1]), np.array([1.0]), np.zeros(1), 1.0)
    assert gurobi.refusal(wide(2000)) is None
    assert gurobi.refusal(wide(1, rows=2000)) is None
    assert gurobi.refusal(wide(200, bilinear=[product])) is None
    assert "this model has 2001 and 1" in gurobi.refusal(wide(2001))
    assert "this model has 1 and 2001" in gurobi.refusal(wide(1, rows=2001))
    assert "this model has 201 and 1" in gurobi.refusal(wide(201, bilinear=[product]))


def test_rows_with_two_sides_count_twice(restricted):
    """Gurobi gets a range as two rows, so 1,001 ranges are beyond 2,000 rows."""
    ranges = model([1.0], np.ones((1001, 1)), np.zeros(1001), np.ones(1001))
    assert "this model has 1 and 2002" in gurobi.refusal(ranges)


@needs_gurobi
@pytest.mark.skipif(gurobi.licence() == "full", reason="a full licence has no limit")
def test_stated_limits_are_the_licence_s_own():
    """Gurobi takes a model at the stated limits and refuses, with error 10010, one column or row more."""
    import gurobipy

    assert gurobi.solve(wide(gurobi.MAX_COLUMNS)).status == "optimal"
    assert gurobi.solve(wide(1, rows=gurobi.MAX_ROWS)).status == "optimal"
    for beyond in (wide(gurobi.MAX_COLUMNS + 1), wide(1, rows=gurobi.MAX_ROWS + 1)):
        with pytest.raises(gurobipy.GurobiError) as error:
            gurobi.solve(beyond)
        assert error.value.errno == gurobi.SIZE_LIMIT_ERROR


def test_auto_falls_back_and_says_so_in_one_line(restricted, caplog):
    """Above the limit ``auto`` uses HiGHS and logs one line; a named Gurobi is a LimitError instead."""
    with caplog.at_level(logging.INFO, "mecpfm"):
        found = solve(wide(2001))
    assert "highs" in found.solver
    assert len(caplog.records) == 1
    assert caplog.records[0].message.endswith("this model has 2001 and 1; using HiGHS")
    with pytest.raises(LimitError, match="restricted licence"):
        solve(wide(2001), "gurobi")


def test_without_gurobi_everything_linear_still_solves(monkeypatch, caplog):
    """A missing or expired Gurobi is a reason, not a crash; only products need it."""
    monkeypatch.setattr(gurobi, "licence", lambda: "Gurobi is not installed")
    with caplog.at_level(logging.INFO, "mecpfm"):
        assert solve(wide(3)).status == "optimal"
    assert caplog.messages == ["Gurobi is not installed; using HiGHS"]
    product = Bilinear(np.array([0]), np.array([1]), np.array([1.0]), np.zeros(3), 1.0)
    with pytest.raises(LimitError, match="Gurobi is not installed"):
        solve(wide(3, bilinear=[product]))


def test_highs_refuses_products():
    """Naming HiGHS for bilinear rows is a LimitError that points to the equivalent ILP."""
    product = Bilinear(np.array([0]), np.array([1]), np.array([1.0]), np.zeros(3), 1.0)
    with pytest.raises(LimitError, match="ILP"):
        solve(wide(3, bilinear=[product]), "highs")


@needs_gurobi
def test_solving_prints_nothing(capfd):
    """Neither solver writes a banner or log into a notebook's output."""
    for solver in ("gurobi", "highs"):
        solve(knapsack(10, 1), solver)
    assert capfd.readouterr() == ("", "")


def test_export_without_names(tmp_path):
    """A model without names is written too, and a folder that does not exist is an OSError."""
    highs.write_mps(knapsack(4, 0), tmp_path / "a.mps")
    assert (tmp_path / "a.mps").read_text().startswith("NAME")
    with pytest.raises(OSError, match="cannot be written"):
        highs.write_mps(knapsack(4, 0), tmp_path / "none" / "a.mps")
