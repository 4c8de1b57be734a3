"""Requests arrive one at a time: what a model would cost now, what its pull leaves behind, and whole runs of a policy.

``reach`` says how far away a part is: seconds per GB from the location that the source rule would pull it from to each
cloudlet. Shareable parts have one row a group (the family, or the model alone when nothing is shared), private parts
one row a model. A pull changes one row of each, so a round takes O(K + C) whatever the number of holders.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels import linear_bandit, tabular_bandit
from mecpfm.kernels._jit import inlined, kernel
from mecpfm.kernels.linear_bandit import BETA, REWARDS, ROUNDS, UNIFORM
from mecpfm.kernels.ordering import least
from mecpfm.typing import Floats, Ints

NEAREST, LAST, CLOUD = 0, 1, 2
"""Source rules: the nearest holder, the most recently appended one, or always the remote data centre."""


class EpisodeWorld(NamedTuple):
    """What the run needs of an instance; C cloudlets, K models, J requests."""

    distance: Floats
    """Seconds per GB to (row) from (column) a location, shape (C + 1, C + 1)."""
    home: Ints
    """Home cloudlet of each request, shape (J,)."""
    group: Ints
    """Row of ``reach_shared`` that holds the model's shareable part, shape (K,)."""
    shared_gb: Floats
    """Size of each model's shareable part, GB, shape (K,)."""
    private_gb: Floats
    """Size of each model's private part, GB, shape (K,)."""
    base: Floats
    """Delay without pulling, s, shape (J, K)."""
    loss: Floats
    """The part of the penalty that no cache changes, xi (-ln a), shape (J, K)."""
    weight: float
    """Penalty of a second of delay, 1 - xi."""
    source: int
    """``NEAREST``, ``LAST`` or ``CLOUD``."""


class Caches(NamedTuple):
    """The mutable half: how far away the place is that parts would be pulled from now."""

    reach_shared: Floats
    """Shape (groups, C), s/GB."""
    reach_private: Floats
    """Shape (K, C), s/GB."""


class EpisodeLog(NamedTuple):
    """What a run writes down, each of shape (rounds,)."""

    arm: Ints
    """Model chosen."""
    pull: Floats
    """Pulling delay, s."""
    penalty: Floats
    """Penalty of the model chosen."""
    least: Floats
    """Least penalty of any model."""


@kernel
def price(world: EpisodeWorld, caches: Caches, request: int) -> tuple[Floats, Floats]:
    """Pulling delay (s) and penalty of every model for this request, two arrays of shape (K,)."""
    home = world.home[request]
    pull, penalty = np.empty(len(world.group)), np.empty(len(world.group))
    for k in range(len(world.group)):
        shared = world.shared_gb[k] * caches.reach_shared[world.group[k], home]
        pull[k] = max(shared, world.private_gb[k] * caches.reach_private[k, home])
        penalty[k] = world.loss[request, k] + world.weight * (world.base[request, k] + pull[k])
    return pull, penalty


@inlined
def _append(reach: Floats, distance: Floats, home: int, source: int) -> None:
    for location in range(len(reach)):
        if source == LAST or distance[location, home] < reach[location]:
            reach[location] = distance[location, home]


@inlined
def store(world: EpisodeWorld, caches: Caches, request: int, model: int) -> None:
    """The home cloudlet becomes the latest holder of both parts; nothing is evicted."""
    if world.source != CLOUD:
        home = world.home[request]
        _append(caches.reach_shared[world.group[model]], world.distance, home, world.source)
        _append(caches.reach_private[model], world.distance, home, world.source)


@kernel
def serve(
    world: EpisodeWorld,
    caches: Caches,
    request: int,
    arm: int,
    turn: int,
    trace: EpisodeLog,
    prices: tuple[Floats, Floats],
) -> None:
    """Write the round down and leave the model behind at the home cloudlet."""
    pull, penalty = prices
    trace.arm[turn] = arm
    trace.pull[turn] = pull[arm]
    trace.penalty[turn] = penalty[arm]
    trace.least[turn] = least(penalty)
    store(world, caches, request, arm)


@kernel
def run_tabular(
    world: EpisodeWorld, caches: Caches, order: Ints, offset: float, trace: EpisodeLog, tally: Floats, coins: Floats,
    explore: float, bonus: float,
) -> None:  # fmt: skip
    """A whole run of a policy without context; ``coins`` of shape (rounds, 2), reward 1 / (offset + penalty)."""
    for turn in range(len(order)):
        prices = price(world, caches, order[turn])
        arm = tabular_bandit.choose(tally, coins[turn, 0], coins[turn, 1], explore, bonus)
        serve(world, caches, order[turn], arm, turn, trace, prices)
        tabular_bandit.update(tally, arm, 1 / (offset + trace.penalty[turn]))


@kernel
def run_linear(
    world: EpisodeWorld, caches: Caches, order: Ints, offset: float, trace: EpisodeLog, contexts: Floats, state: Floats,
    noise: Floats, scale: float,
) -> None:  # fmt: skip
    """A whole run of LinUCB or LinTS; ``contexts`` of shape (rounds, N), ``noise`` of shape (rounds, K)."""
    for turn in range(len(order)):
        prices = price(world, caches, order[turn])
        arm = linear_bandit.choose(state, contexts[turn], noise, turn, scale)
        serve(world, caches, order[turn], arm, turn, trace, prices)
        linear_bandit.update(state, contexts[turn], arm, 1 / (offset + trace.penalty[turn]))


class Visibility(NamedTuple):
    """How a restricted policy chooses the d of N features that it looks at (:mod:`~mecpfm.bandits.restricted`)."""

    rule: int
    """``BETA``, ``UNIFORM`` or ``FIXED`` (:mod:`~mecpfm.kernels.linear_bandit`)."""
    observed: int
    """The number d."""
    keys: Floats
    """The d largest keys are looked at, shape (N,)."""
    counts: Floats
    """Rounds and rewards of each feature, rows ``ROUNDS`` and ``REWARDS``, shape (2, N)."""
    history: Floats
    """Ring of the last w rounds: reward, then the features shown; shape (w, 1 + d)."""


@kernel
def draw_keys(view: Visibility, random: np.random.Generator) -> None:
    """Draw this round's keys of the features into ``view.keys``, in index order."""
    for i in range(len(view.keys)):
        if view.rule == BETA:
            rounds, rewards = view.counts[ROUNDS, i], view.counts[REWARDS, i]
            view.keys[i] = random.beta(1 + rewards, 1 + rounds - rewards)
        elif view.rule == UNIFORM:
            view.keys[i] = random.random()


@kernel
def run_restricted(
    world: EpisodeWorld, caches: Caches, order: Ints, offset: float, trace: EpisodeLog, contexts: Floats, state: Floats,
    noise: Floats, scale: float, view: Visibility, random: np.random.Generator, coins: Floats, explore: float,
) -> None:  # fmt: skip
    """As :func:`run_linear` on the visible features only; ``coins`` as in :func:`run_tabular`."""
    for turn in range(len(order)):
        prices = price(world, caches, order[turn])
        draw_keys(view, random)
        shown = linear_bandit.reveal(view.keys, view.observed)
        seen = linear_bandit.masked(contexts[turn], shown)
        arm = linear_bandit.choose(state, seen, noise, turn, scale)
        if explore > 0 and coins[turn, 0] < explore:
            arm = int(coins[turn, 1] * state.shape[1])
        serve(world, caches, order[turn], arm, turn, trace, prices)
        reward = 1 / (offset + trace.penalty[turn])
        linear_bandit.update(state, seen, arm, reward)
        linear_bandit.credit(view.counts, view.history, turn, shown, reward)
