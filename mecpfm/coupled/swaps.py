"""Local search under full compute, where each cloudlet has one set of blocks: shifts and swaps (``coupled_swaps``)."""

from __future__ import annotations

import math

import numpy as np

from mecpfm.clock import FOREVER, Budget, Pace
from mecpfm.coupled import local_search
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.local_search import Polished
from mecpfm.coupled.params import ExchangeParams
from mecpfm.coupled.structure import Structure, site
from mecpfm.kernels import coupled_swaps as kernels
from mecpfm.kernels.coupled_single import Sites
from mecpfm.typing import Ints


def fits(rows: Sites | None, params: ExchangeParams = DEFAULT.exchange) -> bool:
    """Whether an instance is of this kind, and not too large: a step looks at every pair."""
    return rows is not None and len(np.unique(rows.request)) <= params.pair_most


def improve(
    structure: Structure, rows: Sites, choice: Ints, *, iterations: int, budget: Budget = FOREVER, seed: int = 0,
    enough: float = -math.inf, params: ExchangeParams = DEFAULT.exchange,
) -> Polished:  # fmt: skip
    """Tabu search from a plan, some steps an iteration, until a budget ends or a cost of ``enough``, s, is found.

    Options that the view leaves out are remote at first. The same seed, plan and iterations give the same plan bit by
    bit; it is no dearer than the first.
    """
    places, option = _places(structure, rows)
    requests, remote = len(option), places.delay_s.shape[1] - 1
    place = np.append(site(structure), remote)
    walk = _walk(places, place[local_search.sorted_choice(structure, choice)])
    random, done, pace = np.random.default_rng(seed), 0, Pace(max(params.swap_pairs // requests**2, 1), budget)
    for steps in pace.parts(iterations * params.pair_steps):
        if walk.cost[kernels.LEAST] <= enough or budget.over:
            break
        kernels.search(places, walk, random, steps)
        kernels.restart(places, walk)  # no drift
        done += steps
    return Polished(option[np.arange(requests), walk.best], float(walk.cost[kernels.LEAST]), done // params.pair_steps)


def _places(structure: Structure, rows: Sites) -> tuple[kernels.Places, Ints]:
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
    return kernels.Places(delay_s, compute_s, np.append(rows.price_s, 0.0), room_s), option


def _walk(places: kernels.Places, at: Ints) -> kernels.Walk:
    """The walk's begin, at a plan that keeps all rooms."""
    requests, width = places.delay_s.shape
    served = np.isfinite(places.delay_s[:, :-1])
    load = max(float(places.compute_s[:, :-1][served].sum()), 1e-300)
    price = np.full(width, float(places.delay_s[:, :-1][served].sum()) / load)
    price[-1] = 0.0
    walk = kernels.Walk(
        at.copy(), np.zeros(width), np.zeros(width, dtype=np.int64), price, np.zeros((requests, width), dtype=np.int64),
        at.copy(), np.zeros(2), np.zeros(1, dtype=np.int64),
    )  # fmt: skip
    kernels.restart(places, walk)
    walk.cost[kernels.LEAST] = walk.cost[0]
    return walk
