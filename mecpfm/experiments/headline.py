"""The headline at every point of a sweep: gain over each baseline, seed by seed, and what was claimed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from mecpfm.experiments.config import SWEEPS
from mecpfm.experiments.statistics import paired

CLAIMED = {"total_delay_s": 0.38, "average_cost": 0.38, "average_accuracy": 0.05}
"""Of each metric: the least reduction, or gain of accuracy, that the abstract states."""


def gains(tables: Mapping[str, pd.DataFrame], lead: str, baselines: Iterable[str], metric: str) -> pd.DataFrame:
    """A row a sweep, value and baseline: metric, axis, value, lead, method, mean, ci_low, ci_high, needed.

    ``tables`` are the rows of sweeps by name. The mean over seeds is of the relative reduction, of accuracy of the
    relative gain; a point without a seed on which both have a plan is left out.
    """
    found = []
    for name, table in tables.items():
        for baseline in baselines:
            points = paired(table, lead, baseline, metric)[["value", "reduction", "ci_low", "ci_high"]]
            if metric == "average_accuracy":
                ends = {"ci_low": -points["ci_high"], "ci_high": -points["ci_low"]}
                points = points.assign(reduction=-points["reduction"], **ends)
            found.append(points.assign(axis=SWEEPS[name][0], method=baseline))
    rows = pd.concat(found, ignore_index=True).rename(columns={"reduction": "mean"}).dropna(subset="mean")
    rows = rows.assign(metric=metric, lead=lead, needed=CLAIMED[metric])
    return rows[["metric", "axis", "value", "lead", "method", "mean", "ci_low", "ci_high", "needed"]]
