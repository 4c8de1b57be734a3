"""Greedy kernels of the coupled setting: first fit in a given order of preference, and placement by gain.

Ties: lowest index.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.kernels.ordering import ascending, largest
from mecpfm.typing import Bools, Floats, Ints

LEAST = 1e-9
"""No amount but 0 is smaller (coupled/instance.py)."""


class Candidates(NamedTuple):
    """Options by candidate placement: ``option[first[j]:first[j + 1]]`` belong to ``j = cloudlet * K + model``."""

    first: Ints
    """Shape (C K + 1,)."""
    option: Ints
    """Options by candidate, shape (n,)."""
    request: Ints
    """Request of each option, shape (n,)."""
    model: Ints
    """Model of each option, shape (n,)."""
    cloudlet: Ints
    """Cloudlet of each option, shape (n,)."""
    delay: Floats
    """Delay of each option, s, shape (n,)."""
    compute: Floats
    """Compute of each option, s, shape (n,)."""
    indptr: Ints
    """Blocks of model k: ``indices[indptr[k]:indptr[k + 1]]``; shape (K + 1,)."""
    indices: Ints
    """Blocks by model."""
    size: Floats
    """Size of each block, GB, shape (B,)."""
    pull: Floats
    """Time to pull block b to cloudlet c, s, shape (B, C)."""


class GreedyState(NamedTuple):
    """What is placed and served so far; the caller raises what is left by what sums of floats need."""

    opened: Bools
    """Whether block b is in use at cloudlet c, shape (B, C)."""
    current: Floats
    """Delay of each request as it stands, s, shape (R,)."""
    compute_left: Floats
    """Compute left at each cloudlet, s, shape (C,)."""
    memory_left: Floats
    """Memory left at each cloudlet, GB, shape (C,)."""
    choice: Ints
    """Option of each request, -1 for remote, shape (R,)."""


@kernel
def missing(k: int, c: int, at: Candidates, state: GreedyState) -> tuple[float, float]:
    """Memory, GB, and pull, s, that model k still needs at cloudlet c: its blocks that are not open there."""
    need, pull = 0.0, 0.0
    for i in range(at.indptr[k], at.indptr[k + 1]):
        if not state.opened[at.indices[i], c]:
            need += at.size[at.indices[i]]
            pull += at.pull[at.indices[i], c]
    return need, pull


@kernel
def first_fit(order: Ints, at: Candidates, state: GreedyState) -> None:
    """Walk the options in ``order``; each unserved request takes the first that still fits, and opens its blocks."""
    for o in order:
        r, k, c = at.request[o], at.model[o], at.cloudlet[o]
        if state.choice[r] >= 0 or at.compute[o] > state.compute_left[c]:
            continue
        need, _ = missing(k, c, at, state)
        if need > state.memory_left[c]:
            continue
        state.choice[r] = o
        state.compute_left[c] -= at.compute[o]
        state.memory_left[c] -= need
        for i in range(at.indptr[k], at.indptr[k + 1]):
            state.opened[at.indices[i], c] = True


@kernel
def takers(
    low: int, high: int, option: Ints, request: Ints, delay: Floats, compute: Floats, current: Floats, left: float
) -> tuple[float, Ints]:
    """Options ``option[low:high]`` of one (cloudlet, model) that save delay and fit its compute, and what they save, s.

    By saving per unit of compute where not all fit.
    """
    save = np.empty(high - low)
    work = 0.0
    for i in range(low, high):
        o = option[i]
        save[i - low] = current[request[o]] - delay[o]
        if save[i - low] > 0:
            work += compute[o]
    kept, some = np.empty(len(save), dtype=np.int64), 0
    for i in range(len(save)):
        if save[i] > 0:
            kept[some] = i
            some += 1
    kept = kept[:some]
    if work > left:
        rate = np.empty(len(kept))
        for i in range(len(kept)):
            rate[i] = -save[kept[i]] / max(compute[option[low + kept[i]]], 1e-12)
        by_rate = ascending(rate)
        for i in range(len(by_rate)):
            by_rate[i] = kept[by_rate[i]]
        kept = by_rate
    total, count = 0.0, 0
    chosen = np.empty(len(kept), dtype=np.int64)
    for i in range(len(kept)):
        o = option[low + kept[i]]
        if compute[o] <= left:
            left -= compute[o]
            total += save[kept[i]]
            chosen[count] = o
            count += 1
    return total, chosen[:count]


@kernel
def placement(j: int, at: Candidates, state: GreedyState, per_byte: bool) -> tuple[float, float, Ints]:
    """Saving of candidate ``j`` (per incremental GB), its GB and its takers; 0: it does not fit or saves nothing."""
    models = len(at.indptr) - 1
    c, k = j // models, j % models
    need, pull = missing(k, c, at, state)
    left = state.compute_left[c]
    if need > state.memory_left[c]:
        return 0.0, need, np.empty(0, dtype=np.int64)
    saved, chosen = takers(
        at.first[j], at.first[j + 1], at.option, at.request, at.delay, at.compute, state.current, left
    )
    return max(saved - pull, 0.0) / (max(need, LEAST) if per_byte else 1.0), need, chosen


@kernel
def place(j: int, need: float, chosen: Ints, at: Candidates, state: GreedyState) -> Bools:
    """Open candidate ``j``, move its takers there; cloudlets whose room changed, shape (C,)."""
    models = len(at.indptr) - 1
    c, k = j // models, j % models
    touched = np.zeros(len(state.memory_left), dtype=np.bool_)
    touched[c] = True
    state.memory_left[c] -= need
    for i in range(at.indptr[k], at.indptr[k + 1]):
        state.opened[at.indices[i], c] = True
    for o in chosen:
        old = state.choice[at.request[o]]
        if old >= 0:
            state.compute_left[at.cloudlet[old]] += at.compute[old]
            touched[at.cloudlet[old]] = True
        state.choice[at.request[o]] = o
        state.current[at.request[o]] = at.delay[o]
        state.compute_left[c] -= at.compute[o]
    return touched


@kernel
def place_by_gain(at: Candidates, state: GreedyState, per_byte: bool) -> None:
    """Place the candidate of largest saving (per incremental GB), serve its takers, repeat until none saves anything.

    The saving is the delay saved less the pull of blocks not open yet. Elsewhere than at the cloudlets just touched a
    stale score is an upper bound, since delays only fall: it is renewed only when it comes out on top.
    """
    models = len(at.indptr) - 1
    score = np.full(len(at.first) - 1, np.inf)
    fresh = np.zeros(len(score), dtype=np.int64)
    now = 1
    while True:
        j = largest(score)
        if score[j] <= 0:
            return
        value, need, chosen = placement(j, at, state, per_byte)
        if fresh[j] != now:
            score[j], fresh[j] = value, now
            continue
        touched = place(j, need, chosen, at, state)
        now += 1
        for i in range(len(score)):
            if touched[i // models]:
                score[i], fresh[i] = placement(i, at, state, per_byte)[0], now
