"""Files of ``mecpfm.coupled/2``: names in place of indices, and fields that may be left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

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
