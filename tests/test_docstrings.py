"""The examples in docstrings run and print what they say; what the documents offer has one."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "mecpfm").rglob("*.py")
    if ">>>" in path.read_text()
)
OFFERED = (
    "mecpfm.network.network.read",
    "mecpfm.network.network.Network",
    "mecpfm.network.build.build",
    "mecpfm.network.front.solve",
    "mecpfm.coupled.methods.solve",
    "mecpfm.coupled.methods.certified",
    "mecpfm.coupled.generate.generate",
    "mecpfm.published.methods.solve",
    "mecpfm.published.generate.generate",
    "mecpfm.published.online.simulate",
    "mecpfm.online.simulate.simulate",
)
"""What README and docs call from Python."""


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each example of a module gives what stands there; files go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted
    assert found.failed == 0


@pytest.mark.parametrize("name", OFFERED)
def test_what_documents_offer_has_an_example(name: str):
    """A function that the documents name shows how it is called."""
    module, _, attribute = name.rpartition(".")
    assert ">>>" in getattr(importlib.import_module(module), attribute).__doc__
