"""What goes into a solver and what comes out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mecpfm.errors import LimitError
from mecpfm.typing import Bools, Floats, Ints

if TYPE_CHECKING:
    from mecpfm.plan import Proved


@dataclass(frozen=True, eq=False)
class Bilinear:
    """One row ``sum values * x[left] * x[right] + linear @ x <= upper``."""

    left: Ints
    right: Ints
    values: Floats
    linear: Floats
    upper: float


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Minimise ``cost @ x`` subject to ``row_lower <= rows @ x <= row_upper`` and ``lower <= x <= upper``.

    ``rows`` is a scipy CSR matrix of shape (m, n); ``integer`` marks integral columns; ``names()`` gives the names of
    columns and rows and is called only for export.
    """

    cost: Floats
    rows: Any
    row_lower: Floats
    row_upper: Floats
    lower: Floats
    upper: Floats
    integer: Bools
    names: Callable[[], tuple[list[str], list[str]]] | None = None
    bilinear: list[Bilinear] = field(default_factory=list)

    @classmethod
    def of_shares(cls, cost: Floats, rows: Any, row_lower: Floats, row_upper: Floats) -> LinearModel:
        """All columns integral and in [0, 1]."""
        ones = np.ones(len(cost))
        return cls(cost, rows, row_lower, row_upper, np.zeros(len(cost)), ones, ones.astype(bool))

    def part(self, columns: Ints) -> LinearModel:
        """The same rows over some of the columns."""
        fields = {name: getattr(self, name)[columns] for name in ("cost", "lower", "upper", "integer")}
        return replace(self, rows=self.rows[:, columns].tocsr(), **fields)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), bilinear rows not counted."""
        return len(self.row_lower), len(self.cost)

    def relaxed(self) -> LinearModel:
        """The same model without integrality."""
        return replace(self, integer=np.zeros(len(self.cost), dtype=bool))

    def value(self, x: Floats) -> float:
        """``cost @ x``, rounded once. The solver's process needs no kernels for it: half of its start."""
        return math.fsum(np.multiply(self.cost, x))

    @property
    def cost_unit(self) -> float:
        """What costs are divided by for a solver, whose tolerances are absolute: 1 unless all are below 1."""
        return min(1.0, float(np.abs(self.cost).max(initial=0.0))) or 1.0


@dataclass(frozen=True, eq=False)
class Solution:
    """Outcome of a solve.

    ``status`` is one of optimal, feasible (a limit stopped it with an incumbent), infeasible, unbounded, unknown;
    ``x`` is None without a solution; ``bound`` is the solver's dual bound. Row duals are given for linear models.
    """

    status: str
    x: Floats | None = None
    objective: float = math.nan
    bound: float = math.nan
    duals: Floats | None = None
    solver: str = ""
    runtime_s: float = math.nan

    @property
    def proved(self) -> Proved:
        """What a plan made of it states of the solve."""
        return {"bound": self.bound, "status": self.status, "solver": self.solver, "runtime_s": self.runtime_s}

    def optimum(self) -> Floats:
        """``x`` where it is optimal; LimitError otherwise."""
        if self.x is None or self.status != "optimal":
            raise LimitError(f"{self.solver} found no optimum within its limits (status {self.status})")
        return self.x
