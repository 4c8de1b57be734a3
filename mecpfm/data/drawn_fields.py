"""What drawn requests ask for: fields that a group keeps as often as the real ones do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from mecpfm.data.marginals import TOP, Figures, inverse
from mecpfm.typing import Array, Bools, Floats, Ints

ITEMS = (*map(str, range(1, TOP + 1)), "other")


class _Field(NamedTuple):
    """Values and shares of one field; ``head`` is the share of the first value, by model rank (or for all)."""

    values: Sequence[float] | Sequence[str]
    shares: Sequence[float]
    head: str | None = None


def _catalogue(known: Figures) -> dict[str, _Field]:
    found: dict[str, list[tuple[str, float]]] = {}
    for item, share in known["share"].items():
        field, value = item.split(" ")
        found.setdefault(field, []).append((value, share))
    heads = {"images": "home_one_image", "steps": "home_default_steps", "loras": "model_lora"}
    first = {"images": "1", "steps": "30", "loras": "0"}
    catalogue = {}
    for field, head in heads.items():
        pairs = sorted(found[field], key=lambda pair: (pair[0] != first[field], float(pair[0])))
        catalogue[field] = _Field([float(value) for value, _ in pairs], [share for _, share in pairs], head)
    kinds = sorted(found["type"])
    return {**catalogue, "type": _Field([kind for kind, _ in kinds], [share for _, share in kinds])}


def fields(known: Figures, group: Ints, home: Ints, model: Ints, random: np.random.Generator) -> dict[str, Array]:
    """Fields by inverse transform of a level that a group keeps or draws anew, given its home or the model."""
    at_home, rank = np.minimum(home, TOP)[group], np.minimum(model, TOP)
    out: dict[str, Array] = {}
    for name, field in _catalogue(known).items():
        value = partial(_value, known, name, field, rank if name == "loras" else at_home)
        out[name] = _sticky(known["repeat"][name], group, value, random)
    negative = partial(_negative_length, known, rank)
    out["negative_prompt_length"] = _sticky(known["repeat"]["negative_prompt_length"], group, negative, random)
    prompt = lambda level: np.floor(inverse("prompt_length", level) + 0.5)  # noqa: E731
    out["prompt_length"] = _sticky(known["repeat"]["prompt_length"], group, prompt, random)
    out["loras"] = out["loras"].astype(np.int64)
    return out


def _value(known: Figures, name: str, field: _Field, rank: Ints, level: Floats) -> Array:
    shares = np.array(field.shares) / sum(field.shares)
    own = np.full(len(rank), shares[0])
    if field.head:
        own = np.array([known[field.head][item] for item in ITEMS])[rank]
        own = 1 - own if name == "loras" else own
    rest = np.cumsum(shares[1:] / shares[1:].sum())
    inner = np.searchsorted(rest, (level - own) / np.maximum(1 - own, 1e-12)).clip(max=len(rest) - 1)
    return np.array(field.values)[np.where(level < own, 0, 1 + inner)]


def _negative_length(known: Figures, rank: Ints, level: Floats) -> Floats:
    """None at all, the usual 26, or a longer one from above the 95 % quantile."""
    none = np.array([known["model_no_negative"][item] for item in ITEMS])[rank]
    usual = known["share"]["negative_prompt_length 26"] / (1 - known["no_negative"][""])
    above = ((level - none) / np.maximum(1 - none, 1e-12) - usual) / (1 - usual)
    longer = np.floor(inverse("negative_prompt_length", 0.95 + 0.05 * above.clip(0)) + 0.5)
    return np.where(level < none, 0.0, np.where(above < 0, 26.0, longer))


def _sticky(repeat: float, group: Ints, values: Callable[[Floats], Array], random: np.random.Generator) -> Array:
    """Values of levels that a group keeps so often that values repeat with probability ``repeat``.

    Levels kept always and never give the two ends between which the repetition of values is linear.
    """
    fresh, chance, start = random.random((3, len(group)))
    order = np.argsort(group, kind="stable")
    later = np.diff(group[order]) == 0

    def drawn(keep: float) -> Array:
        return values(kept(group, chance < keep, fresh, start))

    def found(keep: float) -> float:
        sorted_values = drawn(keep)[order]
        return float((sorted_values[1:] == sorted_values[:-1])[later].mean()) if later.any() else 0.0

    low, high = found(0.0), found(1.0)
    return drawn(float(np.clip((repeat - low) / max(high - low, 1e-9), 0, 1)))


def kept(group: Ints, keep: Bools, fresh: Floats, start: Floats) -> Floats:
    """A group's last value where it keeps it, ``fresh`` elsewhere; ``start`` (by group) before there is a last one."""
    last = pd.Series(np.where(keep, np.nan, fresh)).groupby(group).ffill().to_numpy()
    return np.where(np.isnan(last), start[group], last)
