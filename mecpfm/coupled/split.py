"""The ascent of a large dual over fixed parts of the cloudlets, at once: the same bits for any number of threads.

A step costs much here, so that its length follows a rule of its own, with less than half the steps of the small
duals' rule for the same bound (docs/scale.md): aim high until that fails, then aim lower with every step.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mecpfm.coupled.structure import Cells
from mecpfm.kernels import coupled_dual, coupled_pack
from mecpfm.kernels.coupled_ascent import BOUND, FLOOR, IMPROVEMENT, STALLED, THETA, DualState, move
from mecpfm.kernels.coupled_cut import Work
from mecpfm.kernels.coupled_dual import Node
from mecpfm.typing import Floats, Ints

RECORDS = 200_000
"""Fewer are evaluated one after the other: threads would wait for each other longer than they work."""
PARTS = 8
"""Parts of about as many records each; their sums are added in one order, so that threads decide nothing."""
CLIMB, LEVEL = 0.5, 0.1
"""Steps aim this share above the best bound: the climb's, and after it, theta times."""
FAILED = 6
"""Steps without a better bound that end the climb."""
BETTER, WORSE = 0.99, 0.975
"""What theta shrinks by after the climb, in a step that lifts the bound and in one that does not."""


def parts(cells: Cells) -> Ints:
    """Ends of the parts, as cloudlets, ascending from 0; shape (up to PARTS + 1,)."""
    cloudlets, families = len(cells.capacity_s), len(cells.exact)
    at = cells.first_record[::families][: cloudlets + 1]
    wanted = np.arange(PARTS + 1) * (len(cells.request) / PARTS)
    return np.unique(np.append(np.searchsorted(at, wanted[:-1]), cloudlets))


def ascend(
    cells: Cells, state: DualState, node: Node, scale: Floats, upper: Floats, target: float, iterations: int,
    end: float, works: list[Work], threads: ThreadPoolExecutor,
) -> int:  # fmt: skip
    """As ``coupled_pack.ascend``; ``works`` is scratch, one a part."""
    count, ends = len(state.cut), parts(cells)
    slope, slopes = np.empty(len(state.point)), np.zeros((len(ends) - 1, len(state.point)))
    value, opened, size, used = np.empty(count), np.empty(count), np.empty(count), np.empty(0)
    coupled_pack.least(cells, node, size)

    def worth(part: int) -> float:
        return coupled_pack.sites(
            cells, ends[part], ends[part + 1], 0.0, state.point, state.cut, node, size, slopes[part], value, opened,
            used, 0.0, works[part], True, True,
        )  # fmt: skip

    for iteration in range(iterations):
        if state.control[THETA] < end or state.control[BOUND] >= target:
            return iteration
        bound = coupled_dual.linear(cells, state.point, slope)
        for less in threads.map(worth, range(len(slopes))):
            bound += less
        bound = coupled_pack.finish(cells, state.point, slope, bound, slopes)
        if not settle(state, bound, slope, scale, upper, target):
            return iteration + 1
    return iterations


def settle(state: DualState, bound: float, slope: Floats, scale: Floats, upper: Floats, target: float) -> bool:
    """Keep a better bound at the point, then step on, or end the climb at the best; False when there is no step.

    The climb goes on while theta is 1. Later theta falls with every step, so that a few hundred steps are the most.
    """
    control = state.control
    better, climbs = bound > control[BOUND], control[THETA] >= 1
    rises = bound > control[BOUND] + IMPROVEMENT * abs(bound)
    control[STALLED] = 0 if rises else control[STALLED] + 1
    if better:
        control[BOUND], state.best[:], state.best_cut[:] = bound, state.point, state.cut
    if bound == np.inf:
        return False
    if not climbs or control[STALLED] >= FAILED:
        control[THETA] *= BETTER if better else WORSE
    if climbs and control[THETA] < 1:
        state.point[:], state.step[:] = state.best, 0.0
        return True
    best, share = control[BOUND], CLIMB if climbs else LEVEL
    level = min(target, best + share * max(best, FLOOR * target))
    return bool(move(state.point, state.step, slope, scale, upper, control[THETA] * (level - bound)))
