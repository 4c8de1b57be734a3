"""Every choice of models, tried one by one: the reference that needs neither solver nor linearisation."""

from __future__ import annotations

import itertools
import math

import numpy as np

from mecpfm.errors import LimitError
from mecpfm.plan import Plan
from mecpfm.published.check import assess
from mecpfm.published.instance import Instance
from mecpfm.published.options import budget_error, require_options, tabulate

MAX_CHOICES = 200_000


def solve_brute_force(instance: Instance, *, method: str = "brute-force") -> Plan:
    """Optimum by enumeration; sources are the nearest holders, which are never worse; ties take the first choice.

    Raises InfeasibleError when no choice keeps all rows and LimitError above ``MAX_CHOICES`` choices.
    """
    options = tabulate(instance)
    require_options(instance, options)
    candidates = [np.flatnonzero(row).tolist() for row in options.allowed]
    if math.prod(map(len, candidates)) > MAX_CHOICES:
        magnitude = sum(math.log10(len(models)) for models in candidates)
        raise LimitError(f"brute force takes at most {MAX_CHOICES} choices; this instance has 10^{magnitude:.1f}")
    models = np.array(list(itertools.product(*candidates)))
    request = np.arange(models.shape[1])
    shared, private = (pull[request, models].sum(axis=1) for pull in (options.shared_pull, options.private_pull))
    pulling = np.maximum(shared, private)
    cost = options.own_cost[request, models] + options.transmit_power * pulling[:, None]
    affordable = (cost <= instance.requests.cost_budget).all(axis=1)
    if not affordable.any():
        raise budget_error(instance, options)
    delay = np.where(affordable, pulling + options.base[request, models].sum(axis=1), np.inf)
    best = int(delay.argmin())
    return assess(instance, method, models[best], bound=float(delay[best]), status="optimal")
