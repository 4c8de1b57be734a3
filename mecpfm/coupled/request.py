"""What a caller may ask of a method of the coupled setting, beside its name."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from mecpfm.clock import Budget
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.engine import DEFAULT, EngineParams
from mecpfm.coupled.pins import Keep
from mecpfm.typing import Ints

Progress = Callable[[int, float, float], None]
OWN = 0.85
"""Share of the time for a method, where the dual engine's bound comes after it."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What ``solve`` and ``certified`` may be asked for beside the method's name."""

    solver: str = "auto"
    """``auto``, ``gurobi`` or ``highs``, for methods that need one."""
    seed: int = 0
    """Of every random stream."""
    time_limit: float | None = None
    """Of everything, s; where it is None ``branch`` takes 60, and ``auto`` 10 unless there are ``iterations``."""
    iterations: int | None = None
    """Budget of the local search: with it, and no time limit, a seed gives the same plan everywhere."""
    progress: Progress | None = None
    """Called with iterations, cost and bound, s, as the search goes."""
    start: Ints | None = None
    """A plan to begin with, (R,): options of this instance, -1 for remote. What comes out is never worse than it, or
    than what is left of it where it breaks a row."""
    prices: Certificate | None = None
    """Multipliers to begin with, as a rule those of the instance before it changed."""
    keep: Keep | None = None
    """What stays as it is. Bound and certificate are those of the problem without pins; the metric
    ``pinned_bound_s`` bounds what any plan with pins costs."""
    gap: float = 0.0
    """A plan is good enough when (objective - bound) / objective is no more than this."""
    threads: int | None = None
    """Cores that ``auto`` may use under a time limit, all by default; no bit of what it computes depends on them, but
    with one HiGHS and the search take turns."""
    params: EngineParams = DEFAULT
    """Numbers that steer bound, search and tree; a table that the method would pass over is refused."""

    @functools.cached_property
    def budget(self) -> Budget:
        """Begins when first asked for."""
        return Budget.of(self.time_limit)

    @functools.cached_property
    def own(self) -> Budget:
        """What a method without a bound of its own may use: the dual engine's needs the rest."""
        return self.budget.share(OWN)

    @property
    def searching(self) -> dict[str, Any]:
        """Keyword arguments of the search."""
        known = {"start": self.start, "prices": self.prices, "gap": self.gap}
        return {**self.quietly, **known, "progress": self.progress, "time_limit": self.budget.limit()}

    @property
    def quietly(self) -> dict[str, Any]:
        """The same without progress, for a search that is only a part of a method."""
        budget = {} if self.iterations is None else {"iterations": self.iterations}
        return {"seed": self.seed, "time_limit": self.own.limit(), "params": self.params, **budget}
