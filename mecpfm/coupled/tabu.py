"""Tabu search from a plan where a resource is full: shifts and swaps between cloudlets, or models in and out of one.

Swaps are for full compute where each cloudlet has one set of blocks (``kernels.coupled_swaps``), unions for a full
memory where one cloudlet serves all: a set-union knapsack (``kernels.coupled_union``). The same seed, plan and
iterations give the same plan bit by bit; it is no dearer than the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mecpfm.clock import FOREVER, Budget, Pace
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.instance import most
from mecpfm.coupled.local_search import Polished, sorted_choice
from mecpfm.coupled.params import ExchangeParams
from mecpfm.coupled.structure import Structure, owner, site
from mecpfm.kernels import coupled_swaps, coupled_union
from mecpfm.kernels.coupled_single import Sites
from mecpfm.kernels.coupled_swaps import LEAST
from mecpfm.kernels.coupled_union import BEST
from mecpfm.typing import Bools, Ints


def swaps(
    structure: Structure, rows: Sites, choice: Ints, *, iterations: int, budget: Budget = FOREVER, seed: int = 0,
    enough: float = -math.inf, params: ExchangeParams = DEFAULT.exchange,
) -> Polished:  # fmt: skip
    """Some shifts and swaps an iteration; options that the view leaves out are remote at first."""
    places, option = _places(structure, rows)
    requests, remote = len(option), places.delay_s.shape[1] - 1
    place = np.append(site(structure), remote)
    walk = _walk(places, place[sorted_choice(structure, choice)])
    parts = Pace(max(params.swap_pairs // requests**2, 1), budget).parts(iterations * params.pair_steps)
    done = _run(coupled_swaps, places, walk, parts, seed, lambda: budget.over or walk.cost[LEAST] <= enough)
    return Polished(option[np.arange(requests), walk.best], float(walk.cost[LEAST]), done // params.pair_steps)


def _places(structure: Structure, rows: Sites) -> tuple[coupled_swaps.Places, Ints]:
    """The assignment, and the instance's option of a request at a place, (R, C + 1)."""
    cells, cloudlets = structure.cells, len(rows.price_s)
    at = np.repeat(np.arange(cloudlets), np.diff(rows.first))
    shape = (len(cells.remote_s), cloudlets + 1)
    delay_s, compute_s, option = np.full(shape, np.inf), np.zeros(shape), np.full(shape, -1)
    delay_s[:, cloudlets] = cells.remote_s
    delay_s[rows.request, at] = rows.delay_s
    compute_s[rows.request, at] = rows.compute_s
    option[rows.request, at] = structure.option[cells.first_option[:-1]]
    room_s = np.append(cells.capacity_s, np.inf)
    return coupled_swaps.Places(delay_s, compute_s, np.append(rows.price_s, 0.0), room_s), option


def _walk(places: coupled_swaps.Places, at: Ints) -> coupled_swaps.Walk:
    """The walk's begin, at a plan that keeps all rooms."""
    requests, width = places.delay_s.shape
    served = np.isfinite(places.delay_s[:, :-1])
    load = max(float(places.compute_s[:, :-1][served].sum()), 1e-300)
    price = np.full(width, float(places.delay_s[:, :-1][served].sum()) / load)
    price[-1] = 0.0
    walk = coupled_swaps.Walk(
        at.copy(), np.zeros(width), np.zeros(width, dtype=np.int64), price, np.zeros((requests, width), dtype=np.int64),
        at.copy(), np.zeros(2), np.zeros(1, dtype=np.int64),
    )  # fmt: skip
    coupled_swaps.restart(places, walk)
    walk.cost[LEAST] = walk.cost[0]
    return walk


def is_union(structure: Structure, params: ExchangeParams = DEFAULT.exchange) -> bool:
    """Whether one cloudlet serves all, each request by one option at most, and compute is never short."""
    place, request, cells = np.unique(site(structure)), owner(structure), structure.cells
    if len(place) != 1 or len(structure.family) > params.pair_most:
        return False
    return len(np.unique(request)) == len(request) and bool(cells.compute_s.sum() <= most(cells.capacity_s)[place[0]])


def unions(
    structure: Structure, choice: Ints, *, iterations: int, budget: Budget = FOREVER, seed: int = 0,
    enough: float = -math.inf, params: ExchangeParams = DEFAULT.exchange,
) -> Polished:  # fmt: skip
    """Some models in or out an iteration."""
    cells, items, first = structure.cells, _items(structure), sorted_choice(structure, choice)
    inside = np.zeros(len(items.gain_s), dtype=bool)
    inside[structure.model[first[first >= 0]]] = True
    chosen, remote_s = _chosen(items, inside), float(cells.remote_s.sum())
    parts = Pace(params.union_chunk, budget).parts(iterations * params.pair_steps)
    done = _run(
        coupled_union, items, chosen, parts, seed, lambda: budget.over or remote_s - chosen.saved_s[BEST] <= enough
    )
    found, served = np.full(len(cells.remote_s), -1), chosen.best[structure.model]
    found[owner(structure)[served]] = structure.option[served]
    return Polished(found, remote_s - float(chosen.saved_s[BEST]), done // params.pair_steps)


def _chosen(items: coupled_union.UnionItems, inside: Bools) -> coupled_union.UnionChoice:
    """The walk's begin, at a choice that fits."""
    models, blocks = len(items.gain_s), len(items.size_gb)
    chosen = coupled_union.UnionChoice(
        inside.copy(), np.zeros(blocks, dtype=np.int64), np.zeros(models), np.zeros(models), np.zeros(1), np.zeros(2),
        np.zeros(models, dtype=np.int64), inside.copy(), np.zeros(1, dtype=np.int64),
    )  # fmt: skip
    coupled_union.restart(items, chosen)
    chosen.saved_s[BEST] = chosen.saved_s[0]
    return chosen


def _items(structure: Structure) -> coupled_union.UnionItems:
    """The knapsack of the one cloudlet that has options."""
    cells, blocks, request = structure.cells, structure.blocks, owner(structure)
    c, of_block = site(structure)[0], blocks.T.tocsr()
    delay_s = np.repeat(cells.delay_s, np.diff(cells.first_option))
    gain_s = np.bincount(structure.model, cells.remote_s[request] - delay_s, blocks.shape[0]).astype(np.float64)
    return coupled_union.UnionItems(
        gain_s, blocks.indptr.astype(np.int64), blocks.indices.astype(np.int64), of_block.indptr.astype(np.int64),
        of_block.indices.astype(np.int64), cells.size_gb, cells.pull_s[c].copy(), cells.memory_gb[[c]],
    )  # fmt: skip


def _run(kernels: Any, problem: Any, walk: Any, parts: Iterator[int], seed: int, met: Callable[[], bool]) -> int:
    """Steps of a walk, in parts, until all are done or ``met`` says so; returns how many were done."""
    random, done = np.random.default_rng(seed), 0
    for steps in parts:
        if met():
            break
        kernels.search(problem, walk, random, steps)
        kernels.restart(problem, walk)  # no drift
        done += steps
    return done
