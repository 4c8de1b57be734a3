"""A window of a trace on a network of cloudlets: what a seed draws, and what is known when the window begins.

The first ``SURVEY`` requests give means and deviations of the features and the cap of the regression. Policies are
tuned on the window after them, up to ``TUNING``, and reported on later ones: the two never overlap. A trace below twice
``TUNING`` that has no room for that gives its first third to the survey and the rest to one window for either part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from mecpfm.data.sites import KM_PER_DEGREE, positions
from mecpfm.data.topologies import load
from mecpfm.errors import InputError
from mecpfm.kernels import arrays, online_history
from mecpfm.kernels.online_history import History
from mecpfm.kernels.online_records import Constants, World
from mecpfm.online.features import fresh_history, survey
from mecpfm.online.setting import EVICTION, Setting
from mecpfm.online.trace import Trace
from mecpfm.streams import Streams, streams
from mecpfm.typing import Bools, Floats, Ints

SURVEY, TUNING = 3_000, 11_000
ACCESS_S, S_PER_KM = 0.005, 0.001
CAP_QUANTILE = 0.99
SHORTEST_S = 1e-6
"""Least time between the first and the last arrival of a window: below it no load can be set."""
LONGEST_S = 1e8
"""Most between them, three years: the congestion of the data centre has a value every ten seconds."""

Part = Literal["tune", "report"]


class Ground(NamedTuple):
    """Where requests are served, and from what home and which model those of a trace come."""

    near: Ints
    net_s: Floats
    speed: Floats
    memory_gb: Floats
    home: Ints
    """Cloudlet at which each origin of the trace is at home."""
    base: Ints
    part_gb: Floats
    held: Bools | None = None
    """Parts that cloudlets hold when the window begins, shape (C, P); None: nothing."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A world, its features' scales and the history of all requests before the window."""

    world: World
    history: History
    shift: Floats
    scale: Floats
    cap_s: float
    setting: Setting
    first: int
    """Row of the trace at which the window begins."""
    held: Bools | None = None
    """Parts that cloudlets hold when it begins, shape (C, P); None: nothing."""


def build(
    setting: Setting, trace: Trace, seed: int, part: Part = "report", *, real_sites: bool = True,
    ground: Ground | None = None, first: int | None = None,
) -> Scene:  # fmt: skip
    """The scene of a seed; every quantity has a random stream of its own, so scenarios share what they do not change.

    Cloudlets, homes and models are those of ``ground``, or drawn by the setting. The window begins at row ``first`` of
    the trace, or where the seed says; everything else a seed draws is the same with and without ``first``.

    Raises
    ------
    InputError
        When the trace is too short for the window, ``first`` is outside of its part, or all arrive at once.
    """
    supply = streams(seed)
    surveyed_rows, window = _window(setting.requests, trace, part, first, next(supply))
    first = window.start
    work = np.clip(trace.work_s, *setting.work_s)
    ground = ground or _drawn(setting, trace, supply, real_sites)
    factor = _factor(setting, trace, window, work[window].sum(), ground.speed.sum())
    arrival = _arrivals(trace.time_s[window], setting, factor)
    congestion = _congestion(setting, float(arrival[-1]), next(supply))
    world = World(
        arrival=arrival, work=work[window], home=ground.home[trace.origin[window]], model=trace.model[window],
        group=trace.group[window], payload_gb=trace.payload_gb[window],
        static=np.ascontiguousarray(trace.static[window]), near=ground.near, net_s=ground.net_s, speed=ground.speed,
        memory_gb=ground.memory_gb, part_gb=ground.part_gb, base=ground.base, congestion=congestion,
        constants=_constants(setting),
    )  # fmt: skip
    known = slice(0, surveyed_rows)
    surveyed = survey(_arrivals(trace.time_s[known], setting, factor), work[known], trace, known)
    history = fresh_history(int(trace.group.max()) + 1, len(ground.base))
    for row in range(first):
        online_history.observe(history, trace.group[row], trace.model[row], work[row])
    scale = surveyed.std(axis=0)
    return Scene(
        world, history, surveyed.mean(axis=0), np.where(scale > 1e-9, scale, 1.0),
        float(np.quantile(work[known], CAP_QUANTILE)), setting, first, ground.held,
    )  # fmt: skip


def _window(size: int, trace: Trace, part: Part, first: int | None, random: np.random.Generator) -> tuple[int, slice]:
    """Rows that are surveyed, from the first on, and rows that are served, drawn where ``first`` is not given."""
    rows = len(trace.time_s)
    surveyed_rows, low, high = _parts(rows, size, part)
    if high > rows or high - low < size:
        raise InputError(f"{trace.source}: has {rows} requests; {size} from row {low} on are needed")
    drawn = low + int(random.integers(0, high - low - size + 1))
    first = drawn if first is None else first
    if not low <= first <= high - size:
        raise InputError(f"first is {first}; must be in [{low}, {high - size}]")
    return surveyed_rows, slice(first, first + size)


def _factor(setting: Setting, trace: Trace, window: slice, work_s: float, speed: float) -> float:
    """What time is stretched by, so that all cloudlets together, of that speed, have the load they should have."""
    span, first = float(np.minimum(np.diff(trace.time_s[window]), setting.gap_s).sum()), window.start + 1
    if span < SHORTEST_S:
        raise InputError(f"{trace.source}: time_s: requests {first} to {window.stop} arrive within {span:g} s")
    factor = 1.0 if setting.load is None else work_s / (setting.load * speed) / span
    if not span * factor <= LONGEST_S:
        lasts = f"{span * factor:.3g} s; at most {LONGEST_S:g} s are possible"
        raise InputError(f"{trace.source}: the window lasts {lasts}")
    return factor


def _drawn(setting: Setting, trace: Trace, supply: Streams, real: bool) -> Ground:
    """The setting's cloudlets, homes and models; the order of the streams is what makes a seed a seed."""
    near, net_s = _network(setting, next(supply), real)
    speed = next(supply).permutation(_spread(setting))
    memory = next(supply).choice(setting.memory_gb, setting.cloudlets)
    home = next(supply).integers(0, setting.cloudlets, int(trace.origin.max()) + 1)
    base, part_gb = _library(setting, int(trace.model.max()) + 1, next(supply))
    return Ground(near, net_s, speed, memory, home, base, part_gb)


def disjoint(rows: int, size: int) -> range:
    """First rows of the reported windows of this size that a trace with so many rows holds without overlap."""
    return range(TUNING, rows - size + 1, size)


def longest(rows: int) -> int:
    """Most requests that a reported window of a trace with so many rows can have."""
    return rows - TUNING if rows >= 2 * TUNING else rows - rows // 3


def _parts(rows: int, size: int, part: Part) -> tuple[int, int, int]:
    """Rows of the survey, and between which rows the window lies."""
    low, high = (SURVEY, TUNING) if part == "tune" else (TUNING, rows)
    if rows < 2 * TUNING and (high > rows or high - low < size):
        return min(SURVEY, rows // 3), rows // 3, rows
    return SURVEY, low, high


def _arrivals(time_s: Floats, setting: Setting, factor: float) -> Floats:
    """Times from 0 on, gaps clipped and scaled."""
    gaps = np.minimum(np.diff(time_s, prepend=time_s[0]), setting.gap_s) * factor
    return np.cumsum(gaps)


def _network(setting: Setting, random: np.random.Generator, real: bool) -> tuple[Ints, Floats]:
    """The K nearest cloudlets of each home (C, K) and the time to each of them (C, K), s."""
    count = setting.cloudlets
    if setting.topology:
        places = load(setting.topology).coordinates
        if len(places) < count:
            raise InputError(f"topology {setting.topology} has {len(places)} nodes; {count} cloudlets are wanted")
    else:
        places, _ = positions(125, random, real=real)
    chosen = places[np.sort(random.choice(len(places), count, replace=False))]
    scale = KM_PER_DEGREE * np.array([arrays.cos(np.radians(chosen[:, 1].mean())), 1.0])
    km = arrays.settled(np.sqrt(np.square((chosen[:, None] - chosen[None]) * scale).sum(axis=2)))
    near = np.ascontiguousarray(np.argsort(km, axis=1, kind="stable")[:, : setting.reach])
    return near, ACCESS_S + S_PER_KM * np.take_along_axis(km, near, axis=1)


def _spread(setting: Setting) -> Floats:
    """Speeds of the cloudlets: the listed ones where they fill up evenly, else log-spaced between their ends."""
    listed = np.array(setting.speeds)
    if setting.cloudlets % len(listed) == 0:
        return np.tile(listed, setting.cloudlets // len(listed))
    return np.asarray(arrays.settled(arrays.spaced(listed.min(), listed.max(), setting.cloudlets)))


def _library(setting: Setting, models: int, random: np.random.Generator) -> tuple[Ints, Floats]:
    """Backbone of each model, shape (M,), and sizes of all parts, backbones first, GB."""
    sizes = np.resize(np.array(setting.backbone_gb), setting.families)
    base = random.integers(0, setting.families, models)
    return base, np.concatenate([sizes, arrays.uniform(random, *setting.own_gb, models)])


def _congestion(setting: Setting, last_s: float, random: np.random.Generator) -> Floats:
    """``median exp(spread x)`` of a stationary AR(1) x with unit variance, on the grid, with room for late arrivals."""
    steps = int(last_s / setting.grid_s) + 1_000
    keep = arrays.settled(arrays.exp(-setting.grid_s / setting.congestion_memory_s))
    noise = arrays.normal(random, steps)
    state = np.empty(steps)
    state[0] = noise[0]
    for t in range(1, steps):
        state[t] = keep * state[t - 1] + np.sqrt(1 - keep * keep) * noise[t]
    return np.asarray(arrays.settled(setting.congestion_s * arrays.exp(setting.congestion_spread * state)))


def _constants(setting: Setting) -> Constants:
    # Floats even where the setting says 1: an int would compile every kernel again.
    codes: dict[str, Any] = {"queue_limit": setting.queue_limit, "eviction": EVICTION[setting.eviction]}
    floats: dict[str, Any] = {name: float(getattr(setting, name)) for name in Constants._fields if name not in codes}
    return Constants(**codes, **floats)
