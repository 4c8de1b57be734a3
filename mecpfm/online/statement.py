"""What a run on somebody's trace assumed, and what it changed of the trace's numbers, in words."""

from __future__ import annotations

import numpy as np

from mecpfm.online.trace import Trace
from mecpfm.online.world import Scene


def network(scene: Scene, real_sites: bool) -> tuple[str, ...]:
    """Where requests are served: no trace says so."""
    setting, world = scene.setting, scene.world
    sites = (
        f"topology {setting.topology}" if setting.topology else "sites of Melbourne" + ("" if real_sites else ", drawn")
    )
    return (
        f"sites: {setting.cloudlets} cloudlets ({sites}), the nearest {setting.reach} serve; homes drawn",
        f"speeds: {world.speed.min():g} to {world.speed.max():g}, {world.speed.sum():g} in all",
        f"memory: {world.memory_gb.min():g} to {world.memory_gb.max():g} GB; models of "
        f"{min(setting.backbone_gb):g} to {max(setting.backbone_gb):g} GB and {setting.own_gb[0]:g} to "
        f"{setting.own_gb[1]:g} GB of their own, drawn",
        f"links: {setting.edge_gb_s:g} GB/s, {setting.centre_gb_s:g} from the data centre",
        f"data centre: speed {setting.remote_speed:g}, congestion of {setting.congestion_s:g} s (median)",
    )


def load(scene: Scene) -> float:
    """Work that arrives in the window over the work that all cloudlets can do meanwhile."""
    world = scene.world
    return float(world.work.sum() / (world.speed.sum() * (world.arrival[-1] - world.arrival[0])))


def changed(scene: Scene, trace: Trace) -> tuple[str, ...]:
    """Which numbers of the served requests are not the trace's; empty where all are."""
    setting, window = scene.setting, slice(scene.first, scene.first + scene.setting.requests)
    gaps, work = np.diff(trace.time_s[window]), trace.work_s[window]
    words = []
    low, high = setting.work_s
    if clipped := int(((work < low) | (work > high)).sum()):
        words.append(f"work_s: {clipped} of {len(work)} requests clipped to {low:g} to {high:g} s")
    if cut := int((gaps > setting.gap_s).sum()):
        words.append(f"gaps: {cut} of {len(gaps)} cut to {setting.gap_s:g} s")
    if setting.load is not None:
        factor = float(scene.world.arrival[-1]) / float(np.minimum(gaps, setting.gap_s).sum())
        words.append(f"time: multiplied by {factor:.4g} for a load of {setting.load:g}")
    return tuple(words)
