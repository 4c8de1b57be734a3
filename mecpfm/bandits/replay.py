"""A labelled data set as a bandit problem: the arm is a guess of the label, the reward whether it is right."""

from __future__ import annotations

import numpy as np

from mecpfm.bandits.policy import BanditPolicy
from mecpfm.errors import InputError
from mecpfm.typing import Floats, Ints


def replay(policy: BanditPolicy, contexts: Floats, labels: Ints, rounds: int, seed: int = 0) -> Floats:
    """Rewards (0 or 1) of ``rounds`` rows drawn with replacement, shape (rounds,).

    Parameters
    ----------
    contexts, labels
        Features of shape (n, N), centred when the policy sees only some of them, and arms of shape (n,).
    """
    contexts = np.ascontiguousarray(contexts, dtype=np.float64)
    if contexts.ndim != 2 or len(contexts) != len(labels) or not len(labels):
        raise InputError(
            f"contexts have shape {contexts.shape}, labels {labels.shape}; must be (n, N) and (n,), n >= 1"
        )
    rewards = np.empty(rounds)
    for turn, row in enumerate(np.random.default_rng(seed).integers(0, len(labels), rounds)):
        arm = policy.select(contexts[row])
        rewards[turn] = arm == labels[row]
        policy.update(arm, contexts[row], rewards[turn])
    return rewards
