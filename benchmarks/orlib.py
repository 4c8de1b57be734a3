"""Instances of other problems, as OR-Library writes them, read as coupled ones whose optimal plans are theirs.

Facilities and agents are cloudlets that hold one model of one block; customers, jobs and items are requests.
Each reader takes the numbers of a file in order, whatever its lines, and returns an instance and an offset: the
published value of a problem that maximises is the offset less the plan's cost. Nothing remote is in an optimal plan
of a problem that can be solved, as remote costs more than any change of the others could save.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mecpfm.coupled.instance import Instance
from mecpfm.errors import InputError
from mecpfm.files import require_regular
from mecpfm.typing import Floats

LARGEST = 1e9
DEAR = 5.0
"""Remote costs so many times a job's dearest agent."""
Problem = tuple[Instance, float]


class Numbers:
    """The numbers of a text file, taken in order; words between them are skipped where ``words`` says so."""

    def __init__(self, path: Path, *, words: bool = False) -> None:
        require_regular(path)
        self.path, self.at = path, 0
        try:
            tokens = path.read_text().replace("=", " ").split()
        except UnicodeDecodeError:
            raise InputError(f"{path}: is not a text file") from None
        self.all = np.array([value for token in tokens if (value := self._number(token, words)) is not None])

    def _number(self, token: str, words: bool) -> float | None:
        try:
            value = float(token)
        except ValueError:
            if words or token == "capacity":  # a word in place of the numbers of capa, capb and capc
                return None if words else np.nan
            raise InputError(f"{self.path}: {token[:20]!r} is no number") from None
        if not 0 <= value <= LARGEST:
            raise InputError(f"{self.path}: {token[:20]!r} must be from 0 to {LARGEST:g}")
        return value

    def take(self, what: str, *shape: int) -> Floats:
        """The next numbers in this shape; InputError where the file ends before."""
        count, left = int(np.prod(shape, dtype=np.float64)), len(self.all) - self.at
        if count > left:
            raise InputError(f"{self.path}: {what}: {left} of {count} numbers left")
        self.at += count
        return self.all[self.at - count : self.at].reshape(shape)

    def sizes(self, *what: str) -> list[int]:
        """The next numbers, which count things."""
        found = [float(self.take(name, 1)[0]) for name in what]
        for name, value in zip(what, found, strict=True):
            if value != int(value) or value < 1:
                raise InputError(f"{self.path}: {name}: {value:g} must be a whole number > 0")
        return [int(value) for value in found]

    def end(self) -> None:
        """InputError where numbers are left over."""
        if self.at < len(self.all):
            raise InputError(f"{self.path}: {len(self.all) - self.at} numbers too many")


def location(path: Path, *, capacitated: bool) -> Problem:
    """Facility location, single-source or without capacities: m n, then capacity and opening cost of each of m.

    Then the demand of each of n customers and what serving all of it from each facility costs.
    """
    numbers = Numbers(path)
    m, n = numbers.sizes("number of facilities", "number of customers")
    capacity, opening = numbers.take("capacities and opening costs", m, 2).T
    customer = numbers.take("demands and costs", n, 1 + m)
    numbers.end()
    demand, cost = customer[:, 0], customer[:, 1:]
    used = np.concatenate([opening, customer.ravel(), capacity if capacitated else []])
    if np.isnan(used).any():
        raise InputError(f"{path}: a word stands where a number must")
    compute = np.tile(demand, (m, 1)) if capacitated else np.zeros((m, n))
    remote = cost.max(axis=1) + opening.max()
    return assignment(cost.T, compute, capacity if capacitated else np.zeros(m), remote, opening), 0.0


def generalised(path: Path, *, maximise: bool) -> Problem:
    """Generalised assignment, one problem: m n, costs (or profits) by agent, then resources, then capacities."""
    numbers = Numbers(path)
    m, n = numbers.sizes("number of agents", "number of jobs")
    value, resource = numbers.take("costs", m, n), numbers.take("resources", m, n)
    capacity = numbers.take("capacities", m)
    numbers.end()
    if np.isnan(numbers.all).any():
        raise InputError(f"{path}: a word stands where a number must")
    best = value.max(axis=0)
    if maximise:
        return assignment(best - value, resource, capacity, best, np.zeros(m)), float(best.sum())
    return assignment(value, resource, capacity, DEAR * best, np.zeros(m)), 0.0


def assignment(cost: Floats, compute: Floats, capacity: Floats, remote: Floats, opening: Floats) -> Instance:
    """Requests at cloudlets with one model of one block; cost and compute are of shape (C, R)."""
    sites, count = cost.shape
    return Instance(
        blocks={"size_gb": [1.0]},
        models={"blocks": [[0]]},
        cloudlets={
            "memory_gb": np.ones(sites), "compute_s": capacity, "pull_s_per_gb": opening, "cached": [[]] * sites,
        },
        requests={"remote_delay_s": np.minimum(remote, LARGEST), "remote_accuracy": np.ones(count)},
        options={
            "request": np.repeat(np.arange(count), sites),
            "model": np.zeros(count * sites, dtype=np.int64),
            "cloudlet": np.tile(np.arange(sites), count),
            "delay_s": cost.T.ravel(), "compute_s": compute.T.ravel(), "accuracy": np.ones(count * sites),
        },
    )  # fmt: skip


def set_union(path: Path) -> Problem:
    """Set-union knapsack as He et al. (2018) write it: sizes in a line of words, profits, weights, relation matrix."""
    numbers = Numbers(path, words=True)
    items, elements = numbers.sizes("number of items", "number of elements")
    room = numbers.take("knapsack size", 1)
    numbers.take("the line before the profits", 1)  # it repeats the number of items
    profit = numbers.take("profits", items)
    numbers.take("the line before the weights", 1)
    weight, relation = numbers.take("weights", elements), numbers.take("relation matrix", items, elements)
    numbers.end()
    if not np.isin(relation, (0, 1)).all():
        raise InputError(f"{path}: relation matrix: must hold 0 and 1 only")
    if not relation.any(axis=1).all():
        raise InputError(f"{path}: relation matrix: item {int(relation.any(axis=1).argmin())} has no element")
    every = np.arange(items)
    instance = Instance(
        blocks={"size_gb": weight},
        models={"blocks": [np.flatnonzero(row).tolist() for row in relation]},
        cloudlets={"memory_gb": room, "compute_s": [0.0], "pull_s_per_gb": [0.0], "cached": [[]]},
        requests={"remote_delay_s": profit, "remote_accuracy": np.ones(items)},
        options={
            "request": every, "model": every, "cloudlet": np.zeros(items, dtype=np.int64),
            "delay_s": np.zeros(items), "compute_s": np.zeros(items), "accuracy": np.ones(items),
        },
    )  # fmt: skip
    return instance, float(profit.sum())


READERS: dict[str, Callable[[Path], Problem]] = {
    "sscflp": lambda path: location(path, capacitated=True),
    "uflp": lambda path: location(path, capacitated=False),
    "gap": lambda path: generalised(path, maximise=False),
    "gapmax": lambda path: generalised(path, maximise=True),
    "sukp": set_union,
}
"""By family: single-source and uncapacitated location, assignment (minimum, maximum), set-union knapsack."""


def read(path: Path, family: str) -> Problem:
    """An instance and its offset, from a text file of a family."""
    if family not in READERS:
        raise InputError(f"{path}: family is {family!r}; known: {', '.join(READERS)}")
    return READERS[family](path)
