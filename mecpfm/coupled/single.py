"""Bound and fixing with compute rows kept, where each cloudlet has one set of blocks to open or not.

Facility location and assignment are of this kind, and so is a service with one model. The bound is the Lagrangian of
the assignment rows alone: a 0-1 knapsack a cloudlet, never weaker than with a price on compute.
"""

from __future__ import annotations

import math

import numpy as np

from mecpfm import clock
from mecpfm.clock import Budget
from mecpfm.coupled.dual import Dual
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.fix import free
from mecpfm.coupled.instance import most
from mecpfm.coupled.params import DualParams
from mecpfm.coupled.structure import Structure
from mecpfm.kernels import coupled_ascent as ascent
from mecpfm.kernels import coupled_single as kernels
from mecpfm.kernels.coupled_single import Sites
from mecpfm.typing import Bools, Floats, Ints

UNITS, ENTRIES = 20_000, 4_000_000
"""Most units of a cloudlet's compute, and most entries of a table."""
DECIMALS = (1.0, 10.0, 100.0, 1000.0)
NEAR = 1e-9
"""Amounts as near to a whole number of units, by this share, are that number; rooms are larger by more."""


def sites(structure: Structure) -> Sites | None:
    """The knapsacks of an instance of this kind; None of others, and where compute never binds."""
    cells, node = structure.cells, free(structure.cells)
    cloudlets, families = len(cells.capacity_s), len(cells.exact)
    used = (np.diff(cells.first_record) > 0).reshape(cloudlets, families)
    one = (node.allowed & (node.allowed - 1)) == 0
    if (used.sum(axis=1) > 1).any() or not (one.reshape(used.shape) & cells.exact)[used].all():
        return None
    first = cells.first_record[::families].copy()
    twice = cells.request[1:] == cells.request[:-1]
    twice[first[(first > 0) & (first < len(cells.request))] - 1] = False
    load = np.add.reduceat(np.append(cells.compute_s, 0.0), first[:-1]) * (np.diff(first) > 0)
    if twice.any() or not (load > most(cells.capacity_s)).any():
        return None
    units, room = _units(first, cells.compute_s, cells.capacity_s)
    price = np.zeros(cloudlets)
    for c, f in np.argwhere(used).tolist():
        own = slice(cells.first_block[f], cells.first_block[f + 1])
        price[c] = cells.pull_s[c, own][cells.members[own] & node.allowed[c * families + f] != 0].sum()
    room_s = most(cells.capacity_s) * (1 + NEAR)
    return Sites(first, cells.request, cells.delay_s, cells.compute_s, units, room_s, room, price)


def _units(first: Ints, compute_s: Floats, capacity_s: Floats) -> tuple[Ints, Ints]:
    """Compute in whole units and the units of each cloudlet: decimals where they do, else as fine as tables allow.

    What is rounded down lets more fit, so that the bound only falls.
    """
    longest = int(np.diff(first).max(initial=1))
    largest = max(float(most(capacity_s).max(initial=0.0)), 1e-9)
    finest = min(UNITS, ENTRIES // longest) / largest
    whole = [scale for scale in DECIMALS if scale <= finest and _whole(compute_s * scale).all()]
    scale = whole[0] if whole else finest
    amount = compute_s * scale
    units = np.where(_whole(amount), np.round(amount), np.floor(amount)).astype(np.int64)
    return units, np.floor(most(capacity_s) * scale * (1 + 3 * NEAR)).astype(np.int64)


def _whole(amount: Floats) -> Bools:
    return np.abs(amount - np.round(amount)) <= NEAR * amount


def _tables(rows: Sites) -> Floats:
    longest, units = int(np.diff(rows.first).max(initial=0)), int(rows.room_units.max(initial=0))
    return np.empty((longest + 1, units + 1))


def ascend(
    structure: Structure, rows: Sites, start: Dual, target: float, budget: Budget, params: DualParams = DEFAULT.dual
) -> Dual:
    """Maximise the bound from the prices of ``start``, which may be of either kind; ``target`` is a plan's cost."""
    began, remote = clock.now(), structure.cells.remote_s
    v = np.minimum(start.point[: len(remote)], remote)
    none = np.empty(0)
    control = np.array([-math.inf, params.knapsack_warm_theta if start.compute_row else params.knapsack_theta, 0.0])
    state = ascent.DualState(v, none, v.copy(), none.copy(), np.zeros(len(v)), control)
    table, taken, done = _tables(rows), np.empty(len(rows.request), dtype=np.bool_), 0
    scale = np.ones(len(v))
    while done < params.knapsack_iterations:
        ran = kernels.ascend(rows, state, scale, remote, target, params.chunk, params.theta_end, table, taken)
        done += ran
        if ran < params.chunk or budget.over:
            break
    point = np.zeros(len(start.point))
    point[: len(v)] = state.best
    bound = float(control[ascent.BOUND])
    return Dual(bound, point, np.zeros(len(start.cut)), done, clock.now() - began, start.memory_row, True)


def losses(structure: Structure, rows: Sites, dual: Dual) -> tuple[float, Floats]:
    """The bound at the multipliers of ``dual``, s, and what it rises by when a sorted option is used, (n,)."""
    v, loss, table = dual.point[: len(structure.cells.remote_s)], np.empty(len(rows.request)), _tables(rows)
    bound = kernels.losses(rows, v, loss, table, np.empty_like(table))
    return float(bound), np.repeat(loss, np.diff(structure.cells.first_option))
