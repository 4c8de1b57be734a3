"""Ranges of options and arguments, one place for the command line and for Python: InputError names option and range."""

from __future__ import annotations

import math

from mecpfm.errors import InputError

MOST = 1_000_000_000
"""Most of anything that is counted: no sum or product of two counts overflows an int64."""
LARGEST = 1e12
"""Largest amount, in any unit."""


def at_least(name: str, value: float, low: float) -> None:
    """InputError unless ``low <= value < inf``."""
    if not low <= value < math.inf:
        raise InputError(f"{name} is {value}; must be finite and >= {low:g}")


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
