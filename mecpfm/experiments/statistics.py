"""Means, paired differences and reductions over seeds, with 95 % intervals and a paired test."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from mecpfm.kernels import arrays
from mecpfm.typing import Floats, Ints

CONFIDENCE = 0.95
REPLICATES = 1_000
"""Bootstrap samples behind the interval of a median."""


def interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Mean and two-sided Student interval; the interval is NaN below two values."""
    values = np.asarray(values, dtype=float)
    count = len(values)
    mean = float(np.mean(values)) if count else math.nan
    if count < 2:
        return mean, math.nan, math.nan
    quantile = student(count - 1, confidence)
    half = float(quantile * np.std(values, ddof=1) / math.sqrt(count))
    return mean, mean - half, mean + half


def student(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Standard errors that a two-sided Student interval reaches from its middle."""
    return _rounded(stdtrit(freedom, (1 + confidence) / 2))


def median_interval(samples: Sequence[Mapping[int, float]], *, low: bool) -> tuple[float, float, float]:
    """Median over points of their means over seeds, and its 95 % percentile bootstrap interval.

    A sample is one point's values by seed. ``low`` takes the lower of two middle points, else the upper. Points share
    random numbers seed by seed, so seeds are drawn with replacement once for all points (Efron 1979); a point takes the
    drawn seeds that it has. The generator is seeded. One value a point everywhere: exact, the median itself.
    """
    middle = (len(samples) - 1) // 2 if low else len(samples) // 2
    value = float(np.sort([np.mean(list(point.values())) for point in samples])[middle])
    if all(len(point) == 1 for point in samples):
        return value, value, value
    table = pd.DataFrame([dict(point) for point in samples]).sort_index(axis=1).to_numpy(dtype=float)
    drawn = np.random.Generator(np.random.PCG64(0)).integers(table.shape[1], size=(REPLICATES, table.shape[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a point that has none of the seeds drawn: its mean stays
        means = [np.nanmean(row[drawn], axis=1) for row in table]
    means = [np.where(np.isnan(found), np.nanmean(row), found) for found, row in zip(means, table, strict=True)]
    medians = np.sort(np.sort(means, axis=0)[middle])
    tail = round(REPLICATES * (1 - CONFIDENCE) / 2)
    return value, float(medians[tail - 1]), float(medians[-tail])


def _rounded(value: float) -> float:
    """To 12 digits: the last ones of a library's special functions differ between machines."""
    return float(f"{value:.12g}")


def summary(rows: pd.DataFrame, by: list[str], metrics: list[str]) -> pd.DataFrame:
    """Tidy table: the groups, ``metric``, ``mean``, ``ci_low``, ``ci_high``, ``seeds``."""
    out = []
    for key, group in rows.groupby(by, sort=False):
        for metric in metrics:
            values = group[metric].dropna().to_numpy(dtype=float)
            if len(values):
                out.append((*key, metric, *interval(values), len(values)))
    return pd.DataFrame(out, columns=[*by, "metric", "mean", "ci_low", "ci_high", "seeds"])


def texts(table: pd.DataFrame, mean: str, low: str = "ci_low", high: str = "ci_high", form: str = "+.1%") -> list[str]:
    """Means with their 95 % intervals as texts; nothing where there is no mean, no minus sign before a zero."""
    spec = ("+z" if form.startswith("+") else "z") + form.removeprefix("+")
    rows = table[[mean, low, high]].to_numpy(dtype=float)
    return ["" if math.isnan(row[0]) else f"{row[0]:{spec}} [{row[1]:{spec}}, {row[2]:{spec}}]" for row in rows]


def paired(rows: pd.DataFrame, method: str, baseline: str, metric: str, by: str = "value") -> pd.DataFrame:
    """Compare two methods seed by seed at every point.

    ``difference`` is method minus baseline; ``reduction`` is the mean over seeds of ``1 - method / baseline``, with its
    interval ``ci_low``, ``ci_high``; ``p_value`` is Wilcoxon's signed-rank test of no difference (NaN if all are zero).
    """
    out = []
    for value, group in rows.groupby(by):
        ours, theirs = pairs(group, method, baseline, metric)
        reduction = interval(1 - ours / np.where(theirs == 0, np.nan, theirs))
        out.append(
            (value, method, baseline, metric, *interval(ours - theirs), *reduction, _wilcoxon(ours, theirs), len(ours))
        )
    columns = [
        by, "method", "baseline", "metric", "difference", "difference_low", "difference_high",
        "reduction", "ci_low", "ci_high", "p_value", "seeds",
    ]  # fmt: skip
    return pd.DataFrame(out, columns=columns)


def pairs(rows: pd.DataFrame, method: str, baseline: str, metric: str) -> tuple[Floats, Floats]:
    """Values of two methods at one point, seed by seed, where both are finite."""
    table = matched(rows, method, baseline, metric)
    return table[method].to_numpy(), table[baseline].to_numpy()


def matched(rows: pd.DataFrame, method: str, baseline: str, metric: str) -> pd.DataFrame:
    """A metric of two methods at one point: a row a seed at which both are finite, a column a method."""
    names, seeds, values = (rows[column].to_numpy() for column in ("method", "seed", metric))
    ours, theirs = names == method, names == baseline
    if all(len(np.unique(seeds[mine])) == mine.sum() for mine in (ours, theirs)):  # many times as fast
        seed, i, j = np.intersect1d(seeds[ours], seeds[theirs], assume_unique=True, return_indices=True)
        columns = {method: values[ours][i], baseline: values[theirs][j]}
        table = pd.DataFrame(columns, pd.Index(seed, name="seed"), dtype=float)
    else:
        table = rows.pivot_table(index="seed", columns="method", values=metric).reindex(columns=[method, baseline])
    finite: pd.DataFrame = table.loc[np.isfinite(table.to_numpy()).all(axis=1)]
    return finite


def _wilcoxon(ours: Floats, theirs: Floats) -> float:
    if len(ours) < 2 or not np.any(ours != theirs):
        return math.nan
    from scipy.stats import wilcoxon  # 0.4 s to import, and most lessons test nothing

    return _rounded(wilcoxon(ours, theirs).pvalue)


def growth_exponent(rounds: Ints, cumulative: Floats) -> float:
    """Slope of log(cumulative) on log(round) after the first tenth of the rounds: below 1 means sublinear growth."""
    keep = (rounds >= rounds.max() / 10) & (cumulative > 0)
    if keep.sum() < 2:
        return math.nan
    x, y = (np.asarray(arrays.log(values[keep])) for values in (rounds, cumulative))
    return float(arrays.fitted((x - x.mean())[:, None], y - y.mean())[0])
