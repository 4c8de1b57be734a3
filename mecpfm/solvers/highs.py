"""HiGHS: needs no licence; always a cold start, one thread and a fixed seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import highspy
import numpy as np

from mecpfm import clock
from mecpfm.clock import Budget
from mecpfm.errors import LimitError
from mecpfm.solvers import process
from mecpfm.solvers.model import LinearModel, Solution
from mecpfm.typing import Floats

NAME = f"highs {version('highspy')}"
SMALL = 50_000
"""Nonzeros of an LP that takes no longer than to start a process, and keeps its limit. A MIP may take any time."""

_STATUS = {
    highspy.HighsModelStatus.kOptimal: "optimal",
    highspy.HighsModelStatus.kModelEmpty: "optimal",
    highspy.HighsModelStatus.kInfeasible: "infeasible",
    highspy.HighsModelStatus.kUnbounded: "unbounded",
    highspy.HighsModelStatus.kUnboundedOrInfeasible: "infeasible",
    highspy.HighsModelStatus.kObjectiveBound: "infeasible",
}


def load(model: LinearModel, unit: float = 1.0, **options: Any) -> highspy.Highs:
    """A HiGHS object that holds the model, costs in the given unit, silent, with the given options set."""
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = model.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = model.cost / unit, model.lower, model.upper
    lp.row_lower_, lp.row_upper_ = model.row_lower, model.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = model.rows.indptr
    lp.a_matrix_.index_ = model.rows.indices
    lp.a_matrix_.value_ = model.rows.data
    if model.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[flag] for flag in model.integer.tolist()]
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in {"output_flag": False, "threads": 1, **options}.items():
        if solver.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise ValueError(f"HiGHS refuses option {name}={value!r}")
    if solver.passModel(lp) == highspy.HighsStatus.kError:
        raise LimitError("HiGHS refuses the model: a number in it is too large")
    return solver


class Moment(NamedTuple):
    """State of a MIP search at a time after its start, s: incumbent x (None if no new one) and proven bound."""

    seconds: float
    x: Floats | None
    bound: float


def solve(
    model: LinearModel, *, time_limit: float | None = None, gap: float = 0.0, seed: int = 0, **options: Any
) -> Solution:
    """Solve; further keyword arguments are HiGHS options such as ``solver="ipm"`` or ``mip_max_nodes``.

    With a limit, or where Ctrl-C is waited for, a process of its own solves, which can be ended where HiGHS looks at
    no clock: the best solution and bound that it told of remain. Otherwise, for a small LP, and while that process is
    busy, this one does.
    """
    budget, keywords = Budget.of(time_limit), {"gap": gap, "seed": seed, **options}
    if not budget.watched or process.busy() or (model.rows.nnz <= SMALL and not model.integer.any()):
        return here(model, time_limit=time_limit, **keywords)
    moments = list[Moment]()
    found = process.run(model, budget, lambda x, bound: moments.append(Moment(budget.elapsed(), x, bound)), keywords)
    return found or _cut_short(model, moments, budget.elapsed())


def _cut_short(model: LinearModel, moments: list[Moment], seconds: float) -> Solution:
    """What is known of a search that was ended."""
    bound = max((moment.bound for moment in moments), default=math.nan)
    seen = [moment.x for moment in moments if moment.x is not None]
    if not seen:
        return Solution("unknown", bound=bound, solver=NAME, runtime_s=seconds)
    objective = model.value(seen[-1])
    return Solution("feasible", seen[-1], objective, bound, solver=NAME, runtime_s=seconds)


def here(
    model: LinearModel, *, time_limit: float | None = None, gap: float = 0.0, seed: int = 0,
    tell: process.Tell | None = None, cutoff: float = math.inf, until: Callable[[], bool] | None = None, **options: Any,
) -> Solution:  # fmt: skip
    """Solve in this process; ``tell(x or None, bound)`` is called with every incumbent and bound of a MIP.

    Where a MIP has nothing below ``cutoff`` it is infeasible; once ``until`` is true it ends as at its time limit.
    """
    start = clock.now()
    limit = math.inf if time_limit is None else float(time_limit)
    unit = model.cost_unit
    if math.isfinite(cutoff):
        options = {**options, "objective_bound": cutoff / unit}
    solver = load(model, unit, time_limit=limit, random_seed=seed, mip_rel_gap=gap, mip_abs_gap=0.0, **options)
    if tell and model.integer.any():
        solver.cbMipImprovingSolution += lambda event: tell(
            np.array(event.data_out.mip_solution), float(event.data_out.mip_dual_bound) * unit
        )
        solver.cbMipLogging += lambda event: tell(None, float(event.data_out.mip_dual_bound) * unit)
    if until and model.integer.any():
        solver.cbMipInterrupt += lambda event: event.interrupt() if until() else None
    solver.run()
    status = _STATUS.get(solver.getModelStatus(), "unknown")
    info = solver.getInfo()
    if status == "optimal" and info.objective_function_value * unit > cutoff:
        status = "infeasible"  # the best it came across above the cutoff
    integral = bool(model.integer.any())
    result: dict[str, Any] = {"solver": NAME, "runtime_s": clock.now() - start}
    if integral:
        result["bound"] = info.mip_dual_bound * unit
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible or status == "infeasible":
        return Solution(status, **result)
    solution = solver.getSolution()
    if not integral:
        result["duals"] = np.array(solution.row_dual) * unit
        if status == "optimal":
            result["bound"] = info.objective_function_value * unit
    x = np.array(solution.col_value)
    return Solution("feasible" if status == "unknown" else status, x, model.value(x), **result)


def anytime(model: LinearModel, time_limit: float, *, seed: int = 0) -> list[Moment]:
    """Solve a MIP and note every incumbent and bound on the way; the last moment is the end.

    How far it comes in ``time_limit`` seconds depends on the machine.
    """
    budget, moments = Budget.of(time_limit), list[Moment]()

    def tell(x: Floats | None, bound: float) -> None:
        moments.append(Moment(budget.elapsed(), x, bound))

    found = process.run(model, budget, tell, {"seed": seed})
    if found is not None:
        tell(found.x, found.bound)
    return moments


def write_mps(model: LinearModel, path: Path) -> None:
    """Export as MPS with the model's own names, so that any other solver can check an optimum."""
    solver = load(model)
    columns, rows = model.names() if model.names else ([], [])
    for i, name in enumerate(columns):
        solver.passColName(i, name)
    for i, name in enumerate(rows):
        solver.passRowName(i, name)
    if solver.writeModel(str(path)) == highspy.HighsStatus.kError:
        raise OSError(f"{path}: cannot be written")
