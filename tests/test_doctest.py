"""Every public name of ``import mecpfm as mp`` says what it does with an example that runs."""

import doctest
import importlib
import importlib.util
import typing

import pytest

import mecpfm
from mecpfm.coupled.methods import FRACTIONAL
from mecpfm.coupled.methods import METHODS as COUPLED
from mecpfm.network.front import Method
from mecpfm.published.audit import FRACTIONAL as PUBLISHED_FRACTIONAL
from mecpfm.published.methods import METHODS as PUBLISHED

HOMES = {name: f"mecpfm.{home}" for name, home in mecpfm._HOME.items() if importlib.util.find_spec(f"mecpfm.{home}")}
MODULES = ["mecpfm", *sorted(set(HOMES.values()))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str):
    """The examples of each module behind ``dir(mecpfm)`` give what they say."""
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("name", sorted(HOMES))
def test_every_public_name_has_an_example(name: str):
    """It is where ``dir`` says, and its docstring holds an example."""
    assert name in dir(mecpfm)
    assert ">>> " in (getattr(mecpfm, name).__doc__ or "")


def test_the_methods_of_solve_are_those_there_are():
    """The Literal names every method of either setting whose plans are whole."""
    whole = (set(COUPLED) - FRACTIONAL) | (set(PUBLISHED) - PUBLISHED_FRACTIONAL)
    assert set(typing.get_args(Method)) == whole
    assert len(typing.get_args(Method)) == len(whole)
