"""Anytime local search: ruin and recreate guided by the dual's prices (docs/experiments.md).

The incumbent never gets worse; the same seed, start and number of iterations give the same plan bit by bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from mecpfm.clock import FOREVER, Budget, Pace
from mecpfm.coupled.check import assess
from mecpfm.coupled.dual import Dual, proven, scratch
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.params import SearchParams
from mecpfm.coupled.structure import Structure, option_records, record_cells
from mecpfm.kernels import coupled_local_search as kernels
from mecpfm.kernels import coupled_state as states
from mecpfm.kernels import elementary
from mecpfm.kernels.coupled_cut import Work
from mecpfm.kernels.coupled_journal import empty_journal
from mecpfm.kernels.coupled_star import MAX_ENUMERATED
from mecpfm.typing import Floats, Ints

Progress = Callable[[int, float], None]
Seen = Callable[[Ints], None]
"""Takes plans that the search came by, as instance options (R,) or -1: each is feasible, none need be good."""


@dataclass(frozen=True, eq=False)
class Polished:
    """Best decision found, as instance options (R,) or -1, its cost (s) and the iterations done."""

    choice: Ints
    cost: float
    iterations: int


def moves(structure: Structure, neighbours: int = DEFAULT.search.neighbours) -> states.Moves:
    """Indices that the search needs beside the cells; so many cloudlets are near each one."""
    cells, blocks = structure.cells, structure.blocks
    cell = record_cells(cells)
    by_request = np.argsort(cells.request, kind="stable")
    at = np.arange(len(cells.remote_s) + 1)
    live = np.unique(cell // len(cells.exact))
    of_block = blocks.T.tocsr()
    owner = scipy.sparse.csr_array(
        (np.left_shift(1, structure.rank), (structure.family, np.arange(len(structure.family)))),
        shape=(len(cells.exact), len(structure.family)),
    )
    members = (owner @ (blocks != 0).astype(np.int64)).tocsr()
    return states.Moves(
        record=option_records(cells),
        model=structure.model,
        cell=cell,
        first_of_request=np.searchsorted(cells.request[by_request], at).astype(np.int64),
        of_request=by_request,
        first_block=blocks.indptr.astype(np.int64),
        block=blocks.indices.astype(np.int64),
        first_model=of_block.indptr.astype(np.int64),
        of_block=of_block.indices.astype(np.int64),
        rank=structure.rank,
        family=structure.family,
        first_member=members.indptr.astype(np.int64),
        member_block=members.indices.astype(np.int64),
        member_mask=members.data.astype(np.int64),
        models=np.bincount(structure.family, minlength=len(cells.exact)),
        near=_near(cells.request, cell // len(cells.exact), len(cells.remote_s), len(cells.capacity_s), neighbours),
        live=live if len(live) else np.arange(len(cells.capacity_s)),
    )


def _near(request: Ints, cloudlet: Ints, requests: int, cloudlets: int, neighbours: int) -> Ints:
    """Cloudlets that share most requests with each cloudlet, itself first, shape (C, up to 1 + neighbours)."""
    reach = scipy.sparse.csr_array((np.ones(len(request)), (request, cloudlet)), shape=(requests, cloudlets))
    reach.data[:] = 1
    common = (reach.T @ reach).toarray()
    np.fill_diagonal(common, np.inf)
    # a copy: a strided view would be another type to Numba, and the search compiled twice
    return np.argsort(-common, axis=1, kind="stable")[:, : 1 + neighbours].copy()


def fresh(structure: Structure) -> states.SearchState:
    """State with every request remote, to be set by ``restart``."""
    cells, (models, blocks) = structure.cells, structure.blocks.shape
    cloudlets = len(cells.capacity_s)
    return states.SearchState(
        np.full(len(cells.remote_s), -1),
        np.zeros((cloudlets, blocks), dtype=np.int64),
        np.zeros((cloudlets, models), dtype=np.int64),
        np.zeros(len(cells.first_record) - 1, dtype=np.int64),
        np.zeros(cloudlets),
        np.zeros(cloudlets),
        np.zeros(1),
    )


def workspace(structure: Structure) -> Work:
    """Scratch arrays for families of any size: the search enumerates at most ``MAX_ENUMERATED`` of their models."""
    work = scratch(structure.cells)
    models = int(np.bincount(structure.family).max())
    table = np.empty(1 << min(models, MAX_ENUMERATED))
    return work._replace(reach=np.empty(models), own=np.empty(models), table=table)


def sorted_choice(structure: Structure, choice: Ints) -> Ints:
    """Instance options, or -1, as sorted options; options that were left out as useless become -1."""
    place = np.full(max(int(structure.option.max(initial=-1)), int(choice.max(initial=-1))) + 2, -1)
    place[structure.option] = np.arange(len(structure.option))
    return np.where(choice < 0, -1, place[choice])


def repair(structure: Structure, index: states.Moves, state: states.SearchState, choice: Ints) -> None:
    """Set the state to a decision, keep what fits in order of request, insert the rest where it is cheapest."""
    states.restart(structure.cells, index, state, choice)
    states.insert_all(structure.cells, index, state, np.argsort(-structure.cells.remote_s, kind="stable"))


def repaired(structure: Structure, choice: Ints) -> Polished:
    """What fits of a decision (instance options), the rest inserted where it is cheapest."""
    state = fresh(structure)
    repair(structure, moves(structure), state, sorted_choice(structure, choice))
    return Polished(structure.expand(state.choice), float(state.cost[0]), 0)


def known(instance: Instance, structure: Structure, choice: Ints) -> Polished:
    """A plan that the caller knows where it keeps all rows and its repair is no cheaper, else that.

    InputError when ``choice`` (R,) gives a request an option of another one.
    """
    choice = np.asarray(choice, dtype=np.int64)
    plan, other = assess(instance, "start", choice), repaired(structure, choice)
    return Polished(choice, plan.objective, 0) if plan.feasible and plan.objective <= other.cost else other


def guide(structure: Structure, dual: Dual) -> Floats:
    """Prices that steer the search: of requests (R) and of compute (C), the dearest cut of a cloudlet included."""
    requests, cloudlets = len(structure.cells.remote_s), len(structure.cells.capacity_s)
    compute = dual.point[requests : requests + cloudlets] + dual.cut.reshape(cloudlets, -1).max(axis=1)
    return np.concatenate([dual.point[:requests], compute])


def improve(
    structure: Structure, dual: Dual, choice: Ints | None = None, *, iterations: int = 10_000, budget: Budget = FOREVER,
    seed: int = 0, begin: float = 0.0, enough: float = -math.inf, progress: Progress | None = None,
    seen: Seen | None = None, params: SearchParams = DEFAULT.search,
) -> Polished:  # fmt: skip
    """Polish a decision (instance options, all remote by default) until a budget ends or it meets the bound.

    A cost of ``enough``, s, or less ends it too. ``begin`` is where on its way from hot to cold the temperature starts.
    """
    cells, index = structure.cells, moves(structure, params.neighbours)
    requests = len(cells.remote_s)
    state, work, random = fresh(structure), workspace(structure), np.random.default_rng(seed)
    journal, price = empty_journal(requests), guide(structure, dual)
    first = np.full(requests, -1) if choice is None else sorted_choice(structure, choice)
    states.restart(cells, index, state, first)
    most, each, cold = min(params.touched, len(cells.capacity_s)), params.ejections, params.cold / params.hot
    best, none = state.choice.copy(), np.empty(0, dtype=np.int64)
    if choice is None:  # by the search's kernel, for one of its own would take as long to compile
        everywhere = random.permutation(len(cells.capacity_s))
        kernels.anneal(cells, index, state, best, journal, random, price, 0.0, 0, each, most, work, everywhere)
    found, least, done = state.choice.copy(), float(state.cost[0]), 0
    mean = max(dual.bound, 1e-9) / requests
    for chunk in Pace(params.chunk, budget).parts(iterations):
        share = max(done / iterations, budget.spent())
        if share >= 1 or proven(least, dual.bound) == "optimal" or least <= enough:
            break
        heat = mean * params.hot * elementary.power(cold, begin + (1 - begin) * share)
        cost = kernels.anneal(cells, index, state, best, journal, random, price, heat, chunk, each, most, work, none)
        done += chunk
        if cost < least:
            least, found[:] = cost, best
        states.restart(cells, index, state, state.choice.copy())  # sums anew: no drift
        if seen:
            seen(structure.expand(state.choice))
        if progress:
            progress(done, least)
    return Polished(structure.expand(found), least, done)
