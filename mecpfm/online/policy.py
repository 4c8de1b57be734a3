"""Policies: what decides where a request goes, what it may observe, and what that costs; all of one dataclass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mecpfm.errors import InputError
from mecpfm.kernels import linear_bandit, online_demand, online_policy

DISPATCH = {
    "remote": online_policy.REMOTE, "random": online_policy.RANDOM, "nearest": online_policy.NEAREST,
    "shortest-queue": online_policy.SHORTEST_QUEUE, "tabular": online_policy.TABULAR,
    "disjoint": online_policy.DISJOINT, "hybrid": online_policy.HYBRID, "structured": online_policy.STRUCTURED,
}  # fmt: skip
DEMAND = {
    "mean": online_demand.MEAN, "ridge": online_demand.RIDGE, "covariance": online_demand.COVARIANCE,
    "true": online_demand.TRUE, "none": online_demand.NONE,
}  # fmt: skip
FEATURES = {"tsrc": linear_bandit.BETA, "random": linear_bandit.UNIFORM, "fixed": linear_bandit.FIXED}
PROBING = {
    "all": online_policy.ALL_SEEN, "nearest": online_policy.NEAREST_SEEN, "random": online_policy.RANDOM_SEEN,
    "tsrc": online_policy.CREDIT_SEEN, "belief": online_policy.BELIEF_SEEN,
}  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """How requests are dispatched; every policy has the same pull, eviction and admission rules."""

    dispatch: str = "structured"
    """A key of ``DISPATCH``."""
    demand: str = "none"
    """A key of ``DEMAND``: how a structured policy predicts the service time."""
    observed: int | None = None
    """Features observed of each request; None: all."""
    features: str = "tsrc"
    """A key of ``FEATURES``: how the observed ones are chosen."""
    credit: str = "error"
    """What a shown feature is credited with: ``error`` of the prediction, or ``delay``."""
    window: float = math.inf
    """Completed requests over which credits count (WTSRC)."""
    priced: bool = False
    """Whether the delay that a request adds to later ones counts."""
    probing: str = "all"
    """A key of ``PROBING``: whose queue and cache are looked at."""
    probes: int = 0
    feature_cost_s: float = 0.0
    """Time that observing one feature takes, s."""
    probe_cost_s: float = 0.0
    explore: float = 0.0
    bonus: float = 0.0
    scale: float = 0.03
    sample: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown words and negative numbers."""
        tables = {"dispatch": DISPATCH, "demand": DEMAND, "features": FEATURES, "probing": PROBING}
        for name, table in {**tables, "credit": ("error", "delay")}.items():
            if getattr(self, name) not in table:
                raise InputError(f"{name} is {getattr(self, name)!r}; must be one of {', '.join(table)}")
        for name in ("feature_cost_s", "probe_cost_s", "bonus", "scale", "probes"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; must be finite and >= 0")
        if self.observed is not None and self.observed < 0:
            raise InputError(f"observed is {self.observed}; must be >= 0")
        if not 0 <= self.explore <= 1:
            raise InputError(f"explore is {self.explore}; must be in [0, 1]")
        if not self.window >= 1:
            raise InputError(f"window is {self.window}; must be >= 1")
        if (self.probing == "all") != (self.probes == 0):
            bound = "0" if self.probing == "all" else ">= 1"
            raise InputError(f"probes is {self.probes}; must be {bound} where probing is {self.probing!r}")
        if self.dispatch == "structured" and self.demand == "none":
            raise InputError("demand is 'none'; a structured policy needs a prediction")


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
    "epsilon-0.1": Policy(dispatch="tabular", explore=0.1),
    "epsilon-0.5": Policy(dispatch="tabular", explore=0.5),
    **{f"disjoint-{name}": policy for name, policy in _LINES.items()},
    **{
        f"hybrid-{name}": replace(policy, dispatch="hybrid", observed=policy.observed and 4)
        for name, policy in _LINES.items()
    },
    **{f"structured-{name}": policy for name, policy in _STRUCTURED.items()},
    **{f"priced-{name}": replace(policy, priced=True) for name, policy in _STRUCTURED.items()},
}
"""Names on the command line and in tables."""


def named(name: str) -> Policy:
    """A policy by name; InputError when there is none."""
    if name not in POLICIES:
        raise InputError(f"policy is {name!r}; must be one of {', '.join(POLICIES)}")
    return POLICIES[name]
