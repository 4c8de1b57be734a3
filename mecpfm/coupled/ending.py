"""When a search for plans ends before its time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mecpfm.coupled.dual import proven
from mecpfm.coupled.local_search import Polished


@dataclass(eq=False)
class Ending:
    """When a plan needs no more search: what its cost and the bound say, or somebody who is asked once."""

    gap: float = 0.0
    """One with this gap is good enough."""
    near: float = 0.0
    """Gap at which ``proves`` is asked; 0 for never."""
    proves: Callable[[Polished], bool] | None = None

    def enough(self, bound: float) -> float:
        """A cost, s, whose gap is no more than what was asked for, or is asked about; -inf when the optimum was."""
        gap = max(self.gap, self.near if self.proves else 0.0)
        return bound / (1 - gap) if gap > 0 else -math.inf

    def met(self, plan: Polished, bound: float) -> bool:
        """Whether a plan ends the search, s."""
        near = plan.cost <= self.enough(bound)
        if near and self.near and self.proves:
            self.near = 0.0
            near = self.proves(plan) or plan.cost <= self.enough(bound)
        return near or proven(plan.cost, bound) == "optimal"
