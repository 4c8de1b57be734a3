"""Local search under a full memory where one cloudlet serves all: a set-union knapsack (``kernels.coupled_union``)."""

from __future__ import annotations

import math

import numpy as np

from mecpfm.clock import FOREVER, Budget, Pace
from mecpfm.coupled import local_search
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.instance import most
from mecpfm.coupled.local_search import Polished
from mecpfm.coupled.params import ExchangeParams
from mecpfm.coupled.structure import Structure, owner, site
from mecpfm.kernels import coupled_union as kernels
from mecpfm.typing import Bools, Ints


def fits(structure: Structure, params: ExchangeParams = DEFAULT.exchange) -> bool:
    """Whether one cloudlet serves all, each request by one option at most, and compute is never short."""
    place, request, cells = np.unique(site(structure)), owner(structure), structure.cells
    if len(place) != 1 or len(structure.family) > params.pair_most:
        return False
    return len(np.unique(request)) == len(request) and bool(cells.compute_s.sum() <= most(cells.capacity_s)[place[0]])


def improve(
    structure: Structure, choice: Ints, *, iterations: int, budget: Budget = FOREVER, seed: int = 0,
    enough: float = -math.inf, params: ExchangeParams = DEFAULT.exchange,
) -> Polished:  # fmt: skip
    """Tabu search from a plan, some steps an iteration, until a budget ends or a cost of ``enough``, s, is found.

    The same seed, plan and iterations give the same plan bit by bit; it is no dearer than the first.
    """
    cells, items = structure.cells, _items(structure)
    remote, first = float(cells.remote_s.sum()), local_search.sorted_choice(structure, choice)
    inside = np.zeros(len(items.gain_s), dtype=bool)
    inside[structure.model[first[first >= 0]]] = True
    chosen = _chosen(items, inside)
    random, done = np.random.default_rng(seed), 0
    for steps in Pace(params.union_chunk, budget).parts(iterations * params.pair_steps):
        if remote - chosen.saved_s[kernels.BEST] <= enough or budget.over:
            break
        kernels.search(items, chosen, random, steps)
        kernels.restart(items, chosen)  # no drift
        done += steps
    found, served = np.full(len(cells.remote_s), -1), chosen.best[structure.model]
    found[owner(structure)[served]] = structure.option[served]
    return Polished(found, remote - float(chosen.saved_s[kernels.BEST]), done // params.pair_steps)


def _chosen(items: kernels.UnionItems, inside: Bools) -> kernels.UnionChoice:
    """The search's begin, at a choice that fits."""
    models, blocks = len(items.gain_s), len(items.size_gb)
    chosen = kernels.UnionChoice(
        inside.copy(), np.zeros(blocks, dtype=np.int64), np.zeros(models), np.zeros(models), np.zeros(1), np.zeros(2),
        np.zeros(models, dtype=np.int64), inside.copy(), np.zeros(1, dtype=np.int64),
    )  # fmt: skip
    kernels.restart(items, chosen)
    chosen.saved_s[kernels.BEST] = chosen.saved_s[0]
    return chosen


def _items(structure: Structure) -> kernels.UnionItems:
    """The knapsack of the one cloudlet that has options."""
    cells, blocks, request = structure.cells, structure.blocks, owner(structure)
    c, of_block = site(structure)[0], blocks.T.tocsr()
    delay_s = np.repeat(cells.delay_s, np.diff(cells.first_option))
    gain_s = np.bincount(structure.model, cells.remote_s[request] - delay_s, blocks.shape[0]).astype(np.float64)
    return kernels.UnionItems(
        gain_s, blocks.indptr.astype(np.int64), blocks.indices.astype(np.int64), of_block.indptr.astype(np.int64),
        of_block.indices.astype(np.int64), cells.size_gb, cells.pull_s[c].copy(), cells.memory_gb[[c]],
    )  # fmt: skip
