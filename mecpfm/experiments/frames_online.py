"""Tables behind the figures on a trace: the ladder and its steps, what is saved against whom."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from mecpfm.experiments.statistics import interval, paired

RUNGS = (
    ("ucb1", "UCB1", "", "state"),
    ("structured-mean", "sees state, knows the delay model", "ucb1", "state"),
    ("priced-mean", "prices what it adds to others", "structured-mean", "state"),
    ("priced-cov", "observes two features", "priced-mean", "context"),
    ("priced-full", "observes all features", "priced-cov", "context"),
    ("planned-cov", "two features, planned caches", "priced-cov", "state"),
    ("priced-oracle", "knows every demand", "priced-full", "context"),
)
"""Policy, what it adds in words, the policy it adds it to, and whether that is knowledge of the request."""
COMPARATORS = {
    "remote": "remote only",
    "ucb1": "UCB1",
    "epsilon-0.1": "epsilon-greedy 0.1",
    "disjoint-lints": "disjoint LinTS",
    "hybrid-lints": "hybrid LinTS",
    "structured-mean": "sees state, no context",
    "priced-mean": "prices, no context",
}
"""From what sees nothing to what lacks the request's features alone."""
NAMES = {name: words for name, words, *_ in RUNGS}


def ladder(rows: pd.DataFrame, metric: str = "loss_s") -> pd.DataFrame:
    """Mean of every rung and the paired difference to the rung it builds on, with 95 % intervals.

    Columns: ``rung``, ``over`` (what it builds on), ``kind``, ``mean``, ``ci_low``, ``ci_high``, ``step``,
    ``step_low``, ``step_high``, ``p_value``.
    """
    out = []
    for method, words, over, kind in RUNGS:
        mean = interval(rows.loc[rows["method"] == method, metric].to_numpy(dtype=float))
        step = (math.nan,) * 4
        if over:
            found = paired(rows, method, over, metric).iloc[0]
            step = (found.difference, found.difference_low, found.difference_high, found.p_value)
        out.append((words, NAMES.get(over, ""), kind, *mean, *step))
    columns = "rung over kind mean ci_low ci_high step step_low step_high p_value"
    return pd.DataFrame(out, columns=columns.split())


def savings(
    rows: pd.DataFrame, method: str, against: Sequence[str], by: str = "scenario", metric: str = "loss_s"
) -> pd.DataFrame:
    """Paired reductions of one policy against others, in the order of the rows' scenarios.

    Columns of :func:`~mecpfm.experiments.statistics.paired`, and ``against`` (the comparator in words).
    """
    found = pd.concat([paired(rows, method, name, metric, by=by) for name in against], ignore_index=True)
    order = {value: i for i, value in enumerate(dict.fromkeys(rows[by]))}
    found = found.sort_values(by, key=lambda column: column.map(order), kind="stable", ignore_index=True)
    return found.assign(against=[COMPARATORS.get(name, name) for name in found["baseline"]])


def words(found: pd.DataFrame, rows: str, columns: str) -> pd.DataFrame:
    """Reductions as a table of texts: mean and 95 % interval."""
    text = [f"{r.reduction:.1%} [{r.ci_low:.1%}, {r.ci_high:.1%}]" for r in found.itertuples()]
    wide = found.assign(text=text).pivot(index=rows, columns=columns, values="text")
    return wide.loc[list(dict.fromkeys(found[rows])), list(dict.fromkeys(found[columns]))]
