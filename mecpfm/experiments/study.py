"""Studies: a measurement together with the points and seeds at which it is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mecpfm import ranges

MARKS = 41
"""Rounds at which cumulative values are kept."""
Rows = list[dict[str, Any]]
"""What one measurement gives: a dictionary for each row of the result table."""
Measure = Callable[[Any, int], Rows]
"""Rows of one instance, from its recipe and its seed."""
SHARED_FRACTIONS = (0.0, 1 / 3, 2 / 3, 0.97, 0.999)
"""Shared fractions of a model, from nothing shared to nearly all, in both settings."""


def marks(rounds: int) -> list[int]:
    """Rounds, counted from 0 and evenly spread, at which cumulative values are kept."""
    return [int(t) for t in np.unique(np.linspace(0, rounds - 1, MARKS).astype(int))]


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
"""Every profile by name."""


def profile(name: str) -> Profile:
    """A profile by name."""
    ranges.one_of(PROFILES, "profile", name)
    return PROFILES[name]


class Point(NamedTuple):
    """One value on a study's x-axis and the recipe of its instances."""

    value: float
    recipe: Any


@dataclass
class Study:
    """Decorator of a measurement: where and how often each profile takes it; of several the lowest is listed first."""

    name: str
    """Name of the experiment and of its result files."""
    _: KW_ONLY
    shows: str
    """What it shows, in a few words."""
    points: Callable[[Profile], Sequence[Point]]
    """Points of a profile."""
    seeds: Mapping[str, int]
    """Number of seeds at every point, by profile."""
    needs: str = ""
    """Module that not everybody has and without which nothing is run."""
    timed: bool = False
    """Whether rows, not only running times, depend on how fast the machine is."""
    measure: Measure = field(init=False)

    def __call__(self, measure: Measure) -> Measure:
        """Register the function below."""
        self.measure = measure
        STUDIES[self.name] = self
        return measure


study = Study
STUDIES: dict[str, Study] = {}
"""Every study by name, in the order in which they are listed."""
