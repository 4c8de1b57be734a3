"""Policies: what decides where a request goes, what it may observe, and what that costs; all of one dataclass."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from mecpfm import ranges
from mecpfm.errors import InputError
from mecpfm.kernels import linear_bandit, online_demand, online_policy
from mecpfm.ranges import NotNegative, Positive, Share

DISPATCH = {
    "remote": online_policy.REMOTE, "random": online_policy.RANDOM, "nearest": online_policy.NEAREST,
    "shortest-queue": online_policy.SHORTEST_QUEUE, "tabular": online_policy.TABULAR,
    "disjoint": online_policy.DISJOINT, "hybrid": online_policy.HYBRID, "structured": online_policy.STRUCTURED,
}  # fmt: skip
DEMAND = {
    "mean": online_demand.MEAN, "ridge": online_demand.RIDGE, "covariance": online_demand.COVARIANCE,
    "true": online_demand.TRUE, "none": online_demand.NONE, "follow": online_demand.FOLLOW,
}  # fmt: skip
FEATURES = {"tsrc": linear_bandit.BETA, "random": linear_bandit.UNIFORM, "fixed": linear_bandit.FIXED}
PROBING = {
    "all": online_policy.ALL_SEEN, "nearest": online_policy.NEAREST_SEEN, "random": online_policy.RANDOM_SEEN,
    "tsrc": online_policy.CREDIT_SEEN, "belief": online_policy.BELIEF_SEEN,
}  # fmt: skip
CREDITS = ("error", "delay")


def _key(known: Iterable[str]) -> ranges.Rule:
    return functools.partial(ranges.one_of, known)


@dataclass(frozen=True)
class Policy:
    """How requests are dispatched; every policy has the same pull, eviction and admission rules."""

    dispatch: Annotated[str, _key(DISPATCH)] = "structured"
    """A key of ``DISPATCH``."""
    demand: Annotated[str, _key(DEMAND)] = "none"
    """A key of ``DEMAND``: how a structured policy predicts the service time."""
    observed: Annotated[int | None, functools.partial(ranges.no_less, low=0)] = None
    """Features observed of each request; None: all."""
    features: Annotated[str, _key(FEATURES)] = "tsrc"
    """A key of ``FEATURES``: how the observed ones are chosen."""
    credit: Annotated[str, _key(CREDITS)] = "error"
    """What a shown feature is credited with: ``error`` of the prediction, or ``delay``."""
    window: Annotated[float, functools.partial(ranges.no_less, low=1)] = math.inf
    """Completed requests over which credits count (WTSRC)."""
    priced: bool = False
    """Whether the delay that a request adds to later ones counts."""
    probing: Annotated[str, _key(PROBING)] = "all"
    """A key of ``PROBING``: whose queue and cache are looked at."""
    probes: Annotated[int, functools.partial(ranges.at_least, low=0)] = 0
    feature_cost_s: NotNegative = 0.0
    """Time that observing one feature takes, s."""
    probe_cost_s: NotNegative = 0.0
    explore: Share = 0.0
    bonus: NotNegative = 0.0
    cut_s: Positive = 120.0
    """Loss from which on a reward, and a credit by delay, is 0, s."""
    scale: NotNegative = 0.03
    sample: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown words and negative numbers."""
        ranges.check(self)
        if (self.probing == "all") != (self.probes == 0):
            bound = "0" if self.probing == "all" else ">= 1"
            raise InputError(f"probes is {self.probes}; must be {bound} where probing is {self.probing!r}")
        if self.dispatch == "structured" and self.demand == "none":
            raise InputError("demand is 'none'; a structured policy needs a prediction")
        if self.demand == "follow":
            self._require_probes()

    def _require_probes(self) -> None:
        if self.features != "random":
            raise InputError(f"features is {self.features!r}; must be 'random' where demand is 'follow'")
        if self.observed is not None and self.observed < 2:
            raise InputError(f"observed is {self.observed}; must be >= 2: one feature is followed, the others probed")


def _ridge(features: str, **more: object) -> Policy:
    return Policy(demand="ridge", features=features, observed=4, **more)  # type: ignore[arg-type]


_LINES = {
    "linucb": Policy(dispatch="disjoint"),
    "lints": Policy(dispatch="disjoint", sample=True),
    "tsrc": Policy(dispatch="disjoint", sample=True, observed=24, credit="delay"),
    "wtsrc": Policy(dispatch="disjoint", sample=True, observed=24, credit="delay", window=1_000),
    "random-ei": Policy(dispatch="disjoint", sample=True, observed=24, features="random"),
    "random-fix": Policy(dispatch="disjoint", sample=True, observed=24, features="fixed"),
}
_STRUCTURED = {
    "mean": Policy(demand="mean"),
    "full": Policy(demand="ridge"),
    "tsrc": _ridge("tsrc"),
    "tsrc-delay": _ridge("tsrc", credit="delay"),
    "wtsrc": _ridge("tsrc", window=1_000),
    "random-ei": _ridge("random"),
    "random-fix": _ridge("fixed"),
    "cov": Policy(demand="covariance", features="random", observed=2),
    "oracle": Policy(demand="true"),
}
POLICIES: Mapping[str, Policy] = {
    "remote": Policy(dispatch="remote"),
    "random": Policy(dispatch="random"),
    "nearest": Policy(dispatch="nearest"),
    "shortest-queue": Policy(dispatch="shortest-queue"),
    "mean-greedy": Policy(dispatch="tabular"),
    "ucb1": Policy(dispatch="tabular", bonus=0.05),
    "ucb1-500": Policy(dispatch="tabular", bonus=0.00288, cut_s=500.0),  # in seconds the same bonus
    "ucb1-500-wide": Policy(dispatch="tabular", bonus=0.05, cut_s=500.0),
    "epsilon-0.1": Policy(dispatch="tabular", explore=0.1),
    "epsilon-0.1-500": Policy(dispatch="tabular", explore=0.1, cut_s=500.0),
    "epsilon-0.5": Policy(dispatch="tabular", explore=0.5),
    **{f"disjoint-{name}": policy for name, policy in _LINES.items()},
    **{
        f"hybrid-{name}": replace(policy, dispatch="hybrid", observed=policy.observed and 4)
        for name, policy in _LINES.items()
    },
    **{f"structured-{name}": policy for name, policy in _STRUCTURED.items()},
    **{f"priced-{name}": replace(policy, priced=True) for name, policy in _STRUCTURED.items()},
    "follow-probe": Policy(demand="follow", features="random", observed=4),
}
"""Names on the command line and in tables."""


def named(name: str) -> Policy:
    """A policy by name; InputError when there is none."""
    ranges.one_of(POLICIES, "policy", name)
    return POLICIES[name]
