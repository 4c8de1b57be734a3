"""Parameters from a TOML file: a table a dataclass, a key a field; what the file does not name stays as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from mecpfm.errors import InputError, nearest
from mecpfm.files import read_toml

Record = TypeVar("Record")


def read_params(path: Path | None, tables: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Values of each table in a TOML file, by field; empty where there is no file, or no such table.

    InputError when the file cannot be read, or has anything but these tables.
    """
    content = {} if path is None else read_toml(path)
    for name, values in content.items():
        if name not in tables:
            raise InputError(f"{path}: [{name}] is unknown; {nearest(name, tables)}")
        if not isinstance(values, dict):
            raise InputError(f"{path}: {name} must be a table: [{name}]")
    return {name: content.get(name, {}) for name in tables}


def changed(where: object, record: Record, values: Mapping[str, Any]) -> Record:
    """A dataclass with the values that a table gives, each of the type of its field; a list stands for a tuple.

    InputError, which begins with ``where`` (file and table), for an unknown field, another type, or a value that the
    dataclass refuses.
    """
    if not values:
        return record
    kind: Any = type(record)
    known, hints = [field.name for field in fields(kind)], get_type_hints(kind)
    found = {}
    for name, value in values.items():
        if name not in known:
            raise InputError(f"{where}: {name} is unknown; {nearest(name, known)}")
        value = tuple(value) if isinstance(value, list) else value
        try:
            found[name] = TypeAdapter(hints[name]).validate_python(value, strict=True)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].replace("Input should be", "must be")
            raise InputError(f"{where}: {name} is {value!r}; {reason}") from None
    with named_in(where):
        new: Record = replace(record, **found)  # type: ignore[type-var]
    return new


@contextlib.contextmanager
def named_in(where: object) -> Iterator[None]:
    """InputError inside begins with where the value stands."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
