"""Exact optimum with a certificate, by structure instead of a solver (docs/theory.md, T3 and T6).

Beyond the paper: the integer programme couples its requests only by the larger of two sums, so its dual has one
multiplier (a second one under a cap on the sums) and a search near the dual's optimum closes the gap.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mecpfm.clock import Budget
from mecpfm.errors import LimitError
from mecpfm.kernels import labels, minmax
from mecpfm.plan import Plan
from mecpfm.published import relaxation
from mecpfm.published.check import assess
from mecpfm.published.instance import Instance
from mecpfm.published.options import budget_error, require_options, tabulate
from mecpfm.typing import Floats, Ints

FIRST_STEP = 1e-6
"""How far above the dual bound, relative to it, the first search looks; each further one looks four times as far."""


@dataclass(frozen=True)
class Limits:
    """When to stop short of a proof: deviations held by one search, nodes, seconds."""

    labels: int = 2**20
    nodes: int = 10_000
    seconds: float = math.inf


class SearchResult(NamedTuple):
    """Best choice found, (J,) or None, its value, and a proven lower bound: equal when the search was finished."""

    choice: Ints | None
    value: float
    bound: float
    nodes: int = 1


class _Node(NamedTuple):
    """Arguments of :func:`mecpfm.kernels.labels.search`."""

    base: Floats
    shared: Floats
    private: Floats
    choice: Ints
    multipliers: Floats
    cap: float
    capped: bool


def solve_exact(instance: Instance, *, time_limit: float | None = None) -> Plan:
    """Certified optimum of the ILP; a limit of time, or of memory, leaves the best choice so far and a gap.

    Raises InfeasibleError naming the request or row that cannot be met, LimitError without a choice at a limit.
    """
    options = tabulate(instance)
    require_options(instance, options)
    limits = Limits() if time_limit is None else Limits(seconds=time_limit)
    base = np.where(options.allowed, options.base, np.inf)
    found = minimise(base, options.shared_pull, options.private_pull, relaxation.caps(instance, options), limits)
    if found.choice is None and found.bound == math.inf:
        raise budget_error(instance, options)
    if found.choice is None:
        raise LimitError(f"exact stopped after {found.nodes} node(s) without a choice that keeps every budget row")
    status = "optimal" if found.bound >= found.value else "feasible"
    plan = assess(instance, "exact", found.choice, bound=found.bound, status=status)
    return replace(plan, bound=plan.objective) if status == "optimal" else plan


def minimise(
    base: Floats, shared: Floats, private: Floats, caps: Floats | None = None, limits: Limits = Limits()
) -> SearchResult:
    """Least ``B + max(S, P)`` with one option a request and ``max(S, P)`` within each chosen option's cap.

    Tables have shape (J, K); ``base`` is infinite where an option may not be chosen. A node takes the choices whose
    pulling delay lies in ``(floor, ceiling]``: it leaves out options with a cap up to its floor and caps the dual by
    its ceiling. When a node's best choice breaks a cap m, it is split into ``(floor, m]`` and ``(m, ceiling]``.
    The node of least bound comes first; one whose search hits a limit keeps its bound in the minimum.
    """
    caps = np.full(base.shape, np.inf) if caps is None else caps
    budget = Budget.of(limits.seconds)
    best, given_up, nodes = SearchResult(None, math.inf, math.inf), math.inf, 0
    heap = [(-math.inf, -math.inf, math.inf)]
    while heap and heap[0][0] < best.value and nodes < limits.nodes and not budget.over:
        _, floor, ceiling = heapq.heappop(heap)
        nodes += 1
        usable = np.where(caps > floor, base, np.inf)
        found = _solve_node(usable, shared, private, caps, ceiling, best.value, limits.labels, budget)
        broken = _broken_cap(found.choice, shared, private, caps, ceiling)
        if broken is not None:
            heapq.heappush(heap, (found.bound, floor, broken))
            heapq.heappush(heap, (found.bound, broken, ceiling))
            continue
        given_up = min(given_up, found.bound)
        best = min(best, found, key=lambda one: one.value)
    bound = min([best.value, given_up, *(entry[0] for entry in heap)])
    return SearchResult(best.choice, best.value, bound, nodes)


def _broken_cap(choice: Ints | None, shared: Floats, private: Floats, caps: Floats, ceiling: float) -> float | None:
    """Least cap that a choice breaks, if any; its node has already kept the pulling delay below the ceiling."""
    if choice is None:
        return None
    rows = np.arange(len(choice))
    least = float(caps[rows, choice].min())
    pull = max(shared[rows, choice].sum(), private[rows, choice].sum())
    return least if least < min(pull, ceiling) else None


def _solve_node(
    base: Floats, shared: Floats, private: Floats, caps: Floats, ceiling: float, value: float, most: int, budget: Budget
) -> SearchResult:  # fmt: skip
    """Best choice of one node below ``value``; the bound of an empty node is infinite."""
    usable = np.isfinite(base)
    if not usable.any(axis=1).all():
        return SearchResult(None, math.inf, math.inf)
    ceiling = min(ceiling, float(np.where(usable, caps, -np.inf).max(axis=1).min()))
    reach = max(float(np.where(usable, pull, 0).max(axis=1).sum()) for pull in (shared, private))
    cap, capped = min(ceiling, reach), ceiling < reach
    on_shared, on_private, dual, low, high, _ = minmax.balance_capped(base, shared, private, cap)
    if dual >= value:
        return SearchResult(None, math.inf, dual)
    minmax.cross(shared, private, low, high)  # an optimal choice of the Lagrangian with S close to P
    node = _Node(base, shared, private, low, _multipliers(on_shared, on_private, capped), cap, capped)
    top = float(np.where(usable, base, -np.inf).max(axis=1).sum()) + reach + 1  # above every choice
    found = _close_gap(node, dual, min(value, top), most, budget)
    return found if found.bound < top else SearchResult(None, math.inf, math.inf)


def _close_gap(node: _Node, dual: float, value: float, most: int, budget: Budget) -> SearchResult:
    """Search ever further above the dual bound, ``most`` deviations held, until a choice or ``value`` is reached."""
    rows = np.arange(len(node.choice))
    b, s, p = (float(table[rows, node.choice].sum()) for table in node[:3])
    best = SearchResult(None, math.inf, dual)
    if max(s, p) <= node.cap and b + max(s, p) < value:
        best, value = SearchResult(node.choice, b + max(s, p), dual), b + max(s, p)
    proven, step = dual, FIRST_STEP * max(abs(dual), FIRST_STEP)
    while proven < value and not budget.over:
        level = min(value, dual + step)
        reached, found, complete = labels.search(*node, level, most)
        if reached < level:
            return SearchResult(found, reached, reached if complete else proven)
        if not complete:
            break
        proven, step = level, 4 * step
    return best._replace(bound=proven)


def _multipliers(on_shared: float, on_private: float, capped: bool) -> Floats:
    """The dual's maximiser and pairs around it; all valid, so their only influence is on the speed."""
    weight = on_shared + on_private
    u = on_shared / weight
    weights = (1.0, (1 + weight) / 2, 2 * weight) if capped else ()
    mixes = np.array([0, u / 2, u, (1 + u) / 2, 1])
    around = [np.column_stack([w * mixes, w * (1 - mixes)]) for w in (weight, *weights)]
    return np.vstack([[[on_shared, on_private]], *around])
