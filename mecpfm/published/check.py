"""The checker: objective, metrics and broken rows of a decision, recomputed from the instance alone.

No table of a method or of :mod:`~mecpfm.published.options` enters here (it only supplies default sources), so an
error there shows up as a disagreement instead of confirming itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, Unpack

import numpy as np

from mecpfm.kernels.arrays import dot
from mecpfm.plan import Plan, Proved
from mecpfm.published.instance import Instance
from mecpfm.published.options import tabulate
from mecpfm.records import Ragged
from mecpfm.typing import Bools, Floats, Ints

TOLERANCE = 1e-6
"""Relative tolerance of every row."""
NEGLIGIBLE = 1e-9
"""Fractions below this are solver noise."""


class Chosen(NamedTuple):
    """Pairs (request, model) with the weight given to each, and where the two parts come from; all arrays (N,)."""

    request: Ints
    model: Ints
    weight: Floats
    shared_source: Ints
    private_source: Ints


class PairTerms(NamedTuple):
    """What the chosen pairs contribute before weighting, arrays of shape (N,): delays in s and costs."""

    shared_pull: Floats
    private_pull: Floats
    base: Floats
    own_cost: Floats
    transmit_power: Floats


def assess(
    instance: Instance, method: str, model: Ints, *, sources: tuple[Ints, Ints] | None = None, **proved: Unpack[Proved]
) -> Plan:
    """Plan of the model chosen for every request, shape (J,).

    ``sources`` are the locations that the shareable and the private part come from, each (J,); the nearest holders by
    default.
    """
    request = np.arange(len(model))
    if sources is None:
        options = tabulate(instance)
        sources = options.shared_source[request, model], options.private_source[request, model]
    chosen = Chosen(request, np.asarray(model), np.ones(len(model)), np.asarray(sources[0]), np.asarray(sources[1]))
    objective, metrics, violations = evaluate(instance, chosen)
    decisions = {name: getattr(chosen, name).tolist() for name in ("model", "shared_source", "private_source")}
    plan = Plan("published", method, "feasible", objective, decisions, violations=violations, metrics=metrics)
    return replace(plan, **proved)


def assess_fractional(instance: Instance, method: str, x: Floats, **proved: Unpack[Proved]) -> Plan:
    """Plan for fractions ``x`` of shape (J, K), each part pulled from its nearest holder; rows hold on average."""
    options = tabulate(instance)
    j, k = np.nonzero(np.abs(x) > NEGLIGIBLE)
    chosen = Chosen(j, k, x[j, k], options.shared_source[j, k], options.private_source[j, k])
    objective, metrics, violations = evaluate(instance, chosen)
    entries = zip(j.tolist(), k.tolist(), chosen.weight.tolist(), strict=True)
    decisions = {"fraction": [list(entry) for entry in entries]}
    plan = Plan("published", method, "optimal", objective, decisions, violations=violations, metrics=metrics)
    return replace(plan, **proved)


def evaluate(instance: Instance, chosen: Chosen) -> tuple[float, dict[str, float], tuple[str, ...]]:
    """Objective of the ILP in s, the three metrics of the evaluation, and every broken row in words."""
    terms = _terms(instance, chosen)
    weight = chosen.weight
    pulling = max(dot(weight, terms.shared_pull), dot(weight, terms.private_pull))
    own_pull = np.maximum(terms.shared_pull, terms.private_pull)
    requests = len(instance.requests.home)
    metrics = {
        "total_delay_s": dot(weight, own_pull + terms.base),
        "average_cost": dot(weight, terms.own_cost + terms.transmit_power * own_pull) / requests,
        "average_accuracy": dot(weight, instance.accuracy[chosen.request, chosen.model]) / requests,
    }
    violations = (*_rows(instance, chosen, terms, pulling), *_sources(instance, chosen))
    return pulling + dot(weight, terms.base), metrics, violations


def _terms(instance: Instance, chosen: Chosen) -> PairTerms:
    """The paper's delay and cost formulas, pair by pair."""
    cloudlets, models, requests = instance.cloudlets, instance.models, instance.requests
    j, k = chosen.request, chosen.model
    home = requests.home[j]
    size = models.shared_gb[k] + models.private_gb[k]
    inference = models.work_tflop[k] * size / cloudlets.processing_tflops[home]
    output = requests.input_gb[j] * size * instance.output_ratio[j, k]
    transmission = (requests.input_gb[j] + output) / requests.rate_gb_per_s[j]
    arrival, service = cloudlets.arrival_rate_hz[home], cloudlets.service_rate_hz[home]
    idle_share = np.where(arrival < service, 1 - arrival / service, np.nan)
    queue = np.nan_to_num(arrival * (1 / service) ** 2 / (2 * idle_share), nan=np.inf)
    access = cloudlets.accessing_rate[home] * requests.instructions[j] * cloudlets.peak_power_w[home]
    compute = (cloudlets.idle_power_w[home] + cloudlets.leak_power_w[home]) * inference
    power = cloudlets.transmit_power_w[home]
    return PairTerms(
        shared_pull=models.shared_gb[k] * instance.distance_s_per_gb[home, chosen.shared_source],
        private_pull=models.private_gb[k] * instance.distance_s_per_gb[home, chosen.private_source],
        base=inference + queue + transmission,
        own_cost=power * transmission + access + compute,
        transmit_power=power,
    )


def _rows(instance: Instance, chosen: Chosen, terms: PairTerms, pulling: float) -> Iterator[str]:
    """Broken rows with one entry a request: assignment, queue, capacity, accuracy, budget."""
    home, cloudlets, requests = instance.requests.home, instance.cloudlets, instance.requests

    def total(values: Floats) -> Floats:
        return np.bincount(chosen.request, chosen.weight * values, len(home)).astype(np.float64)

    share = total(np.ones(len(chosen.weight)))
    for j in np.flatnonzero(np.abs(share - 1) > TOLERANCE):
        yield f"request {j}: fractions of its models sum to {share[j]:g}, not 1"
    for i in np.flatnonzero(chosen.weight < 0):
        yield f"request {chosen.request[i]}: fraction of model {chosen.model[i]} is {chosen.weight[i]:g}, below 0"
    arrival, service = cloudlets.arrival_rate_hz[home], cloudlets.service_rate_hz[home]
    for j in np.flatnonzero(arrival >= service):
        rates = f"arrivals {arrival[j]:g}/s, service {service[j]:g}/s"
        yield f"request {j}: queue of cloudlet {home[j]} is unstable ({rates})"
    size = instance.models.shared_gb + instance.models.private_gb
    memory = total(instance.memory_per_gb * size[chosen.model])
    accuracy = total(instance.accuracy[chosen.request, chosen.model])
    cost = total(terms.own_cost) + cloudlets.transmit_power_w[home] * pulling
    yield from _above("capacity", " GB", memory, cloudlets.capacity_gb[home])
    yield from _above("accuracy", "", -accuracy, -requests.accuracy_requirement)
    yield from _above("budget", "", cost, requests.cost_budget)


def _above(row: str, unit: str, activity: Floats, limit: Floats) -> Iterator[str]:
    """One finding for each request whose ``activity`` exceeds ``limit``, both (J,); negated for rows with >=."""
    excess = activity - limit
    for j in np.flatnonzero(excess > TOLERANCE * np.maximum(1, np.abs(limit))):
        has, needs = abs(activity[j]), abs(limit[j])
        yield f"request {j}: {row} row broken by {excess[j]:.6g} ({has:.6g} against {needs:.6g}{unit})"


def _sources(instance: Instance, chosen: Chosen) -> Iterator[str]:
    """Parts pulled from a location that does not hold them; the data centre always may serve."""
    locations = len(instance.distance_s_per_gb)
    for part, at, source in (
        ("shareable", instance.models.shared_at, chosen.shared_source),
        ("private", instance.models.private_at, chosen.private_source),
    ):
        held = _held(at, locations)[chosen.model, source]
        for i in np.flatnonzero(~held):
            place = f"location {source[i]} does not hold the {part} part of model {chosen.model[i]}"
            yield f"request {chosen.request[i]}: {place}"


def _held(at: Ragged, locations: int) -> Bools:
    """Whether a location can serve a model's part, shape (K, L)."""
    held = at.mask(locations)
    held[:, -1] = True
    return held
