"""One door to every solver: arrays in, :class:`Solution` out; no solver object leaves its adapter."""

from __future__ import annotations

import logging

from mecpfm.errors import LimitError
from mecpfm.solvers import gurobi, highs
from mecpfm.solvers.model import LinearModel, Solution

__all__ = ["LinearModel", "Solution", "solve"]

log = logging.getLogger("mecpfm")


def solve(
    model: LinearModel, solver: str = "auto", *, time_limit: float | None = None, gap: float = 0.0, seed: int = 0
) -> Solution:
    """Solve a linear or mixed-integer model, or one with bilinear rows (Gurobi only).

    ``auto`` takes Gurobi when its licence allows the model's size, HiGHS otherwise, and logs one line when it falls
    back. Raises LimitError when the named solver cannot take the model, or no solver can.
    """
    if solver == "highs" and model.bilinear:
        raise LimitError("HiGHS takes no bilinear rows; use Gurobi, or the ILP, which is equivalent")
    if solver != "highs":
        reason = gurobi.refusal(model)
        if reason is None:
            return gurobi.solve(model, time_limit=time_limit, gap=gap, seed=seed)
        if solver == "gurobi" or model.bilinear:
            raise LimitError(reason)
        log.info("%s; using HiGHS", reason)
    return highs.solve(model, time_limit=time_limit, gap=gap, seed=seed)
