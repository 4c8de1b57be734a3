"""Tables behind the figures on a trace: the ladder and its steps, what is saved against whom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from mecpfm.experiments.statistics import interval, paired, summary

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
"""Rungs in words, by policy."""


def ladder(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean of every rung in one scenario and the paired difference to the rung it builds on, with 95 % intervals.

    Columns: ``rung``, ``over`` (what it builds on), ``kind``, ``mean``, ``ci_low``, ``ci_high``, ``step``,
    ``step_low``, ``step_high``, ``p_value``.
    """
    out = []
    for method, words, over, kind in RUNGS:
        mean = interval(rows.loc[rows["method"] == method, "loss_s"].to_numpy(dtype=float))
        step = (math.nan,) * 4
        if over:
            found = paired(rows, method, over, "loss_s", by="scenario").iloc[0]
            step = (found.difference, found.difference_low, found.difference_high, found.p_value)
        out.append((words, NAMES.get(over, ""), kind, *mean, *step))
    columns = "rung over kind mean ci_low ci_high step step_low step_high p_value"
    return pd.DataFrame(out, columns=columns.split())


def savings(rows: pd.DataFrame, method: str, against: Sequence[str], metric: str = "loss_s") -> pd.DataFrame:
    """Paired reductions of one policy against others, in the order of the rows' scenarios.

    Columns of :func:`~mecpfm.experiments.statistics.paired`, and ``against`` (the comparator in words).
    """
    found = pd.concat([paired(rows, method, name, metric, by="scenario") for name in against], ignore_index=True)
    order = {value: i for i, value in enumerate(dict.fromkeys(rows["scenario"]))}
    found = found.sort_values("scenario", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    return found.assign(against=[COMPARATORS.get(name, name) for name in found["baseline"]])


WORTH = (
    ("priced-cov", "ucb1", "two features, priced, against a bandit that sees no state"),
    ("priced-mean", "ucb1", "the same without any feature: state and prices alone"),
    ("priced-cov", "priced-mean", "two features: what restricted context itself is worth"),
    ("priced-full", "priced-mean", "all features"),
    ("priced-oracle", "priced-mean", "every demand known"),
    ("priced-tsrc", "priced-random-ei", "TSRC, error as credit, against random subsets (4 features)"),
    ("priced-tsrc-delay", "priced-random-ei", "TSRC, delay as credit, as published, against random subsets"),
    ("disjoint-tsrc", "disjoint-lints", "restricting a model per place to half of its features"),
    ("planned-cov", "priced-cov", "planning caches with the coupled solver"),
)
"""Comparisons that say what is worth what."""


def worth(rows: pd.DataFrame) -> pd.DataFrame:
    """Paired reductions in the base scenario with their intervals, and the least and most over all scenarios.

    Columns: ``what``, ``base``, ``ci_low``, ``ci_high``, ``least``, ``most``.
    """
    out = []
    for method, against, words in WORTH:
        found = savings(rows, method, [against]).set_index("scenario")
        base = found.loc["base"]
        ends = found["reduction"].min(), found["reduction"].max()
        out.append((words, base["reduction"], base["ci_low"], base["ci_high"], *ends))
    return pd.DataFrame(out, columns=["what", "base", "ci_low", "ci_high", "least", "most"])


def accuracy(rows: pd.DataFrame, method: str) -> pd.DataFrame:
    """Where accuracy is a choice: loss, delay and accuracy of every comparator and of a policy, and the paired gain.

    Columns: ``policy``, ``loss_s``, ``delay_s``, ``accuracy``, ``gain`` (of the policy's accuracy over this one's, a
    share), ``ci_low``, ``ci_high``.
    """
    found = savings(rows, method, list(COMPARATORS), metric="accuracy")
    gain = found.assign(gain=-found["reduction"], low=-found["ci_high"], high=-found["ci_low"]).set_index("baseline")
    means = rows.groupby("method")[["loss_s", "delay_s", "accuracy"]].mean().loc[[*COMPARATORS, method]]
    means[["gain", "ci_low", "ci_high"]] = gain[["gain", "low", "high"]]
    return means.reset_index(names="policy").assign(policy=[*COMPARATORS.values(), NAMES[method]])


def choosers(rows: pd.DataFrame) -> pd.DataFrame:
    """Delay saved against observing nothing (paired) and R^2, by how many features are observed and who chooses them.

    Columns: ``method``, ``observed``, ``features``, ``metric`` (``saved``, ``demand_r2``), ``mean``, ``ci_low``,
    ``ci_high``.
    """
    nothing = rows[rows["observed"] == 0].groupby("seed")["loss_s"].first()
    gain = _against(rows, nothing, ["method", "observed"]).rename(columns={"reduction": "mean"})
    known = summary(rows, ["method", "observed"], ["demand_r2"]).drop(columns="seeds")
    return pd.concat([gain.assign(metric="saved"), known], ignore_index=True).assign(features=rows["observed"].max())


def prices(rows: pd.DataFrame, observed: Mapping[str, int]) -> pd.DataFrame:
    """Change of the delay against observing nothing, paired, by the price of a feature.

    Columns: ``method``, ``observed``, ``cost_s``, ``change``, ``ci_low``, ``ci_high``.
    """
    nothing = rows[rows["method"] == "priced-mean"].groupby("seed")["loss_s"].first()
    found = _change(_against(rows, nothing, ["method", "cost_s"]))
    return found.assign(observed=found["method"].map(observed))


def probes(rows: pd.DataFrame) -> pd.DataFrame:
    """Change of the delay against seeing all states, paired.

    Columns: ``method``, ``probes``, ``change``, ``ci_low``, ``ci_high``.
    """
    every = rows[rows["method"] == "probe-all"].set_index("seed")["loss_s"]
    found = _change(_against(rows, every, ["method", "probes"]))
    return found[found["method"] != "probe-all"].reset_index(drop=True)


def caches(rows: pd.DataFrame) -> pd.DataFrame:
    """What filling caches otherwise saves against LRU, in delay and in data pulled: columns of :func:`savings`."""
    others = [name for name in dict.fromkeys(rows["method"]) if name != "lru"]
    return pd.concat(
        [savings(rows, name, ["lru"], metric=metric) for metric in ("loss_s", "pulled_gb") for name in others]
    )


def _against(rows: pd.DataFrame, level: pd.Series[float], by: list[str]) -> pd.DataFrame:
    out = []
    for key, group in rows.groupby(by, sort=False):
        reduction = 1 - group.set_index("seed")["loss_s"] / level
        out.append((*key, *interval(reduction.to_numpy(dtype=float))))
    return pd.DataFrame(out, columns=[*by, "reduction", "ci_low", "ci_high"])


def _change(found: pd.DataFrame) -> pd.DataFrame:
    flipped = {"change": 0.0 - found["reduction"], "ci_low": 0.0 - found["ci_high"], "ci_high": 0.0 - found["ci_low"]}
    return found.drop(columns="reduction").assign(**flipped)
