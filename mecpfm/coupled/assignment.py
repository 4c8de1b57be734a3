"""Who is served where, for given open blocks: an assignment problem with capacities, nearly integral in its LP.

All but about two requests a cloudlet are whole in the LP's basic solution. Options whose reduced cost is high stay
out, and HiGHS's branch and bound settles the rest; one plan goes in and one no dearer comes out.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled.structure import Structure, option_cells, owner, site
from mecpfm.solvers import LinearModel, highs
from mecpfm.typing import Floats, Ints

NARROW = 0.02
"""Largest reduced cost, in mean delays of a request, of the options that the integer problem sees."""
NODES = 20
GAP = 1e-4
SHORT = 2e-6
"""HiGHS may exceed a row by 1e-6; the plan must not."""


def settle(structure: Structure, choice: Ints, *, budget: Budget = FOREVER) -> Ints | None:
    """Sorted options, (R,) or -1, that serve the requests from the blocks ``choice`` uses; None when none is found."""
    cells, option = structure.cells, ready(structure, choice)
    if not len(option):
        return None
    record = np.searchsorted(cells.first_option, option, side="right") - 1
    cell = np.searchsorted(cells.first_record, record, side="right") - 1
    limit = np.maximum(cells.capacity_s - SHORT * np.maximum(cells.capacity_s, 1), 0)
    model = choices(
        cells.delay_s[record], cells.remote_s, (cells.request[record], np.arange(len(record))),
        (cell // len(cells.exact), cells.compute_s[record]), limit,
    )  # fmt: skip
    relaxed = highs.solve(model.relaxed(), time_limit=budget.limit())
    if relaxed.x is None or relaxed.duals is None:
        return None
    near = np.abs(model.cost - model.rows.T @ relaxed.duals) <= NARROW * relaxed.objective / len(choice)
    column = np.flatnonzero(near | (relaxed.x > 0) | (np.arange(len(near)) >= len(option)))
    found = highs.solve(model.part(column), time_limit=budget.limit(), gap=GAP, mip_max_nodes=NODES)
    if found.x is None:
        return None
    chosen = column[found.x > 0.5]
    chosen = chosen[chosen < len(option)]
    settled = np.full(len(choice), -1)
    settled[cells.request[record[chosen]]] = option[chosen]
    return settled


def ready(structure: Structure, choice: Ints) -> Ints:
    """Fastest option of each (request, cell) among the models whose blocks ``choice`` all uses, ascending."""
    cells = structure.cells
    cell, cloudlet, request = option_cells(structure), site(structure), owner(structure)
    member = structure.blocks.toarray() != 0
    used = np.zeros((len(cells.capacity_s), member.shape[1]), dtype=bool)
    chosen = choice[choice >= 0]
    np.logical_or.at(used, cloudlet[chosen], member[structure.model[chosen]])
    held = member.astype(np.int64) @ ~used.T == 0
    option = np.flatnonzero(held[structure.model, cloudlet])
    key = cell[option] * len(cells.remote_s) + request[option]
    return np.asarray(option[np.unique(key, return_index=True)[1]])  # delays ascend within a request


def choices(
    cost: Floats, remote_s: Floats, serves: tuple[Ints, Ints], loads: tuple[Ints, Floats], limit: Floats
) -> LinearModel:
    """Integer programme: every request is served once, no cloudlet is loaded beyond its limit.

    Columns: m choices at ``cost`` (m,), s, then one a request, at its remote delay (R,), s. ``serves`` holds pairs of a
    request and the choice that serves it, ``loads`` the cloudlet of each choice and its load there, (m,), ``limit`` is
    (C,). Rows: one a request, then one a cloudlet.
    """
    count, columns, sites = len(remote_s), len(cost), len(limit)
    serve = sp.coo_array((np.ones(len(serves[0])), serves), (count, columns))
    load = sp.coo_array((loads[1], (loads[0], np.arange(columns))), (sites, columns))
    return LinearModel.of_shares(
        np.concatenate([cost, remote_s]),
        sp.block_array([[serve, sp.eye_array(count)], [load, None]], format="csr"),
        np.concatenate([np.ones(count), np.full(sites, -np.inf)]),
        np.concatenate([np.ones(count), limit]),
    )
