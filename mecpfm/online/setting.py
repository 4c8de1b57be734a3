"""Everything a run on a trace assumes, in one frozen dataclass, and the scenarios of the evaluation."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from mecpfm import ranges
from mecpfm.errors import InputError
from mecpfm.kernels import online_records
from mecpfm.ranges import AtLeastOne, NotNegative, Positive

_FINITE = functools.partial(ranges.ordered, high=sys.float_info.max)


EVICTION = {"lru": online_records.LRU, "value": online_records.BY_VALUE}


@dataclass(frozen=True)
class Setting:
    """A network of cloudlets and the load on it (docs/online_setting.md says where each number comes from)."""

    trace: Literal["gentd26", "azure"] = "gentd26"
    cloudlets: AtLeastOne = 12
    reach: AtLeastOne = 5
    """Nearest cloudlets that may serve a home's requests."""
    load: Positive | None = 0.8
    """Work that arrives over work that all cloudlets together can do; None: what the trace's own times give."""
    requests: AtLeastOne = 8_000
    work_s: Annotated[tuple[float, float], ranges.ordered] = (1.0, 300.0)
    """Service times at speed 1 are clipped to this range, s."""
    gap_s: float = 600.0
    """Longest gap between arrivals before time is scaled to the load, s."""
    speeds: Annotated[tuple[float, ...], ranges.all_positive] = (0.4, 0.6, 0.8, 1.0, 1.5, 2.5)
    families: AtLeastOne = 4
    backbone_gb: Annotated[tuple[float, ...], ranges.all_positive] = (2.0, 4.0, 6.5, 9.0)
    own_gb: Annotated[tuple[float, float], _FINITE] = (0.15, 0.8)
    """Range of what each model adds to its backbone, GB."""
    memory_gb: Annotated[tuple[float, ...], ranges.all_positive] = (10.0, 12.0, 16.0, 24.0)
    edge_gb_s: Positive = 1.25
    """Pulls from another cloudlet, GB/s."""
    centre_gb_s: Positive = 0.25
    """Pulls from the data centre, GB/s."""
    payload_gb_s: Positive = 1.25
    remote_payload_gb_s: Positive = 0.1
    remote_path_s: NotNegative = 0.2
    remote_load_s: NotNegative = 0.5
    """Delay that each of our own requests in flight adds at the data centre, s."""
    remote_speed: Positive = 1.5
    congestion_s: NotNegative = 20.0
    """Median congestion of the data centre, s."""
    congestion_spread: NotNegative = 0.6
    congestion_memory_s: Positive = 600.0
    grid_s: Positive = 10.0
    queue_limit: AtLeastOne = 8
    """Requests in system at which a cloudlet is full."""
    eviction: Annotated[str, functools.partial(ranges.one_of, EVICTION)] = "lru"
    memory_of_use_s: Positive = 3_600.0
    """Uses lose their weight with this time constant (value-based eviction), s."""
    variants: int = 1
    """2: each model has a small variant as well."""
    small_work: Positive = 0.35
    small_accuracy: float = 0.88
    """Accuracy of the small variant relative to the full one."""
    second_per_accuracy: NotNegative = 100.0
    """Delay that one unit of accuracy is worth, s: the small variant costs 12 s."""
    topology: str | None = None
    """A topohub network in place of the sites of Melbourne."""

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        ranges.check(self)
        if not self.gap_s > 0:
            raise InputError(f"gap_s is {self.gap_s}; must be > 0")
        if self.reach > self.cloudlets:
            raise InputError(f"reach is {self.reach}; must be <= cloudlets = {self.cloudlets}")
        if self.variants not in (1, 2):
            raise InputError(f"variants is {self.variants}; must be 1 or 2")
        if max(self.backbone_gb) + self.own_gb[1] > min(self.memory_gb):
            raise InputError(
                f"memory_gb has {min(self.memory_gb):g}; the largest model needs "
                f"{max(self.backbone_gb) + self.own_gb[1]:g}"
            )

    @property
    def small_penalty_s(self) -> float:
        """What choosing the small variant costs, s."""
        return (1 - self.small_accuracy) * self.second_per_accuracy


BASE = Setting()
AS_GIVEN = replace(BASE, load=None, work_s=(0.0, math.inf), gap_s=math.inf)
"""For a trace of one's own: the network of ``base``, its times and its service times as they are."""
GIVEN = "as given"
SCENARIOS: Mapping[str, Setting] = {
    "base": BASE,
    "load 0.5": replace(BASE, load=0.5),
    "load 1.1": replace(BASE, load=1.1),
    "8 cloudlets": replace(BASE, cloudlets=8),
    "16 cloudlets": replace(BASE, cloudlets=16),
    "slow links": replace(BASE, edge_gb_s=0.125, centre_gb_s=0.0625),
    "remote 60 s": replace(BASE, congestion_s=60.0),
    "variants": replace(BASE, load=1.1, variants=2),
    # Answers of a language model take a quarter of an image's time; so do those queued before them at the centre.
    "LLM": replace(BASE, trace="azure", work_s=(0.1, 300.0), congestion_s=5.0, remote_load_s=0.12),
}


def scenario(name: str) -> Setting:
    """A scenario by name, or ``as given``; InputError when there is none."""
    if name == GIVEN:
        return AS_GIVEN
    ranges.one_of((*SCENARIOS, GIVEN), "scenario", name)
    return SCENARIOS[name]
