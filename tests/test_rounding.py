"""Randomized rounding: its kernels, and the statements of theorems T4 and T5 by enumeration of every draw."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import partition, tiny, tiny_instances, with_requests

from mecpfm.errors import InfeasibleError
from mecpfm.kernels import rounding
from mecpfm.published.check import assess
from mecpfm.published.exact import solve_exact
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.instance import Instance
from mecpfm.published.relaxation import Relaxation, relax
from mecpfm.published.rounding import cumulative, round_options, solve_appro

pytestmark = pytest.mark.kernels

SEEDS = st.integers(0, 2**32 - 1)


def fractions(random, requests, models):
    """Random rows that sum to 1, many entries zero."""
    x = random.uniform(0, 1, (requests, models)) * (random.random((requests, models)) < 0.7)
    x[:, random.integers(models)] += 0.1
    return x / x.sum(axis=1, keepdims=True)


def every_draw(seed):
    """Probability and sums (B, S, P) of every rounding of random fractions; and what the LP sees of them."""
    random = np.random.default_rng(seed)
    requests, models = random.integers(1, 6), random.integers(1, 4)
    x = fractions(random, requests, models)
    tables = random.exponential(10, (3, requests, models))
    picked = np.array(list(itertools.product(range(models), repeat=requests)))
    rows = np.arange(requests)
    sums = [table[rows, picked].sum(axis=1) for table in tables]
    return x[rows, picked].prod(axis=1), sums, [(x * table).sum() for table in tables], (x, tables)


@given(SEEDS)
def test_linear_terms_keep_their_value_and_the_larger_sum_at_most_doubles(seed):
    """T4: E[B] is the LP's, and E[max(S, P)] <= min(2 Pi, Pi + sd(S - P) / 2), over all draws of any fractions."""
    chance, (b, s, p), (linear, shared, private), _ = every_draw(seed)
    pull = max(shared, private)
    assert chance.sum() == pytest.approx(1)
    assert chance @ b == pytest.approx(linear)
    larger = chance @ np.maximum(s, p)
    spread = np.sqrt(chance @ (s - p - (shared - private)) ** 2)
    assert larger >= pull - 1e-9
    assert larger <= min(2 * pull, pull + spread / 2) + 1e-9


@given(SEEDS, st.floats(0, 40))
def test_tail_is_below_hoeffding(seed, excess):
    """T4: max(S, P) exceeds Pi by t with probability at most the sum of both parts' Hoeffding bounds."""
    chance, (_, s, p), (_, shared, private), (x, tables) = every_draw(seed)
    above = chance[np.maximum(s, p) >= max(shared, private) + excess].sum()
    bound = 0.0
    for table in tables[1:]:
        support = np.where(x > 0, table, np.nan)
        spread = ((np.nanmax(support, axis=1) - np.nanmin(support, axis=1)) ** 2).sum()
        bound += np.exp(-2 * excess**2 / spread) if spread else float(excess <= 1e-9)
    assert above <= bound + 1e-9


@given(SEEDS, st.floats(0.01, 3), st.integers(1, 8))
def test_best_of_r_misses_with_geometric_probability(seed, eps, draws):
    """T4: all of r draws exceed (1 + eps) times the mean with probability at most (1 + eps)^-r."""
    chance, (b, s, p), _, _ = every_draw(seed)
    value = b + np.maximum(s, p)
    above = chance[value >= (1 + eps) * (chance @ value)].sum()
    assert above**draws <= (1 + eps) ** -draws + 1e-12


@pytest.mark.parametrize("requests", [10, 40, 160, 640])
def test_ratio_tends_to_one(requests):
    """T4: on released instances ILP and Appro lie within max |d| / 4 of the LP, so the ratio falls like 1 / J."""
    instance = generate(Recipe(cloudlets=50, models=20, families=4, requests=requests, cost_budget=1e7), 1)
    relaxed, exact = relax(instance), solve_exact(instance)
    tables = relaxed.options
    change = np.where(tables.allowed, tables.shared_pull - tables.private_pull, np.nan)
    most = (np.nanmax(change, axis=1) - np.nanmin(change, axis=1)).max()
    draws = round_options(instance, relaxed, np.random.default_rng(0).random((200, requests)))
    assert relaxed.value <= exact.objective <= draws.objective.min() * (1 + 1e-12)
    assert draws.objective.min() <= draws.objective.mean() <= relaxed.value + most / 4 + 4 * draws.objective.std() / 14
    assert exact.objective - relaxed.value <= most / 4


def test_rounding_of_spread_fractions_concentrates():
    """T4: with every request fractional the mean ratio falls like 1 / sqrt(J), and stays below the bound."""
    ratios = []
    for requests in (25, 400):
        random = np.random.default_rng(requests)
        tables = random.uniform(1, 3, (3, requests, 4))
        x = fractions(random, requests, 4)
        caps = np.full((requests, 4), np.inf)
        found = rounding.outcomes(cumulative(x), *tables, caps, random.random((2000, requests)))
        linear, *parts = [(x * table).sum() for table in tables]
        mean = found[:, 0] + np.maximum(found[:, 1], found[:, 2])
        deviation = np.sqrt(
            (x * (tables[1] - tables[2]) ** 2).sum() - ((x * (tables[1] - tables[2])).sum(1) ** 2).sum()
        )
        assert mean.mean() <= linear + max(parts) + deviation / 2
        ratios.append(mean.mean() / (linear + max(parts)) - 1)
    assert 0 < ratios[1] < ratios[0] / 2


@given(SEEDS)
def test_draws_follow_the_fractions(seed):
    """On an even grid of uniforms every option is drawn in its share of the cases, and never at weight zero."""
    random = np.random.default_rng(seed)
    x = fractions(random, 3, 5)
    grid = (np.arange(400) + 0.5) / 400
    drawn = np.array([rounding.pick(cumulative(x), np.full(3, u)) for u in grid])
    share = (drawn[:, :, None] == np.arange(5)).mean(axis=0)
    assert share == pytest.approx(x, abs=1 / 400)
    assert not share[x == 0].any()


@given(SEEDS)
def test_outcomes_equal_a_plain_twin(seed):
    """The kernel's sums and least caps are those of NumPy's search in the cumulative distribution, draw by draw."""
    random = np.random.default_rng(seed)
    x = fractions(random, 4, 3)
    tables, uniforms = random.uniform(0, 5, (4, 4, 3)), random.random((6, 4))
    found = rounding.outcomes(cumulative(x), *tables, uniforms)
    rows = cumulative(x)
    assert found.shape == (6, 4)
    for row, uniform in zip(found, uniforms, strict=True):
        at = np.arange(4), [int(np.searchsorted(rows[j], uniform[j], side="right")) for j in range(4)]
        assert np.array_equal(rounding.pick(rows, uniform), at[1])
        assert row[:3] == pytest.approx([table[at].sum() for table in tables[:3]])
        assert row[3] == tables[3][at].min()


def test_extreme_uniforms_stay_inside_the_support():
    """Uniforms at both ends of [0, 1) never draw an option of weight zero, whatever rounding does to the sums."""
    x = np.array([[0.0, 0.1, 0.2, 0.7, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]]) / 3
    ends = np.array([0.0, np.nextafter(1, 0)])
    assert [rounding.pick(cumulative(x), np.full(2, u)).tolist() for u in ends] == [[1, 2], [3, 2]]
    assert rounding.place(np.array([0.25, 0.5]), 0.75) == 1


def test_sources_are_drawn_in_proportion():
    """Given its model, a request pulls a part from location l with probability y_jkl / x_jk."""
    random = np.random.default_rng(3)
    y = random.uniform(0, 1, (2, 3, 4))
    choice = np.array([2, 0])
    grid = (np.arange(1000) + 0.5) / 1000
    drawn = np.array([rounding.pick(cumulative(y[np.arange(2), choice]), np.full(2, u)) for u in grid])
    x = y.sum(axis=2)
    for j in range(2):
        share = np.bincount(drawn[:, j], minlength=4) / 1000
        assert share == pytest.approx(y[j, choice[j]] / x[j, choice[j]], abs=1 / 1000)
    delay = random.uniform(1, 9, 4)
    assert delay.min() <= delay[drawn].mean()


@given(tiny_instances())
def test_every_draw_keeps_capacity_and_accuracy(instance):
    """T5: no rounding of the strengthened LP breaks a row other than a budget, and those exactly when pull > cap."""
    try:
        relaxed = relax(instance)
    except InfeasibleError:
        return
    spread = np.where(relaxed.options.allowed, 1.0, 0.0)
    spread = Relaxation(spread / spread.sum(axis=1, keepdims=True), relaxed.value, relaxed.options)
    for one in (relaxed, spread):
        uniforms = np.random.default_rng(0).random((5, len(one.x)))
        draws = round_options(instance, one, uniforms)
        for i, uniform in enumerate(uniforms):
            plan = assess(instance, "draw", rounding.pick(cumulative(one.x), uniform))
            assert all("budget" in finding for finding in plan.violations)
            assert plan.objective == pytest.approx(draws.objective[i])
            if abs(draws.pull[i] - draws.cap[i]) > 1e-4 * draws.pull[i]:
                assert plan.feasible == (draws.pull[i] <= draws.cap[i])


@given(tiny_instances())
def test_appro_lies_between_bound_and_any_other_draw(instance):
    """Best of 64: never below the LP or the optimum when feasible, never above the best feasible draw."""
    try:
        plan = solve_appro(instance, seed=1)
        relaxed = relax(instance)
    except InfeasibleError:
        return
    draws = round_options(instance, relaxed, np.random.default_rng(1).random((64, len(relaxed.x))))
    feasible = draws.objective[draws.pull <= draws.cap]
    if feasible.size:
        assert plan.violations == ()
        assert plan.objective == pytest.approx(feasible.min())
        assert plan.objective >= solve_exact(instance).objective * (1 - 1e-9)
    assert plan.bound == relaxed.value


def test_more_draws_are_never_worse_and_seeds_repeat():
    """The first draws of a seed stay the same when more follow; one seed gives one plan."""
    instance = tiny(11, cloudlets=3, models=4, requests=6)
    objectives = [solve_appro(instance, seed=5, draws=draws).objective for draws in (1, 4, 16, 64)]
    assert objectives == sorted(objectives, reverse=True)
    assert solve_appro(instance, seed=5).decisions == solve_appro(instance, seed=5).decisions


def test_without_a_feasible_draw_the_violations_say_so():
    """Three equal parts do not split into halves: fractions keep the caps, no draw does, and rows are named."""
    instance = partition([1, 1, 1])
    assert relax(instance).value == pytest.approx(1.5)
    plan = solve_appro(instance)
    assert len(plan.violations) == 3
    assert all("budget row broken by 0.5" in finding for finding in plan.violations)


def dear_escape():
    """One request whose budget allows 1.6 s of pulling.

    Model 0 pulls 1.7 s; model 1 is at hand and takes 680 s; model 2 pulls 1.6 s and takes 41 s.
    """
    one, held = [1.0], [[1], [0], [1]]
    cloudlets = {"capacity_gb": [9.0], "processing_tflops": one, "accessing_rate": [0.0], "service_rate_hz": one}
    cloudlets |= {"arrival_rate_hz": [0.0], "transmit_power_w": one}
    cloudlets |= {key: [0.0] for key in ("peak_power_w", "idle_power_w", "leak_power_w")}
    models = {"shared_gb": [1.7, 1.0, 1.6], "private_gb": [0.0] * 3, "work_tflop": [0.0, 680.0, 41 / 1.6]}
    models |= {"family": [0, 1, 2], "shared_at": held, "private_at": held}
    requests = {"home": [0], "cost_budget": [1.6], "rate_gb_per_s": one}
    requests |= {key: [0.0] for key in ("instructions", "accuracy_requirement", "input_gb")}
    content = {"memory_per_gb": 0.0, "distance_s_per_gb": [[0.0, 1.0], [1.0, 0.0]], "cloudlets": cloudlets}
    content |= {"models": models, "requests": requests, "accuracy": [[1.0] * 3], "output_ratio": [[0.0] * 3]}
    return Instance.model_validate(content)


def test_a_binding_budget_leaves_no_ratio():
    """T4's counterexample: the optimum is 1.03 times the LP, Appro takes 16 times it or breaks the budget."""
    instance = dear_escape()
    relaxed, optimum = relax(instance), solve_exact(instance)
    assert relaxed.x == pytest.approx(np.array([[16 / 17, 1 / 17, 0]]))
    assert relaxed.value == pytest.approx(41.6) and optimum.objective == pytest.approx(42.6)
    plans = [solve_appro(instance, seed=seed) for seed in range(20)]
    assert all(plan.feasible and plan.objective > 16 * relaxed.value for plan in plans)


def test_infeasible_budgets_are_named():
    """Options whose own cost breaks the budget are no options; a request without any is named."""
    instance = tiny(3)
    with pytest.raises(InfeasibleError, match="request 1: no usable model costs at most"):
        solve_appro(with_requests(instance, cost_budget=np.array([1e6, 0.01, 1e6])))
