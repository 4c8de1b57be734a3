"""The ascent of a large dual over fixed parts of the cloudlets, at once: the same bits for any number of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mecpfm.coupled.structure import Cells
from mecpfm.kernels import coupled_pack
from mecpfm.kernels.coupled_cut import Work
from mecpfm.kernels.coupled_dual import BOUND, THETA, DualState, Node, advance
from mecpfm.typing import Floats, Ints

RECORDS = 200_000
"""Fewer are evaluated one after the other: threads would wait for each other longer than they work."""
PARTS = 8
"""Parts of about as many records each; their sums are added in one order, so that threads decide nothing."""


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
            used, 0.0, works[part],
        )  # fmt: skip

    for iteration in range(iterations):
        if state.control[THETA] < end or state.control[BOUND] >= target:
            return iteration
        bound = coupled_pack.linear(cells, state.point, slope)
        for less in threads.map(worth, range(len(slopes))):
            bound += less
        bound = coupled_pack.finish(cells, state.point, slope, bound, slopes)
        if not advance(state, bound, slope, scale, upper, target):
            return iteration + 1
    return iterations
