"""Fixing by reduced cost with a model forced: what no plan better than a known one uses is left out.

With bound L and known cost U: no better plan opens, closes or uses what would raise L to U or more
(docs/theory_coupled.md, corollary 2 of theorem 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mecpfm.coupled.dual import Dual, ceiling, gains, scaling, scratch, sheet_of, small_step
from mecpfm.coupled.structure import Cells, Structure, option_cells, option_records, record_cells
from mecpfm.kernels import arrays, coupled_fix, coupled_pack
from mecpfm.kernels.coupled_ascent import move
from mecpfm.kernels.coupled_cut import Work
from mecpfm.kernels.coupled_dual import Node
from mecpfm.typing import Bools, Floats

CLOSE = 1e-9
"""A plan counts as better when it is cheaper by more than this share."""
STEPS = 40
"""Steps around the multipliers that are averaged."""


@dataclass(frozen=True, eq=False)
class Fixed:
    """Bound, s, at multipliers whose cells are evaluated exactly, what it decides, and the sorted options left."""

    bound: float
    node: Node
    kept: Bools


def free(cells: Cells) -> Node:
    """No decision; a cell allows the models that it has options of."""
    allowed = np.zeros(len(cells.first_record) - 1, dtype=np.int64)
    np.bitwise_or.at(allowed, record_cells(cells), cells.models)
    return Node(np.zeros_like(allowed), allowed, np.zeros_like(allowed))


def fix(structure: Structure, dual: Dual, node: Node, cost: float) -> Fixed:
    """What a plan cheaper than ``cost``, s, may use under a node's decisions, by the multipliers of ``dual``."""
    cells, work = structure.cells, scratch(structure.cells)
    count, models = len(dual.cut), int(np.bincount(structure.family).max())
    exact = np.tile(cells.exact, len(cells.capacity_s))
    cut = np.where(node.state == 1, 0.0, dual.cut)  # an open cell keeps its compute row as it is
    size, opening, closing = np.empty(count), np.empty(count), np.empty(count)
    top, best = np.empty(count), np.empty((count, models))
    coupled_pack.least(cells, node, size)
    coupled_fix.tables(cells, dual.point, cut, node, top, best, work)
    inside = coupled_fix.conditional(cells, node, top, size, opening, closing)
    if inside == -math.inf:  # what must be open does not fit, or nothing of it is there
        return Fixed(math.inf, node, np.zeros(len(structure.option), dtype=bool))
    bound = _beside(structure, dual, node, work) - inside
    room = cost * (1 - CLOSE) - bound
    state, allowed = node.state.copy(), node.allowed.copy()
    loss = np.where(exact[:, None], opening[:, None] - best, 0.0)
    state[exact & (state == 0) & (loss.min(axis=1) >= room)] = -1
    state[exact & (state == 0) & (closing >= room)] = 1
    for k in range(models):
        allowed[exact & (loss[:, k] >= room)] &= ~(1 << k)
    allowed |= np.where(exact, node.forced, 0)
    kept = _options(structure, dual, cut, loss) < room
    cell, bit = option_cells(structure), np.left_shift(1, structure.rank[structure.model])
    kept &= (state[cell] >= 0) & (allowed[cell] & bit != 0)
    return Fixed(float(bound), Node(state, allowed, node.forced), kept)


def _beside(structure: Structure, dual: Dual, node: Node, work: Work) -> float:
    """Bound, s, without what the exact families take off it."""
    cells = structure.cells
    v, mu, eta, _ = np.split(dual.point, np.cumsum([len(cells.remote_s), *[len(cells.capacity_s)] * 2]))
    total = math.fsum(v.tolist()) - arrays.dot(mu, cells.capacity_s) - arrays.dot(eta, cells.memory_gb)
    if cells.exact.all():
        return float(total)
    shut = np.where(np.tile(cells.exact, len(cells.capacity_s)), -1, node.state)
    sheet = sheet_of(dual.point, dual.cut)
    sheet.size[:] = 0.0
    # the relaxed families alone: whatever else the multipliers are worth cancels out
    alone = coupled_pack.evaluate(cells, dual.point, dual.cut.copy(), node._replace(state=shut), sheet, 0.0, work, True)
    return float(alone)


def _options(structure: Structure, dual: Dual, cut: Floats, loss: Floats) -> Floats:
    """What the bound rises by at least when a sorted option is used, s; 0 in relaxed families."""
    cells, cell = structure.cells, option_cells(structure)
    gain = gains(cells, dual.point, cut)[option_records(cells)]
    exact = cells.exact[cell % len(cells.exact)]
    own = loss[cell, np.where(exact, structure.rank[structure.model], 0)]
    return np.where(exact, own + np.maximum(-gain, 0.0), 0.0)


def averages(structure: Structure, dual: Dual, node: Node) -> tuple[Floats, Floats]:
    """How often cells are open, and sorted options used, on small steps around the multipliers."""
    cells, work = structure.cells, scratch(structure.cells)
    point, cut, sheet = dual.point.copy(), dual.cut.copy(), sheet_of(dual.point, dual.cut, len(structure.option))
    step, often = np.zeros(len(point)), np.zeros(len(cut))
    scale, upper = scaling(cells), ceiling(cells)
    coupled_pack.least(cells, node, sheet.size)
    for _ in range(STEPS):
        bound = coupled_pack.evaluate(cells, point, cut, node, sheet, 1 / STEPS, work, True)
        if not math.isfinite(bound):
            break
        often += sheet.opened / STEPS
        move(point, step, sheet.slope, scale, upper, small_step(dual, bound))
    return often, sheet.used
