"""Studies: a measurement together with the points and seeds at which it is taken; ``study`` registers one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mecpfm.errors import InputError

Rows = list[dict[str, Any]]
"""What one measurement gives: a dictionary for each row of the result table."""
Measure = Callable[[Any, int], Rows]
"""Rows of one instance, from its recipe and its seed."""
SHARED_FRACTIONS = (0.0, 1 / 3, 2 / 3, 0.97, 0.999)
"""Shared fractions of a model, from nothing shared to nearly all, in both settings."""


class Profile(NamedTuple):
    """How much is run: ``largest`` caps every count of a sweep, ``sites`` says whether real positions are used."""

    name: str
    largest: int
    sites: Any


PROFILES = {
    # Small and on drawn positions only: the same numbers on every machine, with or without the real files.
    "quick": Profile("quick", largest=100, sites="uniform"),
    "paper": Profile("paper", largest=500, sites="auto"),
}


def profile(name: str) -> Profile:
    """A profile by name."""
    if name not in PROFILES:
        raise InputError(f"profile is {name!r}; must be one of {', '.join(PROFILES)}")
    return PROFILES[name]


class Point(NamedTuple):
    """One value on a study's x-axis and the recipe of its instances."""

    value: float
    recipe: Any


@dataclass(frozen=True)
class Study:
    """A measurement, what it shows, and where and how often each profile takes it."""

    measure: Measure
    shows: str
    axis: str
    points: Callable[[Profile], Sequence[Point]]
    seeds: Mapping[str, int]
    """Number of seeds at every point, by profile."""
    needs: str = ""
    """Module that not everybody has and without which nothing is run."""
    timed: bool = False
    """Whether rows, not only running times, depend on how fast the machine is."""


STUDIES: dict[str, Study] = {}
"""Every study by name, in the order in which they are listed."""


def study(
    name: str,
    *,
    shows: str,
    points: Callable[[Profile], Sequence[Point]],
    seeds: Mapping[str, int],
    axis: str = "none",
    needs: str = "",
    timed: bool = False,
) -> Callable[[Measure], Measure]:
    """Register the function below as a study; of several decorators the lowest is listed first.

    Parameters
    ----------
    name
        Name of the experiment and of its result files.
    shows
        What the study shows, in a few words.
    points
        Points of a profile.
    seeds
        Number of seeds at every point, by profile.
    axis
        What the points' values mean.
    needs
        Module of an optional package that the measurement needs.
    timed
        Whether rows depend on how fast the machine is.
    """

    def register(measure: Measure) -> Measure:
        STUDIES[name] = Study(measure, shows, axis, points, seeds, needs, timed)
        return measure

    return register
