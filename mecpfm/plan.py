"""The result every method returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from mecpfm import clock


@dataclass(frozen=True)
class Plan:
    """Decisions with the certificate that comes with them.

    ``objective`` and ``bound`` are in seconds of delay; ``bound`` is a proven lower bound on the optimum, or NaN where
    the method gives none. ``violations`` lists, in words, every row of the model that the decisions break, as found
    by the setting's checker and not by the method itself. ``status`` is one of

    - ``optimal``: no plan is better, and the method proved it;
    - ``feasible``: a plan, not proved optimal;
    - ``interrupted``: the same, of a method that Ctrl-C ended;
    - ``infeasible``: the decisions break a row.
    """

    setting: str
    method: str
    status: str
    objective: float
    decisions: dict[str, Any]
    bound: float = math.nan
    seed: int | None = None
    violations: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    solver: str = "none"
    runtime_s: float = math.nan

    @property
    def feasible(self) -> bool:
        """Whether the checker found nothing broken."""
        return not self.violations

    @property
    def gap(self) -> float:
        """Relative optimality gap ``(objective - bound) / |objective|``; NaN without a bound."""
        if self.objective == self.bound:
            return 0.0
        return (self.objective - self.bound) / max(abs(self.objective), 1e-12)

    def ended(self, runtime_s: float) -> Plan:
        """The plan with its running time, s, and the word for rows it breaks or a Ctrl-C that ended it."""
        status = "infeasible" if self.violations else self.status
        if status == "feasible" and clock.interrupted():
            status = "interrupted"
        return replace(self, status=status, runtime_s=runtime_s)

    def to_object(self) -> dict[str, Any]:
        """The JSON object of ``--json``: NaN becomes null."""
        out: dict[str, Any] = {
            "setting": self.setting,
            "method": self.method,
            "seed": self.seed,
            "status": self.status,
            "feasible": self.feasible,
            "violations": list(self.violations),
            "objective": self.objective,
            "bound": self.bound,
            "gap": self.gap,
            **self.metrics,
            "runtime_s": self.runtime_s,
            "solver": self.solver,
            "decisions": self.decisions,
        }
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in out.items()
        }
