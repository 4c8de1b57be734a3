"""Ranges of options and arguments, one place for the command line and for Python: InputError names option and range."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

from mecpfm.errors import InputError

MOST = 1_000_000_000
"""Most of anything that is counted: no sum or product of two counts overflows an int64."""
LARGEST = 1e12
"""Largest amount, in any unit."""

Rule = Callable[[str, Any], None]
"""What a field must be: called with its name and value, raises InputError."""


def check(record: object) -> None:
    """InputError unless every field of a dataclass keeps the rules in its annotation; None may be where it says so."""
    kind: Any = type(record)
    for name, rule, optional in _rules(kind):
        value = getattr(record, name)
        if not (optional and value is None):
            rule(name, value)


@functools.cache
def _rules(kind: Any) -> list[tuple[str, Rule, bool]]:
    """Name of the field, its rule, and whether it may be None."""
    found, plain = [], get_type_hints(kind)
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for part in (hint, *get_args(hint)):  # of an optional field the rule may stand inside the union
            found += [(name, rule, NoneType in get_args(plain[name])) for rule in getattr(part, "__metadata__", ())]
    return found


def one_of(known: Iterable[str], name: str, value: str) -> None:
    """InputError unless the value is a known word."""
    if value not in known:
        raise InputError(f"{name} is {value!r}; must be one of {', '.join(known)}")


def no_less(name: str, value: float, low: float) -> None:
    """InputError unless ``low <= value``, infinity included."""
    if not value >= low:
        raise InputError(f"{name} is {value}; must be >= {low:g}")


def ordered(name: str, value: tuple[float, float], high: float = math.inf) -> None:
    """InputError unless ``0 <= first <= second <= high``; the first is finite."""
    if not (0 <= value[0] <= value[1] <= high and value[0] < math.inf):
        raise InputError(f"{name} is {value}; must be two numbers >= 0 in order")


def all_positive(name: str, value: tuple[float, ...]) -> None:
    """InputError unless every number is above 0."""
    if not min(value) > 0:
        raise InputError(f"{name} has {min(value):g}; must be > 0")


def at_least(name: str, value: float, low: float) -> None:
    """InputError unless ``low <= value < inf``."""
    if not low <= value < math.inf:
        raise InputError(f"{name} is {value}; must be finite and >= {low:g}")


def not_negative(name: str, value: float) -> None:
    """InputError unless ``0 <= value < inf``."""
    at_least(name, value, 0)


def positive(name: str, value: float) -> None:
    """InputError unless ``0 < value < inf``."""
    if not 0 < value < math.inf:
        raise InputError(f"{name} is {value}; must be finite and > 0")


def within(name: str, value: float | None, low: float, high: float) -> None:
    """InputError unless ``low <= value <= high``; None is an option that was not given."""
    if value is not None and not low <= value <= high:
        raise InputError(f"{name} is {value}; must be in [{low:g}, {high:g}]")


def count(name: str, value: int | None, low: int = 1, high: int = MOST) -> None:
    """InputError unless ``low <= value <= high``, a whole number; None is an option that was not given."""
    if value is not None and not (low <= value <= high and value == int(value)):
        raise InputError(f"{name} is {value}; must be a whole number in [{low}, {high}]")


def seed(value: int) -> None:
    """InputError unless the seed is one that every random stream takes."""
    count("seed", value, 0, 2**63 - 1)


Count = Annotated[int, count]
Positive = Annotated[float, positive]
NotNegative = Annotated[float, not_negative]
Share = Annotated[float, functools.partial(within, low=0, high=1)]
Amount = Annotated[float, functools.partial(within, low=0, high=LARGEST)]
AtLeastOne = Annotated[int, functools.partial(no_less, low=1)]
"""Annotations of fields that :func:`check` holds a record to."""
