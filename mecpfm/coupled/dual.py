"""Certified lower bounds of the coupled problem by Lagrangian duality (docs/theory_coupled.md, theorem 1).

Assignment, compute and memory rows are relaxed; what is left separates per (cloudlet, family) into problems solved
exactly as integer ones, with one cut ``sum g x <= G`` an open cell inside. Families too large pay by price sharing.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mecpfm import clock
from mecpfm.clock import FOREVER, Budget, Pace
from mecpfm.coupled import split
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.instance import TOLERANCE
from mecpfm.coupled.params import DualParams
from mecpfm.coupled.structure import EXACT_MODELS, Cells, Structure, owner, record_cells
from mecpfm.kernels import coupled_ascent as ascent
from mecpfm.kernels import coupled_pack as kernels
from mecpfm.kernels.coupled_cut import Work
from mecpfm.kernels.coupled_dual import Node
from mecpfm.typing import Floats

SLOTS = 1024
UNDECIDED = 12
"""Models of a family whose sets are enumerated where it has more than ``EXACT_MODELS``."""
LOOK = 20
"""Steps of ``explore`` between two looks at the clock."""
EXPLORING, TARGET = 0.05, 1.01
"""Length of its steps relative to Polyak's, whose target is so many times the bound."""
SHARE_SCALE = 3.0
"""Step of the shares w relative to that of v: found by trial, docs/experiments.md."""


@dataclass(frozen=True, eq=False)
class Dual:
    """Multipliers and the lower bound (s of delay) they certify."""

    bound: float
    point: Floats
    """Prices v (R), mu (C), eta (C) and shares w in one vector."""
    cut: Floats
    """Internal price of the cut, one a cell."""
    iterations: int
    runtime_s: float
    memory_row: bool = False
    """Whether the bound keeps the memory rows as knapsacks over the families."""
    compute_row: bool = False
    """Whether it keeps the compute rows as knapsacks over the requests, where a cell has one model."""


def gains(cells: Cells, point: Floats, cut: Floats) -> Floats:
    """What each record saves at the multipliers once its models are open, s: v - d - (mu + cut) g."""
    cell = record_cells(cells)
    mu = point[len(cells.remote_s) :][cell // len(cells.exact)]
    return np.asarray(point[cells.request] - cells.delay_s - (mu + cut[cell]) * cells.compute_s)


def proven(cost: float, bound: float) -> str:
    """Status of a plan: ``optimal`` when its cost (s) meets the bound up to rounding."""
    return "optimal" if cost <= bound + TOLERANCE * abs(bound) else "feasible"


def free(cells: Cells) -> Node:
    """No branching decision at all."""
    models = np.zeros(len(cells.exact), dtype=np.int64)
    family = np.tile(np.arange(len(models)), len(cells.capacity_s))
    np.bitwise_or.at(models, np.repeat(family, np.diff(cells.first_record)), cells.models)
    none = np.zeros(len(family), dtype=np.int64)
    return Node(none, models[family], none.copy())


def scratch(cells: Cells) -> Work:
    """Scratch arrays of the kernels."""
    longest = int(np.diff(cells.first_record).max(initial=1))
    models = int(np.bitwise_or.reduce(cells.members[: cells.first_block[-1]], initial=0)).bit_length()
    return Work(
        np.empty(longest),
        np.empty(longest, dtype=np.int64),
        np.empty(longest, dtype=np.int64),
        np.empty(longest),
        np.empty(longest, dtype=np.int64),
        np.empty(models),
        np.empty(models),
        np.empty(1 << (models if models <= EXACT_MODELS else UNDECIDED)),
        np.zeros(SLOTS + 1, dtype=np.int64),
    )


def sheet_of(point: Floats, cut: Floats, options: int = 0) -> kernels.Sheet:
    """What the kernels write at multipliers of such lengths, and how much of each sorted option they use, if any."""
    one, other, third = (np.empty(len(cut)) for _ in range(3))
    return kernels.Sheet(one, np.empty(len(point)), other, third, np.zeros(options))


def start(cells: Cells) -> Floats:
    """First multipliers: every request at its least delay without pulling, resources free, blocks shared evenly."""
    v = cells.remote_s.copy()
    np.minimum.at(v, cells.request, cells.delay_s)
    holders = np.diff(cells.first_share_of)
    shares = np.repeat(cells.pull_s.ravel() / np.maximum(holders, 1), holders)
    return np.concatenate([v, np.zeros(2 * len(cells.capacity_s)), shares])


def scaling(cells: Cells) -> Floats:
    """Diagonal preconditioner: a price per unit of a resource moves as many requests (blocks) as fill it."""
    compute, size = cells.compute_s.mean() if len(cells.compute_s) else 1.0, cells.size_gb.mean()
    mu = 1 / np.maximum(cells.capacity_s * compute, 1e-12)
    eta = 1 / np.maximum(cells.memory_gb * size, 1e-12)
    return np.concatenate([np.ones(len(cells.remote_s)), mu, eta, np.full(cells.first_share_of[-1], SHARE_SCALE)])


def ceiling(cells: Cells) -> Floats:
    """Upper bounds of the multipliers: no request is worth more than its remote delay."""
    rest = 2 * len(cells.capacity_s) + cells.first_share_of[-1]
    return np.concatenate([cells.remote_s, np.full(rest, np.inf)])


def solve(
    structure: Structure, *, target: float = math.inf, warm: Dual | None = None, node: Node | None = None,
    iterations: int | None = None, enough: float = math.inf, budget: Budget = FOREVER, memory_row: bool = False,
    threads: int = 1, params: DualParams = DEFAULT.dual,
) -> Dual:  # fmt: skip
    """Maximise the bound; ``target`` is the cost of any known plan (serving all remotely by default).

    When the budget is over, or the bound is ``enough``, it ends after the next chunk of iterations: there is always a
    bound. ``iterations`` are those of ``params`` unless given. ``memory_row`` keeps the memory rows as knapsacks over
    the families: never weaker at equal multipliers. With it a large instance is evaluated by ``threads`` at once, which
    changes no bit.
    """
    began, cells = clock.now(), structure.cells
    iterations = params.iterations if iterations is None else iterations
    theta = params.theta if warm is None else params.warm_theta
    point = start(cells) if warm is None else warm.point.copy()
    cut = np.zeros(len(cells.first_record) - 1) if warm is None else warm.cut.copy()
    control = np.array([-np.inf, theta, 0.0])
    state = ascent.DualState(point, cut, point.copy(), cut.copy(), np.zeros(len(point)), control)
    upper = ceiling(cells)
    target = min(target, float(cells.remote_s.sum()))
    node, scale, done = node or free(cells), scaling(cells), 0
    with _ascent(cells, state, memory_row, threads) as ascend:
        for chunk in Pace(params.chunk, budget).parts(iterations):
            ran = ascend(cells, state, node, scale, upper, target, chunk, params.theta_end)
            done += ran
            if ran < chunk or control[ascent.BOUND] >= enough or budget.over:
                break
    if control[ascent.BOUND] == -np.inf:  # without any price, zero is proved
        control[ascent.BOUND], state.best[:], state.best_cut[:] = 0.0, 0.0, 0.0
    return Dual(float(control[ascent.BOUND]), state.best, state.best_cut, done, clock.now() - began, memory_row)


@contextlib.contextmanager
def _ascent(cells: Cells, state: ascent.DualState, memory_row: bool, threads: int) -> Iterator[Callable[..., int]]:
    """The ascent's kernel with its scratch arrays; over parts of the cloudlets where there are many records."""
    if not memory_row or len(cells.request) < split.RECORDS:
        sheet = sheet_of(state.point, state.cut)
        yield functools.partial(kernels.ascend, work=scratch(cells), sheet=sheet, amount=0.0, rows=memory_row)
        return
    works = [scratch(cells) for _ in range(split.PARTS)]
    with ThreadPoolExecutor(threads) as pool:
        yield functools.partial(split.ascend, works=works, threads=pool)


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """What the subproblems do at the best multipliers (bound, cell values, cut prices) and around them (averages)."""

    bound: float
    value: Floats
    cut: Floats
    open: Floats
    """How often each cell is open."""
    used: Floats
    """Fraction of each sorted option, at most 1 in sum over a request's."""


def small_step(dual: Dual, bound: float) -> float:
    """Length, s, of a step around the best multipliers from where the bound is worth so much."""
    return EXPLORING * (TARGET * dual.bound - bound)


def explore(
    structure: Structure, dual: Dual, node: Node | None = None, *, iterations: int = 100, budget: Budget = FOREVER,
) -> Neighbourhood:  # fmt: skip
    """Average the subproblems' solutions over small steps that start at the best multipliers.

    The averages approach a solution of the relaxation as steps shrink (Larsson, Patriksson and Stromberg, 1999).
    """
    cells = structure.cells
    point, cut, step, opened = dual.point.copy(), dual.cut.copy(), np.zeros(len(dual.point)), np.zeros(len(dual.cut))
    sheet, control = sheet_of(point, cut, len(structure.option)), np.zeros(3)
    state = ascent.DualState(point, cut, point, cut, step, control)
    node, work, scale, upper = node or free(cells), scratch(cells), scaling(cells), ceiling(cells)
    first, done = None, 0
    while done < iterations and (done == 0 or done % LOOK or not budget.over):
        done += 1
        kernels.ascend(cells, state, node, scale, upper, math.inf, 1, 0.0, work, sheet, 1 / iterations, False)
        bound = float(control[ascent.BOUND])
        first = first or (bound, sheet.value.copy(), cut.copy())
        opened += (sheet.value > 0) / iterations
        ascent.move(point, step, sheet.slope, scale, upper, small_step(dual, bound))
    assert first is not None
    used = sheet.used
    if done < iterations:  # time is over: the averages are those of fewer steps
        used, opened = used * (iterations / done), opened * (iterations / done)
    request = owner(structure)
    served = np.bincount(request, used, minlength=len(cells.remote_s))
    return Neighbourhood(*first, opened, np.asarray(used / np.maximum(served, 1.0)[request]))
