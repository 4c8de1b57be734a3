"""When a search ends, and which word it ends with: no gap, limit or interrupt makes a plan optimal without a bound."""

import itertools
import math

import numpy as np
import pytest
from coupled_strategies import small
from hypothesis import given
from hypothesis import strategies as st
from test_coupled_levels import free

from mecpfm import clock
from mecpfm.coupled import methods
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.ending import Ending
from mecpfm.coupled.local_search import Polished

COSTS = (0.0, 0.5, 0.75, 0.9, 1.0 - 2e-6, 1.0 - 5e-7, 1.0, 1.0 + 5e-7, 1.0 + 2e-6, 1.2, 2.0)
GAPS = (0.0, 1e-6, 0.125, 0.25, 0.5)


def test_an_ending_is_met_for_three_reasons_alone():
    """The gap that was asked for, cost and bound that meet, or the word of who is asked, once, about a near plan."""
    for cost, bound, gap, near, says in itertools.product(COSTS, COSTS, GAPS, GAPS, (None, False, True)):
        asked, plan = [], Polished(np.zeros(0, dtype=np.int64), cost, 0)
        ending = Ending(gap, near, None if says is None else lambda one, says=says, to=asked: to.append(one) or says)
        good = (gap > 0 and cost <= bound / (1 - gap)) or cost <= bound * (1 + 1e-6)
        close = near > 0 and says is not None and cost <= bound / (1 - max(gap, near))
        assert ending.met(plan, bound) == (good or (close and says is True)), (cost, bound, gap, near, says)
        assert asked == [plan] * close
        assert ending.met(plan, bound) == good
        assert asked == [plan] * close


def test_no_cost_is_enough_where_the_optimum_was_asked_for():
    """Nor is anybody asked unless a gap says when."""
    assert Ending().enough(1.0) == -math.inf
    assert not Ending(proves=lambda _: True).met(Polished(np.zeros(0, dtype=np.int64), 2.0, 0), 1.0)


class Heard:
    """A clock during whose n-th look Ctrl-C is pressed."""

    def __init__(self, looks):
        self.left = looks

    def __call__(self):
        self.left -= 1
        clock._heard = clock._heard or self.left <= 0
        return 0.0


@given(
    seed=st.integers(0, 2**32 - 1), knapsacks=st.booleans(),
    method=st.sampled_from(["auto", "polish", "branch", "ilp"]),
    gap=st.sampled_from([0.0, 1e-7, 0.01, 0.3, 0.9]), iterations=st.sampled_from([0, 1, 40]),
    seconds=st.sampled_from([None, 0.0, 5.0]), looks=st.sampled_from([1, 3, 9, 30, 10**9]),
)  # fmt: skip
def test_optimal_is_said_of_proved_plans_alone(seed, method, knapsacks, gap, iterations, seconds, looks):
    """Whatever ends a method: "optimal" has a bound as high as the plan's cost, and both are enumeration's optimum."""
    instance = free(seed) if knapsacks else small(seed, 5, 2, families=True)
    optimum = solve_nlip(instance).objective
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "_heard", False)
        patch.setattr(clock, "now", Heard(looks))
        asked = {"solver": "highs", "seed": 1, "gap": gap, "time_limit": seconds}
        plan = methods.solve(instance, method, iterations=iterations, **asked)
    assert plan.feasible
    assert plan.bound <= optimum * (1 + 1e-6) + 1e-9
    assert plan.objective >= optimum * (1 - 1e-9)
    if plan.status == "optimal":
        assert plan.objective <= plan.bound * (1 + 1.001e-6) + 1e-9
        assert plan.objective <= optimum * (1 + 3e-6) + 1e-9
