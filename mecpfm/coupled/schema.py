"""Files of ``mecpfm.coupled/2``: names in place of indices, fields that may be left out, and their JSON Schema.

``python -m mecpfm.coupled.schema > docs/coupled-2.schema.json`` writes the schema anew; a test keeps it equal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mecpfm.records import Either, Range, Record, Shape

REFERS = {
    ("models", "blocks"): "blocks",
    ("cloudlets", "cached"): "blocks",
    ("cloudlets", "source"): "cloudlets",
    ("options", "request"): "requests",
    ("options", "model"): "models",
    ("options", "cloudlet"): "cloudlets",
}
"""Fields of indices, and the group whose ``name`` may stand in their place."""
DEFAULTS = {
    ("cloudlets", "cached"): ("memory_gb", []),
    ("requests", "remote_accuracy"): ("remote_delay_s", 1.0),
    ("options", "accuracy"): ("delay_s", 1.0),
}
"""Fields that may be left out: the field that says how many entries there are, and each entry."""


def expanded(content: dict[str, Any]) -> dict[str, Any]:
    """Content of a file with indices for names and every default; what is no group or list stays for the validation.

    Raises
    ------
    ValueError
        A name that its group does not have, or has twice.
    """
    content = {key: dict(group) if isinstance(group, dict) else group for key, group in content.items()}
    for (group, field), (like, value) in DEFAULTS.items():
        fields = content.get(group)
        if isinstance(fields, dict) and field not in fields and isinstance(fields.get(like), (list, np.ndarray)):
            fields[field] = [value] * len(fields[like])
    places: dict[str, Mapping[str, int]] = {}
    for (group, field), other in REFERS.items():
        fields = content.get(group)
        if isinstance(fields, dict) and _holds_text(fields.get(field)):
            if other not in places:
                places[other] = _places(other, content.get(other))
            fields[field] = _indices(f"{group}.{field}", fields[field], other, places[other])
    return content


def _holds_text(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.dtype.kind == "U")
    if isinstance(value, dict):
        return any(map(_holds_text, value.values()))
    return isinstance(value, str) or (isinstance(value, list) and any(map(_holds_text, value)))


def _places(group: str, fields: Any) -> Mapping[str, int]:
    names = fields.get("name") if isinstance(fields, dict) else None
    found: dict[str, int] = {}
    for i, name in enumerate(names.tolist() if isinstance(names, np.ndarray) else names or []):
        if isinstance(name, str) and found.setdefault(name, i) != i:
            raise ValueError(f"{group}.name[{i}] is {name!r} once more; where names stand for indices, each is one")
    return found


def _indices(where: str, value: Any, group: str, places: Mapping[str, int]) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_indices(f"{where}[{i}]", one, group, places) for i, one in enumerate(value)]
    if isinstance(value, dict):
        return {key: _indices(f"{where}.{key}", one, group, places) for key, one in value.items()}
    if not isinstance(value, str):
        return value
    if value not in places:
        raise ValueError(f"{where} is {value!r}; {group}.name has no such name")
    return places[value]


def json_schema(record: type[Record], schema: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of a file of this record; equal lengths and order of indices are left to the reader."""
    groups = {name: _group(name, info.annotation) for name, info in record.model_fields.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": schema,
        "description": (record.__doc__ or "").splitlines()[0],
        "type": "object",
        "properties": {"schema": {"const": schema}, **groups},
        "required": ["schema", *groups],
        "additionalProperties": False,
    }


def _group(group: str, record: Any) -> dict[str, Any]:
    fields = {name: _field((group, name), info.metadata) for name, info in record.model_fields.items()}
    required = [
        name for name, info in record.model_fields.items() if info.is_required() and (group, name) not in DEFAULTS
    ]
    return {
        "description": " ".join((record.__doc__ or "").split()).replace("``", ""),
        "type": "object",
        "properties": fields,
        "required": required,
        "additionalProperties": False,
    }


def _field(place: tuple[str, str], notes: list[Any]) -> dict[str, Any]:
    bounds = next((note for note in notes if isinstance(note, Range)), None)
    shapes = [
        shape for note in notes for shape in (note if isinstance(note, Either) else [note]) if isinstance(shape, Shape)
    ]
    ragged = place in (("models", "blocks"), ("cloudlets", "cached"))
    entry: dict[str, Any] = {"type": "string"} if bounds is None else _number(place, bounds)
    found = [_lists(entry, 2 if ragged else len(shape), ragged, shape) for shape in shapes]
    field: dict[str, Any] = found[0] if len(found) == 1 else {"anyOf": found}
    if place in DEFAULTS:
        field["default"] = f"{json.dumps(DEFAULTS[place][1])} for each"
    return field


def _number(place: tuple[str, str], bounds: Range) -> dict[str, Any]:
    index = place in REFERS or place == ("models", "family")
    low = {"minimum": bounds.ge} if math.isfinite(bounds.ge) else {}
    above = {"exclusiveMinimum": bounds.gt} if math.isfinite(bounds.gt) else {}
    high = {"maximum": bounds.le} if math.isfinite(bounds.le) else {}
    number = {"type": "integer" if index else "number", **low, **above, **high}
    if place in REFERS:
        return {"anyOf": [number, {"type": "string", "description": f"a name of {REFERS[place]}.name"}]}
    return {"anyOf": [{"const": 0}, {**number, "minimum": bounds.least}]} if bounds.least else number


def _lists(entry: dict[str, Any], depth: int, ragged: bool, shape: Shape) -> dict[str, Any]:
    for level in range(depth):
        entry = {"type": "array", "items": entry, **({"uniqueItems": True} if ragged and not level else {})}
    return {"description": f"shape ({', '.join(shape)}{',' if len(shape) == 1 else ''})", **entry}


if __name__ == "__main__":
    from mecpfm.coupled.instance import Instance

    print(json.dumps(json_schema(Instance, "mecpfm.coupled/2"), indent=1))
