"""JSON Schema of ``mecpfm.coupled/2``; ``python tests/coupled_schema.py > docs/coupled-2.schema.json`` renews it."""

import json
import math
from typing import Any

from mecpfm.coupled.instance import Instance
from mecpfm.coupled.schema import DEFAULTS, REFERS
from mecpfm.records import Either, Range, Record, Shape


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
    print(json.dumps(json_schema(Instance, "mecpfm.coupled/2"), indent=1))
