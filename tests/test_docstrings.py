"""What the API page lists says what goes in, what comes out and what is refused."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import mecpfm

ROOT = Path(__file__).parents[1]


def listed() -> dict[str, object]:
    """Everything on docs/api.md by its full name, members of classes too."""
    found: dict[str, object] = {}
    lines = (ROOT / "docs" / "api.md").read_text().splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if not (match := re.match(r"\.\. auto(function|class|exception):: ([\w.]+)", line)):
            continue
        kind, name = match.groups()
        module, _, last = name.rpartition(".")
        found[name] = thing = getattr(importlib.import_module(module) if module else mecpfm, last)
        if kind == "class" and ":members:" in after:
            wanted = after.partition(":members:")[2].replace(",", " ").split()
            for member, value in inspect.getmembers(thing):
                own = (member in vars(thing) and not member.startswith("_")) if not wanted else member in wanted
                if own and callable(value):
                    found[f"{name}.{member}"] = value
    return found


def test_the_page_lists_the_front_door():
    """Whatever the package exports is described there."""
    assert set(mecpfm._HOME) <= set(listed())


@pytest.mark.parametrize("name", sorted(name for name, thing in listed().items() if not inspect.isclass(thing)))
def test_functions_have_sections(name: str):
    """Parameters by name, Returns, Raises; a method of one argument may say all in its first lines."""
    function = listed()[name]
    said, given = inspect.getdoc(function) or "", inspect.signature(function)
    names = [one for one in given.parameters if one not in ("self", "cls")]
    assert said, name
    if "." in function.__qualname__ and len(names) < 2:
        return
    assert "Parameters\n----------\n" in said, name
    block = said.partition("Parameters\n----------\n")[2].partition("\n---")[0]
    told = {word.strip(" *") for line in block.splitlines() if line[:1].strip() for word in line.split(",")}
    assert set(names) <= told, (name, set(names) - told)
    if given.return_annotation not in (None, "None", inspect.Signature.empty):
        assert "Returns\n-------\n" in said, name
    if "raise InputError" in inspect.getsource(function):
        assert "Raises\n------\n" in said, name
