"""The one-multiplier dual and the certified optimum, against slow twins, enumeration and linear solvers."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from strategies import BUDGETS, tiny, tiny_instances, with_requests

from mecpfm import solvers
from mecpfm.errors import InfeasibleError, LimitError
from mecpfm.kernels import labels, minmax, ordering, slices
from mecpfm.published.brute_force import solve_brute_force
from mecpfm.published.exact import Limits, minimise, solve_exact
from mecpfm.published.formulation import compact_lp, solve_ilp, solve_lp
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.relaxation import balanced, caps, relax, strengthen

pytestmark = pytest.mark.kernels

SEEDS = st.integers(0, 2**32 - 1)


def tables(seed, most=5):
    """Random (J, K) tables, half of the time small integers with many ties, with some forbidden options."""
    random = np.random.default_rng(seed)
    shape = random.integers(1, most + 1, 2)
    drawn = random.uniform(0, 10, (3, *shape)) if seed % 2 else random.integers(0, 4, (3, *shape)).astype(float)
    drawn[0] *= random.choice([0, 0.3, 3])
    drawn[0, :, 1:][random.random((shape[0], shape[1] - 1)) < 0.2] = np.inf
    return tuple(drawn), random


def choices(base):
    """Every choice of allowed options, (N, J)."""
    return np.array(list(itertools.product(*[np.flatnonzero(np.isfinite(row)) for row in base])))


def values(base, shared, private):
    """Sums (B, S, P) of every choice, each (N,)."""
    picked = choices(base)
    return [table[np.arange(len(base)), picked].sum(axis=1) for table in (base, shared, private)]


def lagrangian(base, shared, private, u, weight=1.0):
    """The dual function in one line."""
    return (base + weight * (u * shared + (1 - u) * private)).min(axis=1).sum()


def dual_twin(base, shared, private, weight):
    """Largest dual value over the crossings of any two options of a request, where every kink of the dual is."""
    kinks = {0.0, 1.0}
    for j, one, other in itertools.product(range(len(base)), *[range(base.shape[1])] * 2):
        if not np.isfinite(base[j, [one, other]]).all():
            continue
        slope = weight * (shared[j, one] - private[j, one] - shared[j, other] + private[j, other])
        rise = base[j, other] + weight * private[j, other] - base[j, one] - weight * private[j, one]
        if slope != 0 and 0 < rise / slope < 1:
            kinks.add(rise / slope)
    return max(lagrangian(base, shared, private, u, weight) for u in kinks)


@given(SEEDS, st.sampled_from([0.0, 0.5, 1.0, 7.0]))
def test_dual_maximum_equals_the_best_kink(seed, weight):
    """T3: intersecting lines ends at the largest dual value, and the multiplier returned attains it."""
    (base, shared, private), _ = tables(seed)
    u, value, low, high = minmax.balance(base, shared, private, weight)
    assert value == pytest.approx(dual_twin(base, shared, private, weight), rel=1e-11, abs=1e-11)
    rows = np.arange(len(base))
    for choice in (low, high):
        priced = base + weight * (u * shared + (1 - u) * private)
        assert priced[rows, choice].sum() == pytest.approx(value, rel=1e-11, abs=1e-11)


@given(SEEDS, st.floats(0, 1))
def test_weak_duality(seed, u):
    """T3: for any multiplier the Lagrangian is below every choice, and below the dual's maximum."""
    (base, shared, private), _ = tables(seed)
    b, s, p = values(base, shared, private)
    bound = lagrangian(base, shared, private, u)
    assert bound <= (b + np.maximum(s, p)).min() + 1e-9
    assert bound <= minmax.balance(base, shared, private, 1.0)[1] + 1e-9


@given(SEEDS, st.sampled_from([0.5, 1.0, 7.0]))
def test_recovered_primal_meets_the_dual_with_one_fractional_request(seed, weight):
    """T3: strong duality, by fractions of which at most one request has two."""
    (base, shared, private), _ = tables(seed)
    x, value = balanced(base, shared, private, weight)
    assert (x >= 0).all()
    assert x.sum(axis=1) == pytest.approx(1)
    assert not x[~np.isfinite(base)].any()
    assert ((x > 0).sum(axis=1) > 1).sum() <= 1
    assert (x > 0).sum(axis=1).max() <= 2
    b = np.where(x > 0, base, 0.0)
    larger = max((x * shared).sum(), (x * private).sum())
    assert (x * b).sum() + weight * larger == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(SEEDS)
def test_capped_dual_equals_the_linear_programme(seed):
    """T3: with a cap on both sums two multipliers reach the LP's value, or the LP is infeasible and they say so."""
    (base, shared, private), random = tables(seed)
    _, s, p = values(base, shared, private)
    cap = float(random.uniform(0.5, 1.1) * np.maximum(s, p).min() + random.integers(0, 2))
    found = linprog(
        np.append(np.where(np.isfinite(base), base, 0).ravel(), 1),
        A_ub=np.array([np.append(shared.ravel(), -1), np.append(private.ravel(), -1)]),
        b_ub=np.zeros(2),
        A_eq=np.hstack([np.kron(np.eye(len(base)), np.ones(base.shape[1])), np.zeros((len(base), 1))]),
        b_eq=np.ones(len(base)),
        bounds=[(0, float(np.isfinite(entry))) for entry in base.ravel()] + [(0, cap)],
    )
    on_shared, on_private, value, *_ = minmax.balance_capped(base, shared, private, cap)
    if found.status == 2:
        assert value == np.inf or value == pytest.approx(0, abs=1e-6)
        return
    assert value == pytest.approx(found.fun, rel=1e-7, abs=1e-7)
    assert on_shared + on_private >= 1 - 1e-12
    priced = (base + on_shared * shared + on_private * private).min(axis=1).sum()
    assert priced - (on_shared + on_private - 1) * cap == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(tiny_instances())
def test_relaxation_equals_the_compact_lp(instance):
    """T3: structure and HiGHS agree on the strengthened LP to 1e-7 while budgets are slack; T7 is for the others."""
    instance = with_requests(instance, cost_budget=np.full(len(instance.requests.home), 1e6))
    try:
        options = strengthen(instance)
    except InfeasibleError:
        return
    found = solvers.solve(compact_lp(instance, options), "highs")
    assert relax(instance).value == pytest.approx(found.objective, rel=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_dual_equals_the_explicit_lp_on_generated_instances(seed):
    """T3: with the released ranges the dual is the published LP's value to 1e-7, and the exact optimum is above it."""
    instance = generate(Recipe(cloudlets=20, models=5, families=2, requests=15), seed)
    relaxed, explicit, exact = relax(instance), solve_lp(instance, solver="highs"), solve_exact(instance)
    assert relaxed.solver == "none"
    assert relaxed.value == pytest.approx(explicit.bound, rel=1e-7)
    assert relaxed.value <= exact.objective * (1 + 1e-12)


@given(SEEDS)
def test_minimum_equals_enumeration_under_any_caps(seed):
    """T6: value and bound are the enumerated optimum, with caps that bind, that forbid everything, or with none."""
    (base, shared, private), random = tables(seed)
    scale = random.choice([1.0, 2, 3, 5, 100]) * len(base)
    limit = random.uniform(0, 2 * scale, base.shape) if seed % 2 else random.integers(0, scale + 2, base.shape) * 1.0
    b, s, p = values(base, shared, private)
    kept = limit[np.arange(len(base)), choices(base)].min(axis=1) >= np.maximum(s, p)
    optimum = np.where(kept, b + np.maximum(s, p), np.inf).min()
    found = minimise(base, shared, private, limit)
    assert found.value == pytest.approx(optimum, rel=1e-9, abs=1e-9)
    assert found.bound == pytest.approx(optimum, rel=1e-9, abs=1e-9)
    assert (found.choice is None) == np.isinf(optimum)
    free = minimise(base, shared, private)
    assert free.value == pytest.approx((b + np.maximum(s, p)).min(), rel=1e-9, abs=1e-9)


def test_exact_equals_enumeration_on_hundreds_of_instances():
    """T6: the certified objective is the brute-force optimum, and both are infeasible together."""
    seen = dict.fromkeys(BUDGETS, 0)
    for seed in range(300):
        instance = tiny(seed, requests=1 + seed % 5, models=1 + seed % 4, budget=BUDGETS[(seed % 10) // 4])
        try:
            optimum = solve_brute_force(instance).objective
        except InfeasibleError as error:
            with pytest.raises(InfeasibleError) as raised:
                solve_exact(instance)
            assert str(raised.value) == str(error)
            continue
        plan = solve_exact(instance)
        assert plan.status == "optimal"
        assert plan.violations == ()
        assert plan.objective == pytest.approx(optimum, rel=1e-9)
        assert abs(plan.gap) <= 1e-9
        seen[BUDGETS[(seed % 10) // 4]] += 1
    assert seen["slack"] > 50
    assert seen["binding"] > 20


def pulling(options, choice):
    """Network-wide pulling delay of a choice."""
    at = np.arange(len(choice)), np.array(choice)
    return max(options.shared_pull[at].sum(), options.private_pull[at].sum())


@pytest.mark.parametrize(("seed", "tightness"), [(0, 2.0), (1, 0.97), (7, 0.97), (3, 0.9)])
def test_exact_equals_the_ilp_at_medium_size(seed, tightness):
    """T6: HiGHS on the explicit ILP has the same optimum to 1e-6, with slack budgets and with binding ones."""
    instance = generate(Recipe(cloudlets=20, models=6, families=3, requests=12), seed)
    heavy = instance.models.model_copy(update={"work_tflop": 40 * instance.models.work_tflop})
    instance = instance.model_copy(update={"models": heavy})  # inference weighs as much as pulling
    options, free = strengthen(instance), solve_exact(instance)
    pull = pulling(options, free.decisions["model"])
    margin = np.random.default_rng(seed).uniform(0, 0.02, 12)
    own = options.own_cost[np.arange(12), free.decisions["model"]]
    budget = own + options.transmit_power * pull * (tightness + margin)
    instance = with_requests(instance, cost_budget=budget)
    plan = solve_exact(instance)
    broken = caps(instance, options)[np.arange(12), free.decisions["model"]].min() < pull
    assert broken == (tightness < 1) == (plan.objective > free.objective * (1 + 1e-9))
    assert plan.violations == ()
    assert plan.objective == pytest.approx(solve_ilp(instance, solver="highs").objective, rel=1e-6)


def partition(count, seed=0):
    """Number partitioning: no reduced costs, so only the labels tell choices apart."""
    weights = np.random.default_rng(seed).integers(1, 2**40, (count, 1)).astype(float)
    return np.zeros((count, 2)), np.hstack([weights, 0 * weights]), np.hstack([0 * weights, weights])


@pytest.mark.parametrize("limit", [1, 2, 10, 50])
def test_a_label_limit_leaves_an_honest_gap(limit):
    """T6: whatever is not searched stays in the bound: bound <= optimum <= value, and the gap is open."""
    hard = partition(14)
    b, s, p = values(*hard)
    optimum = (b + np.maximum(s, p)).min()
    found = minimise(*hard, limits=Limits(labels=limit))
    assert found.bound <= optimum <= found.value
    assert found.bound < found.value
    assert minimise(*hard).bound == pytest.approx(optimum, rel=1e-12)


def test_a_node_limit_leaves_an_honest_gap():
    """T6: nodes that were split off but not searched stay in the bound, and so does a node whose search was cut."""
    short = 0
    for seed in range(1, 200, 2):
        (base, shared, private), random = tables(seed)
        limit = random.uniform(0, 10 * len(base), base.shape)
        optimum = minimise(base, shared, private, limit)
        for nodes, kept in itertools.product((0, 1, 2, 3), (1, 2**20)):
            found = minimise(base, shared, private, limit, Limits(nodes=nodes, labels=kept))
            assert found.bound <= optimum.value * (1 + 1e-9)
            assert found.value >= optimum.value * (1 - 1e-9)
            short += found.bound < optimum.value * (1 - 1e-6)
    assert short > 50


def test_a_time_limit_of_zero_is_a_limit_error():
    """Stopped before the first node, the method says so instead of calling the instance infeasible."""
    with pytest.raises(LimitError, match=r"exact stopped after 0 node\(s\)"):
        solve_exact(generate(Recipe(cloudlets=20, requests=5), 0), time_limit=0.0)


def test_identical_requests_do_not_multiply_labels():
    """Equal labels are merged: 300 identical requests, 2^300 optimal ties, are certified within the default limit."""
    base, shared, private = np.zeros((300, 3)), np.tile([3.0, 0, 1.1], (300, 1)), np.tile([0.0, 2, 1.3], (300, 1))
    found = minimise(base, shared, private)
    assert found.bound == found.value == pytest.approx(360)


def test_ties_go_to_the_lowest_index():
    """Of equal options the first is chosen, at every multiplier."""
    choice = np.empty(2, np.int64)
    same = np.ones((2, 4))
    base = np.array([[2.0, 1, 1, 1], [np.inf, np.inf, 3, 3]])
    minmax.assign(base, same, same, 0.3, 0.7, choice)
    assert choice.tolist() == [1, 2]
    assert minimise(base, same, same).choice.tolist() == [1, 2]


@given(SEEDS)
def test_undominated_labels_keep_a_witness_for_each_dropped_one(seed):
    """A dropped label has a kept one that is as low in B + S and in B + P, and in S and P where a cap counts."""
    random = np.random.default_rng(seed)
    sums = random.integers(0, 5, (random.integers(1, 12), 3)).astype(float)
    for capped in (False, True):
        kept = sums[labels.undominated(sums, capped, 0.0)]
        assert len(kept)
        for label in sums:
            low = (kept[:, 0] + kept[:, 1] <= label[0] + label[1]) & (kept[:, 0] + kept[:, 2] <= label[0] + label[2])
            assert (low & (not capped or (kept[:, 1:] <= label[1:]).all(axis=1))).any()


@pytest.mark.parametrize("seed", range(6))
def test_compiled_kernels_equal_their_python_source(seed):
    """Compiled or not, the kernels return the same numbers."""
    (base, shared, private), _ = tables(seed)

    def found():
        u, value, low, _ = balanced = minmax.balance(base, shared, private, 1.0)
        pairs = np.array([[u, 1 - u], [0.0, 1.0], [1.0, 0.0]])
        return *balanced, *labels.search(base, shared, private, low, pairs, 1e3, False, value + 3, 1000)

    compiled = found()
    with pytest.MonkeyPatch.context() as patch:
        for module in (minmax, labels, ordering, slices):
            for name, one in list(vars(module).items()):
                if hasattr(one, "py_func"):
                    patch.setattr(module, name, one.py_func)
        plain = found()
    for ours, theirs in zip(compiled, plain, strict=True):
        assert np.array_equal(ours, theirs)


def test_every_test_named_by_the_theory_exists():
    """The pages of theory point at tests; a renamed one would leave a theorem unchecked."""
    here = Path(__file__).parent
    pages = [here.parent / "docs" / name for name in ("theory.md", "theory_coupled.md", "theory_online.md")]
    assert all(page.exists() for page in pages)
    named = set(re.findall(r"\btest_\w+", "".join(page.read_text() for page in pages)))
    defined = {name for path in here.glob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert len(named) > 15
    assert named - {path.stem for path in here.glob("test_*.py")} <= defined
