"""One cloudlet's day as intervals: what it serves, what its memory holds, what it pulls; a table for a figure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mecpfm.figures.timeline import IDLE, QUEUE, SERVING
from mecpfm.kernels.online_records import Log, World
from mecpfm.online.policy import Policy
from mecpfm.online.simulate import Run
from mecpfm.online.world import Scene
from mecpfm.typing import Floats, Ints

Rows = list[tuple[str, float, float, str, float]]
"""Intervals: lane, start and end (s), what it is, and the level where the lane has one."""


def timeline(scene: Scene, policy: Policy, cloudlet: int, first: int, last: int, seed: int = 0) -> pd.DataFrame:
    """Intervals between the arrivals of requests ``first`` and ``last``, which is time 0.

    Returns
    -------
    Columns: ``lane`` (``in system``, ``serving`` or a backbone's name), ``start_s``, ``end_s``, ``what`` (``serving``:
    the request's backbone, or ``waiting for a pull``; a backbone: ``pulling`` or ``held``), and ``level`` (requests in
    system) where the lane is ``in system``. Intervals of a lane do not overlap.
    """
    world, run = scene.world, Run(scene, policy, seed)
    run.advance(first)
    begin, end = float(world.arrival[first]), float(world.arrival[last])
    memory = _Memory(run, cloudlet, begin)
    for request in range(first, last):
        run.advance(request + 1)
        memory.look(float(world.arrival[request]) + run.rule.held_s)
    here = served(world, run.log, cloudlet, last)
    rows = [*memory.rows(end), *_serving(world, run.log, here, run.rule.held_s)]
    rows += _queue(world.arrival[here] + run.rule.held_s, run.log.finish_s[here], begin, end)
    table = pd.DataFrame(rows, columns=["lane", "start_s", "end_s", "what", "level"])
    table = table.astype({"start_s": float, "end_s": float, "level": float})
    table[["start_s", "end_s"]] = table[["start_s", "end_s"]].clip(begin, end) - begin
    return table[table["end_s"] > table["start_s"]].sort_values(["lane", "start_s"], ignore_index=True)


def served(world: World, log: Log, cloudlet: int, last: int) -> Ints:
    """Requests before ``last`` that went to a cloudlet, in the order in which it serves them."""
    edge = np.flatnonzero(log.place[:last] < world.near.shape[1])
    return np.asarray(edge[world.near[world.home[edge], log.place[edge]] == cloudlet])


def busiest(scene: Scene, policy: Policy, first: int, last: int, seed: int = 0) -> int:
    """The cloudlet that pulls most in this part of a run, GB."""
    world, run = scene.world, Run(scene, policy, seed)
    run.advance(last)
    requests = (served(world, run.log, cloudlet, last) for cloudlet in range(len(world.speed)))
    return int(np.argmax([run.log.pulled_gb[here[here >= first]].sum() for here in requests]))


class _Memory:
    """Which backbones a cloudlet holds, seen after every dispatch."""

    def __init__(self, run: Run, cloudlet: int, now: float) -> None:
        self.run, self.cloudlet = run, cloudlet
        self.since = dict.fromkeys(self._held(), now)
        self.gone: Rows = []

    def _held(self) -> list[int]:
        backbones = len(self.run.scene.world.part_gb) - len(self.run.scene.world.base)
        return np.flatnonzero(self.run.edge.held[self.cloudlet, :backbones]).tolist()

    def look(self, now: float) -> None:
        held = self._held()
        for backbone in [one for one in self.since if one not in held]:
            self.gone += self._rows(backbone, now)
            del self.since[backbone]
        for backbone in held:
            self.since.setdefault(backbone, now)

    def rows(self, end: float) -> Rows:
        return self.gone + [row for backbone in self.since for row in self._rows(backbone, end)]

    def _rows(self, backbone: int, until: float) -> Rows:
        """On its way until it is ready, then held; what is dropped on its way was never held."""
        name = _name(self.run.scene.world, backbone)
        start, ready = self.since[backbone], float(self.run.edge.ready[self.cloudlet, backbone])
        ready = min(max(ready, start), until)
        return [(name, start, ready, "pulling", np.nan), (name, ready, until, "held", np.nan)]


def _serving(world: World, log: Log, here: Ints, held_s: float) -> Rows:
    rows, free = Rows(), 0.0
    for request in here:
        start, finish = float(log.start_s[request]), float(log.finish_s[request])
        idle = max(free, float(world.arrival[request]) + held_s)
        if log.pull_s[request] > 0 and start - idle > 1e-6:
            rows.append((SERVING, idle, start, IDLE, np.nan))
        rows.append((SERVING, start, finish, _name(world, int(world.base[world.model[request]])), np.nan))
        free = finish
    return rows


def _queue(join: Floats, leave: Floats, begin: float, end: float) -> Rows:
    times = np.unique(np.clip(np.concatenate([[begin, end], join, leave]), begin, end))
    present = np.searchsorted(np.sort(join), times[:-1], side="right")
    level = present - np.searchsorted(np.sort(leave), times[:-1], side="right")
    return [(QUEUE, *span, "", float(count)) for *span, count in zip(times[:-1], times[1:], level, strict=True)]


def _name(world: World, backbone: int) -> str:
    return f"backbone {backbone + 1} ({world.part_gb[backbone]:g} GB)"
