"""One cloudlet's day as intervals: what it serves, what its memory holds, what it pulls; a table for a figure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mecpfm.online.policy import Policy
from mecpfm.online.simulate import Run
from mecpfm.online.world import Scene


def timeline(scene: Scene, policy: Policy, cloudlet: int, first: int, last: int, seed: int = 0) -> pd.DataFrame:
    """Intervals between the arrivals of requests ``first`` and ``last``.

    Returns
    -------
    Columns: ``lane`` (``serving``, ``waiting`` or a backbone's name), ``start_s``, ``end_s``, ``what`` (the backbone,
    or ``pulling`` and ``held``), and ``level`` (requests in system) where the lane is ``waiting``.
    """
    world, run = scene.world, Run(scene, policy, seed)
    run.advance(first)
    backbones = len(world.part_gb) - len(world.base)
    begin, end = world.arrival[first], world.arrival[last]
    since = dict.fromkeys(np.flatnonzero(run.edge.held[cloudlet, :backbones]).tolist(), float(begin))
    rows: list[tuple[str, float, float, str, float]] = []
    for request in range(first, last):
        run.advance(request + 1)
        now = float(world.arrival[request])
        held = set(np.flatnonzero(run.edge.held[cloudlet, :backbones]).tolist())
        for gone in set(since) - held:
            rows.append((_name(world.part_gb[gone], gone), since.pop(gone), now, "held", np.nan))
        for new in held - set(since):
            since[new] = float(run.edge.ready[cloudlet, new])
            rows.append((_name(world.part_gb[new], new), now, since[new], "pulling", np.nan))
        rows.append(("waiting", now, float(world.arrival[request + 1]), "", float(run.edge.waiting[cloudlet])))
    rows += [(_name(world.part_gb[b], b), start, end, "held", np.nan) for b, start in since.items()]
    log = run.log
    edge = np.flatnonzero(log.place[:last] < world.near.shape[1])
    here = edge[world.near[world.home[edge], log.place[edge]] == cloudlet]
    for request in here[(log.finish_s[here] > begin) & (log.start_s[here] < end)]:
        backbone = world.base[world.model[request]]
        rows.append(
            ("serving", log.start_s[request], log.finish_s[request], _name(world.part_gb[backbone], backbone), np.nan)
        )
    table = pd.DataFrame(rows, columns=["lane", "start_s", "end_s", "what", "level"])
    table[["start_s", "end_s"]] = table[["start_s", "end_s"]].clip(begin, end) - begin
    return table[table["end_s"] > table["start_s"]].sort_values(["lane", "start_s"], ignore_index=True)


def _name(size_gb: float, backbone: int) -> str:
    return f"backbone {backbone} ({size_gb:g} GB)"
