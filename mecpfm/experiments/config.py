"""Every experiment of a profile: the registered studies with the points that the profile gives them."""

from __future__ import annotations

from typing import NamedTuple

from mecpfm.experiments.studies.published import OFFLINE, ONLINE, SWEEPS
from mecpfm.experiments.study import PROFILES, STUDIES, Point, profile

__all__ = [
    "OFFLINE", "ONLINE", "ONLINE_TRACE", "PROFILES", "STUDIES", "SWEEPS", "TIMED", "TRACE_NOTEBOOKS", "Experiment",
    "Point", "experiments", "profile",
]  # fmt: skip

TIMED = tuple(name for name, study in STUDIES.items() if study.timed)
"""Experiments whose rows, not only their running times, depend on how fast the machine is."""
ONLINE_TRACE = "online-trace"
"""Name that runs every study on the trace; theirs begin with it."""
TRACE_NOTEBOOKS = ("08_coupled_online", "13_restricted_context")
"""Notebooks that draw the figures of the studies on the trace."""


class Experiment(NamedTuple):
    """One study as a profile runs it."""

    name: str
    points: tuple[Point, ...]
    seeds: int


def experiments(profile_name: str) -> dict[str, Experiment]:
    """All experiments of a profile by name."""
    chosen = profile(profile_name)
    return {
        name: Experiment(name, tuple(study.points(chosen)), study.seeds[profile_name])
        for name, study in STUDIES.items()
    }
