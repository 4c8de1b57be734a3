"""State of a dispatcher: that of a simulator's run whose request arrays have one row for each request in flight.

Everything is NumPy arrays of fixed meaning, so that a file of them is the whole state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mecpfm.kernels import online_live
from mecpfm.kernels.online_history import FIRST_LONG, FIRST_SHORT
from mecpfm.kernels.online_live import Line
from mecpfm.online.policy import Policy
from mecpfm.online.simulate import Run
from mecpfm.online.world import Scene
from mecpfm.typing import Array

OF_REQUESTS = {
    "world": ("arrival", "work", "home", "model", "group", "payload_gb", "static"),
    "demand": ("context", "shown", "explored", "made"),
    "learner": ("context", "looked"),
}
"""Fields with one row a request; all those of the log as well."""
ARRIVALS = 4096
"""Room for arrivals at first."""


class InFlight:
    """Arrays, random streams and the kernel that works on them.

    Parameters
    ----------
    scene
        Where requests are served; its own requests are left out.
    policy, seed
        As :class:`~mecpfm.online.simulate.Run`, whose streams these are.
    count, arrivals
        Rows, and room for arrivals.
    """

    def __init__(self, scene: Scene, policy: Policy, seed: int, count: int, arrivals: int = ARRIVALS) -> None:
        world = scene.world
        empty: dict[str, Any] = {
            name: np.zeros((count, *old.shape[1:]), old.dtype)
            for name, old in ((name, getattr(world, name)) for name in OF_REQUESTS["world"])
        }
        self.world = world._replace(**empty)
        run = Run(replace(scene, world=self.world), policy, seed)
        self.edge, self.log, self.history, self.rule = run.edge, run.log, run.history, run.rule
        self.demand, self.learner = run.demand, run.learner
        self.random = run.features, run.arms
        self.line = Line(
            np.zeros(5), np.zeros(arrivals), np.zeros(2, dtype=np.int64), np.zeros(len(world.speed), dtype=bool)
        )

    @property
    def count(self) -> int:
        """Rows there are."""
        return len(self.log.place)

    def serve(self) -> Iterator[int]:
        """The kernel, waiting for commands in ``line.box``; a new one is needed whenever arrays were replaced."""
        state = self.world, self.edge, self.log, self.history, self.demand, self.rule, self.learner, self.line
        found: Iterator[int] = online_live.serve(*state, *self.random)
        return found

    def double(self) -> None:
        """Twice as many rows."""
        before = self.count
        for name, fields in {**OF_REQUESTS, "log": self.log._fields}.items():
            old = getattr(self, name)
            longer = {
                field: _longer(array) for field in fields if len(array := getattr(old, field)) == before
            }  # learners that keep nothing of a request have a single row or none
            setattr(self, name, old._replace(**longer))

    def make_room(self) -> bool:
        """Forget arrivals that no feature looks back to; whether arrays were replaced because that was too little."""
        used, old = int(self.line.count[online_live.ARRIVED]), int(self.history.marks[FIRST_LONG])
        self.line.arrival[: used - old] = self.line.arrival[old:used].copy()
        self.history.marks[FIRST_SHORT:] -= old
        self.line.count[online_live.ARRIVED] -= old
        if crowded := 2 * old < used:
            self.line = self.line._replace(arrival=_longer(self.line.arrival))
        return crowded

    def forget(self, cloudlet: int) -> None:
        """Empty the memory of a cloudlet."""
        self.edge.holders[:] -= self.edge.held[cloudlet]
        for table in (self.edge.held, self.edge.ready, self.edge.used, self.edge.uses):
            table[cloudlet] = 0
        self.edge.used_gb[cloudlet] = self.edge.link[cloudlet] = 0.0

    def arrays(self) -> dict[str, Array]:
        """Every array by its dotted name."""
        found: dict[str, Array] = {}
        for name in ("world", "edge", "log", "history", "demand", "learner", "line"):
            found |= _flat(name, getattr(self, name))
        return found


def _longer(array: Array) -> Array:
    return np.concatenate([array, np.zeros_like(array)])


def _flat(name: str, value: Any) -> dict[str, Array]:
    if isinstance(value, np.ndarray):
        return {name: value}
    found: dict[str, Array] = {}
    for field in getattr(value, "_fields", ()):  # scalars follow from policy and scene
        found |= _flat(f"{name}.{field}", getattr(value, field))
    return found
