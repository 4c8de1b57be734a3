"""The ILP of the coupled problem and its relaxations, as sparse arrays (docs/coupled_setting.md).

Columns: x (n,) one an option, then x0 (R,) remote, then z (P,) one a pair (block, cloudlet) that some option uses.
Rows: one choice a request; compute and memory a cloudlet; then, for every request and pair, the linking row
``sum of the request's options at c whose model contains b <= z_bc``: tighter than a row an option, and fewer.
The cut ``sum of g x over options at c that use b <= G_c z_bc`` follows from compute and linking for integral x,
but not for fractional x: it lifts the LP. So do the rows of nested blocks, where all models of b' contain b:
``z_b'c <= z_bc`` and the memory cut ``sum of s_b' z_b'c over b and all such b' <= H_c z_bc``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from mecpfm import solvers
from mecpfm.clock import Budget
from mecpfm.coupled.check import REMOTE, assess, assess_fractional
from mecpfm.coupled.dual import proven
from mecpfm.coupled.incidence import Incidence, incidence
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.presolve import membership, subsets
from mecpfm.errors import LimitError
from mecpfm.plan import Plan
from mecpfm.solvers import LinearModel, Solution
from mecpfm.typing import Floats, Ints


def linear_model(instance: Instance, *, cut: bool = False, memory_cut: bool = False) -> LinearModel:
    """The ILP; the cuts, ``memory_cut`` with the rows of nested blocks, leave its optimum. ``.relaxed()`` is the LP."""
    options, requests, cloudlets = instance.options, instance.requests, instance.cloudlets
    use = incidence(instance)
    n, pairs = len(options.request), len(use.block)
    _, _, sites, count = instance.sizes
    triples, row = links(instance, use)
    linked = len(triples)

    def block(values: Floats, rows: Ints, columns: Ints, shape: tuple[int, int]) -> Any:
        return sp.coo_array((values, (rows, columns)), shape)

    choose = [sp.csr_array((np.ones(n), np.arange(n), instance.first_option), (count, n)), sp.eye_array(count), None]
    time, space = unit(cloudlets.compute_s), unit(cloudlets.memory_gb)
    work = options.compute_s / time[options.cloudlet]
    compute = [block(work, options.cloudlet, np.arange(n), (sites, n)), None, None]
    size = (instance.blocks.size_gb[:, None] / space)[use.block, use.cloudlet]
    memory = [None, None, block(size, use.cloudlet, np.arange(pairs), (sites, pairs))]
    opens = block(np.full(linked, -1.0), np.arange(linked), triples % max(pairs, 1), (linked, pairs))
    link = [block(np.ones(len(row)), row, use.entry, (linked, n)), None, opens]
    blocks = [choose, compute, memory, link]
    upper = [np.ones(count), cloudlets.compute_s / time, cloudlets.memory_gb / space, np.zeros(linked)]
    if cut:
        limit = sp.diags_array(-(cloudlets.compute_s / time)[use.cloudlet], shape=(pairs, pairs))
        blocks.append([block(work[use.entry], use.pair, use.entry, (pairs, n)), None, limit])
        upper.append(np.zeros(pairs))
    if memory_cut:
        rows = _nested(instance, use, size, (cloudlets.memory_gb / space)[use.cloudlet])
        blocks.append([None, None, rows])
        upper.append(np.zeros(rows.shape[0]))
    row_upper = np.concatenate(upper)
    return LinearModel.of_shares(
        np.concatenate([options.delay_s, requests.remote_delay_s, instance.pull_s[use.block, use.cloudlet]]),
        sp.block_array(blocks, format="csr"),
        np.concatenate([np.ones(count), np.full(len(row_upper) - count, -np.inf)]),
        row_upper,
    )


def links(instance: Instance, use: Incidence) -> tuple[Ints, Ints]:
    """Request and pair of each linking row, as ``request * P + pair``, and the row of each entry of ``use``."""
    keys = instance.options.request[use.entry] * max(len(use.block), 1) + use.pair
    triples, row = np.unique(keys, return_inverse=True)
    return triples, row


def _nested(instance: Instance, use: Incidence, size: Floats, room: Floats) -> Any:
    """Rows ``z_b' - z_b <= 0`` and ``sum s_b' z_b' - (H - s_b) z_b <= 0``, pairs (P,) of these sizes and memory."""
    blocks, _, sites, _ = instance.sizes
    pairs = len(use.block)
    place = np.full((blocks, sites), -1)
    place[use.block, use.cloudlet] = np.arange(pairs)
    subset, _ = subsets(membership(instance).T)
    np.fill_diagonal(subset, False)
    below, above = (place[one].ravel() for one in np.nonzero(subset))
    below, above = (one[(below >= 0) & (above >= 0)] for one in (below, above))
    each, outer = np.arange(len(below)), np.unique(above)
    inside = sp.csr_array((np.ones(len(each)), (each, below)), (len(each), pairs))
    around = sp.csr_array((np.ones(len(each)), (each, above)), (len(each), pairs))
    cut = around.T @ inside @ sp.diags_array(size) - sp.diags_array(room - size)
    return sp.vstack([inside - around, cut.tocsr()[outer]])


def unit(limit: Floats) -> Floats:
    """Unit of each row: solvers' tolerances are absolute, so that a row with a limit below 1 is scaled to 1."""
    return np.where((limit > 0) & (limit < 1), limit, 1.0)


def choice_of(instance: Instance, x: Floats) -> Ints:
    """Decision (R,) of an integral solution of the ILP."""
    n = len(instance.options.request)
    chosen = np.flatnonzero(x[:n] > 0.5)
    choice = np.full(instance.sizes.requests, REMOTE)
    choice[instance.options.request[chosen]] = chosen
    return choice


def solve_lp(
    instance: Instance, *, cut: bool = False, memory_cut: bool = False, solver: str = "auto",
    time_limit: float | None = None,
) -> tuple[Plan, Floats]:  # fmt: skip
    """LP value as a Plan, and the options' fractions x (n,); the rows hold on average only."""
    budget, model = Budget.of(time_limit), linear_model(instance, cut=cut, memory_cut=memory_cut).relaxed()
    found = solvers.solve(model, solver, time_limit=budget.limit())
    x = _require(found)[: len(instance.options.request)]
    return assess_fractional(instance, "lp-cut" if cut else "lp", x, cut=cut, **found.proved), x


def solve_ilp(
    instance: Instance, *, cut: bool = True, solver: str = "auto", seed: int = 0, time_limit: float | None = None,
    gap: float = 0.0,
) -> Plan:  # fmt: skip
    """Optimum of the ILP, or the solver's incumbent and bound at the time limit or at a relative ``gap``."""
    budget, model = Budget.of(time_limit), linear_model(instance, cut=cut)
    found = solvers.solve(model, solver, seed=seed, time_limit=budget.limit(), gap=gap)
    plan = assess(instance, "ilp", choice_of(instance, _require(found)), **found.proved)
    # A solver calls optimal what is as near as it was asked for.
    return replace(plan, status=proven(plan.objective, plan.bound)) if gap > 0 else plan


def _require(found: Solution) -> Floats:
    """The solution's columns; all requests remote is feasible, so only a limit can leave none."""
    if found.x is None:
        raise LimitError(f"{found.solver} found no solution within its limits (status {found.status})")
    return found.x
