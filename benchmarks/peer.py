"""One MPS file by a solver of OR-Tools: ``python benchmarks/peer.py FILE KIND SECONDS CORES`` prints a JSON object.

A process of its own, as OR-Tools and highspy each bring a HiGHS and cannot be loaded together. ``seconds`` leaves out
loading OR-Tools.
"""

from __future__ import annotations

import json
import sys
import time

from ortools.linear_solver.python import model_builder


def main() -> None:
    path, kind, limit, cores = sys.argv[1:]
    began, model = time.perf_counter(), model_builder.Model()
    model.import_from_mps_file(path)
    solver = model_builder.Solver(kind)
    solver.set_time_limit_in_seconds(max(float(limit) - (time.perf_counter() - began), 0.01))
    if kind == "sat":
        solver.set_solver_specific_parameters(f"num_workers:{cores}")
    found = solver.solve(model)
    solved = found in (model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE)
    cost = solver.objective_value if solved else None
    print(json.dumps({"cost": cost, "bound": solver.best_objective_bound, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
