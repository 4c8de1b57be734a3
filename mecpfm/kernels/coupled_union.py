"""Tabu search on a set-union knapsack: a model comes in, leaves, or takes another's place, whichever is best.

A model holds blocks that others need too, so that what it adds to the memory depends on who is there (Wei and Hao,
2019, for the neighbourhood).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.kernels.slices import copy
from mecpfm.typing import Bools, Floats, Ints

SHORTEST, LONGEST = 2, 14
"""Steps, the last one excluded, that a model which came or left stays as it is."""
BEST = 1
SLACK = 1e-12


class UnionItems(NamedTuple):
    """K models over B blocks; pairs of arrays are CSR."""

    gain_s: Floats
    """What a model saves when it is there, pulls aside, shape (K,), s."""
    first_block: Ints
    """Shape (K + 1,)."""
    block: Ints
    """Blocks by model."""
    first_model: Ints
    """Shape (B + 1,)."""
    of_block: Ints
    """Models by block."""
    size_gb: Floats
    """Shape (B,), GB."""
    pull_s: Floats
    """Shape (B,), s."""
    room_gb: Floats
    """Shape (1,), GB."""


class UnionChoice(NamedTuple):
    """Models that are there, what follows from it, and the best choice so far."""

    inside: Bools
    """Shape (K,)."""
    users: Ints
    """Models inside that hold a block, shape (B,)."""
    lacks_gb: Floats
    """Size of a model's blocks that are not there, shape (K,), GB."""
    lacks_s: Floats
    """Their pulls, shape (K,), s."""
    left_gb: Floats
    """Memory left, shape (1,), GB."""
    saved_s: Floats
    """What the choice saves, and at ``BEST`` the best one, shape (2,), s."""
    until: Ints
    """Step before which a model stays as it is, shape (K,)."""
    best: Bools
    """Shape (K,)."""
    step: Ints
    """Number of steps, shape (1,)."""


@kernel
def toggle(items: UnionItems, chosen: UnionChoice, k: int) -> None:
    """A model comes, or leaves."""
    sign = -1 if chosen.inside[k] else 1
    chosen.inside[k] = not chosen.inside[k]
    chosen.saved_s[0] += sign * items.gain_s[k]
    for i in range(items.first_block[k], items.first_block[k + 1]):
        b = items.block[i]
        chosen.users[b] += sign
        if chosen.users[b] != (1 if sign > 0 else 0):
            continue
        chosen.left_gb[0] -= sign * items.size_gb[b]
        chosen.saved_s[0] -= sign * items.pull_s[b]
        for j in range(items.first_model[b], items.first_model[b + 1]):
            chosen.lacks_gb[items.of_block[j]] -= sign * items.size_gb[b]
            chosen.lacks_s[items.of_block[j]] -= sign * items.pull_s[b]


@kernel
def best_other(
    items: UnionItems, chosen: UnionChoice, out: int, more_gb: Floats, more_s: Floats
) -> tuple[float, int]:  # fmt: skip
    """Best model to come when ``out`` (-1: none) leaves, and what both save, s; -1 where only leaving is possible.

    ``more_gb`` and ``more_s`` (K) are scratch: what the models lack more of then.
    """
    left, most, best = chosen.left_gb[0] + SLACK * items.room_gb[0], -np.inf, -1
    more_gb[:] = 0.0
    more_s[:] = 0.0
    saved = 0.0
    if out >= 0:
        saved = -items.gain_s[out]
        for i in range(items.first_block[out], items.first_block[out + 1]):
            b = items.block[i]
            if chosen.users[b] == 1:
                left += items.size_gb[b]
                saved += items.pull_s[b]
                for j in range(items.first_model[b], items.first_model[b + 1]):
                    more_gb[items.of_block[j]] += items.size_gb[b]
                    more_s[items.of_block[j]] += items.pull_s[b]
        most = saved
    for k in range(len(items.gain_s)):
        if chosen.inside[k] or chosen.until[k] > chosen.step[0]:
            continue
        total = saved + items.gain_s[k] - chosen.lacks_s[k] - more_s[k]
        if total > most and chosen.lacks_gb[k] + more_gb[k] <= left:
            most, best = total, k
    return most, best


@kernel
def restart(items: UnionItems, chosen: UnionChoice) -> None:
    """Sums of the choice, anew."""
    inside = chosen.inside.copy()
    chosen.inside[:] = False
    chosen.users[:] = 0
    chosen.left_gb[0], chosen.saved_s[0] = items.room_gb[0], 0.0
    for k in range(len(inside)):
        chosen.lacks_gb[k], chosen.lacks_s[k] = 0.0, 0.0
        for i in range(items.first_block[k], items.first_block[k + 1]):
            chosen.lacks_gb[k] += items.size_gb[items.block[i]]
            chosen.lacks_s[k] += items.pull_s[items.block[i]]
    for k in range(len(inside)):
        if inside[k]:
            toggle(items, chosen, k)


@kernel
def best_move(items: UnionItems, chosen: UnionChoice, more_gb: Floats, more_s: Floats) -> tuple[float, int, int]:
    """What it saves, s, who leaves and who comes, -1 for nobody; nobody leaves where one may come at a gain."""
    most, come = best_other(items, chosen, -1, more_gb, more_s)
    leave = -1
    if most > 0:
        return most, leave, come
    for k in range(len(items.gain_s)):
        if chosen.inside[k] and chosen.until[k] <= chosen.step[0]:
            saved, other = best_other(items, chosen, k, more_gb, more_s)
            if saved > most:
                most, leave, come = saved, k, other
    return most, leave, come


@kernel
def search(items: UnionItems, chosen: UnionChoice, random: np.random.Generator, steps: int) -> None:
    """So many steps, each the best move that is not forbidden, whether it gains or not."""
    more_gb, more_s = np.empty(len(items.gain_s)), np.empty(len(items.gain_s))
    for _ in range(steps):
        chosen.step[0] += 1
        _, leave, come = best_move(items, chosen, more_gb, more_s)
        for k in (leave, come):
            if k >= 0:
                toggle(items, chosen, k)
                tenure = SHORTEST + int(random.random() * (LONGEST - SHORTEST))
                chosen.until[k] = chosen.step[0] + tenure
        if chosen.saved_s[0] > chosen.saved_s[BEST]:
            chosen.saved_s[BEST] = chosen.saved_s[0]
            copy(chosen.inside, chosen.best)
