"""The transformation claim, machine-checked: NLIP = ILP = enumeration, and LP below them."""

import itertools
import logging

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import BUDGETS, needs_gurobi, tiny, tiny_instances, with_requests

from mecpfm import solvers
from mecpfm.errors import InfeasibleError, LimitError
from mecpfm.published.brute_force import solve_brute_force
from mecpfm.published.check import assess
from mecpfm.published.formulation import compact_lp, decode, ilp, nlip, solve_ilp, solve_lp, solve_nlip
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.options import tabulate
from mecpfm.solvers import gurobi, highs


def outcome(method, instance, **options):
    """Objective, or infinity where no choice keeps all rows; a plan that breaks a row is a failure."""
    try:
        plan = method(instance, **options)
    except InfeasibleError:
        return np.inf
    assert plan.violations == ()
    assert plan.objective == pytest.approx(plan.bound, rel=1e-6)
    return plan.objective


@given(tiny_instances())
def test_column_and_row_counts_follow_the_formula(instance):
    """The ILP has JK + 2J(sum of holders) + 1 columns and 2 + 4J + 2JK + 2J(sum) rows; the NLIP drops z."""
    instance = with_stable_queues(instance)
    _, k, j = instance.sizes
    holders = len(instance.models.shared_at.indices) + len(instance.models.private_at.indices)
    assert ilp(instance).shape == (2 + 4 * j + 2 * j * k + 2 * j * holders, j * k + 2 * j * holders + 1)
    assert nlip(instance).shape == (4 * j + 2 * j * k, j * k + j * holders + 1)
    assert len(nlip(instance).bilinear) == 2
    assert compact_lp(instance, tabulate(instance)).shape == (2 + 2 * j, j * k + 1)
    assert compact_lp(instance, tabulate(instance), allowed_only=False).shape == (2 + 4 * j, j * k + 1)


def with_stable_queues(instance):
    quiet = instance.cloudlets.model_copy(update={"arrival_rate_hz": instance.cloudlets.service_rate_hz / 2})
    return instance.model_copy(update={"cloudlets": quiet})


def test_product_rows_are_the_published_ones():
    """Each z has the row z >= x + y - 1 of its own x and y, by name, though z >= y makes it redundant."""
    model = ilp(tiny(3))
    columns, rows = model.names()
    place = {name: i for i, name in enumerate(columns)}
    products = [i for i, name in enumerate(rows) if name.startswith("product_")]
    assert len(products) == sum(name.startswith("z") for name in columns)
    for i, z in zip(products, (name for name in columns if name.startswith("z")), strict=True):
        j, k = z.split("_")[1:3]
        row = model.rows[[i]].toarray().ravel()
        assert (row[place[f"x_{j}_{k}"]], row[place["y" + z[1:]]], row[place[z]]) == (-1, -1, 1)
        assert np.count_nonzero(row) == 3
        assert model.row_lower[i] == -1


@needs_gurobi
def test_nlip_ilp_and_enumeration_agree():
    """On 300 random tiny instances all three have the same optimum, or all three are infeasible."""
    optima = {budget: [] for budget in BUDGETS}
    for seed in range(300):
        budget = BUDGETS[(seed % 10) // 4]  # four slack, four binding, two hopeless in ten
        instance = tiny(seed, requests=1 + seed % 4, models=1 + seed % 3, budget=budget)
        optimum = outcome(solve_brute_force, instance)
        assert outcome(solve_ilp, instance, solver="gurobi") == pytest.approx(optimum, rel=1e-6), seed
        assert outcome(solve_nlip, instance, solver="gurobi") == pytest.approx(optimum, rel=1e-6), seed
        optima[budget].append(optimum)
    feasible = {budget: np.isfinite(values).mean() for budget, values in optima.items()}
    assert feasible["slack"] > 0.5
    assert 0.2 < feasible["binding"] < feasible["slack"]
    assert feasible["hopeless"] == 0


@given(tiny_instances())
@settings(max_examples=40)
def test_highs_finds_the_enumerated_optimum(instance):
    """HiGHS on the ILP agrees with enumeration, on feasible and infeasible instances."""
    assert outcome(solve_ilp, instance, solver="highs") == pytest.approx(outcome(solve_brute_force, instance), rel=1e-6)


def test_binding_budgets_cost_delay():
    """Some budget rows cut off the quickest choice: the network-wide pulling delay in them has an effect."""
    raised = 0
    for seed in range(60):
        tight = tiny(seed, budget="binding")
        slack = with_requests(tight, cost_budget=np.full(3, 1e6))
        with_budget, without = outcome(solve_brute_force, tight), outcome(solve_brute_force, slack)
        assert with_budget >= without
        raised += np.isfinite(with_budget) and with_budget > without * (1 + 1e-6)
    assert raised >= 5


@pytest.mark.parametrize("seed", range(12))
def test_nearest_sources_are_optimal(seed):
    """Enumerating every source of both parts as well finds nothing better than the nearest holders."""
    instance = tiny(seed, cloudlets=3, models=2, requests=2, budget=("slack", "binding")[seed % 2])
    ways = [
        (k, s, p)
        for k in range(2)
        for s in instance.models.shared_at[k].tolist()
        for p in instance.models.private_at[k].tolist()
    ]
    best = np.inf
    for choice in itertools.product(ways, repeat=2):
        model, shared, private = np.array(choice).T
        plan = assess(instance, "any", model, sources=(shared, private))
        best = min(best, plan.objective if plan.feasible else np.inf)
    assert outcome(solve_brute_force, instance) == pytest.approx(best, rel=1e-9)


@given(tiny_instances())
@settings(max_examples=40)
def test_relaxations_bound_the_ilp_from_below(instance):
    """LP <= strengthened LP <= ILP, and the source-free LP has the same optimum as the LP."""
    optimum = outcome(solve_brute_force, instance)
    if not np.isfinite(optimum):
        return
    plain = solve_lp(instance, solver="highs")
    options = tabulate(instance)
    compact = solvers.solve(compact_lp(instance, options, allowed_only=False), "highs").objective
    strengthened = solvers.solve(compact_lp(instance, options), "highs").objective
    assert plain.violations == ()
    assert plain.objective == pytest.approx(plain.bound, rel=1e-6)
    assert compact == pytest.approx(plain.bound, rel=1e-6)
    assert compact <= strengthened * (1 + 1e-6)
    assert strengthened <= optimum * (1 + 1e-6)


@needs_gurobi
def test_gurobi_and_highs_agree_on_a_generated_instance():
    """Both solvers give the same LP and ILP optimum, and the checker confirms every row."""
    instance = generate(Recipe(cloudlets=20, models=5, requests=12), seed=5)
    for method in (solve_lp, solve_ilp):
        one, other = method(instance, solver="gurobi"), method(instance, solver="highs")
        assert one.objective == pytest.approx(other.objective, rel=1e-6)
        assert one.violations == other.violations == ()
        assert "gurobi" in one.solver
        assert "highs" in other.solver


def test_decoded_sources_hold_the_parts():
    """Decoding reads from y the very sources whose pulling delay the solver paid for."""
    instance = tiny(3, cloudlets=4, models=3, requests=4)
    found = solvers.solve(ilp(instance), "highs")
    model, (shared, private) = decode(instance, found.x)
    for j, k in enumerate(model):
        assert shared[j] in instance.models.shared_at[k]
        assert private[j] in instance.models.private_at[k]
    assert assess(instance, "ilp", model, sources=(shared, private)).objective == pytest.approx(found.objective)


def test_exported_mps_has_the_same_optimum(tmp_path):
    """HiGHS reads the MPS file back with its names and finds the optimum of the arrays."""
    instance = tiny(3, models=3, requests=3)
    model = ilp(instance)
    path = tmp_path / "ilp.mps"
    highs.write_mps(model, path)
    reader = highspy.Highs()
    reader.setOptionValue("output_flag", False)
    assert reader.readModel(str(path)) == highspy.HighsStatus.kOk
    columns, rows = model.names()
    assert [reader.getColName(i)[1] for i in range(len(columns))] == columns
    assert [reader.getRowName(i)[1] for i in range(len(rows))] == rows
    reader.run()
    assert reader.getInfo().objective_function_value == pytest.approx(outcome(solve_brute_force, instance))


@pytest.mark.parametrize("method", [solve_ilp, solve_lp, solve_nlip, solve_brute_force])
def test_infeasible_instances_name_what_cannot_be_met(method):
    """Accuracy, capacity, queue and own cost are blamed on the request; otherwise the budget rows together are."""
    instance = tiny(3, cloudlets=3, models=3, requests=3)
    assert np.isfinite(outcome(solve_brute_force, instance))
    need = np.array([0.0, 1.0, 0.0])
    with pytest.raises(InfeasibleError, match=r"request 1: no model reaches accuracy 1 \(best 0\.\d+\)"):
        method(with_requests(instance, accuracy_requirement=need))
    tight = instance.cloudlets.model_copy(update={"capacity_gb": np.full(3, 0.5)})
    with pytest.raises(InfeasibleError, match=r"request 0: no accurate model fits cloudlet \d \(0\.5 GB"):
        method(instance.model_copy(update={"cloudlets": tight}))
    busy = instance.cloudlets.model_copy(update={"arrival_rate_hz": np.full(3, 2.0)})
    with pytest.raises(InfeasibleError, match=r"request 0: its home cloudlet.* receives requests faster"):
        method(instance.model_copy(update={"cloudlets": busy}))
    with pytest.raises(InfeasibleError, match=r"request 2: no usable model costs at most 0\.01 \(the cheapest, "):
        method(with_requests(instance, cost_budget=np.array([1e6, 1e6, 0.01])))
    least = np.where(tabulate(instance).allowed, tabulate(instance).own_cost, np.inf).min(axis=1)
    with pytest.raises(InfeasibleError, match="the budget rows together"):
        method(with_requests(instance, cost_budget=least * 1.0001))


def test_unstable_queues_are_refused_when_the_arrays_are_built():
    """No infinite cost ever reaches a solver."""
    instance = tiny(3)
    busy = instance.cloudlets.model_copy(update={"arrival_rate_hz": np.full(3, 2.0)})
    instance = instance.model_copy(update={"cloudlets": busy})
    for build in (ilp, nlip, lambda i: compact_lp(i, tabulate(i))):
        with pytest.raises(InfeasibleError, match="request 0"):
            build(instance)


def test_nlip_enumerates_when_the_licence_refuses(restricted, caplog):
    """Above 200 columns ``auto`` says so in one line and enumerates; a named solver does not fall back."""
    instance = generate(Recipe(cloudlets=20, models=2, families=1, requests=17, accuracy_requirement=0.0), seed=2)
    assert nlip(instance).shape[1] > gurobi.MAX_COLUMNS_BILINEAR
    with caplog.at_level(logging.INFO, "mecpfm"):
        plan = solve_nlip(instance)
    assert plan.method == "nlip"
    assert plan.objective == pytest.approx(solve_ilp(instance, solver="highs").objective)
    assert [record.message.split(";")[-1].strip() for record in caplog.records] == ["trying every choice instead"]
    for solver in ("gurobi", "highs"):
        with pytest.raises(LimitError):
            solve_nlip(instance, solver=solver)


def test_enumeration_refuses_large_instances(restricted):
    """Beyond 200,000 choices brute force is a LimitError that states the number, and so is the NLIP."""
    instance = generate(Recipe(cloudlets=20, models=10, requests=400), seed=1)
    for method in (solve_brute_force, solve_nlip):
        with pytest.raises(LimitError, match=r"brute force takes at most 200000 choices; this instance has 10\^\d+"):
            method(instance)


def test_time_limit_without_a_solution_is_a_limit_error():
    """A limit that stops the solver before its first solution is reported as such, not as infeasible."""
    with pytest.raises(LimitError, match="without a solution"):
        solve_ilp(generate(Recipe(requests=30), seed=1), solver="highs", time_limit=0.0)


def test_lp_bounds_the_ilp_on_a_generated_instance():
    """On 100 cloudlets and 20 requests the LP's fractions sum to one a request and its bound is below the ILP."""
    instance = generate(Recipe(requests=20), seed=4)
    relaxed, exact = solve_lp(instance, solver="highs"), solve_ilp(instance, solver="highs")
    assert relaxed.bound <= exact.objective * (1 + 1e-9)
    weights = np.array([entry[2] for entry in relaxed.decisions["fraction"]])
    assert weights.sum() == pytest.approx(20)
