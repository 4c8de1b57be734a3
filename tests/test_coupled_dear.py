"""Remote service or pulls far dearer than the best plan: what methods prove there, against enumeration."""

import functools
import json
import math

import numpy as np
import pytest
from coupled_strategies import replaced, small
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coupled_single import located

from mecpfm.coupled import dear, methods
from mecpfm.coupled.audit import audit
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.instance import LARGEST, SMALLEST, TOLERANCE, Instance
from mecpfm.coupled.pins import Keep

SEEDS = st.integers(0, 2**32 - 1)
PROVING = ("auto", "branch", "polish", "ilp", "lp", "lp-cut", "dual", "rounding-coupled", "rounding-configurations")
ASKED = {"ilp": {"solver": "highs"}, "lp": {"solver": "highs"}, "lp-cut": {"solver": "highs"}}
ITERATED = ("auto", "branch", "polish", "rounding-configurations")


@functools.cache
def far(seed):
    """Delays with all their bits, down to ns; remote service up to 10^9 s, and some pulls up to 10^8 s/GB; optimum."""
    random = np.random.default_rng(seed)
    one = located(seed) if seed % 2 else small(seed, 5, 2, families=seed % 4 == 0, per_request=5)
    unit, dearer = 10.0 ** -random.integers(0, 8), 10.0 ** random.integers(2, 9)

    def uneven(values):
        return np.where(values < SMALLEST, 0.0, np.minimum(values * random.uniform(0.5, 1, values.shape), LARGEST))

    rate = one.cloudlets.pull_s_per_gb * unit
    rate = np.where(random.random(rate.shape) < 0.1, 10.0 ** random.integers(-3, 9), rate)
    instance = replaced(
        one,
        cloudlets={"pull_s_per_gb": np.where(rate < SMALLEST, 0.0, rate), "compute_s": 2 * one.cloudlets.compute_s},
        requests={"remote_delay_s": uneven(one.requests.remote_delay_s * dearer)},
        options={"delay_s": uneven(one.options.delay_s * unit)},
    )
    return instance, solve_nlip(instance).objective


def proved(instance, method, **wanted):
    iterations = {"iterations": 25} if method in ITERATED else {}
    return methods.certified(instance, method, **ASKED.get(method, {}), **iterations, **wanted)


def require_sound(instance, optimum, method, **wanted):
    """Nothing is above the optimum, and what is called optimal is; the certificate proves what it says."""
    plan, proof = proved(instance, method, **wanted)
    assert plan.bound <= optimum * (1 + TOLERANCE)
    assert verify(instance, proof) <= optimum * (1 + TOLERANCE)
    if plan.status == "optimal" and "option" in plan.decisions:
        assert plan.objective <= optimum * (1 + 1.001 * TOLERANCE)
    return plan


@pytest.mark.parametrize("method", PROVING)
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_what_is_proved_far_below_remote_costs_is_true(method, seed):
    require_sound(*far(seed), method)


@pytest.mark.parametrize(
    ("method", "seed"),
    [
        ("auto", 763), ("auto", 2048), ("branch", 7), ("branch", 10), ("polish", 17), ("polish", 302), ("ilp", 7),
        ("ilp", 260), ("lp", 67), ("lp", 197), ("lp-cut", 319),
    ],
)  # fmt: skip
def test_what_was_proved_falsely_once(method, seed):
    """With costs as they are each of these is above the optimum, or a dearer plan is called optimal."""
    require_sound(*far(seed), method)


@given(seed=SEEDS, dearer=st.floats(1, 1e6))
def test_cut_costs_leave_the_optimum(seed, dearer):
    """For the cost of any plan; no cost rises, none is far above it afterwards, and nothing else changes."""
    instance, optimum = far(seed)
    cost = min(optimum * dearer, float(instance.requests.remote_delay_s.sum()))
    small_one = dear.cut(instance, cost)
    assert (small_one is instance) == (not dear.wide(instance, cost))
    assert solve_nlip(small_one).objective == pytest.approx(optimum, rel=1e-12)
    assert (small_one.pull_s <= instance.pull_s * (1 + 1e-12)).all()
    assert ((small_one.pull_s > 0) == (instance.pull_s > 0)).all()
    assert (small_one.requests.remote_delay_s <= instance.requests.remote_delay_s).all()
    assert small_one.options is instance.options
    assert optimum == 0 or dear.largest(small_one) <= max(dear.WIDE * cost, SMALLEST * LARGEST)


def test_an_instance_without_dear_costs_is_itself():
    """Nothing is copied, so that no bit changes; above a plan that costs nothing, nothing is dear."""
    instance = located(1)
    assert dear.narrow(instance.change(options={"delay_s": instance.options.delay_s + 1}))
    assert dear.cut(instance, 1.0) is dear.cut(instance, 0.0) is instance
    assert not dear.wide(instance, math.nan)
    assert not dear.wide(instance, -math.inf)


def fooled():
    """Greedy gives request 0 the cloudlet that request 1 needs, which costs 10^4 s; the best plan costs 4 us."""
    one, nothing = np.ones(3), np.zeros(4)
    return Instance(
        blocks={"size_gb": one},
        models={"blocks": [[0], [1], [2]]},
        cloudlets={"memory_gb": one, "compute_s": one, "pull_s_per_gb": 0 * one, "cached": [[], [], []]},
        requests={"remote_delay_s": [1e6, 1e4, 1e9], "remote_accuracy": one},
        options={
            "request": [0, 0, 1, 2], "model": [0, 0, 1, 2], "cloudlet": [0, 1, 0, 2], "compute_s": nothing,
            "delay_s": [1e-6, 1.1e-6, 1.3e-6, 1.6e-6], "accuracy": np.ones(4),
        },
    )  # fmt: skip


@pytest.mark.parametrize("method", ["auto", "branch", "ilp"])
def test_costs_are_cut_anew_below_a_much_cheaper_plan(monkeypatch, method):
    """First to greedy's cost, then to that of the plan found: bound and status are those of the last run."""
    instance, real, seen = fooled(), methods._run, []

    def run(name, cut_one, request):
        seen.append((dear.largest(cut_one), request.start))
        return real(name, cut_one, request)

    monkeypatch.setattr(methods, "_run", run)
    plan = require_sound(instance, solve_nlip(instance).objective, method)
    assert plan.decisions["option"] == [1, 2, 3]
    assert plan.status == "optimal"
    assert plan.gap <= TOLERANCE
    assert [most for most, _ in seen] == pytest.approx([2e4, 8e-6], rel=1e-6)
    assert [start.tolist() for _, start in seen] == [[0, -1, 3], [1, 2, 3]]


@pytest.mark.parametrize("method", ["auto", "polish", "ilp", "rounding-tree"])
def test_without_time_for_another_run_the_dual_engine_bounds(monkeypatch, method):
    """What was said where costs are far above the plan found counts for nothing."""
    instance, optimum = fooled(), solve_nlip(fooled()).objective

    def run(name, cut_one, request):
        assert request.budget.over
        choice = np.array([-1, 2, 3]) if name == "rounding-tree" else np.array([1, 2, 3])
        return assess(cut_one, name, choice, bound=2 * optimum, status="optimal", solver="x"), None

    monkeypatch.setattr(methods, "_run", run)
    plan = require_sound(instance, optimum, method, time_limit=0.0)
    assert plan.bound >= 0.0
    assert plan.objective == (pytest.approx(1e6) if method == "rounding-tree" else optimum)


def test_a_dearer_plan_than_the_known_one_is_not_taken(monkeypatch):
    """A run that forgets its start and calls that optimal: the known plan stays, proved as far as the bound says."""
    instance = fooled()

    def run(name, cut_one, _):
        return assess(cut_one, name, np.array([-1, -1, -1]), bound=1.0, status="optimal", solver="x"), None

    monkeypatch.setattr(methods, "_run", run)
    plan = methods.solve(instance, "ilp")
    assert plan.decisions["option"] == [0, -1, 3]
    assert (plan.method, plan.status) == ("ilp", "feasible")


@pytest.mark.parametrize("method", ["auto", "branch", "ilp", "nlip"])
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_pins_a_start_and_prices(method, seed):
    """One pin of the best plan kept, from its prices: the pinned bound is no more than the optimum with that pin."""
    instance, optimum = far(seed)
    best = np.array(solve_nlip(instance).decisions["option"])
    keep = Keep.nothing(instance)
    keep.option[0] = best[0]
    _, proof = proved(instance, "polish")
    prices = {} if method in ("ilp", "nlip") else {"prices": proof, "start": np.full(len(best), -1)}
    plan = require_sound(instance, optimum, method, keep=keep, **prices)
    assert plan.decisions["option"][0] == best[0]
    assert plan.metrics["pinned_bound_s"] <= optimum * (1 + TOLERANCE)
    again = require_sound(instance, optimum, method, **prices)
    assert again.objective <= optimum * (1 + TOLERANCE) or again.status != "optimal"


@pytest.mark.parametrize("method", ["auto", "polish", "dual"])
def test_its_files_are_those_of_the_true_instance(tmp_path, method):
    """Certificate and plan are judged against the instance with its costs as they are."""
    instance = fooled()
    plan, proof = proved(instance, method)
    files = [tmp_path / name for name in ("instance.json", "certificate.json", "plan.json")]
    instance.write(files[0])
    proof.write(files[1])
    files[2].write_text(json.dumps(plan.to_object()))
    found = audit(*files)
    assert not found.complaints
    assert found.objective == plan.objective
    assert verify(instance, proof) >= float(proof.bound_s) * (1 - 1e-9)
