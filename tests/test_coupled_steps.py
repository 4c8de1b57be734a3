"""Costs in whole steps: bounds rise to the next one, never past a plan's cost."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coupled_single import located

from mecpfm.coupled import auto, steps
from mecpfm.coupled.brute_force import solve_nlip

SEEDS = st.integers(0, 2**32 - 1)


def in_steps(seed, step):
    """An instance whose delays and pulls are multiples of a number of seconds."""
    instance = located(seed)
    more = instance.change(
        requests={"remote_delay_s": np.round(instance.requests.remote_delay_s) * step},
        cloudlets={"pull_s_per_gb": np.round(instance.cloudlets.pull_s_per_gb) * 2 * step},
        blocks={"size_gb": [0.5, 1.0]},
    )
    return more.change(options={"delay_s": np.round(more.options.delay_s) * step})


@settings(max_examples=60)
@given(seed=SEEDS, size=st.sampled_from([1, 2, 5, 0.5]))
def test_the_default_is_right_where_costs_come_in_steps(seed, size):
    """The step divides the optimum; bound and plan of a short run are never false."""
    instance = in_steps(seed, size)
    found, optimum = steps.step(instance), solve_nlip(instance).objective
    assert found == 0 or optimum % found == 0
    assert size == 0.5 or found >= size or not optimum
    plan, *_ = auto.solve(instance, iterations=3)
    assert plan.bound <= optimum * (1 + 1e-9) + 1e-9
    assert plan.objective >= optimum - 1e-9


@given(
    steps_up=st.integers(1, 999_999),
    size=st.sampled_from([1.0, 2.0, 30.0]),
    part=st.floats(0, 1),
    noise=st.floats(0, 1),
)
def test_a_bound_rises_to_the_next_step_and_rounding_lifts_none(steps_up, size, part, noise):
    """What is above a step by rounding alone stays there; what is cheaper is so by a step."""
    cost = steps_up * size
    bound = cost - part * size
    assert steps.raised(bound, size) == (
        cost if bound > cost - size * (1 - 2 * steps.PART) else steps.raised(bound, size)
    )
    assert bound <= steps.raised(bound, size) <= cost
    assert steps.raised(cost * (1 + noise * 1e-10), size) <= cost * (1 + 1e-10)
    assert cost - size < steps.below(cost, size) < cost
    assert steps.raised(steps.below(cost, size), size) == cost
    assert (steps.raised(bound, 0.0), steps.below(cost, 0.0)) == (bound, cost)
