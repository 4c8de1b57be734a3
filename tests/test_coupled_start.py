"""Searches that begin with a plan, prices or pins: never worse, never broken, with bounds that hold."""

import numpy as np
import pytest
from coupled_strategies import small
from test_coupled_exchange import union_knapsack

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import auto, methods
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.engine import EngineParams
from mecpfm.coupled.formulation import solve_lp
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.multipliers import certificate
from mecpfm.coupled.params import AutoParams
from mecpfm.coupled.pins import FREE, Keep, kept, used
from mecpfm.coupled.structure import MASK_BITS, build
from mecpfm.errors import InputError, LimitError

TOLERANCE = 1e-6


def decision(instance: Instance, random: np.random.Generator) -> np.ndarray:
    """Any option of each request, or none; it may break rows."""
    first = instance.first_option
    count = np.diff(first)
    drawn = random.integers(0, count + 1)
    return np.where(drawn == count, -1, first[:-1] + drawn)


def option(plan) -> np.ndarray:
    return np.array(plan.decisions["option"], dtype=np.int64)


@pytest.mark.parametrize("method", ["auto", "polish", "branch"])
def test_a_warm_start_is_never_left_for_worse(method: str):
    """From any plan, feasible or not, with the prices of another instance, even with no time at all."""
    for seed in range(60):
        random = np.random.default_rng(seed)
        instance = small(seed, 6, 2, families=bool(seed % 2))
        start = decision(instance, random)
        more = instance.model_copy(
            update={
                "cloudlets": instance.cloudlets.model_copy(
                    update={"memory_gb": instance.cloudlets.memory_gb + random.integers(0, 3, 2)}
                )
            }
        )
        _, prices = methods.certified(instance, "polish", iterations=25)
        optimum = solve_nlip(more)
        limit = None
        if seed % 3 == 0:  # no time to find anything: what is known must survive
            start, limit = option(optimum), 0.0
        plan, proof = methods.certified(more, method, start=start, prices=prices, iterations=25, time_limit=limit)
        assert plan.feasible
        before = assess(more, "start", start)
        if before.feasible:
            assert plan.objective <= before.objective
        assert plan.bound <= optimum.objective * (1 + TOLERANCE) + TOLERANCE
        proved = verify(more, proof)
        if method == "auto":  # the check knows smaller sets of models, so larger blocks in common
            assert proved >= float(proof.bound_s) - 1e-9 * (1 + proved)
        else:
            assert proved == pytest.approx(float(proof.bound_s), rel=1e-9, abs=1e-9)


def test_a_plan_of_another_instance_is_refused():
    instance = small(0, 4, 2, families=True)
    for start in (np.zeros(3, dtype=np.int64), np.full(4, len(instance.options.request))):
        with pytest.raises(InputError, match="choice"):
            methods.solve(instance, "polish", start=start)
    _, prices = methods.certified(small(0, 5, 2, families=True), "polish", iterations=1)
    with pytest.raises(InputError, match="prices are for"):
        methods.solve(instance, "polish", prices=prices)


def test_what_a_method_cannot_use_is_refused():
    instance = small(1, 4, 2, families=True)
    keep = Keep.nothing(instance)
    start = np.full(4, -1)
    for method, wanted, reason in (
        ("lru", {"start": start}, "start goes with"),
        ("lp", {"keep": keep}, "keep goes with"),
        ("trimcaching", {"gap": 0.1}, "gap goes with"),
        ("polish", {"gap": 1.0}, "gap is 1.0"),
        ("polish", {"keep": keep._replace(option=np.full(3, FREE))}, "keep has shapes"),
    ):
        with pytest.raises(InputError, match=reason):
            methods.solve(instance, method, **wanted)


@pytest.mark.parametrize("method", ["auto", "polish", "branch", "ilp"])
def test_a_gap_ends_the_search_and_is_kept(method: str):
    """The plan is as near to its bound as was asked for, or as near as without."""
    for seed in range(20):
        instance = small(seed, 6, 2, families=True)
        whole = methods.solve(instance, method, iterations=100)
        found = methods.solve(instance, method, iterations=100, gap=0.2)
        assert found.gap <= max(0.2, whole.gap) + 1e-9
        assert found.bound <= solve_nlip(instance).objective * (1 + TOLERANCE) + TOLERANCE


def pinned_optimum(instance: Instance, keep: Keep) -> float:
    """By enumeration of every decision that keeps the pins, inf where there is none."""
    first, best = instance.first_option, np.inf
    choices = [[-1, *range(first[r], first[r + 1])] for r in range(instance.sizes[3])]
    for place in np.ndindex(*(len(options) for options in choices)):
        choice = np.array([options[i] for options, i in zip(choices, place, strict=True)])
        if kept(instance, keep, choice):
            plan = assess(instance, "all", choice)
            best = min(best, plan.objective if plan.feasible else np.inf)
    return best


def test_pins_are_kept_and_cost_what_they_must():
    """Against enumeration: the plan keeps the pins, meets the optimum with pins (ilp), and both bounds hold."""
    refused = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        instance = small(seed, 4, 2, families=bool(seed % 2))
        plan = decision(instance, random)
        keep = Keep(np.where(random.random(4) < 0.4, plan, FREE), np.ones((instance.sizes[0], 2), dtype=bool))
        if random.random() < 0.5:
            keep.blocks[:, 0] = used(instance, plan)[:, 0]
        optimum = pinned_optimum(instance, keep)
        method = ("ilp", "branch", "polish", "nlip", "auto")[seed % 5]
        start = {"start": plan} if seed % 3 else {}
        if not np.isfinite(optimum):
            refused += 1
            with pytest.raises(InputError, match="keep: request"):
                methods.solve(instance, method, keep=keep, **start)
            continue
        found, proof = methods.certified(instance, method, keep=keep, iterations=50, **start)
        assert kept(instance, keep, option(found))
        assert found.feasible
        slack = TOLERANCE * max(1.0, optimum)
        assert found.metrics["pinned_bound_s"] <= optimum + slack
        assert optimum - slack <= found.objective
        if method in ("ilp", "nlip", "branch"):
            assert found.objective == pytest.approx(optimum, rel=1e-6, abs=1e-6)
        assert found.bound <= solve_nlip(instance).objective + slack
        assert verify(instance, proof) >= found.bound - 1e-9 * (1 + found.bound)
        assert method == "auto" or verify(instance, proof) == pytest.approx(found.bound, rel=1e-9, abs=1e-9)
    assert 3 < refused < 30


def test_prices_of_the_lp_are_where_families_pay_by_shares():
    """The bound is the LP's at once, as a certificate; the ascent alone is far from it."""
    instance = union_knapsack(0, items=70)
    lp = solve_lp(instance, solver="highs")[0].bound
    assert lp > 0
    bounds = []
    for options in (20_000, 0):
        params = EngineParams(auto=AutoParams(lp_options=options))
        budget = Budget.of(10_000.0)
        state = auto.begin(instance, budget, params=params)
        bounds.append(verify(instance, certificate(state.structure, state.proof, instance)))
        assert bounds[-1] <= state.cost
    assert bounds[0] >= lp * (1 - 1e-6) > bounds[1]


def test_prices_of_the_lp_are_taken_under_a_limit_alone(monkeypatch):
    """Seeds keep their plans without one; families that are enumerated, too many options and a slow LP go without."""
    large = union_knapsack(0, items=70)
    view, budget = build(large, exact_models=MASK_BITS), Budget.of(10_000.0)
    assert auto.lp_prices(large, view, FOREVER, 20_000) is None
    assert auto.lp_prices(large, view, Budget.of(0.0), 20_000) is None
    assert auto.lp_prices(large, view, budget, 1) is None
    few = union_knapsack(0, items=8)
    assert auto.lp_prices(few, build(few, exact_models=MASK_BITS), budget, 20_000) is None
    assert auto.lp_prices(large, view, budget, 20_000) is not None

    def slow(*_args, **_options):
        raise LimitError("no optimum")

    monkeypatch.setattr(auto, "lp_certificate", slow)
    assert auto.lp_prices(large, view, budget, 20_000) is None
