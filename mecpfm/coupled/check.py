"""The checker: costs and feasibility of a decision, recomputed from the instance, whoever found it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mecpfm.coupled.instance import Instance
from mecpfm.errors import InputError
from mecpfm.plan import Plan

Floats = NDArray[np.float64]
REMOTE = -1
TOLERANCE = 1e-9
"""Relative slack of the capacity rows, for sums of floating-point numbers only."""


def opened(instance: Instance, choice: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether block b is used at cloudlet c by any served request, shape (B, C)."""
    blocks, _, cloudlets, _ = instance.sizes
    chosen = choice[choice != REMOTE]
    pairs = np.unique(instance.options.model[chosen] * cloudlets + instance.options.cloudlet[chosen])
    used = np.zeros((blocks, cloudlets), dtype=bool)
    for pair in pairs.tolist():
        used[instance.models.blocks[pair // cloudlets], pair % cloudlets] = True
    return used


def assess(
    instance: Instance,
    method: str,
    choice: NDArray[np.int64],
    *,
    bound: float = math.nan,
    status: str = "feasible",
    seed: int | None = None,
    solver: str = "none",
    runtime_s: float = math.nan,
) -> Plan:
    """Plan of a decision ``choice`` (R,): index of an option of the request, or -1 for the remote data centre.

    The objective is total delay plus the pull of every block opened at a cloudlet that does not hold it already, s.
    InputError when ``choice`` gives a request an option of another one.
    """
    choice = np.asarray(choice, dtype=np.int64)
    options, requests = instance.options, instance.requests
    _require_own_options(instance, choice)
    edge = choice != REMOTE
    chosen = choice[edge]
    used = opened(instance, choice)
    delay = float(options.delay_s[chosen].sum() + requests.remote_delay_s[~edge].sum())
    pulling = float(instance.pull_s[used].sum())
    accuracy = options.accuracy[chosen].sum() + requests.remote_accuracy[~edge].sum()
    return Plan(
        setting="coupled",
        method=method,
        status=status,
        objective=delay + pulling,
        decisions={"option": choice.tolist()},
        bound=bound,
        seed=seed,
        violations=violations(instance, chosen, used),
        metrics={
            "total_delay_s": delay + pulling,
            "pulling_s": pulling,
            "average_accuracy": float(accuracy / len(choice)),
            "edge_share": float(edge.mean()),
        },
        solver=solver,
        runtime_s=runtime_s,
    )


def loads(instance: Instance, chosen: NDArray[np.int64], used: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Compute (s) and memory (GB) in use per cloudlet, both of shape (C,), by the chosen options and used blocks."""
    options = instance.options
    compute = np.zeros(instance.sizes[2])
    np.add.at(compute, options.cloudlet[chosen], options.compute_s[chosen])
    return compute, instance.blocks.size_gb @ used


def violations(instance: Instance, chosen: NDArray[np.int64], used: NDArray[np.bool_]) -> tuple[str, ...]:
    """Every capacity row broken, in words."""
    cloudlets = instance.cloudlets
    compute, memory = loads(instance, chosen, used)
    found = []
    for what, load, limit, unit in (
        ("compute", compute, cloudlets.compute_s, "s"),
        ("memory", memory, cloudlets.memory_gb, "GB"),
    ):
        for c in np.flatnonzero(load > limit * (1 + TOLERANCE)).tolist():
            found.append(f"cloudlet {c}: {what} {load[c]:g} {unit} exceeds {limit[c]:g} {unit}")
    return tuple(found)


def _require_own_options(instance: Instance, choice: NDArray[np.int64]) -> None:
    first = instance.first_option
    if choice.shape != (len(first) - 1,):
        raise InputError(f"choice has shape {choice.shape}; must be ({len(first) - 1},), one entry a request")
    foreign = (choice != REMOTE) & ((choice < first[:-1]) | (choice >= first[1:]))
    if (bad := np.flatnonzero(foreign)).size:
        raise InputError(f"choice[{bad[0]}] is {choice[bad[0]]}, not an option of request {bad[0]}")
