"""Baselines: what operators and neighbouring papers would do, all judged by the checker of this problem.

Each function takes an instance and gives a feasible decision (R,): option index, or -1 for remote.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from mecpfm.coupled.check import REMOTE
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.presolve import membership, pooled
from mecpfm.kernels import arrays
from mecpfm.kernels import coupled_greedy as kernels
from mecpfm.typing import Bools, Floats, Ints

SLACK = 1 + 1e-9
"""Sums of floats leave a full capacity by less; far inside every row's tolerance."""


def remote(instance: Instance) -> Ints:
    """Everything goes to the data centre."""
    return np.full(instance.sizes.requests, REMOTE)


def first_fit(instance: Instance, order: Ints) -> Ints:
    """Options are tried in ``order``; a request takes the first of its own that fits memory and compute left."""
    candidates, state = _nothing_placed(instance, indexed=False)
    kernels.first_fit(order, candidates, state)
    return state.choice


def _nothing_placed(instance: Instance, indexed: bool = True) -> tuple[kernels.Candidates, kernels.GreedyState]:
    """Options as the kernels take them, and a state with every block closed and every request remote.

    First fit needs no index of the candidates; to sort 100,000 options would take longer than itself.
    """
    options, cloudlets, blocks = instance.options, instance.cloudlets, instance.models.blocks
    _, models, sites, _ = instance.sizes
    first = order = np.zeros(0, dtype=np.int64)
    if indexed:
        key = options.cloudlet * models + options.model
        order = np.argsort(key, kind="stable")
        first = np.searchsorted(key[order], np.arange(sites * models + 1))
    candidates = kernels.Candidates(
        first, order, options.request, options.model, options.cloudlet, options.delay_s, options.compute_s,
        blocks.indptr, blocks.indices, instance.blocks.size_gb, instance.pull_s,
    )  # fmt: skip
    state = kernels.GreedyState(
        np.zeros(instance.pull_s.shape, dtype=bool), instance.requests.remote_delay_s.copy(),
        cloudlets.compute_s * SLACK, cloudlets.memory_gb * SLACK, remote(instance),
    )  # fmt: skip
    return candidates, state


def nearest(instance: Instance) -> Ints:
    """Nearest cloudlet of each request among those of its options, shape (R,); -1 without options.

    By coordinates (degrees) where the file has them; of equals, and without coordinates, that of the fastest option.
    """
    options = instance.options
    order = np.lexsort((options.delay_s, _squared_degrees(instance), options.request))
    has, first = np.unique(options.request[order], return_index=True)
    home = np.full(instance.sizes.requests, -1)
    home[has] = options.cloudlet[order[first]]
    return home


def _squared_degrees(instance: Instance) -> Floats:
    """Squared distance of each option, shape (n,), in degrees of latitude; zeros without coordinates."""
    sites, users, options = instance.cloudlets, instance.requests, instance.options
    if sites.longitude_deg is None or sites.latitude_deg is None:
        return np.zeros(len(options.request))
    if users.longitude_deg is None or users.latitude_deg is None:
        return np.zeros(len(options.request))
    north = sites.latitude_deg[options.cloudlet] - users.latitude_deg[options.request]
    east = sites.longitude_deg[options.cloudlet] - users.longitude_deg[options.request]
    shrink = arrays.settled(arrays.cos(np.radians(users.latitude_deg)))[options.request]
    return np.asarray(north**2 + (((east + 180) % 360 - 180) * shrink) ** 2)


def accuracy_first(instance: Instance) -> Ints:
    """Service caching that looks at accuracy alone: the most accurate option where it fits, fastest first."""
    options = instance.options
    best = np.zeros(instance.sizes.requests)
    np.maximum.at(best, options.request, options.accuracy)
    top = np.flatnonzero(options.accuracy >= best[options.request])
    return first_fit(instance, top[np.lexsort((options.delay_s[top], options.request[top]))])


def popularity(instance: Instance) -> Ints:
    """Each cloudlet holds the models that most requests near it accept, as many as fit, and serves those requests."""
    options, size_gb, member = instance.options, instance.blocks.size_gb, membership(instance)
    near = options.cloudlet == nearest(instance)[options.request]
    votes = np.zeros((instance.sizes.cloudlets, len(member)))
    np.add.at(votes, (options.cloudlet[near], options.model[near]), 1)
    held = np.zeros(votes.shape, dtype=bool)
    for c, ranking in enumerate(np.argsort(-votes, axis=1, kind="stable")):
        store: list[int] = []
        for k in ranking[votes[c, ranking] > 0].tolist():
            if size_gb[member[[*store, k]].any(axis=0)].sum() <= instance.cloudlets.memory_gb[c]:
                store.append(k)
        held[c, store] = True
    return _serve_from(instance, held, near)


def lru(instance: Instance) -> Ints:
    """What least-recently-used caches hold after all requests came by, in order, then serves them."""
    return _replacement(instance, by_frequency=False)


def lfu(instance: Instance) -> Ints:
    """What least-frequently-used caches hold after all requests came by, in order, then serves them."""
    return _replacement(instance, by_frequency=True)


def _replacement(instance: Instance, *, by_frequency: bool) -> Ints:
    """Every request asks its nearest cloudlet for its most accurate model there; a model held is one held whole."""
    options = instance.options
    near = options.cloudlet == nearest(instance)[options.request]
    wanted = np.flatnonzero(near)
    wanted = wanted[np.lexsort((wanted, -options.accuracy[wanted], options.request[wanted]))]
    wanted = wanted[np.unique(options.request[wanted], return_index=True)[1]]
    blocks, _, cloudlets, _ = instance.sizes
    size_gb, stored = instance.blocks.size_gb.tolist(), np.zeros((cloudlets, blocks), dtype=np.int64)
    for c, memory in enumerate(instance.cloudlets.memory_gb.tolist()):
        asked = options.model[wanted[options.cloudlet[wanted] == c]].tolist()
        demands = [instance.models.blocks[k].tolist() for k in asked]
        stored[c, cache(demands, size_gb, memory, by_frequency=by_frequency)] = 1
    return _serve_from(instance, (1 - stored) @ membership(instance).T.astype(np.int64) == 0, near)


def cache(demands: list[list[int]], size_gb: list[float], memory_gb: float, *, by_frequency: bool) -> list[int]:
    """Blocks that a cache holds after ``demands``, the blocks of one model each, came by one after the other.

    What a model lacks joins; then the block used longest ago, or used least often so far, leaves until memory is kept:
    by frequency that may be the newcomer. What need not have left, small blocks beside a large one, stays. Every use of
    a shared block counts. Ties: the older, then the larger one. A model that exceeds the memory alone passes by.
    """
    room = memory_gb * SLACK
    held: set[int] = set()
    uses: Counter[int] = Counter()
    last: dict[int, int] = {}

    def rank(b: int) -> tuple[float, ...]:
        return (uses[b] if by_frequency else 0, last[b], -size_gb[b], b)

    for now, blocks in enumerate(demands):
        if sum(size_gb[b] for b in blocks) > room:
            continue
        uses.update(blocks)
        last.update(dict.fromkeys(blocks, now))
        stays, total = set[int](), 0.0
        for b in sorted(held.union(blocks), key=rank, reverse=True):
            if total + size_gb[b] <= room:
                stays.add(b)
                total += size_gb[b]
        held = stays
    return sorted(held)


def _serve_from(instance: Instance, held: Bools, allowed: Bools) -> Ints:
    """Fastest allowed option among the models held (C, K), while compute lasts; never slower than remote."""
    options = instance.options
    open_ = allowed & held[options.cloudlet, options.model]
    open_ &= options.delay_s < instance.requests.remote_delay_s[options.request]
    usable = np.flatnonzero(open_)
    return first_fit(instance, usable[np.lexsort((options.delay_s[usable], options.request[usable]))])


def trimcaching(instance: Instance, *, per_byte: bool = True) -> Ints:
    """TrimCaching-Gen (Qu et al., arXiv 2404.14204) with delay in place of hits: gain per incremental byte, or gain.

    Their utility counts requests served in time; here it is the delay saved less the pull, so that it answers to the
    same objective as all methods. As published the next model is the one of largest gain; ``per_byte`` divides by what
    it adds to memory, as is usual where memory is short.
    """
    candidates, state = _nothing_placed(instance)
    kernels.place_by_gain(candidates, state, per_byte)
    return state.choice


def unshared(instance: Instance) -> Instance:
    """The same instance without sharing: every model is one block of its own, cached where all its parts are."""
    member = membership(instance)
    whole = member.astype(int) @ ~instance.cached == 0
    alone = np.eye(len(member), dtype=bool)
    return pooled(instance, member, member @ instance.blocks.size_gb, whole, alone)


def independent(instance: Instance, x: Floats, uniforms: Floats) -> Ints:
    """CoCaR-style (arXiv 2511.03159): every request draws an option by its LP fraction, alone; what fits stays.

    ``x`` (n,) are the fractions and ``uniforms`` (R,) the draws; a request whose draw does not fit goes remote.
    """
    first = instance.first_option
    total = np.concatenate([[0.0], np.cumsum(np.maximum(x, 0.0))])
    drawn = np.searchsorted(total, total[first[:-1]] + uniforms, side="right") - 1
    return first_fit(instance, drawn[drawn < first[1:]])
