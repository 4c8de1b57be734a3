"""Where a search begins that knows a plan, prices or both: of the same instance before it changed, as a rule."""

from __future__ import annotations

import math

import numpy as np

from mecpfm.clock import Budget
from mecpfm.coupled import local_search
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.check import assess
from mecpfm.coupled.dual import Dual
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.local_search import Polished
from mecpfm.coupled.lp_proof import lp_certificate
from mecpfm.coupled.rounding import repair
from mecpfm.coupled.structure import Structure
from mecpfm.errors import InputError, LimitError
from mecpfm.typing import Floats, Ints


def known(instance: Instance, structure: Structure, choice: Ints) -> Polished:
    """The plan itself where it keeps all rows; else what fits of it, the rest inserted where it is cheapest.

    InputError when ``choice`` (R,) gives a request an option of another one.
    """
    choice = np.asarray(choice, dtype=np.int64)
    plan = assess(instance, "start", choice)
    state = local_search.fresh(structure)
    repair(structure, local_search.moves(structure), state, local_search.sorted_choice(structure, choice))
    repaired = Polished(np.append(structure.option, -1)[state.choice], float(state.cost[0]), 0)
    given = Polished(choice, plan.objective, 0)
    return given if plan.feasible and given.cost <= repaired.cost else repaired


def of_lp(instance: Instance, structure: Structure, budget: Budget, most: int) -> Certificate | None:
    """Prices of HiGHS's LP where a family pays by shares, which the ascent alone finds slowly; None elsewhere.

    None too without a time limit, beyond ``most`` options, and where the LP takes more time than there is.
    """
    shared = not structure.cells.exact.all() and len(structure.option) <= most
    if not shared or math.isinf(budget.end) or budget.over:
        return None
    try:
        return lp_certificate(instance, time_limit=budget.limit())
    except LimitError:
        return None


def dual_of(structure: Structure, given: Certificate | None) -> Dual | None:
    """Multipliers of a certificate as those of a view with as many requests, cloudlets and models; None of none.

    Nothing is proved here: the bound is -inf until the engine evaluates them. A share that the certificate lacks is 0.
    InputError when the sizes differ.
    """
    if given is None:
        return None
    cells = structure.cells
    sizes = (len(structure.family), len(cells.capacity_s), len(cells.remote_s))
    found = (len(given.family), len(given.compute_price), len(given.request_price_s))
    if found != sizes:
        raise InputError(f"prices are for (K, C, R) = {found}; the instance has {sizes}")
    families, first = np.unique(structure.family, return_index=True)
    cut = np.zeros((sizes[1], len(cells.exact)))
    cut[:, families] = given.cut_price[:, given.family[first]]
    v = np.minimum(given.request_price_s, cells.remote_s)
    parts = (v, given.compute_price, given.memory_price_s_per_gb, _shares(structure, given))
    return Dual(-np.inf, np.concatenate(parts), cut.ravel(), 0, 0.0)


def _shares(structure: Structure, given: Certificate) -> Floats:
    cells, requests = structure.cells, len(structure.cells.remote_s)
    blocks = len(structure.block)
    place = np.repeat(np.arange(len(cells.first_share_of) - 1), np.diff(cells.first_share_of))
    wanted = (place // blocks * blocks + structure.block[place % blocks]) * requests + structure.share_request
    key = (given.share_cloudlet * blocks + given.share_block) * requests + given.share_request
    inside = (given.share_block < blocks) & (given.share_request < requests)
    key, share = key[inside], given.share_s[inside]
    order = np.argsort(key, kind="stable")
    at = np.searchsorted(key[order], wanted)
    hit = at < len(key)
    hit[hit] = key[order][at[hit]] == wanted[hit]
    out = np.zeros(len(wanted))
    out[hit] = share[order][at[hit]]
    return out
