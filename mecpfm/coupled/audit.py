"""Audit of files: what a certificate proves and what a plan costs, recomputed from the instance alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.check import assess, assess_fractional
from mecpfm.coupled.instance import TOLERANCE, Instance, most
from mecpfm.errors import InputError
from mecpfm.files import read_json
from mecpfm.plan import Plan


class Stated(NamedTuple):
    """What a plan file says of itself, s; None where it says nothing."""

    objective: float
    bound: float | None
    gap: float | None
    feasible: bool | None


@dataclass(frozen=True)
class Audit:
    """What the files state and what recomputing gives, s; NaN without a plan."""

    bound: float
    stated_bound: float
    objective: float = math.nan
    stated_objective: float = math.nan
    violations: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    """Statements of the files that recomputing contradicts."""

    @property
    def gap(self) -> float:
        """Relative gap between the recomputed cost and the recomputed bound."""
        return _gap(self.objective, self.bound)

    def to_object(self) -> dict[str, Any]:
        """The JSON object of ``mecpfm verify``: NaN becomes null."""
        found = {
            "bound": self.bound,
            "stated_bound": self.stated_bound,
            "objective": self.objective,
            "stated_objective": self.stated_objective,
            "gap": self.gap,
        }
        numbers = {key: value if math.isfinite(value) else None for key, value in found.items()}
        return {**numbers, "violations": list(self.violations), "complaints": list(self.complaints)}


def audit(instance: Path, certificate: Path, plan: Path | None = None) -> Audit:
    """Recompute the bound of a certificate and, if given, the cost of a plan (the output of ``solve --json``)."""
    problem, given = Instance.read(instance), Certificate.read(certificate)
    try:
        bound = verify(problem, given)
    except InputError as error:
        raise InputError(f"{certificate}: {error}") from None
    stated_bound, complaints = float(given.bound_s), []
    if not _at_most(stated_bound, bound):
        complaints.append(f"the certificate states {stated_bound:.9g} s and proves only {bound:.9g} s")
    if plan is None:
        return Audit(bound, stated_bound, complaints=tuple(complaints))
    content = read_json(plan)
    stated = _stated(content, plan)
    found = _assess(problem, content, plan)
    complaints += _false_statements(stated, found, bound)
    if _contradicted(problem, given, found, bound):
        complaints.append(f"the certificate proves {bound:.9g} s, the plan keeps all rows at {found.objective:.9g} s")
    return Audit(bound, stated_bound, found.objective, stated.objective, found.violations, tuple(complaints))


def _at_most(low: float, high: float) -> bool:
    """Whether ``low`` is no larger, up to the tolerance; False for NaN."""
    return low <= high + TOLERANCE * abs(high)


def _gap(objective: float, bound: float) -> float:
    """Gap as ``Plan.gap`` has it."""
    return (objective - bound) / max(abs(objective), 1e-12)


def _false_statements(stated: Stated, found: Plan, bound: float) -> Iterator[str]:
    """What a plan file says that its decisions or its other numbers contradict; ``bound`` is the certificate's."""
    cost = found.objective
    if not abs(stated.objective - cost) <= TOLERANCE * abs(cost):
        yield f"the plan states {stated.objective:.9g} s and costs {cost:.9g} s"
    # A bound on integral plans may exceed the cost of a fractional one, and that of a plan that breaks rows; one that
    # the certificate proves is no lie either: rows are kept up to a tolerance, which may be worth something.
    judged = found.feasible and "option" in found.decisions
    if judged and stated.bound is not None and not _at_most(stated.bound, max(cost, bound)):
        yield f"the plan states the bound {stated.bound:.9g} s and costs only {cost:.9g} s"
    if stated.gap is not None:
        gap = math.nan if stated.bound is None else _gap(stated.objective, stated.bound)
        if not abs(stated.gap - gap) <= TOLERANCE * max(1, abs(stated.gap)):
            yield f"the plan states the gap {stated.gap:.9g}; its objective and bound give {gap:.9g}"
    if stated.feasible is not None and stated.feasible != found.feasible:
        yield f"the plan states feasible: {str(stated.feasible).lower()}; {len(found.violations)} rows are broken"


def _contradicted(instance: Instance, given: Certificate, found: Plan, bound: float) -> bool:
    """Whether an integral plan that keeps all rows costs less than the multipliers prove: one of the two is wrong.

    Rows are kept up to a tolerance that can be worth a lot, so the bound is that of capacities larger by as much.
    """
    if "option" not in found.decisions or not found.feasible or _at_most(bound, found.objective):
        return False
    cloudlets = instance.cloudlets
    more = {name: most(most(getattr(cloudlets, name))) for name in ("compute_s", "memory_gb")}  # once for rounding
    roomy = instance.model_copy(update={"cloudlets": cloudlets.model_copy(update=more)})
    return not _at_most(verify(roomy, given), found.objective)


def _stated(content: dict[str, Any], path: Path) -> Stated:
    """Statements of a plan file; InputError for what is no number or truth value."""
    feasible = content.get("feasible")
    if not (feasible is None or isinstance(feasible, bool)):
        raise InputError(f"{path}: feasible must be true or false")
    objective = _number(content.get("objective"), f"{path}: objective")
    bound, gap = (
        None if content.get(name) is None else _number(content[name], f"{path}: {name}") for name in ("bound", "gap")
    )
    return Stated(objective, bound, gap, feasible)


def _number(value: Any, field: str) -> float:
    """A JSON number; ``field`` names file and field."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{field} must be a number")
    if not abs(value) <= sys.float_info.max:  # an integer may be too large for a float
        raise InputError(f"{field} must be finite")
    return float(value)


def _assess(instance: Instance, content: dict[str, Any], path: Path) -> Plan:
    """Plan of the decisions in a file: an option a request, or fractions of options."""
    decisions = content.get("decisions")
    if not isinstance(decisions, dict) or len({"option", "fraction"} & set(decisions)) != 1:
        raise InputError(f"{path}: decisions must hold a list 'option' or 'fraction'")
    kind = "option" if "option" in decisions else "fraction"
    entries, field = decisions[kind], f"{path}: decisions.{kind}"
    if not isinstance(entries, list):
        raise InputError(f"{field} must be a list")
    if kind == "fraction":
        x = _fractions(instance, entries, field)
        return assess_fractional(instance, "file", x, cut=content.get("method") == "lp-cut")
    for i, option in enumerate(entries):
        _require_option(option, f"{field}[{i}]", -1, instance)
    try:
        return assess(instance, "file", np.array(entries, dtype=np.int64))
    except InputError as error:
        raise InputError(f"{field}{str(error).removeprefix('choice')}") from None


def _fractions(instance: Instance, entries: list[Any], field: str) -> NDArray[np.float64]:
    """Fraction of every option (n,) from pairs (option, fraction)."""
    x = np.full(len(instance.options.request), np.nan)
    for i, entry in enumerate(entries):
        if not isinstance(entry, list) or len(entry) != 2:
            raise InputError(f"{field}[{i}] must be a pair of an option and its fraction")
        option, fraction = entry
        _require_option(option, f"{field}[{i}][0]", 0, instance)
        if not np.isnan(x[option]):
            raise InputError(f"{field}[{i}][0] is {option}, which has a fraction already")
        x[option] = _number(fraction, f"{field}[{i}][1]")
        if not 0 <= x[option] <= 1 + TOLERANCE:  # solvers leave 1 by their tolerance
            raise InputError(f"{field}[{i}][1] is {x[option]:g}; must be from 0 to 1")
    return np.where(np.isnan(x), 0.0, x)


def _require_option(value: Any, field: str, least: int, instance: Instance) -> None:
    count = len(instance.options.request)
    if type(value) is not int:  # bool is one of its kinds
        raise InputError(f"{field} must be an integer")
    if not least <= value < count:
        raise InputError(f"{field} must be from {least} to {count - 1}")
