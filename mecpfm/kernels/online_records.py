"""What the online kernels take: the world, queues and caches, and what happened to each request.

Letters: T requests, S static features, C cloudlets, K reachable ones a home, M models, P parameter parts (backbones,
then what each model owns).
"""

from __future__ import annotations

from typing import NamedTuple

from mecpfm.kernels.online_events import Events
from mecpfm.typing import Bools, Floats, Ints

LRU, BY_VALUE = range(2)
"""Eviction rules: the least recently used part goes first, or the one whose uses save least time per GB."""


class Constants(NamedTuple):
    """Scalars of :class:`mecpfm.online.setting.Setting`, same names."""

    edge_gb_s: float
    """Rate of a pull from another cloudlet, GB/s."""
    centre_gb_s: float
    """Rate of a pull from the data centre, GB/s."""
    payload_gb_s: float
    """Rate of payloads to cloudlets, GB/s."""
    remote_payload_gb_s: float
    """Rate of payloads to the data centre, GB/s."""
    remote_path_s: float
    """Time to the data centre and back, s."""
    remote_load_s: float
    """Delay that each own request in flight at the data centre adds, s."""
    remote_speed: float
    """Speed of the data centre; 1 is that of the trace."""
    grid_s: float
    """Step of the grid of congestion, s."""
    small_work: float
    """Service time of the small variant relative to the full one."""
    small_penalty_s: float
    """Penalty of the small variant, s."""
    queue_limit: int
    """Most requests in system at a cloudlet."""
    eviction: int
    """Which part goes first: ``LRU`` or ``BY_VALUE``."""
    memory_of_use_s: float
    """Time constant at which uses are forgotten, s."""


class World(NamedTuple):
    """Everything that no policy changes."""

    arrival: Floats
    """When each request arrives, s, shape (T,)."""
    work: Floats
    """Service time at speed 1, known only once served, s, shape (T,)."""
    home: Ints
    """Home cloudlet of each request, shape (T,)."""
    model: Ints
    """Model that each request asks for, shape (T,)."""
    group: Ints
    """Who asks, shape (T,)."""
    payload_gb: Floats
    """What each request sends, GB, shape (T,)."""
    static: Floats
    """Features known at arrival, shape (T, S)."""
    near: Ints
    """Reachable cloudlets by distance, shape (C, K)."""
    net_s: Floats
    """Time to each of them, s, shape (C, K)."""
    speed: Floats
    """Speed of each cloudlet; 1 is that of the trace; shape (C,)."""
    memory_gb: Floats
    """Memory of each cloudlet, GB, shape (C,)."""
    part_gb: Floats
    """Size of each part, GB, shape (P,)."""
    base: Ints
    """Part that is the model's backbone, shape (M,); its own part is ``P - M + model``."""
    congestion: Floats
    """Extra delay of the data centre at each step of a grid, s."""
    constants: Constants
    """Scalars of the setting."""


class Edge(NamedTuple):
    """The mutable half: queues, caches, events to come. Scalars are arrays of shape (1,)."""

    free: Floats
    """When a cloudlet has done all it accepted, s, shape (C,)."""
    queue: Ints
    """Ring of the requests in system, oldest at ``first``, shape (C, queue_limit)."""
    first: Ints
    """Where each ring begins, shape (C,)."""
    waiting: Ints
    """Requests in system, shape (C,)."""
    link: Floats
    """When transfers ordered in advance are done, s, shape (C,)."""
    held: Bools
    """Whether a part is in memory (or on its way), shape (C, P)."""
    ready: Floats
    """When it is or was complete, s, shape (C, P)."""
    used: Floats
    """When it was last asked for, s, shape (C, P)."""
    uses: Floats
    """How often, decayed to ``used``, shape (C, P)."""
    used_gb: Floats
    """Memory in use, GB, shape (C,)."""
    holders: Ints
    """Number of cloudlets that hold a part, shape (P,)."""
    remote: Ints
    """Own requests in flight at the data centre, shape (1,)."""
    events: Events
    """Completions to come."""


class Log(NamedTuple):
    """What happened to each request, arrays of shape (T,)."""

    place: Ints
    """Place that served it."""
    variant: Ints
    """0 full, 1 small."""
    start_s: Floats
    """When its service began, s."""
    finish_s: Floats
    """When it was done, s."""
    delay_s: Floats
    """Time from its arrival to its end, s."""
    pull_s: Floats
    """Wait until its model was there, s."""
    pulled_gb: Floats
    """What was pulled for it, GB."""
    congestion_s: Floats
    """Congestion that it met at the data centre, s."""
    least_s: Floats
    """Least delay plus penalty that any place would have given at this moment, its demand known, s."""
    guess_s: Floats
    """Predicted service time at speed 1 (0 where the policy predicts none), s."""
