"""What a plan file states, field by field, against what recomputing gives; what nothing here can prove is named.

A field that is absent or null states nothing. Both settings share these rules; what proves a bound is theirs to say.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mecpfm.errors import InputError
from mecpfm.files import plain
from mecpfm.plan import Plan, relative_gap

TOLERANCE = 1e-6
"""Relative: two numbers that differ by less state the same."""
NOISE = 1e-12
"""Absolute, for shares that are differences of others."""
STATUSES = ("optimal", "feasible", "infeasible", "interrupted")
TEXTS = ("setting", "method", "status", "solver", "instance_sha256")
NUMBERS = ("objective", "bound", "gap", "runtime_s")
NAMED = ("summary", "tables", "map", "certificate", "network")
"""What ``solve -o`` writes beside the plan, the same by name: nobody looks at it."""
OTHERS = ("seed", "feasible", "violations", "decisions", *NAMED)
UNPROVED = ("method", "seed", "solver", "runtime_s")
"""Who found the decisions, and how fast: nothing in a file can prove it."""


@dataclass(frozen=True)
class Audit:
    """What the files state and what recomputing gives, s; NaN where there is none."""

    bound: float = math.nan
    stated_bound: float = math.nan
    """The certificate's."""
    objective: float = math.nan
    stated_objective: float = math.nan
    violations: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    """Statements of the files that recomputing contradicts, or that should be proved and are not."""
    not_checked: tuple[str, ...] = ()
    """Statements that nothing here proves or contradicts."""

    @property
    def gap(self) -> float:
        """Relative gap between the recomputed cost and the recomputed bound."""
        return relative_gap(self.objective, self.bound)

    def to_object(self) -> dict[str, Any]:
        """The JSON object of ``mecpfm verify``: NaN becomes null."""
        numbers = ("bound", "stated_bound", "objective", "stated_objective", "gap")
        lists = {key: list(getattr(self, key)) for key in ("violations", "complaints", "not_checked")}
        return {**{key: plain(getattr(self, key)) for key in numbers}, **lists}


def at_most(low: float, high: float, noise: float = 0.0) -> bool:
    """Whether ``low`` is no larger, up to the tolerance; False for NaN."""
    return low <= high + TOLERANCE * abs(high) + noise


def number(value: Any, field: str) -> float:
    """A JSON number; ``field`` names file and field."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{field} must be a number")
    if not abs(value) <= sys.float_info.max:  # an integer may be too large for a float
        raise InputError(f"{field} must be finite")
    return float(value)


def index(value: Any, field: str, least: int, count: int) -> int:
    """A JSON integer from ``least`` to ``count - 1``."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < count:
        raise InputError(f"{field} must be an integer from {least} to {count - 1}")
    return value


def entries(decisions: dict[str, Any], name: str, path: Path) -> list[Any]:
    """One list of a plan's decisions."""
    if not isinstance(decisions[name], list):
        raise InputError(f"{path}: decisions.{name} must be a list")
    return list(decisions[name])


def typed(content: dict[str, Any], metrics: Collection[str], path: Path) -> dict[str, Any]:
    """Statements of a plan file, null ones left out; InputError for one of the wrong type."""
    stated = {name: value for name, value in content.items() if value is not None}
    for name in (*NUMBERS, *metrics):
        if name in stated:
            stated[name] = number(stated[name], f"{path}: {name}")
    for name in TEXTS:
        if not isinstance(stated.get(name, ""), str):
            raise InputError(f"{path}: {name} must be a text")
    if not isinstance(stated.get("feasible", True), bool):
        raise InputError(f"{path}: feasible must be true or false")
    broken = stated.get("violations", [])
    if not isinstance(broken, list) or not all(isinstance(one, str) for one in broken):
        raise InputError(f"{path}: violations must be a list of texts")
    if stated.get("runtime_s", 0) < 0:
        raise InputError(f"{path}: runtime_s must be >= 0")
    seed = stated.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"{path}: seed must be an integer >= 0")
    return stated


def false(stated: dict[str, Any], found: Plan, methods: Collection[str], fractional: Collection[str]) -> Iterator[str]:
    """Statements of a plan file that its decisions or its other statements contradict; ``found`` has the metrics.

    Plans of the methods ``fractional`` are fractions, those of the other ``methods`` are whole.
    """
    for name in sorted(stated.keys() - {*NUMBERS, *TEXTS, *OTHERS, *found.metrics}):
        yield f"the plan states {name}, which is no field of a plan here"
    setting, method, status = (stated.get(name) for name in ("setting", "method", "status"))
    if setting not in (None, found.setting):
        yield f"the plan states the setting {setting!r}; the instance is {found.setting}"
    if not (method is None or method in methods):
        yield f"the plan states the method {method!r}; there is none of that name"
    if status not in (None, *STATUSES):
        yield f"the plan states the status {status!r}; must be one of {', '.join(STATUSES)}"
    elif status is not None and (status == "infeasible") is found.feasible:
        yield f"the plan states the status {status!r}; {len(found.violations)} rows are broken"
    if stated.get("feasible", found.feasible) != found.feasible:
        yield f"the plan states feasible: {str(stated['feasible']).lower()}; {len(found.violations)} rows are broken"
    if stated.get("violations", list(found.violations)) != list(found.violations):
        yield f"the plan lists {len(stated['violations'])} broken rows; {_first(found.violations)}"
    yield from _numbers(stated, found)
    whole = "fraction" not in found.decisions
    # A method of fractions that ran out of time gives a plain plan, and no optimum.
    if method in methods and whole == (method in fractional) and not (whole and status != "optimal"):
        yield f"the plan states the method {method!r}, whose decisions are of another kind"


def _first(rows: tuple[str, ...]) -> str:
    return f"found are {len(rows)}, the first: {rows[0]}" if rows else "none is broken"


def _numbers(stated: dict[str, Any], found: Plan) -> Iterator[str]:
    if "objective" in stated and not same(stated["objective"], found.objective):
        yield f"the plan states {stated['objective']:.9g} s and costs {found.objective:.9g} s"
    for name, value in found.metrics.items():
        if name in stated and not same(stated[name], value):
            yield f"the plan states {name}: {stated[name]:.9g}; its decisions give {value:.9g}"
    if "gap" in stated:
        gap = relative_gap(stated.get("objective", math.nan), stated.get("bound", math.nan))
        if not abs(stated["gap"] - gap) <= TOLERANCE * max(1, abs(gap)):
            yield f"the plan states the gap {stated['gap']:.9g}; its objective and bound give {gap:.9g}"


def same(one: float, other: float) -> bool:
    """Whether two numbers state the same, up to the tolerance; False for NaN."""
    return abs(one - other) <= TOLERANCE * abs(other) + NOISE


def foreign(what: str, named: str | None, own: str) -> Iterator[str]:
    """Complaint when a file names another instance than ``own``."""
    if named not in (None, own):
        yield f"the {what} is of another instance: it names SHA-256 {named[:12]}, this one has {own[:12]}"


def unproved(stated: dict[str, Any]) -> Iterator[str]:
    """Statements of a plan that no file can prove."""
    if "instance_sha256" not in stated:
        yield "plan: names no instance"
    yield from (name for name in (*UNPROVED, *NAMED) if name in stated)
