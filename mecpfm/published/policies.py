"""Policies of the paper's online setting by name: learner, its parameters, and the pull rule released with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from mecpfm import ranges
from mecpfm.bandits.linear import LinTS, LinUCB
from mecpfm.bandits.policy import BanditPolicy
from mecpfm.bandits.restricted import ADMS, TSRC, WTSRC, ReleasedTSRC
from mecpfm.bandits.tabular import UCB1, EpsilonGreedy, RandomArm
from mecpfm.errors import InputError
from mecpfm.typing import Floats

COMMON = ("xi", "features", "observed")
"""Parameters that every policy takes."""


@dataclass(frozen=True)
class LearnerParams:
    """Parameters of a run with a learner; None: the default of the learner's class, or it has no such parameter."""

    xi: ranges.Share = 0.98
    """Weight of accuracy in the penalty ``xi (-ln a) + (1 - xi) delay``."""
    features: ranges.Count = 100
    """Length N of the context."""
    observed: Annotated[int, ranges.not_negative] = 20
    """Entries of it that restricted policies see."""
    epsilon: float | None = None
    """Probability of a random arm (epsilon-greedy, MAB)."""
    explore: float | None = None
    """The same of ADMS."""
    bonus: float | None = None
    """Factor of UCB1's bonus."""
    alpha: float | None = None
    """Factor of the spread (LinUCB, ADMS)."""
    v: float | None = None
    """The same of Thompson sampling (OL, WTSRC, LinTS)."""
    ridge: float | None = None
    """Precision of the prior of linear learners."""
    window: float | None = None
    """Rounds over which the features' credits count (WTSRC)."""

    def __post_init__(self) -> None:
        """Refuse what no run can have; learners check their own."""
        ranges.check(self)


class Myopic:
    """Plays the least penalty, given its own caches: it is shown the penalties as its context. Regret is 0."""

    def __init__(self, arms: int) -> None:
        self.arms = arms

    def reset(self) -> None:
        """Nothing is ever learned."""

    def select(self, context: Floats) -> int:
        """Arm of the least penalty; ties go to the lowest index."""
        return int(np.argmin(context))

    def update(self, arm: int, context: Floats, reward: float) -> None:
        """Nothing is ever learned."""


class PublishedPolicy(NamedTuple):
    """A learner's class and parameters, its released pull rule and reward offset."""

    learner: Callable[..., BanditPolicy]
    """Called with the number of arms and what it takes of ``LearnerParams`` and ``seed``, by name."""
    share: bool = True
    source: str = "nearest"
    offset: float = 1.0
    """The reward is 1 / (offset + penalty)."""
    divided: bool = True
    """Whether the context is divided by its largest possible value."""
    params: LearnerParams = LearnerParams()

    def make(self, arms: int, seed: int, params: LearnerParams) -> BanditPolicy:
        """A learner that knows nothing yet; InputError for a parameter that it does not have."""
        takes = inspect.signature(self.learner).parameters
        given = {name: value for name, value in vars(params).items() if value is not None}
        if unknown := [name for name in given if name not in (*takes, *COMMON)]:
            own = [name for name in vars(params) if name in (*takes, *COMMON)]
            raise InputError(f"{unknown[0]} is no parameter of this policy; it has {', '.join(own)}")
        return self.learner(arms, **{name: value for name, value in {**given, "seed": seed}.items() if name in takes})


POLICIES = {
    "ol": PublishedPolicy(TSRC),
    "ol-released": PublishedPolicy(ReleasedTSRC, divided=False),
    "wtsrc": PublishedPolicy(WTSRC),
    "mab": PublishedPolicy(EpsilonGreedy, False, "last", 0.0, params=LearnerParams(epsilon=0.5)),
    "adms": PublishedPolicy(ADMS, False, "last"),
    "random": PublishedPolicy(RandomArm),
    "ucb1": PublishedPolicy(UCB1),
    "epsilon-greedy": PublishedPolicy(EpsilonGreedy, params=LearnerParams(epsilon=0.1)),
    "linucb": PublishedPolicy(LinUCB),
    "lints": PublishedPolicy(LinTS),
    "myopic": PublishedPolicy(Myopic),
}
"""Every policy of ``mecpfm simulate``."""
