"""One small MIP over the options that lose least: it finds a plan, and proves that others cost more than its width.

Plans that use an option outside cost at least the width; of the rest HiGHS finds the best, or bounds it. It needs no
good plan to begin with, which fixing does.
"""

from __future__ import annotations

import logging

from mecpfm.clock import Budget
from mecpfm.coupled import fix
from mecpfm.coupled.state import AutoState
from mecpfm.solvers import highs

log = logging.getLogger("mecpfm")


def run(state: AutoState, budget: Budget) -> bool:
    """Solve one window and take what it finds and proves; False where the whole remainder is hardly larger."""
    own = state.params.auto
    low, high, most = state.bound, state.limit, own.window_per_request * state.instance.sizes.requests
    if state.done or budget.over or own.renewed * int(state.below(high)[1].sum()) <= most:
        return False
    for _ in range(own.window_halvings):
        middle = (low + high) / 2
        if int(state.below(middle)[1].sum()) > most:
            high = middle
        else:
            low = middle
    kept = state.below(low)[1]
    if not kept.any():
        return False
    width = low * (1 - fix.CLOSE)
    rest = state.rest(kept, width)
    rest.run(budget, 0.0, state.seed)
    log.debug("window of %d options up to %.9g s: %.9g s found", kept.sum(), low, rest.best_cost)
    state.offer(rest.best)
    state.prove(min(rest.best_cost, width) if rest.settled else min(rest.bound, width), highs.NAME)
    state.tell()
    return True
