"""Windows: one small MIP over the options that lose least, in the default method."""

import numpy as np
from coupled_strategies import begun
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coupled_auto import drawn
from test_coupled_single import located

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import window
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.formulation import linear_model
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.params import AutoParams
from mecpfm.solvers import highs

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60)
@given(data=st.data(), share=st.sampled_from([0.3, 0.6, 1.0, 2.0]))
def test_no_window_proves_more_than_is_true(data, share):
    """Of any size, on instances of either kind: bound <= optimum <= cost, and the bound never falls."""
    instance = data.draw(st.one_of(st.builds(located, SEEDS), st.just(None))) or drawn(data, families=True)
    state, optimum = begun(instance, window_per_request=share), solve_nlip(instance).objective
    before = state.bound
    window.run(state, FOREVER)
    assert before * (1 - 1e-12) <= state.bound <= optimum * (1 + 2e-9) + 1e-9
    assert optimum <= state.cost + 1e-9


def test_a_window_proves_what_the_bound_alone_does_not():
    """A window much smaller than what is left finds the optimum and, as nothing else is as cheap, proves it."""
    state = begun(generate(Recipe(requests=100, cloudlets=8, models=12), 3), window_per_request=1.6)
    left = len(state.remainder().rows)
    assert not state.done
    assert AutoParams().renewed * left > 160
    bound = state.bound
    assert window.run(state, FOREVER)
    assert state.bound > bound
    assert state.solver == highs.NAME


def test_no_window_where_all_that_is_left_is_hardly_larger():
    """Then HiGHS gets it anyway; and none without time."""
    assert not window.run(begun(generate(Recipe(requests=60, cloudlets=8, models=12), 3)), FOREVER)
    assert not window.run(begun(located(5), window_per_request=100.0), FOREVER)
    assert not window.run(begun(located(5), window_per_request=0.1), Budget(end=0.0))


def test_highs_ends_once_it_is_told():
    """What another one proved meanwhile needs no end."""
    model = linear_model(generate(Recipe(requests=150, cloudlets=12, models=24), 7), cut=True)
    asked = []
    found = highs.here(model, until=lambda: bool(asked.append(1) or len(asked) > 2))
    assert found.status != "optimal"
    assert len(asked) < 1000
    assert np.isnan(found.objective) or found.bound < found.objective
