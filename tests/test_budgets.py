"""Theorem T7: the relaxation for each distinct cap, its strict version and the reduction, by enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import linprog
from strategies import partition, tiny, tiny_instances

from mecpfm import solvers
from mecpfm.errors import InfeasibleError
from mecpfm.published.budgets import CappedTables, _reduced, least, vertex
from mecpfm.published.exact import solve_exact
from mecpfm.published.formulation import compact_lp
from mecpfm.published.instance import Instance
from mecpfm.published.relaxation import relax, strengthen
from mecpfm.published.rounding import round_options, solve_appro

pytestmark = pytest.mark.kernels

SEEDS = st.integers(0, 2**32 - 1)


def problem(seed):
    """Random tables: real or integral (many ties), caps from hopeless to slack, one cap a request or one an option."""
    random = np.random.default_rng(seed)
    requests, models = random.integers(1, 6), random.integers(1, 5)
    base, shared, private = (random.random((requests, models)) * high for high in (random.choice([5, 50]), 4, 4))
    cap = random.random((requests, models if random.random() < 0.5 else 1)) * 4.4 * requests
    cap = np.maximum(cap - random.random((requests, models)) * random.choice([0, 2]), 0)
    found = (base, shared, private, cap) if random.random() < 0.5 else map(np.rint, (base, shared, private, cap))
    return CappedTables(*found)


def plans(tables):
    """Every choice: indices (J,), value, pulling delay, least cap."""
    rows = np.arange(len(tables.base))
    for choice in itertools.product(range(tables.base.shape[1]), repeat=len(rows)):
        b, s, p = (float(table[rows, choice].sum()) for table in tables[:3])
        yield choice, b + max(s, p), max(s, p), float(tables.cap[rows, choice].min())


def optimum(tables, slack=lambda cap: 0.0):
    """Least value of a choice whose pulling delay stays below its least cap by ``slack`` of it."""
    return min((value for _, value, pull, cap in plans(tables) if pull <= cap - slack(cap)), default=math.inf)


def programme(tables, cap, room, averaged=False):
    """Value by HiGHS of the LP of one cap, or of the one whose budget rows hold on average."""
    requests, models = tables.base.shape
    each = np.kron(np.eye(requests), np.ones(models))
    rows = np.array([[*tables.shared.ravel(), -1], [*tables.private.ravel(), -1]])
    usable = np.ones(tables.cap.shape) if averaged else tables.cap >= cap
    if averaged:
        rows = np.vstack([rows, np.column_stack([-each * tables.cap.ravel(), np.ones(requests)])])
    found = linprog(
        [*tables.base.ravel(), 1], rows, np.zeros(len(rows)), np.column_stack([each, np.zeros(requests)]),
        np.ones(requests), [(0, float(one)) for one in usable.ravel()] + [(0, room)],
    )  # fmt: skip
    return found.fun if found.status == 0 else math.inf


def two_ranges(tables, cap):
    """Sum of the two largest ranges of a request's pulls among options with at least a cap."""
    kept = np.where(tables.cap >= cap, 1.0, np.nan)
    ranges = [np.nanmax(t * kept, axis=1) - np.nanmin(t * kept, axis=1) for t in tables[1:3]]
    return float(np.sort(np.maximum(*ranges))[-2:].sum())


def draws(x, tables):
    """Probability of every draw of fractions, beside what ``plans`` says of it."""
    for choice, value, pull, cap in plans(tables):
        if chance := math.prod(x[j, k] for j, k in enumerate(choice)):
            yield chance, value, pull, cap


def spread(x, tables):
    """For the fractional requests: most that draws add to the pulling delay, and the bound on their mean's excess."""
    of = [
        np.ptp(t[j][x[j] > 0])
        for t in (tables.shared, tables.private, tables.shared - tables.private)
        for j in range(len(x))
    ]
    s, p, d = np.array(of).reshape(3, -1)
    return np.maximum(s, p).sum(), math.sqrt((d**2).sum()) / 4


@given(SEEDS)
def test_the_best_cap_lies_between_the_averaged_lp_and_the_optimum(seed):
    """T7: the search finds the least LP of a cap, no lower than rows on average and no higher than any plan."""
    tables = problem(seed)
    found, value = least(tables), optimum(tables)
    each = min(programme(tables, cap, cap) for cap in np.unique(tables.cap))
    if found is None:
        assert each == value == math.inf
        return
    assert found[1] == pytest.approx(each, rel=1e-7, abs=1e-7)
    assert programme(tables, 0, None, averaged=True) - 1e-6 <= found[1] <= value + 1e-9


@given(SEEDS)
def test_at_most_two_requests_are_fractional_and_their_draws_stay_near(seed):
    """T7: every draw's excess over a cap is two requests' range at most, and the mean value's a quarter of their sd."""
    tables = problem(seed)
    if (found := least(tables)) is None:
        return
    x, value = found
    assert x.sum(axis=1) == pytest.approx(1)
    assert (x > 0).sum() <= len(x) + 2
    rest, excess = spread(x, tables)
    mean = 0.0
    for chance, cost, pull, cap in draws(x, tables):
        assert pull <= cap + rest + 1e-9
        mean += chance * cost
    assert value - 1e-9 <= mean <= value + excess + 1e-9


@example(597)  # the range of one request alone is too little slack
@given(SEEDS)
def test_every_strict_draw_keeps_every_budget(seed):
    """T7: with the slack of two ranges no draw breaks a cap; the mean is near the best plan that has this slack."""
    tables = problem(seed)
    found, value = least(tables, strict=True), optimum(tables, lambda cap: two_ranges(tables, cap))
    if found is None:
        assert value == math.inf
        return
    x, bound = found
    assert bound <= value + 1e-9
    mean = 0.0
    for chance, cost, pull, cap in draws(x, tables):
        assert pull <= cap + 1e-9
        mean += chance * cost
    assert mean <= bound + spread(x, tables)[1] + 1e-9


@given(SEEDS, st.floats(0.5, 1.1))
def test_a_vertex_has_the_dual_value_within_its_cap(seed, part):
    """The recovered fractions are a solution of the capped LP with the dual's value, also where sums tie."""
    tables = problem(seed)
    cap = part * max(tables.shared.min(axis=1).sum(), tables.private.min(axis=1).sum()) + 1
    value = programme(tables, -1, cap)
    if value == math.inf:
        return
    x = vertex(*tables[:3], cap)
    pull = max((x * tables.shared).sum(), (x * tables.private).sum())
    assert pull <= cap + 1e-7
    assert (x * tables.base).sum() + pull == pytest.approx(value, rel=1e-6, abs=1e-6)
    assert (x > 0).sum() <= len(x) + 2


@given(SEEDS)
def test_fractions_are_reduced_without_moving_a_sum(seed):
    """From any fractions: the same sums S and P, rows that sum to 1, at most two more options than requests."""
    random = np.random.default_rng(seed)
    requests, models = random.integers(1, 9), random.integers(1, 6)
    shared, private = random.integers(0, random.choice([2, 9]), (2, requests, models)).astype(float)
    x = random.random((requests, models)) * (random.random((requests, models)) < 0.7)
    x[:, 0] += 0.1
    x /= x.sum(axis=1, keepdims=True)
    found = _reduced(x, shared, private)
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found > 0).sum() <= requests + 2
    assert not found[x == 0].any()
    assert [(found * t).sum() for t in (shared, private)] == pytest.approx([(x * t).sum() for t in (shared, private)])


@given(tiny_instances())
def test_on_instances_the_bound_is_no_lower_than_rows_on_average(instance):
    """The strengthened LP whose budget rows hold on average is never above, and the optimum never below."""
    try:
        options = strengthen(instance)
    except InfeasibleError:
        return
    averaged = solvers.solve(compact_lp(instance, options), "highs")
    try:
        found = relax(instance)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            solve_exact(instance)
        return
    assert found.value >= averaged.objective * (1 - 1e-7)
    try:
        assert found.value <= solve_exact(instance).objective * (1 + 1e-9)
    except InfeasibleError:
        return


@given(st.lists(st.integers(1, 12), min_size=1, max_size=7))
def test_partition_is_a_question_of_budgets(parts):
    """T7: a plan that keeps all budgets exists exactly where the numbers split into two equal halves."""
    half = sum(parts) / 2
    splits = any(sum(some) == half for n in range(len(parts)) for some in itertools.combinations(parts, n + 1))
    if splits:
        assert solve_exact(partition(parts)).objective == pytest.approx(half)
    else:
        with pytest.raises(InfeasibleError):
            solve_exact(partition(parts))


def escape(dear, third):
    """Two requests of one budget that binds: model A is cheap, B takes ``dear`` s, and C must be pulled by one of them.

    With ``third`` the second request may take E in place of C, which just fits A's budget.
    """
    pull, slack = 9.05, 0.05
    shared = np.array([0.5, 0.5, pull, 0.5, pull - slack])
    private = np.array([0.5, 0.5, 0.0, 0.5, 0.0])
    work = np.array([0.0, dear, 0.0, 1e6, slack * dear + 1])
    at = [[0, 1], [0, 1], [1], [0, 1], [1]]
    kept, one = slice(0, 5 if third else 4), [1.0]
    cloudlets = {"capacity_gb": [10.0], "processing_tflops": one, "accessing_rate": [0.0], "service_rate_hz": one}
    cloudlets |= {"arrival_rate_hz": [0.0], "transmit_power_w": one}
    cloudlets |= {key: [0.0] for key in ("peak_power_w", "idle_power_w", "leak_power_w")}
    models = {
        "shared_gb": shared,
        "private_gb": private,
        "work_tflop": work / (shared + private),
        "family": np.arange(5),
    }
    models = {key: value[kept] for key, value in models.items()} | {"shared_at": at[kept], "private_at": at[kept]}
    requests = {"home": [0, 0], "cost_budget": [pull - slack + 2, 1e9], "rate_gb_per_s": [1.0] * 2}
    requests |= {"instructions": [0.0] * 2, "accuracy_requirement": [0.5] * 2, "input_gb": [1.0] * 2}
    accurate = np.array([[1.0, 1, 0, 0, 0], [0, 0, 1, 1, 1]])[:, kept]
    ratio = np.zeros((2, 5))
    ratio[:, 0] = 1.0
    return Instance.model_validate(
        {
            "memory_per_gb": 0.0, "distance_s_per_gb": [[0.0, 1.0], [1.0, 0.0]], "cloudlets": cloudlets,
            "models": models, "requests": requests, "accuracy": accurate, "output_ratio": ratio[:, kept],
        }
    )  # fmt: skip


@pytest.mark.parametrize(("dear", "third", "averaged", "value"), [
    (1e3, False, 62.0, 1011.05), (1e3, True, 62.0, 63.0), (1e4, True, 512.0, 513.0),
])  # fmt: skip
def test_appro_is_no_longer_led_astray_by_a_row_on_average(dear, third, averaged, value):
    """T7: rows on average promise 62 s; the best cap's LP is the optimum, and so is Appro's plan, for every seed."""
    instance = escape(dear, third)
    assert solvers.solve(compact_lp(instance, strengthen(instance)), "highs").objective == pytest.approx(averaged)
    assert solve_exact(instance).objective == pytest.approx(value)
    assert relax(instance).value == pytest.approx(value)
    for seed in range(20):
        plan = solve_appro(instance, seed=seed)
        assert plan.feasible and plan.objective == pytest.approx(value)
        assert plan.bound == pytest.approx(value)


def test_appro_takes_the_strict_relaxation_where_its_draws_break_a_budget():
    """Where the one draw breaks a row and the strict relaxation has a solution, the plan keeps all rows."""
    rescued = 0
    for seed in range(300):
        instance = tiny(seed, models=4, requests=5, budget="binding")
        try:
            relaxed, _ = relax(instance), relax(instance, strict=True)
        except InfeasibleError:
            continue
        draw = round_options(instance, relaxed, np.random.default_rng(seed).random((1, 5)))
        assert solve_appro(instance, seed=seed, draws=1).feasible
        rescued += int(draw.excess[0] > 0)
    assert rescued
