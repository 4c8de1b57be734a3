"""Generalised assignment rounding (Shmoys and Tardos, 1993) of the assignment part, pulls and memory left aside.

The relaxation ``min sum d x, sum_o x + x0 = 1, sum_o g x <= G_c`` ignores which blocks an option needs. Each cloudlet's
fractions, by falling compute, fill slots of size one; a minimum-cost matching of requests to slots then costs no
more than the relaxation, and as the largest item of a slot is no larger than the mean of the slot before, loads stay
below ``G_c + max g <= 2 G_c``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from mecpfm.coupled.assignment import choices
from mecpfm.coupled.check import NEGLIGIBLE, REMOTE
from mecpfm.coupled.instance import Instance
from mecpfm.solvers import highs
from mecpfm.typing import Floats, Ints


class Items(NamedTuple):
    """Ways to serve requests in an assignment, arrays of shape (m,), and the remote data centre's delay (R,), s."""

    request: Ints
    site: Ints
    delay_s: Floats
    compute_s: Floats
    remote_s: Floats

    def taken(self, which: Ints) -> Items:
        """Some of the items."""
        return Items(self.request[which], self.site[which], self.delay_s[which], self.compute_s[which], self.remote_s)


def shmoys_tardos(instance: Instance, *, time_limit: float | None = None) -> tuple[Ints, float]:
    """Decision (R,) whose delay without pulls is at most the relaxation's value, s, also returned; load <= 2 G_c.

    Both statements are asserted on every run. Memory and the single compute rows may be broken: repair is the caller's.
    """
    option, x, value = _relaxation(instance, time_limit)
    edge = np.flatnonzero(x[: len(option)] > NEGLIGIBLE)
    options, chosen = instance.options, option[edge]
    remote_s = instance.requests.remote_delay_s
    items = Items(options.request, options.cloudlet, options.delay_s, options.compute_s, remote_s).taken(chosen)
    choice = np.append(chosen, REMOTE)[assign(items, x[edge])]
    _require_theorem(instance, choice, value)
    return choice, value


def assign(items: Items, x: Floats) -> Ints:
    """Item of each request, or -1, of fractions ``x`` (m,), at most 1 a request: the rest of a request is remote.

    No more delay than the fractions', and at each site no more load than theirs plus the largest item.
    """
    return _match(items, *_slots(items, x))


def _relaxation(instance: Instance, time_limit: float | None) -> tuple[Ints, Floats, float]:
    """Options that could matter without pulls, LP fractions of them and then of remote (R,), and the LP value."""
    options, option = instance.options, _pareto(instance)
    model = choices(
        options.delay_s[option], instance.requests.remote_delay_s, (options.request[option], np.arange(len(option))),
        (options.cloudlet[option], options.compute_s[option]), instance.cloudlets.compute_s,
    )  # fmt: skip
    found = highs.solve(model.relaxed(), time_limit=time_limit)
    return option, found.optimum(), found.objective


def _pareto(instance: Instance) -> Ints:
    """Options that fit alone, beat remote, and are not beaten in delay and compute at their own cloudlet."""
    options, cloudlets = instance.options, instance.cloudlets
    useful = options.compute_s <= cloudlets.compute_s[options.cloudlet]
    useful &= options.delay_s < instance.requests.remote_delay_s[options.request]
    o = np.flatnonzero(useful)
    group = options.request[o] * instance.sizes.cloudlets + options.cloudlet[o]
    order = np.lexsort((o, options.compute_s[o], options.delay_s[o], group))
    o, group = o[order], group[order]
    # Rank of compute less a step per group: the running minimum restarts with every group.
    rank = np.unique(options.compute_s[o], return_inverse=True)[1]
    step = np.unique(group, return_inverse=True)[1] * (len(o) + 1)
    least = np.minimum.accumulate(rank - step)
    keep = np.ones(len(o), dtype=bool)
    keep[1:] = (rank - step)[1:] < least[:-1]
    return np.sort(o[keep])


def _slots(items: Items, x: Floats) -> tuple[Ints, Ints]:
    """Edges (slot, item): slots are numbered across sites, each a unit of fractions by falling compute."""
    item = np.lexsort((-items.compute_s, items.site))
    x, site = x[item], items.site[item]
    end = np.cumsum(x)
    end -= np.append(0.0, end)[np.searchsorted(site, site)]  # within the site
    first = np.floor(end - x + NEGLIGIBLE).astype(np.int64)
    last = np.floor(np.maximum(end - NEGLIGIBLE, first)).astype(np.int64)
    number = np.zeros(site.max(initial=-1) + 2, dtype=np.int64)
    np.maximum.at(number, site + 1, last + 1)
    offset = np.cumsum(number)[site]
    both = last > first
    return np.concatenate([offset + first, (offset + last)[both]]), np.concatenate([item, item[both]])


def _match(items: Items, slot: Ints, item: Ints) -> Ints:
    """Cheapest assignment of every request to a slot of its own, or to remote."""
    count, slots = len(items.remote_s), int(slot.max(initial=-1)) + 1
    request = items.request[item]
    order = np.lexsort((item, items.delay_s[item], slot, request))
    keys, kept = np.unique((request * slots + slot)[order], return_index=True)
    item = item[order][kept]  # the fastest of several items of a request in one slot
    row = np.concatenate([items.request[item], np.arange(count)])
    column = np.concatenate([keys % max(slots, 1), slots + np.arange(count)])
    cost = np.concatenate([items.delay_s[item], items.remote_s])
    # A sparse zero means no edge; every request is matched once, so a constant changes nothing.
    graph = sp.csr_array((cost + 1, (row, column)), (count, slots + count))
    rows, columns = min_weight_full_bipartite_matching(graph)
    at_edge = columns < slots
    choice = np.full(count, REMOTE)
    choice[rows[at_edge]] = item[np.searchsorted(keys, rows[at_edge] * slots + columns[at_edge])]
    return choice


def _require_theorem(instance: Instance, choice: Ints, value: float) -> None:
    options, edge = instance.options, choice != REMOTE
    chosen = choice[edge]
    cost = options.delay_s[chosen].sum() + instance.requests.remote_delay_s[~edge].sum()
    assert cost <= value + 1e-6 * max(1.0, value), "Shmoys-Tardos: cost above the relaxation"
    load = np.bincount(options.cloudlet[chosen], options.compute_s[chosen], instance.sizes.cloudlets)
    assert (load <= 2 * instance.cloudlets.compute_s + 1e-6).all(), "Shmoys-Tardos: load above twice the capacity"
