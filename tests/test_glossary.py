"""The glossary names what exists, all that is public in records and instances, and no word means two things."""

import ast
import pkgutil
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import mecpfm
from mecpfm import records
from mecpfm.coupled import instance as coupled
from mecpfm.published import instance as published

ROOT = Path(__file__).parents[1]
SECTIONS = {
    part.partition("\n")[0]: [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\|.*\|$", part, re.MULTILINE)[2:]
    ]
    for part in (ROOT / "docs" / "glossary.md").read_text().split("\n## ")[1:]
}
NAMES = sorted(
    {name for rows in SECTIONS.values() for row in rows for name in re.findall(r"`([a-z]\w*\.[\w.]+)`", "|".join(row))}
)
SAME_ROLE = {"Instance", "Cloudlets", "Models", "Requests", "Options", "Recipe"}
"""An instance, its parts and what it is generated from: one class a setting."""
DRAWN = {"name", "longitude_deg", "latitude_deg"}
"""Fields that only draw an instance."""


def public(module: Any) -> set[str]:
    """Classes and functions that a module defines and does not hide."""
    return {
        name for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and callable(value) and name[0] != "_"
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_in_code_exist(name: str) -> None:
    """A module, what it defines, or a field of that."""
    head, _, last = f"mecpfm.{name}".rpartition(".")
    owner = pkgutil.resolve_name(head)
    fields = getattr(owner, "model_fields", getattr(owner, "__annotations__", {}))
    assert last in fields or pkgutil.resolve_name(f"{head}.{last}") is not None


@pytest.mark.parametrize("section", SECTIONS)
def test_symbols_and_terms_stand_once(section: str) -> None:
    """In one table no symbol and no term has two meanings."""
    heads = [row[0] for row in SECTIONS[section] if row[0]]
    assert heads
    assert max(Counter(heads).values()) == 1
    assert max(Counter(row[1] for row in SECTIONS[section]).values()) == 1


@pytest.mark.parametrize("module", [published, coupled, records], ids=lambda module: module.__name__)
def test_public_names_of_records_and_instances_are_explained(module: Any) -> None:
    """Every class, and every field of an instance but those that only draw it."""
    short = module.__name__.removeprefix("mecpfm.")
    for name in public(module) - {"most", "accepted"}:
        assert f"{short}.{name}" in " ".join(NAMES), name
        parts = {f"{short}.{part}" for part in ("Blocks", "Cloudlets", "Models", "Requests", "Options")}
        for field in set(getattr(getattr(module, name), "model_fields", {})) - DRAWN:
            if f"{short}.{field.capitalize()}" not in parts:
                assert f"{short}.{name}.{field}" in NAMES, (name, field)


def test_every_name_of_the_front_door_is_explained() -> None:
    """What ``dir(mecpfm)`` lists."""
    for name, home in mecpfm._HOME.items():
        assert f"{home}.{name}" in NAMES, name


def test_no_new_word_means_two_things() -> None:
    """A class name of two modules has one role in both settings."""
    counts = Counter(
        node.name
        for path in (ROOT / "mecpfm").rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in counts.items() if count > 1} <= SAME_ROLE
