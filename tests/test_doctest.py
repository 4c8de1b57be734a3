"""Every public name of ``import mecpfm as mp`` says what it does with an example that runs."""

import doctest
import importlib
import importlib.util
import typing
from pathlib import Path

import pytest

import mecpfm
from mecpfm.coupled.table import FRACTIONAL
from mecpfm.coupled.table import METHODS as COUPLED
from mecpfm.network.front import Method
from mecpfm.published.audit import FRACTIONAL as PUBLISHED_FRACTIONAL
from mecpfm.published.methods import METHODS as PUBLISHED

HOMES = {name: f"mecpfm.{home}" for name, home in mecpfm._HOME.items() if importlib.util.find_spec(f"mecpfm.{home}")}
ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "mecpfm").rglob("*.py")
    if ">>> " in path.read_text()
)
CALLED = (
    "mecpfm.network.build.build",
    "mecpfm.coupled.methods.solve",
    "mecpfm.coupled.methods.certified",
    "mecpfm.coupled.generate.generate",
    "mecpfm.published.methods.solve",
    "mecpfm.published.generate.generate",
    "mecpfm.online.simulate.simulate",
)
"""What else README and docs call from Python."""


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str):
    """The examples of each module give what they say."""
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("name", sorted(HOMES))
def test_every_public_name_has_an_example(name: str):
    """It is where ``dir`` says, and its docstring holds an example."""
    assert name in dir(mecpfm)
    assert ">>> " in (getattr(mecpfm, name).__doc__ or "")


@pytest.mark.parametrize("name", CALLED)
def test_what_documents_call_has_an_example(name: str):
    """A function of a subpackage that the documents call shows how."""
    module, _, attribute = name.rpartition(".")
    assert ">>> " in getattr(importlib.import_module(module), attribute).__doc__


def test_the_methods_of_solve_are_those_there_are():
    """The Literal names every method of either setting whose plans are whole."""
    whole = (set(COUPLED) - FRACTIONAL) | (set(PUBLISHED) - PUBLISHED_FRACTIONAL)
    assert set(typing.get_args(Method)) == whole
    assert len(typing.get_args(Method)) == len(whole)
