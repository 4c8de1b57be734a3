"""Gurobi through its matrix interface, within the size its licence allows."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from mecpfm import clock
from mecpfm.clock import Budget
from mecpfm.extras import lacks
from mecpfm.solvers.model import LinearModel, Solution
from mecpfm.typing import Bools, Floats

if TYPE_CHECKING:
    import gurobipy

# Measured limits of the licence inside the PyPI wheel (docs/dependencies.md); a full licence has none.
MAX_COLUMNS = 2_000
MAX_ROWS = 2_000
MAX_COLUMNS_BILINEAR = 200
SIZE_LIMIT_ERROR = 10010


@functools.cache
def _environment() -> gurobipy.Env:
    import gurobipy

    return gurobipy.Env(params={"OutputFlag": 0})


@functools.cache
def licence() -> str:
    """``full``, ``restricted`` or the reason why Gurobi cannot be used; found by asking for a model above the limit."""
    try:
        import gurobipy
    except ImportError:
        return lacks("gurobipy") or "gurobipy cannot be imported"
    try:
        with clock.paused(), gurobipy.Model(env=_environment()) as probe:  # no limit counts the look-up
            probe.addMVar(MAX_COLUMNS + 1)
            probe.optimize()
    except gurobipy.GurobiError as error:
        return "restricted" if error.errno == SIZE_LIMIT_ERROR else f"Gurobi has no licence ({error})"
    return "full"


def refusal(model: LinearModel) -> str | None:
    """Why Gurobi cannot take this model, or None when it can; known before the solve."""
    rows, columns = sum(int(chosen.sum()) for _, _, chosen in _sides(model)), len(model.cost)
    kind = licence()
    if kind not in ("full", "restricted"):
        return kind
    limit = MAX_COLUMNS_BILINEAR if model.bilinear else MAX_COLUMNS
    if kind == "restricted" and (columns > limit or rows > MAX_ROWS):
        allowed = f"{limit} columns and {MAX_ROWS} rows"
        return f"Gurobi's restricted licence takes {allowed}; this model has {columns} and {rows}"
    return None


def solve(model: LinearModel, *, time_limit: float | None = None, gap: float = 0.0, seed: int = 0) -> Solution:
    """Solve with one thread, a fixed seed and an explicit gap; Gurobi itself looks at the budget all the time."""
    import gurobipy

    budget = Budget.of(time_limit)
    with gurobipy.Model(env=_environment()) as solver:
        solver.setParam("Threads", 1)
        solver.setParam("Seed", seed)
        solver.setParam("MIPGap", gap)
        solver.setParam("MIPGapAbs", 0.0)
        if time_limit is not None:
            solver.setParam("TimeLimit", time_limit)
        kinds = np.where(model.integer, gurobipy.GRB.INTEGER, gurobipy.GRB.CONTINUOUS)
        cost = model.cost / model.cost_unit
        x = solver.addMVar(len(cost), lb=model.lower, ub=model.upper, obj=cost, vtype=kinds)
        for sense, side, chosen in _sides(model):
            if chosen.any():
                solver.addMConstr(model.rows[np.flatnonzero(chosen)], x, sense, side[chosen])
        _add_bilinear(solver, model, x)
        solver.optimize(lambda of, _: of.terminate() if budget.over else None) if budget.watched else solver.optimize()
        return _outcome(solver, model, x, budget.elapsed())


def _sides(model: LinearModel) -> list[tuple[str, Floats, Bools]]:
    """Rows as Gurobi takes them, by sense: a row with two different finite sides counts twice."""
    equal = model.row_lower == model.row_upper
    return [
        ("=", model.row_upper, equal),
        ("<", model.row_upper, ~equal & np.isfinite(model.row_upper)),
        (">", model.row_lower, ~equal & np.isfinite(model.row_lower)),
    ]


def _add_bilinear(solver: Any, model: LinearModel, x: Any) -> None:
    for row in model.bilinear:
        shape = (len(model.cost), len(model.cost))
        products = scipy.sparse.coo_array((row.values, (row.left, row.right)), shape).tocsr()
        solver.addMQConstr(products, row.linear, "<", row.upper, x, x, x)


def _outcome(solver: Any, model: LinearModel, x: Any, runtime: float) -> Solution:
    from gurobipy import GRB

    status = {
        GRB.OPTIMAL: "optimal",
        GRB.INFEASIBLE: "infeasible",
        GRB.INF_OR_UNBD: "infeasible",
        GRB.UNBOUNDED: "unbounded",
    }.get(solver.Status, "unknown")
    version = ".".join(map(str, __import__("gurobipy").gurobi.version()))
    result: dict[str, Any] = {"solver": f"gurobi {version}", "runtime_s": runtime}
    if model.integer.any() or model.bilinear:
        result["bound"] = float(solver.ObjBound) * model.cost_unit if status in ("optimal", "unknown") else float("nan")
    if solver.SolCount == 0:
        return Solution(status, **result)
    values = np.array(x.X)
    objective = model.value(values)
    result.setdefault("bound", objective if status == "optimal" else float("nan"))
    return Solution("feasible" if status == "unknown" else status, values, objective, **result)
