"""Local search beside the usual one, where a resource is full, and how much of it ``auto`` does.

Exchanges are for a full memory: models come to cloudlets, and others leave them (``kernels.coupled_exchange``).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mecpfm.clock import FOREVER, Budget, Pace
from mecpfm.coupled import local_search, tabu
from mecpfm.coupled.engine import DEFAULT, EngineParams
from mecpfm.coupled.local_search import Polished
from mecpfm.coupled.params import AutoParams, ExchangeParams
from mecpfm.coupled.structure import Structure, site
from mecpfm.kernels import coupled_exchange as kernels
from mecpfm.kernels import coupled_state as states
from mecpfm.kernels import elementary
from mecpfm.kernels.coupled_journal import empty_journal
from mecpfm.kernels.coupled_single import Sites
from mecpfm.typing import Ints


@dataclass(eq=False)
class Exchanges:
    """A search, called with a plan and its limits, and its iterations for one of the usual search."""

    improve: Callable[..., Polished]
    each: float
    params: AutoParams

    @classmethod
    def of(cls, structure: Structure, rows: Sites | None, params: EngineParams) -> Exchanges | None:
        """Where memory is short, or compute for one set of blocks a cloudlet (``rows``); None where neither is."""
        own, at_first, most = params.exchange, params.auto.exchanges, params.auto.most_exchanges
        if binds(structure):
            one = tabu.is_union(structure, own)
            search = functools.partial(tabu.unions if one else improve, structure, params=own)
            return cls(search, most if one else at_first, params.auto)
        if rows is not None and len(np.unique(rows.request)) <= own.pair_most:  # a step of swaps looks at every pair
            search = functools.partial(tabu.swaps, structure, rows, params=own)
            return cls(search, at_first if rows.price_s.any() else most, params.auto)
        return None

    def paid(self, most: bool) -> None:
        """Twice as many from now on if they gained most, else half."""
        self.each *= 2 if most else 0.5
        self.each = min(max(self.each, self.params.fewest_exchanges), self.params.most_exchanges)


def binds(structure: Structure) -> bool:
    """Whether the blocks of all the options at some cloudlet do not fit its memory together."""
    cells = structure.cells
    place = np.unique(site(structure) * len(structure.family) + structure.model)
    of, model = np.divmod(place, len(structure.family))
    used = np.zeros((len(cells.capacity_s), len(cells.size_gb)), dtype=bool)
    member = structure.blocks.toarray() != 0
    np.logical_or.at(used, of, member[model])
    need = (used * cells.size_gb).sum(axis=1)
    return bool((need > cells.memory_gb).any())


def improve(
    structure: Structure, choice: Ints, *, iterations: int, budget: Budget = FOREVER, seed: int = 0,
    enough: float = -math.inf, params: ExchangeParams = DEFAULT.exchange,
) -> Polished:  # fmt: skip
    """Simulated annealing from a plan (instance options), some exchanges an iteration, until a budget ends.

    What the view leaves out of the plan is inserted anew; the plan that comes out is no dearer than that. A cost of
    ``enough``, s, or less ends it too; the same seed, plan and iterations give the same plan bit by bit.
    """
    cells, index = structure.cells, local_search.moves(structure)
    requests, random = len(cells.remote_s), np.random.default_rng(seed)
    state, journal = local_search.fresh(structure), empty_journal(requests)
    local_search.repair(structure, index, state, local_search.sorted_choice(structure, choice))
    best, found, least, done = state.choice.copy(), state.choice.copy(), float(state.cost[0]), 0
    mean, cold = least / requests, params.cold / params.hot
    for chunk in Pace(params.chunk, budget).parts(iterations):
        share = max(done / iterations, budget.spent())
        if share >= 1 or least <= enough:
            break
        heat = mean * params.hot * elementary.power(cold, share)
        cost = kernels.anneal(cells, index, state, best, journal, random, heat, chunk * params.exchanges)
        done += chunk
        if cost < least:
            least, found[:] = cost, best
        states.restart(cells, index, state, state.choice.copy())  # sums anew: no drift
    return Polished(structure.expand(found), least, done)
