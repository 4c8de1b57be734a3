"""The result every method returns."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import numpy as np

from mecpfm import clock
from mecpfm.files import plain
from mecpfm.records import Ragged, Record, RootRecord
from mecpfm.typing import Array


class Proved(TypedDict, total=False):
    """What a method says of its plan beside the decisions; fields of :class:`Plan`."""

    bound: float
    status: str
    seed: int | None
    solver: str
    runtime_s: float


ROUNDING = 1e-12
"""Relative difference of a cost and a bound that sums in another order may make."""


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
    instance_sha256: str | None = None

    @property
    def feasible(self) -> bool:
        """Whether the checker found nothing broken."""
        return not self.violations

    @property
    def gap(self) -> float:
        """Relative optimality gap ``(objective - bound) / |objective|``; NaN without a bound."""
        return relative_gap(self.objective, self.bound)

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
            "status": "infeasible" if self.violations else self.status,
            "feasible": self.feasible,
            "violations": list(self.violations),
            "objective": self.objective,
            "bound": self.bound,
            "gap": self.gap,
            **self.metrics,
            "runtime_s": self.runtime_s,
            "solver": self.solver,
            "instance_sha256": self.instance_sha256,
            "decisions": self.decisions,
        }
        return {key: plain(value) for key, value in out.items()}


def relative_gap(objective: float, bound: float) -> float:
    """``(objective - bound) / |objective|``; 0 where they differ by rounding only, also where both are 0."""
    if objective == bound or abs(objective - bound) <= ROUNDING * abs(objective) < math.inf:
        return 0.0
    return (objective - bound) / max(abs(objective), 1e-12)


def instance_sha256(instance: RootRecord) -> str:
    """SHA-256 of the problem: schema, then name, shape and little-endian content of each required array.

    The same for .json and .npz. Names, coordinates and whatever else a file may leave out enter no row and no cost.
    """
    digest = hashlib.sha256(instance.file_schema.encode())
    for name, array in _arrays(instance, ""):
        plain = array + 0  # -0.0 and 0.0 are one number
        digest.update(f"\n{name} {plain.shape}\n".encode())
        digest.update(plain.astype(plain.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _arrays(record: Record, prefix: str) -> Iterator[tuple[str, Array]]:
    for name, info in type(record).model_fields.items():
        value = getattr(record, name)
        if isinstance(value, Record):
            yield from _arrays(value, f"{prefix}{name}.")
        elif info.is_required():
            parts = (value.indptr, value.indices) if isinstance(value, Ragged) else (np.asarray(value),)
            yield from ((f"{prefix}{name}", part) for part in parts)
