"""Audit of files: what a certificate proves and what a plan costs, recomputed from the instance alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mecpfm.coupled import drawing
from mecpfm.coupled.baselines import unshared
from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.check import assess, assess_fractional
from mecpfm.coupled.instance import TOLERANCE, Instance, most
from mecpfm.coupled.table import FRACTIONAL, METHODS, OWN_PROOF
from mecpfm.errors import InputError
from mecpfm.files import read_json
from mecpfm.plan import Plan, instance_sha256
from mecpfm.statements import Audit, at_most, entries, false, foreign, index, number, typed, unproved
from mecpfm.typing import Floats, Ints

METRICS = ("total_delay_s", "pulling_s", "average_accuracy", "edge_share", "unshared_delay_s", drawing.GUARANTEE)
ROUNDING = 1e-9
"""Bounds are differences of sums as large as the cost of serving all remotely: this share of it is rounding."""


class Known(NamedTuple):
    """What was recomputed, s."""

    found: Plan
    bound: float
    """The certificate's."""
    remote: float
    """Cost of serving all remotely: that plan always exists."""

    def at_most(self, low: float, high: float) -> bool:
        """Whether ``low`` is no larger, up to tolerance and rounding."""
        return at_most(low, high, ROUNDING * self.remote)


def audit(instance: Path, certificate: Path, plan: Path | None = None) -> Audit:
    """Recompute the bound of a certificate and, if given, what a plan (the output of ``solve --json``) states."""
    problem, given = Instance.read(instance), Certificate.read(certificate)
    own, remote = instance_sha256(problem), float(problem.requests.remote_delay_s.sum())
    complaints = list(foreign("certificate", given.instance_sha256, own))
    try:
        bound = verify(problem, given)
    except InputError as error:
        raise InputError("; ".join([f"{certificate}: {error}", *complaints])) from None
    stated_bound = float(given.bound_s)
    if not at_most(stated_bound, bound, ROUNDING * remote):
        complaints.append(f"the certificate states {stated_bound:.9g} s and proves only {bound:.9g} s")
    not_checked = [] if given.instance_sha256 else ["certificate: names no instance"]
    if plan is None:
        return Audit(bound, stated_bound, complaints=tuple(complaints), not_checked=tuple(not_checked))
    stated, known, judged = _judged(problem, plan, own, (bound, remote))
    if _contradicted(problem, given, known):
        cost = known.found.objective
        judged.append(f"the certificate proves {bound:.9g} s, the plan keeps all rows at {cost:.9g} s")
    not_checked = [*_own_proof(stated, known), *not_checked, *unproved(stated)]
    return Audit(
        bound, stated_bound, known.found.objective, stated["objective"], known.found.violations,
        (*complaints, *judged), tuple(not_checked),
    )  # fmt: skip


def _judged(
    instance: Instance, path: Path, sha256: str, bounds: tuple[float, float]
) -> tuple[dict[str, Any], Known, list[str]]:
    """Statements of a plan file, its plan recomputed, and complaints."""
    content = read_json(path)
    stated = typed(content, METRICS, path)
    number(content.get("objective"), f"{path}: objective")
    other = list(foreign("plan", stated.get("instance_sha256"), sha256))
    try:
        known = Known(_assess(instance, stated, path), *bounds)
    except InputError as error:
        raise InputError("; ".join([str(error), *other])) from None
    return stated, known, [*other, *false(stated, known.found, METHODS, FRACTIONAL), *_unproved_bound(stated, known)]


def _unproved_bound(stated: dict[str, Any], known: Known) -> Iterator[str]:
    """Bound and status that the certificate does not prove, unless the method has a proof of its own."""
    found, method = known.found, stated.get("method")
    ceiling = min(known.remote, found.objective) if found.feasible else known.remote
    bound, optimal = stated.get("bound"), stated.get("status") == "optimal"
    if bound is not None and not known.at_most(bound, known.bound):
        if not known.at_most(bound, ceiling):
            yield f"the plan states the bound {bound:.9g} s; {ceiling:.9g} s is reached"
        elif method not in OWN_PROOF:
            yield f"the plan states the bound {bound:.9g} s; the certificate proves only {known.bound:.9g} s"
    if optimal and not known.at_most(found.objective, known.remote):
        yield f"the plan states optimal at {found.objective:.9g} s; serving all remotely costs {known.remote:.9g} s"
    elif optimal and method not in OWN_PROOF and not known.at_most(found.objective, known.bound):
        yield f"the plan states optimal at {found.objective:.9g} s; the certificate proves only {known.bound:.9g} s"


def _own_proof(stated: dict[str, Any], known: Known) -> Iterator[str]:
    """Statements that rest on the method's own proof, which no file holds."""
    method, bound = stated.get("method"), stated.get("bound")
    proof = f"{method}'s own proof; the certificate proves {known.bound:.9g} s"
    if method not in OWN_PROOF:
        return
    if bound is not None and not known.at_most(bound, known.bound):
        yield f"bound and gap: {proof}"
    integral = "option" in known.found.decisions
    if stated.get("status") == "optimal" and not (integral and known.at_most(known.found.objective, known.bound)):
        yield f"status optimal: {proof}"


def _contradicted(instance: Instance, given: Certificate, known: Known) -> bool:
    """Whether an integral plan that keeps all rows costs less than the multipliers prove: one of the two is wrong.

    Rows are kept up to a tolerance that can be worth a lot, so the bound is that of capacities larger by as much.
    """
    found = known.found
    if "option" not in found.decisions or not found.feasible or known.at_most(known.bound, found.objective):
        return False
    cloudlets = instance.cloudlets
    more = {name: most(most(getattr(cloudlets, name))) for name in ("compute_s", "memory_gb")}  # once for rounding
    roomy = instance.model_copy(update={"cloudlets": cloudlets.model_copy(update=more)})
    return not known.at_most(verify(roomy, given), found.objective)


def _assess(instance: Instance, stated: dict[str, Any], path: Path) -> Plan:
    """Plan of the decisions in a file: an option a request, or fractions of options."""
    decisions, method = stated.get("decisions"), stated.get("method")
    if not isinstance(decisions, dict) or set(decisions) not in ({"option"}, {"fraction"}):
        raise InputError(f"{path}: decisions must hold a list 'option' or 'fraction', and nothing else")
    kind, count = next(iter(decisions)), len(instance.options.request)
    listed, field = entries(decisions, kind, path), f"{path}: decisions.{kind}"
    if kind == "fraction":
        return assess_fractional(instance, "file", _fractions(count, listed, field), cut=method == "lp-cut")
    choice = np.array([index(option, f"{field}[{i}]", -1, count) for i, option in enumerate(listed)], dtype=np.int64)
    try:
        found = assess(instance, "file", choice)
    except InputError as error:
        raise InputError(f"{field}{str(error).removeprefix('choice')}") from None
    return dataclasses.replace(found, metrics={**found.metrics, **_own_metrics(instance, stated, choice, found)})


def _own_metrics(instance: Instance, stated: dict[str, Any], choice: Ints, found: Plan) -> dict[str, float]:
    """Metrics that one method alone states; a guarantee is kept by a plan that saves no less."""
    if stated.get("method") == "no-sharing":
        return {"unshared_delay_s": assess(unshared(instance), "file", choice).objective}
    if stated.get("method") == drawing.NAME and drawing.GUARANTEE in stated:
        remote, least = float(instance.requests.remote_delay_s.sum()), float(stated[drawing.GUARANTEE])
        saved = remote - found.objective
        return {drawing.GUARANTEE: least if at_most(least, saved, ROUNDING * remote) else saved}
    return {}


def _fractions(count: int, listed: list[Any], field: str) -> Floats:
    """Fraction of every option (n,) from pairs (option, fraction)."""
    x = np.full(count, np.nan)
    for i, entry in enumerate(listed):
        if not isinstance(entry, list) or len(entry) != 2:
            raise InputError(f"{field}[{i}] must be a pair of an option and its fraction")
        option = index(entry[0], f"{field}[{i}][0]", 0, count)
        if not np.isnan(x[option]):
            raise InputError(f"{field}[{i}][0] is {option}, which has a fraction already")
        x[option] = number(entry[1], f"{field}[{i}][1]")
        if not 0 <= x[option] <= 1 + TOLERANCE:  # solvers leave 1 by their tolerance
            raise InputError(f"{field}[{i}][1] is {x[option]:g}; must be from 0 to 1")
    return np.where(np.isnan(x), 0.0, x)
