"""The NLIP by enumeration: every decision, with the products of the model as they stand (docs/coupled_setting.md)."""

from __future__ import annotations

import math

import numpy as np

from mecpfm.clock import Budget
from mecpfm.coupled.check import REMOTE, assess
from mecpfm.coupled.incidence import incidence
from mecpfm.coupled.instance import Instance, most
from mecpfm.errors import LimitError
from mecpfm.kernels import arrays
from mecpfm.plan import Plan
from mecpfm.typing import Floats, Ints

MAX_CHOICES = 1_000_000
CHUNK = 1 << 14


def solve_nlip(instance: Instance, *, time_limit: float | None = None) -> Plan:
    """Optimum of the NLIP; ties take the first decision. LimitError above ``MAX_CHOICES`` decisions.

    When the time is over, the best of the decisions tried, of which the first is all remote, without a bound.
    """
    budget, bound, status = Budget.of(time_limit), -math.inf, "feasible"
    first = instance.first_option
    count = np.diff(first) + 1
    total = math.prod(count.tolist())
    if total > MAX_CHOICES:
        # No float holds what a large instance has.
        raise LimitError(f"enumeration takes {MAX_CHOICES} decisions; this instance has 10^{math.log10(total):.1f}")
    best, best_cost = np.full(len(count), REMOTE), math.inf
    for low in range(0, total, CHUNK):
        place = np.array(np.unravel_index(np.arange(low, min(low + CHUNK, total)), count)).T
        choices = np.where(place == 0, REMOTE, first[:-1] + place - 1)
        cost = nlip_objective(instance, choices)
        i = int(cost.argmin())
        if cost[i] < best_cost:
            best, best_cost = choices[i], float(cost[i])
        if budget.over:
            break
    else:
        bound, status = best_cost, "optimal"
    return assess(instance, "nlip", best, bound=bound, status=status)


def nlip_objective(instance: Instance, choices: Ints) -> Floats:
    """Value of decisions (N, R) with every bracket ``1 - prod (1 - x)`` multiplied out, s; infinite when infeasible."""
    options, cloudlets = instance.options, instance.cloudlets
    n = len(options.request)
    x = np.zeros((len(choices), n + 1))
    np.put_along_axis(x, choices % (n + 1), 1.0, axis=1)  # -1 falls into the spare last column
    x = x[:, :n]
    use = incidence(instance)
    opened = np.empty((len(choices), len(use.block)))
    for pair in range(len(use.block)):
        opened[:, pair] = 1 - np.prod(1 - x[:, use.entry[use.pair == pair]], axis=1)
    at = np.arange(len(cloudlets.memory_gb))
    compute = arrays.products(x.T, options.compute_s[:, None] * (options.cloudlet[:, None] == at))
    memory = arrays.products(opened.T, instance.blocks.size_gb[use.block][:, None] * (use.cloudlet[:, None] == at))
    over = (compute > most(cloudlets.compute_s)) | (memory > most(cloudlets.memory_gb))
    remote = ((choices == REMOTE) * instance.requests.remote_delay_s).sum(axis=1)
    pull = (opened * instance.pull_s[use.block, use.cloudlet]).sum(axis=1)
    cost = (x * options.delay_s).sum(axis=1) + remote + pull
    return np.where(over.any(axis=1), np.inf, cost)
