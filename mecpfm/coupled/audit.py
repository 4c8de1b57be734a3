"""Audit of files: what a certificate proves and what a plan costs, recomputed from the instance alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.check import TOLERANCE, assess, assess_fractional
from mecpfm.coupled.instance import Instance
from mecpfm.errors import InputError
from mecpfm.files import read_json
from mecpfm.plan import Plan


@dataclass(frozen=True)
class Audit:
    """What the files state and what recomputing gives, s; NaN without a plan."""

    bound: float
    stated_bound: float
    objective: float = math.nan
    stated_objective: float = math.nan
    violations: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """Relative gap between the recomputed cost and the recomputed bound."""
        return (self.objective - self.bound) / max(abs(self.objective), 1e-12)

    @property
    def complaints(self) -> list[str]:
        """Statements of the files that recomputing contradicts."""
        out = []
        if self.stated_bound > self.bound + TOLERANCE * abs(self.bound):
            out.append(f"the certificate states {self.stated_bound:.9g} s and proves only {self.bound:.9g} s")
        if abs(self.stated_objective - self.objective) > TOLERANCE * abs(self.objective):
            out.append(f"the plan states {self.stated_objective:.9g} s and costs {self.objective:.9g} s")
        return out

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
        return {**numbers, "violations": list(self.violations), "complaints": self.complaints}


def audit(instance: Path, certificate: Path, plan: Path | None = None) -> Audit:
    """Recompute the bound of a certificate and, if given, the cost of a plan (the output of ``solve --json``)."""
    problem, given = Instance.read(instance), Certificate.read(certificate)
    try:
        bound = verify(problem, given)
    except InputError as error:
        raise InputError(f"{certificate}: {error}") from None
    if plan is None:
        return Audit(bound, float(given.bound_s))
    content = read_json(plan)
    stated = content.get("objective")
    if not isinstance(stated, (int, float)):
        raise InputError(f"{plan}: objective must be a number")
    found = _assess(problem, content, plan)
    return Audit(bound, float(given.bound_s), found.objective, float(stated), found.violations)


def _assess(instance: Instance, content: dict[str, Any], path: Path) -> Plan:
    """Plan of the decisions in a file: an option a request, or fractions of options."""
    decisions = content.get("decisions")
    if not isinstance(decisions, dict) or not {"option", "fraction"} & set(decisions):
        raise InputError(f"{path}: decisions must hold a list 'option' or 'fraction'")
    try:
        if "option" in decisions:
            return assess(instance, "file", np.array(decisions["option"], dtype=np.int64))
        x = np.zeros(len(instance.options.request))
        for option, fraction in decisions["fraction"]:
            x[option] = fraction
    except (TypeError, ValueError, IndexError, OverflowError, InputError) as error:
        raise InputError(f"{path}: decisions do not belong to the instance ({error})") from None
    return assess_fractional(instance, "file", x, cut=content.get("method") == "lp-cut")
