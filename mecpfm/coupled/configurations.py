"""Configurations: what one cloudlet serves at once in plans that were found; the master programme recombines them.

A configuration of cloudlet c is a set of options at c, at most one a request, that keeps compute and memory of c. Any
choice of one a cloudlet is a feasible plan once requests that are in several of them keep their fastest option.
Columns of the master: one a configuration, at its delays and pulls, then one a request, at its remote delay. Rows:
every request once, one configuration a cloudlet. Rounding and proof: docs/theory_coupled.md, theorem 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecpfm.clock import FOREVER, Budget
from mecpfm.coupled import fix
from mecpfm.coupled.assignment import choices
from mecpfm.coupled.check import REMOTE
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.incidence import incidence
from mecpfm.coupled.instance import Instance, most
from mecpfm.coupled.params import AutoParams
from mecpfm.solvers import LinearModel, highs
from mecpfm.typing import Bools, Floats, Ints

WHOLE = 1e-6
"""A fraction that is nearer to 0 or 1 is."""


@dataclass(frozen=True, eq=False)
class Configurations:
    """J configurations; entry e of E says that configuration ``column[e]`` holds the option ``option[e]``."""

    cloudlet: Ints
    """Shape (J,)."""
    pull_s: Floats
    """Pulls of all blocks of the configuration, each once, s, shape (J,)."""
    column: Ints
    """Ascending, shape (E,)."""
    option: Ints
    """Options of the instance, ascending within a configuration, shape (E,)."""

    def __len__(self) -> int:
        return len(self.cloudlet)

    def only(self, kept: Bools) -> Configurations:
        """Those of a mask (J,), in the same order."""
        entry, number = kept[self.column], np.cumsum(kept) - 1
        return Configurations(self.cloudlet[kept], self.pull_s[kept], number[self.column[entry]], self.option[entry])


class Pool:
    """Configurations of the plans it was shown, each once, the last seen last; no more than ``most``."""

    def __init__(self, instance: Instance, most: int = DEFAULT.auto.configurations) -> None:
        self._instance, self._most = instance, most
        self._known: dict[bytes, None] = {}

    def add(self, choice: Ints) -> None:
        """Take a plan apart: instance options (R,), or -1; those that are no faster than remote are left out."""
        options, remote_s = self._instance.options, self._instance.requests.remote_delay_s
        option = choice[choice != REMOTE]
        option = option[options.delay_s[option] < remote_s[options.request[option]]]
        cloudlet = options.cloudlet[option]
        order = np.lexsort((option, cloudlet))
        first = np.flatnonzero(np.diff(cloudlet[order])) + 1
        for part in np.split(option[order], first):
            if len(part):
                self._known.pop(key := part.tobytes(), None)
                self._known[key] = None
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def __len__(self) -> int:
        return len(self._known)

    def gathered(self) -> Configurations:
        """All of them that keep the rows of their cloudlet."""
        parts = [np.frombuffer(key, dtype=np.int64) for key in self._known]
        column = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        option = np.concatenate([np.zeros(0, np.int64), *parts])
        first = np.searchsorted(column, np.arange(len(parts)))
        cloudlet = self._instance.options.cloudlet[option[first]]
        pull_s, keeps = _weighed(self._instance, cloudlet, column, option)
        return Configurations(cloudlet, pull_s, column, option).only(keeps)


def _weighed(instance: Instance, cloudlet: Ints, column: Ints, option: Ints) -> tuple[Floats, Bools]:
    """Pull of each configuration, s, and whether it keeps compute and memory, shapes (J,)."""
    options, blocks, count = instance.options, instance.sizes.blocks, len(cloudlet)
    use = incidence(instance, option)
    holder, block = np.divmod(np.unique(column[use.entry] * blocks + use.block[use.pair]), blocks)
    pull_s = np.bincount(holder, instance.pull_s[block, cloudlet[holder]], count)
    memory_gb = np.bincount(holder, instance.blocks.size_gb[block], count)
    compute_s = np.bincount(column, options.compute_s[option], count)
    limits = instance.cloudlets
    keeps = (compute_s <= most(limits.compute_s)[cloudlet]) & (memory_gb <= most(limits.memory_gb)[cloudlet])
    return pull_s.astype(np.float64), keeps


def master(instance: Instance, given: Configurations) -> LinearModel:
    """The integer programme over configurations; ``.relaxed()`` is the linear one that is rounded."""
    options, count = instance.options, len(given)
    delay_s = np.bincount(given.column, options.delay_s[given.option], count)
    return choices(
        delay_s + given.pull_s, instance.requests.remote_delay_s, (options.request[given.option], given.column),
        (given.cloudlet, np.ones(count)), np.ones(instance.sizes.cloudlets),
    )  # fmt: skip


def joined(instance: Instance, given: Configurations, chosen: Ints) -> Ints:
    """Plan (R,) of configurations ``chosen``, one a cloudlet: every request takes the fastest option it is offered."""
    options = instance.options
    option = given.option[np.isin(given.column, chosen)]
    order = np.lexsort((option, options.delay_s[option], options.request[option]))
    request, first = np.unique(options.request[option[order]], return_index=True)
    choice = np.full(instance.sizes.requests, REMOTE)
    choice[request] = option[order[first]]
    return choice


def recombined(
    instance: Instance, given: Configurations, cost: float, budget: Budget = FOREVER, params: AutoParams = DEFAULT.auto
) -> Ints | None:
    """Plan (R,) cheaper than ``cost``, s, of the configurations alone; None where there is none, or none was found.

    A linear optimum that is whole is the answer. Else HiGHS branches on few columns, none whose reduced cost leaves no
    cheaper plan.
    """
    model, cutoff = master(instance, given), cost * (1 - fix.CLOSE)
    found = highs.solve(model.relaxed(), time_limit=budget.limit())
    if found.x is None or found.duals is None or found.objective >= cutoff:
        return None
    x, whole = found.x, np.abs(found.x - np.round(found.x)).max() < WHOLE
    if not whole:
        reduced = model.cost - model.rows.T @ found.duals
        order = np.argsort(reduced, kind="stable")[: params.master_columns]
        kept = np.sort(order[reduced[order] <= cost - found.objective])
        nodes = params.master_nodes
        found = highs.solve(model.part(kept), time_limit=budget.limit(), cutoff=cutoff, mip_max_nodes=nodes)
        if found.x is None:
            return None
        x = np.zeros(len(model.cost))
        x[kept] = found.x
    return joined(instance, given, np.flatnonzero(x[: len(given)] > 0.5))
