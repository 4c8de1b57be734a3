"""Where a search begins that knows a plan, prices or both: of the same instance before it changed, as a rule."""

from __future__ import annotations

import math

import numpy as np

from mecpfm.clock import Budget
from mecpfm.coupled import local_search
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.check import assess
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.local_search import Polished
from mecpfm.coupled.lp_proof import lp_certificate
from mecpfm.coupled.rounding import repair
from mecpfm.coupled.structure import Structure
from mecpfm.errors import LimitError
from mecpfm.typing import Ints


def known(instance: Instance, structure: Structure, choice: Ints) -> Polished:
    """The plan itself where it keeps all rows; else what fits of it, the rest inserted where it is cheapest.

    InputError when ``choice`` (R,) gives a request an option of another one.
    """
    choice = np.asarray(choice, dtype=np.int64)
    plan = assess(instance, "start", choice)
    state = local_search.fresh(structure)
    repair(structure, local_search.moves(structure), state, local_search.sorted_choice(structure, choice))
    repaired = Polished(structure.expand(state.choice), float(state.cost[0]), 0)
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
