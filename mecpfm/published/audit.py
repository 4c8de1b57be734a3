"""Audit of a plan file of the published problem: whatever its decisions say by themselves is recomputed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mecpfm.errors import InputError
from mecpfm.files import read_json
from mecpfm.plan import Plan, instance_sha256
from mecpfm.published.check import Chosen, assess, evaluate
from mecpfm.published.instance import Instance
from mecpfm.published.methods import METHODS
from mecpfm.published.options import tabulate
from mecpfm.statements import Audit, at_most, entries, false, foreign, index, number, typed, unproved

METRICS = ("total_delay_s", "average_cost", "average_accuracy")
FRACTIONAL = frozenset({"lp", "lp-dual"})
BOUNDED = FRACTIONAL | {"ilp", "nlip", "exact", "appro"}
CHOICE = ("model", "shared_source", "private_source")


def audit(instance: Path, plan: Path) -> Audit:
    """Recompute what a plan (the output of ``solve --json``) states; no file proves a bound of this setting."""
    problem, content = Instance.read(instance), read_json(plan)
    stated = typed(content, METRICS, plan)
    other = list(foreign("plan", stated.get("instance_sha256"), instance_sha256(problem)))
    try:
        found = _assess(problem, stated, plan)
    except InputError as error:
        raise InputError("; ".join([str(error), *other])) from None
    if math.isfinite(found.objective):  # else null is all that JSON can say
        number(content.get("objective"), f"{plan}: objective")
    complaints = (*other, *false(stated, found, METHODS, FRACTIONAL), *_false_bound(stated, found))
    rests = {"bound and gap": "bound" in stated, "status optimal": stated.get("status") == "optimal"}
    not_checked = [f"{words}: {stated.get('method')}'s own proof" for words, there in rests.items() if there]
    return Audit(
        objective=found.objective, stated_objective=stated.get("objective", math.nan), violations=found.violations,
        complaints=complaints, not_checked=(*not_checked, *unproved(stated)),
    )  # fmt: skip


def _false_bound(stated: dict[str, Any], found: Plan) -> Iterator[str]:
    """Bound and status that the method never proves, and a bound that the plan itself refutes."""
    method, bound = stated.get("method"), stated.get("bound")
    if bound is not None and found.feasible and not at_most(bound, found.objective):
        yield f"the plan states the bound {bound:.9g} s and costs only {found.objective:.9g} s"
    if bound is not None and method not in BOUNDED:
        yield f"the plan states the bound {bound:.9g} s; method {method!r} proves none"
    if stated.get("status") == "optimal" and (bound is None or not at_most(found.objective, bound)):
        yield "the plan states optimal and no bound that its cost meets"


def _assess(instance: Instance, stated: dict[str, Any], path: Path) -> Plan:
    """Plan of the decisions in a file: a model a request with its sources, or fractions of models."""
    decisions = stated.get("decisions")
    if not isinstance(decisions, dict) or set(decisions) not in (set(CHOICE), {"fraction"}):
        raise InputError(f"{path}: decisions must hold the lists {', '.join(CHOICE)}, or 'fraction' alone")
    if "fraction" in decisions:
        return _fractional(instance, entries(decisions, "fraction", path), f"{path}: decisions.fraction")
    cloudlets, models, requests = instance.sizes
    columns = []
    for name in CHOICE:
        field, count = f"{path}: decisions.{name}", models if name == "model" else cloudlets + 1
        listed = entries(decisions, name, path)
        if len(listed) != requests:
            raise InputError(f"{field} has {len(listed)} entries; must be {requests}, one a request")
        columns.append(np.array([index(value, f"{field}[{i}]", 0, count) for i, value in enumerate(listed)]))
    return assess(instance, "file", columns[0], sources=(columns[1], columns[2]))


def _fractional(instance: Instance, listed: list[Any], field: str) -> Plan:
    """Plan of triples (request, model, fraction), each part pulled from its nearest holder."""
    _, models, requests = instance.sizes
    pairs: dict[tuple[int, int], float] = {}
    for i, entry in enumerate(listed):
        if not isinstance(entry, list) or len(entry) != 3:
            raise InputError(f"{field}[{i}] must be a request, a model and its fraction")
        pair = index(entry[0], f"{field}[{i}][0]", 0, requests), index(entry[1], f"{field}[{i}][1]", 0, models)
        if pair in pairs:
            raise InputError(f"{field}[{i}] repeats request {pair[0]} and model {pair[1]}")
        pairs[pair] = number(entry[2], f"{field}[{i}][2]")
    j, k = np.array(list(pairs), dtype=np.int64).reshape(-1, 2).T
    options = tabulate(instance)
    chosen = Chosen(j, k, np.array(list(pairs.values())), options.shared_source[j, k], options.private_source[j, k])
    objective, metrics, violations = evaluate(instance, chosen)
    decisions = {"fraction": listed}
    return Plan("published", "file", "feasible", objective, decisions, violations=violations, metrics=metrics)
