"""An instance with some numbers changed: capacities, links, delays, by name or index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from mecpfm.errors import InputError
from mecpfm.records import Record, explain

if TYPE_CHECKING:
    from mecpfm.coupled.instance import Instance


def changed(instance: Instance, changes: Mapping[str, Mapping[str, Any]]) -> Instance:
    """A validated copy; see ``Instance.change``."""
    parts = {}
    for part, fields in changes.items():
        record = getattr(instance, part, None)
        if not isinstance(record, Record):
            raise InputError(f"{part!r} is no part of an instance; known: {', '.join(type(instance).model_fields)}")
        content = {name: getattr(record, name) for name in type(record).model_fields}
        for name, value in fields.items():
            if name not in content:
                raise InputError(f"{part}.{name} is unknown; known: {', '.join(content)}")
            content[name] = _entries(instance, part, name, value) if isinstance(value, Mapping) else value
        try:
            parts[part] = type(record)(**content)
        except ValidationError as error:
            raise InputError(f"{part}.{explain(error)}") from None
    every = {name: parts.get(name, getattr(instance, name)) for name in type(instance).model_fields}
    try:
        return type(instance)(**every)
    except ValidationError as error:
        raise InputError(explain(error)) from None


def _entries(instance: Instance, part: str, name: str, given: Mapping[Any, Any]) -> Any:
    values = getattr(getattr(instance, part), name)
    if not isinstance(values, np.ndarray):
        raise InputError(f"{part}.{name} takes no single entries; give the whole of it")
    values, axes = values.copy(), ("blocks", "cloudlets") if values.ndim == 2 else (part,)
    for key, value in given.items():
        pair = key if isinstance(key, tuple) else (key,)
        index = tuple(_index(instance, axis, one) for axis, one in zip(axes, pair, strict=False))
        if len(index) != values.ndim or any(i >= n for i, n in zip(index, values.shape, strict=True)):
            raise InputError(f"{part}.{name}: {key!r} is no entry of an array of shape {values.shape}")
        try:
            moves = isinstance(value, str) and value[:1] in ("+", "-")
            values[index] = values[index] + float(value) if moves else value
        except ValueError:
            raise InputError(f"{part}.{name}[{key!r}] is {value!r}; must be a number") from None
    return values


def _index(instance: Instance, part: str, key: Any) -> int:
    if isinstance(key, str):
        names = getattr(getattr(instance, part), "name", None) or ()
        if key not in names:
            raise InputError(f"{part}: {key!r} is no name there")
        return int(names.index(key))
    if isinstance(key, bool) or not isinstance(key, (int, np.integer)) or key < 0:
        raise InputError(f"{part}: {key!r} must be a name or an index >= 0")
    return int(key)
