"""The paper's non-linear program, its linearisation and the relaxation, as arrays (docs/published_setting.md).

Columns of the ILP: x (J K), then y of the shareable and of the private part (one a request and holder), then the
products z of both parts, then Pi. The NLIP has the same columns without z, and two bilinear rows in place of theirs.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from mecpfm import solvers
from mecpfm.clock import Budget
from mecpfm.errors import InfeasibleError, LimitError
from mecpfm.plan import Plan
from mecpfm.published.blocks import RowBlock, assemble, per_request, row
from mecpfm.published.brute_force import solve_brute_force
from mecpfm.published.check import assess, assess_fractional
from mecpfm.published.instance import Instance
from mecpfm.published.options import Options, budget_error, require_options, tabulate
from mecpfm.records import Ragged
from mecpfm.solvers.model import Bilinear, LinearModel, Solution
from mecpfm.typing import Floats, Ints

log = logging.getLogger("mecpfm")


class _Part(NamedTuple):
    """One of the two parts; N counts its (model, holder) pairs, so y and z have J N columns, request by request."""

    letter: str
    owner: Ints
    location: Ints
    pull: Floats
    """Pulling delay by request and pair, s, shape (J, N)."""
    select: Any
    """Sparse (J N, J K): the x that each y belongs to."""


def ilp(instance: Instance) -> LinearModel:
    """The integer linear program; ``ilp(instance).relaxed()`` is the LP.

    J K + 2 J (sum |shared_at| + sum |private_at|) + 1 columns. Raises InfeasibleError when a queue is unstable.
    """
    options, parts = tabulate(instance), _parts(instance)
    rows = _pull_rows(parts) + _common_rows(instance, options, parts) + _product_rows(parts)
    widths = _widths(options, parts, "yz")
    return assemble(_finite_base(options), widths, rows, lambda: _names(instance, parts, "yz"))


def nlip(instance: Instance) -> LinearModel:
    """The program with its products ``x y``: J K + J (sum |shared_at| + sum |private_at|) + 1 columns."""
    options, parts = tabulate(instance), _parts(instance)
    rows, widths = _common_rows(instance, options, parts), _widths(options, parts, "y")
    model = assemble(_finite_base(options), widths, rows, lambda: _names(instance, parts, "y"))
    minus_pi = np.append(np.zeros(len(model.cost) - 1), -1.0)
    start = options.base.size
    for part in parts:
        left, right = part.select.indices.astype(np.int64), start + np.arange(part.pull.size)
        model.bilinear.append(Bilinear(left, right, part.pull.ravel(), minus_pi, 0.0))
        start += part.pull.size
    return model


def compact_lp(instance: Instance, options: Options, allowed_only: bool = True) -> LinearModel:
    """The LP with every part pulled from its nearest holder: J K + 1 columns, x row by row and then Pi.

    With ``allowed_only``, options that break capacity or accuracy on their own are fixed to zero (the strengthened
    LP of the rounding method); these rows then hold for every rounding and are left out.
    """
    pulls = zip(("pull_s", "pull_p"), (options.shared_pull, options.private_pull), strict=True)
    rows = [RowBlock(name, {"x": -row(pull), "Pi": row(np.ones(1))}, 0, np.inf) for name, pull in pulls]
    limits = _limit_rows(instance, options)
    rows += [_assignment_row(instance), *(limits[:1] if allowed_only else limits)]
    widths = _widths(options, (), "")
    model = assemble(_finite_base(options), widths, rows, lambda: _names(instance, (), ""), integer=False)
    if allowed_only:
        model.upper[:-1] = options.allowed.ravel()
    return model


def decode(instance: Instance, x: Floats) -> tuple[Ints, tuple[Ints, Ints]]:
    """Model, and (shared, private) source, of every request from an integral solution of the ILP or the NLIP."""
    _, models, requests = instance.sizes
    shared_at, private_at = instance.models.shared_at.indices, instance.models.private_at.indices
    chosen, shared, private, _ = np.split(x, requests * np.cumsum([models, len(shared_at), len(private_at)]))
    model = chosen.reshape(requests, models).argmax(axis=1)
    shared_source = shared_at[shared.reshape(requests, -1).argmax(axis=1)]
    return model, (shared_source, private_at[private.reshape(requests, -1).argmax(axis=1)])


def solve_ilp(instance: Instance, *, solver: str = "auto", time_limit: float | None = None) -> Plan:
    """Optimum of the ILP. Raises InfeasibleError, or LimitError when the time limit comes before a solution."""
    options = tabulate(instance)
    require_options(instance, options)
    budget, model = Budget.of(time_limit), ilp(instance)
    found = solvers.solve(model, solver, time_limit=budget.limit())
    return _plan(instance, "ilp", found, _values(instance, options, found))


def solve_lp(instance: Instance, *, solver: str = "auto", time_limit: float | None = None) -> Plan:
    """Optimum of the LP: fractions of models a request, and a lower bound on every other method."""
    budget, model = Budget.of(time_limit), ilp(instance).relaxed()
    found = solvers.solve(model, solver, time_limit=budget.limit())
    x = _values(instance, tabulate(instance), found)[: instance.accuracy.size].reshape(instance.accuracy.shape)
    return assess_fractional(instance, "lp", x, **found.proved)


def solve_nlip(instance: Instance, *, solver: str = "auto", time_limit: float | None = None) -> Plan:
    """Optimum of the NLIP; ``auto`` enumerates instead when no solver takes products of this size."""
    options = tabulate(instance)
    require_options(instance, options)
    try:
        found = solvers.solve(nlip(instance), solver, time_limit=time_limit)
    except LimitError as error:
        if solver != "auto":
            raise
        log.info("%s; trying every choice instead", error)
        return solve_brute_force(instance, method="nlip")
    return _plan(instance, "nlip", found, _values(instance, options, found))


def _plan(instance: Instance, method: str, found: Solution, x: Floats) -> Plan:
    model, sources = decode(instance, x)
    return assess(instance, method, model, sources=sources, **found.proved)


def _values(instance: Instance, options: Options, found: Solution) -> Floats:
    """Solution values, or the error that says why there are none."""
    if found.status == "infeasible":
        require_options(instance, options)
        raise budget_error(instance, options)
    if found.x is None:
        raise LimitError(f"{found.solver} stopped after {found.runtime_s:.3g} s without a solution")
    return found.x


def _finite_base(options: Options) -> Floats:
    """Delays without pulling; InfeasibleError names the first request whose queue grows without end."""
    if (bad := np.flatnonzero(~np.isfinite(options.queue))).size:
        raise InfeasibleError(f"request {bad[0]}: its home cloudlet receives requests faster than it serves them")
    return options.base


def _parts(instance: Instance) -> tuple[_Part, ...]:
    models = instance.models
    shared = _part("s", instance, models.shared_at, models.shared_gb)
    return shared, _part("p", instance, models.private_at, models.private_gb)


def _part(letter: str, instance: Instance, at: Ragged, size_gb: Floats) -> _Part:
    _, models, requests = instance.sizes
    owner = np.repeat(np.arange(models), np.diff(at.indptr))
    distance = instance.distance_s_per_gb[np.ix_(instance.requests.home, at.indices)]
    columns = (np.arange(requests)[:, None] * models + owner).ravel()
    entries = (np.ones(columns.size), columns, np.arange(columns.size + 1))
    select = sp.csr_array(entries, (columns.size, requests * models))
    return _Part(letter, owner, at.indices, distance * size_gb[owner], select)


def _widths(options: Options, parts: tuple[_Part, ...], kinds: str) -> dict[str, int]:
    widths = {kind + part.letter: part.pull.size for kind in kinds for part in parts}
    return {"x": options.base.size, **widths, "Pi": 1}


def _common_rows(instance: Instance, options: Options, parts: tuple[_Part, ...]) -> list[RowBlock]:
    """One model a request; one source for each part of it (sum_l y = x); budget, capacity and accuracy."""
    links = [
        RowBlock(f"link_{part.letter}", {"x": -sp.eye_array(options.base.size), f"y{part.letter}": part.select.T}, 0, 0)
        for part in parts
    ]
    return [_assignment_row(instance), *links, *_limit_rows(instance, options)]


def _pull_rows(parts: tuple[_Part, ...]) -> list[RowBlock]:
    """Pi is at least the sum of pulling delays, for each part."""
    pi = row(np.ones(1))
    return [
        RowBlock(f"pull_{part.letter}", {f"z{part.letter}": -row(part.pull), "Pi": pi}, 0, np.inf) for part in parts
    ]


def _product_rows(parts: tuple[_Part, ...]) -> list[RowBlock]:
    """State z >= x + y - 1 and z >= y: z is the product x y because y <= x."""
    rows = []
    for part in parts:
        y, z, one = f"y{part.letter}", f"z{part.letter}", sp.eye_array(part.pull.size)
        rows.append(RowBlock(f"product_{part.letter}", {"x": -part.select, y: -one, z: one}, -1, np.inf))
        rows.append(RowBlock(f"cover_{part.letter}", {y: -one, z: one}, 0, np.inf))
    return rows


def _assignment_row(instance: Instance) -> RowBlock:
    return RowBlock("assign", {"x": per_request(np.ones(instance.accuracy.shape))}, 1, 1)


def _limit_rows(instance: Instance, options: Options) -> list[RowBlock]:
    """Budget, capacity and accuracy of every request; Pi is network-wide and stands in every budget."""
    requests = instance.requests
    memory = np.broadcast_to(instance.memory_per_gb * instance.models.size_gb, instance.accuracy.shape)
    budget = {"x": per_request(options.own_cost), "Pi": sp.csr_array(options.transmit_power[:, None])}
    return [
        RowBlock("budget", budget, -np.inf, requests.cost_budget),
        RowBlock("capacity", {"x": per_request(memory)}, -np.inf, instance.cloudlets.capacity_gb[requests.home]),
        RowBlock("accuracy", {"x": per_request(instance.accuracy)}, requests.accuracy_requirement, np.inf),
    ]


def _names(instance: Instance, parts: tuple[_Part, ...], kinds: str) -> list[str]:
    """Column names for export: x_request_model, y and z with the holder appended."""
    _, models, requests = instance.sizes
    groups = [("x", [f"{k}" for k in range(models)])]
    for kind in kinds:
        for part in parts:
            pairs = zip(part.owner, part.location, strict=True)
            groups.append((kind + part.letter, [f"{k}_{location}" for k, location in pairs]))
    return [f"{group}_{j}_{tail}" for group, tails in groups for j in range(requests) for tail in tails] + ["Pi"]
