"""Costs that come in whole steps: a bound between two of them is the upper one, and a better plan is a step cheaper."""

from __future__ import annotations

import math

import numpy as np

from mecpfm.coupled.instance import Instance

ROUNDING = 1e-9
"""Rounding of a bound, at most, as a share of it."""
PART = 1e-3
"""Share of a step by which a bound must exceed a multiple to count as above it."""


def step(instance: Instance) -> float:
    """Largest whole number of seconds that the cost of every plan is a multiple of; 0 where some are no whole ones."""
    amounts = np.concatenate([instance.options.delay_s, instance.requests.remote_delay_s, instance.pull_s.ravel()])
    if (amounts != np.round(amounts)).any():
        return 0.0
    return float(np.gcd.reduce(amounts.astype(np.int64)))


def raised(bound: float, step: float) -> float:
    """The least cost, s, that a finite bound lets a plan have."""
    if step * PART <= ROUNDING * abs(bound):  # no steps, or none that rounding leaves clear
        return bound
    return max(bound, math.ceil(bound / step - PART) * step)


def below(cost: float, step: float) -> float:
    """A limit, s, that every plan cheaper than ``cost`` is cheaper than too; as a bound it rises to ``cost``."""
    return cost - step * (1 - 2 * PART) if step * PART > ROUNDING * cost else cost
