"""The methods that the paper compares with, each as the released evaluation runs it (docs/published_setting.md)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mecpfm.errors import InfeasibleError
from mecpfm.kernels import rounding
from mecpfm.plan import Plan
from mecpfm.published.check import assess
from mecpfm.published.instance import Instance
from mecpfm.published.options import require_options, tabulate
from mecpfm.published.relaxation import balanced
from mecpfm.published.rounding import cumulative
from mecpfm.records import Ragged
from mecpfm.typing import Floats

COST_WEIGHT = 1e-4
"""Weight xi' of the total cost in the bargaining product's logarithm, 1 / cost unit."""


def solve_nbs(instance: Instance, *, seed: int | np.random.SeedSequence = 0, released: bool = False) -> Plan:
    """Nash bargaining: trade total cost against accuracy in the LP form, then round proportionally, once.

    Maximises ``xi' (sum_j B_j - total cost) + sum_j (a_j - e_j)`` under selection, pulling and capacity rows; budgets
    and accuracy requirements enter as what is gained over and are not enforced. With ``released``, halved fractions
    meet one uniform a request, and whatever is left falls to the last model.

    Raises InfeasibleError when no model fits a request's home cloudlet.
    """
    x = bargain(instance)
    uniforms = np.random.default_rng(seed).random(len(x))
    choice = rounding.pick(cumulative(x) / (2 if released else 1), uniforms)
    return assess(instance, "nbs-released" if released else "nbs", choice)


def bargain(instance: Instance) -> Floats:
    """Optimal fractions (J, K) of the bargaining LP: the one multiplier again, with costs for delays."""
    options = tabulate(instance)
    home = instance.requests.home
    fits = instance.memory_per_gb * instance.models.size_gb <= instance.cloudlets.capacity_gb[home][:, None]
    usable = fits & np.isfinite(options.queue)[:, None]
    require_options(instance, replace(options, allowed=usable))
    gain = instance.accuracy - COST_WEIGHT * options.own_cost
    weight = COST_WEIGHT * float(options.transmit_power.sum())
    return balanced(np.where(usable, -gain, np.inf), options.shared_pull, options.private_pull, weight)[0]


def solve_nonshare(instance: Instance) -> Plan:
    """Most accurate model, parts from the nearest holders; only where the whole model is may its shareable part be."""
    remote = len(instance.distance_s_per_gb) - 1
    pairs = zip(instance.models.shared_at, instance.models.private_at, strict=True)
    whole = [both if len(both := np.intersect1d(*pair)) else np.array([remote]) for pair in pairs]
    options = tabulate(instance, shared_at=Ragged.from_lists(whole))
    choice = instance.accuracy.argmax(axis=1)
    at = np.arange(len(choice)), choice
    return assess(instance, "nonshare", choice, sources=(options.shared_source[at], options.private_source[at]))


def solve_sc(instance: Instance) -> Plan:
    """Service caching: most accurate model, both parts from the remote data centre."""
    choice = instance.accuracy.argmax(axis=1)
    remote = np.full(len(choice), len(instance.distance_s_per_gb) - 1)
    return assess(instance, "sc", choice, sources=(remote, remote))


def solve_greedy(instance: Instance) -> Plan:
    """Least delay of its own for every request, among options that keep capacity, accuracy and, alone, the budget."""
    options = tabulate(instance)
    require_options(instance, options)
    affordable = options.allowed & (options.cost <= instance.requests.cost_budget[:, None])
    if (stuck := np.flatnonzero(~affordable.any(axis=1))).size:
        raise InfeasibleError(f"request {stuck[0]}: every usable model breaks its cost budget")
    return assess(instance, "greedy", np.where(affordable, options.delay, np.inf).argmin(axis=1))
