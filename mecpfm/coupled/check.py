"""The checker: cost, metrics and broken rows of a decision, recomputed from the instance, whoever found it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

import numpy as np

from mecpfm.coupled.incidence import Incidence, incidence
from mecpfm.coupled.instance import Instance, most
from mecpfm.errors import InputError
from mecpfm.kernels.arrays import dot
from mecpfm.plan import Plan, Proved
from mecpfm.typing import Floats, Ints

REMOTE = -1
NEGLIGIBLE = 1e-9
"""Fractions below this are solver noise."""


def assess(instance: Instance, method: str, choice: Ints, **proved: Unpack[Proved]) -> Plan:
    """Plan of a decision ``choice`` (R,): index of an option of the request, or -1 for the remote data centre.

    The objective is total delay plus the pull of every block opened at a cloudlet that does not hold it already, s.
    InputError when ``choice`` gives a request an option of another one.
    """
    choice = np.asarray(choice, dtype=np.int64)
    _require_own_options(instance, choice)
    chosen = choice[choice != REMOTE]
    objective, metrics, violations = evaluate(instance, chosen, np.ones(len(chosen)))
    decisions = {"option": choice.tolist()}
    plan = Plan("coupled", method, "feasible", objective, decisions, violations=violations, metrics=metrics)
    return replace(plan, **proved)


def assess_fractional(
    instance: Instance, method: str, x: Floats, *, cut: bool = False, **proved: Unpack[Proved]
) -> Plan:
    """Plan of fractions ``x`` (n,) of the options; rows hold on average.

    A block opens as far as the request that uses it most there; with ``cut`` also as far as ``sum g x / G_c``.
    """
    chosen = np.flatnonzero(x > NEGLIGIBLE)
    objective, metrics, violations = evaluate(instance, chosen, x[chosen], cut=cut)
    entries = zip(chosen.tolist(), x[chosen].tolist(), strict=True)
    decisions = {"fraction": [list(entry) for entry in entries]}
    plan = Plan("coupled", method, "optimal", objective, decisions, violations=violations, metrics=metrics)
    return replace(plan, **proved)


def evaluate(
    instance: Instance, chosen: Ints, weight: Floats, *, cut: bool = False
) -> tuple[float, dict[str, float], tuple[str, ...]]:
    """Objective in s, metrics and every broken row in words, of options ``chosen`` (m,) taken to ``weight`` (m,)."""
    options, requests = instance.options, instance.requests
    use = incidence(instance, chosen)
    opening = _opening(instance, use, chosen, weight, cut=cut)
    remote = 1 - _total(options.request[chosen], weight, instance.sizes.requests)
    pulling = dot(instance.pull_s[use.block, use.cloudlet], opening)
    total = dot(weight, options.delay_s[chosen]) + dot(remote, requests.remote_delay_s) + pulling
    count = np.ones(len(remote)) if requests.weight is None else requests.weight
    served = weight * count[options.request[chosen]]
    accuracy = dot(served, options.accuracy[chosen]) + dot(remote * count, requests.remote_accuracy)
    metrics = {
        "total_delay_s": total,
        "pulling_s": pulling,
        "average_accuracy": accuracy / float(count.sum()),
        "edge_share": 1 - float((remote * count).sum() / count.sum()),
    }
    compute = _total(options.cloudlet[chosen], weight * options.compute_s[chosen], instance.sizes.cloudlets)
    memory = _total(use.cloudlet, instance.blocks.size_gb[use.block] * opening, instance.sizes.cloudlets)
    rows = (
        *_above("request", "fractions at the edge", "", 1 - remote, np.ones(len(remote))),
        *_above("cloudlet", "compute", " s", compute, instance.cloudlets.compute_s),
        *_above("cloudlet", "memory", " GB", memory, instance.cloudlets.memory_gb),
    )
    return total, metrics, rows


def _opening(instance: Instance, use: Incidence, chosen: Ints, weight: Floats, *, cut: bool) -> Floats:
    """How far each used pair (block, cloudlet) opens, shape (P,); 1 whenever the weights are."""
    options = instance.options
    pairs = max(len(use.block), 1)
    entries, place = np.unique(options.request[chosen][use.entry] * pairs + use.pair, return_inverse=True)
    opening = np.zeros(len(use.block))
    np.maximum.at(opening, entries % pairs, np.bincount(place, weight[use.entry]))
    if not cut:
        return opening
    work = _total(use.pair, (weight * options.compute_s[chosen])[use.entry], len(use.block))
    limit = instance.cloudlets.compute_s[use.cloudlet]
    return np.maximum(opening, np.divide(work, limit, out=np.zeros(len(work)), where=limit > 0))


def _total(index: Ints, values: Floats, length: int) -> Floats:
    return np.bincount(index, values, length).astype(np.float64)


def _above(what: str, row: str, unit: str, activity: Floats, limit: Floats) -> Iterator[str]:
    """One finding for each row whose ``activity`` exceeds its ``limit``."""
    for i in np.flatnonzero(activity > most(limit)):
        has, may = activity[i], limit[i]
        yield f"{what} {i}: {row} row broken by {has - may:.6g} ({has:.6g} against {may:.6g}{unit})"


def _require_own_options(instance: Instance, choice: Ints) -> None:
    first = instance.first_option
    if choice.shape != (len(first) - 1,):
        raise InputError(f"choice has shape {choice.shape}; must be ({len(first) - 1},), one entry a request")
    foreign = (choice != REMOTE) & ((choice < first[:-1]) | (choice >= first[1:]))
    if (bad := np.flatnonzero(foreign)).size:
        raise InputError(f"choice[{bad[0]}] is {choice[bad[0]]}, not an option of request {bad[0]}")
