"""What the data say at each point of a claim: one value a seed, before any verdict."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from mecpfm.errors import InterruptedRunError
from mecpfm.experiments.config import experiments
from mecpfm.experiments.runner import run, timings
from mecpfm.experiments.stated import Claim, Test
from mecpfm.experiments.statistics import growth_exponent, interval, matched, student
from mecpfm.experiments.workload import reduction
from mecpfm.kernels import arrays


class Sample(NamedTuple):
    """One point at which a claim can hold: one value a seed, or one value that is exact or has a standard error.

    Without a value no seed has a plan of both methods there (of an exact value: nobody has one for that instance).
    """

    values: tuple[float, ...]
    point: str = ""
    """Experiment and where in it; empty for an exact value, of which there may be hundreds."""
    error: float = 0.0
    freedom: int = 0
    """Standard error of the one value, and its degrees of freedom, where not only seeds vary (``workload``)."""
    seeds: tuple[int, ...] = ()
    """Seed of every value; 0, 1, ... where none are given."""
    source: Hashable = None
    """What the values were computed from: points with one source are copies of one another."""
    logarithmic: bool = False
    """Whether values are logarithms of a ratio, whose geometric mean is asked for."""

    def by_seed(self) -> dict[int, float]:
        """Values by seed."""
        return dict(zip(self.seeds or range(len(self.values)), self.values, strict=True))

    def interval(self, confidence: float) -> tuple[float, float, float]:
        """Mean and interval: over seeds, by the standard error, or the exact value three times."""
        if not self.point:
            return (self.values[0],) * 3
        if not self.freedom:
            found = interval(self.values, confidence)
            return exponentials(found) if self.logarithmic else found
        half = student(self.freedom, confidence) * self.error
        return self.values[0], self.values[0] - half, self.values[0] + half


def exponentials(logarithms: tuple[float, float, float]) -> tuple[float, float, float]:
    """Ratio and ends of its interval from their logarithms."""
    value, low, high = (arrays.exp(one) for one in logarithms)
    return value, low, high


class Collected(NamedTuple):
    """What the data say of a claim."""

    samples: list[Sample]
    """Points with a value, copies left out."""
    without_plan: int
    """Points, or instances, that are left out because nobody has a plan there, copies among them counted."""


def collect(claim: Claim, profile: str) -> Collected:
    """All points of a claim; sweeps share points, and what is a copy of an earlier point is left out.

    A copy has the same values of both methods at every seed. Recipes do not tell: a budget that never binds is another
    recipe with the same instances, and the reduction alone may be equal (zero) where nothing else is.
    """
    distinct: dict[Hashable, Sample] = {}
    exact, without_plan = [], 0
    for sample in TESTS[claim.test](claim, profile):
        if not sample.values:
            without_plan += 1
        elif sample.point:
            distinct.setdefault(sample.source or sample.point, sample)
        else:
            exact.append(sample)
    return Collected([*exact, *distinct.values()], without_plan)


@functools.cache
def _outcome(name: str, profile: str) -> pd.DataFrame | Exception:
    """Rows of an experiment, or why there are none: it is not run again for every claim."""
    try:
        return run(name, profile)
    except InterruptedRunError:
        raise
    except Exception as error:
        return error


def _results(claim: Claim, name: str, profile: str) -> pd.DataFrame:
    """Rows of an experiment that the claim is about."""
    rows = _outcome(name, profile)
    if isinstance(rows, Exception):
        raise rows
    for column, value in claim.where.items():
        rows = rows[rows[column] == value]
    return rows


def _relative(claim: Claim, profile: str, *, sign: float) -> Iterator[Sample]:
    """Relative reduction against a baseline, or with ``sign`` -1 gain over it, seed by seed, at every point."""
    for name in claim.experiments:
        rows = _results(claim, name, profile)
        label = next((column for column in ("case", "regime", "scenario") if column in rows), "value")
        label = label if claim.by == "value" else claim.by
        for value, group in rows.groupby(claim.by):
            if value in claim.without:
                continue
            where = group[label].iloc[0]
            point = f"{name}: {where if isinstance(where, str) else format(where, 'g')}"
            yield min((_against(claim, one, group, point, sign) for one in claim.baselines), key=_mean)


def _mean(sample: Sample) -> float:
    return float(np.mean(sample.values)) if sample.values else np.inf


def _against(claim: Claim, baseline: str, group: pd.DataFrame, point: str, sign: float) -> Sample:
    """One point against one baseline, at the seeds at which both have a plan."""
    table = matched(group, claim.method, baseline, claim.metric)
    ours, theirs, seeds = table[claim.method].to_numpy(), table[baseline].to_numpy(), tuple(table.index.tolist())
    if not theirs.all():
        raise ValueError(f"{point}: {claim.metric} of {baseline} is 0 at a seed: no relative reduction")
    reduction = sign * (1 - ours / theirs)
    return Sample(tuple(reduction.tolist()), point, seeds=seeds, source=(seeds, *ours.tolist(), *theirs.tolist()))


def _workloads(claim: Claim, profile: str) -> list[Sample]:
    """Relative reduction on each disjoint window; its error covers places and workload (blocks of requests)."""
    samples = []
    for name in claim.experiments:
        for value, group in _results(claim, name, profile).groupby("value"):
            found = min((reduction(group, claim.method, one) for one in claim.baselines), key=lambda one: one.value)
            samples.append(Sample((found.value,), f"{name}: window {value:g}", found.both, found.blocks - 1))
    return samples


def _column(claim: Claim, profile: str) -> list[Sample]:
    """Every value of a column, for one method if named; a row that another sweep repeats counts once."""
    tables = {name: _results(claim, name, profile) for name in claim.experiments}
    missing = sum(_missing(name, rows, profile) for name, rows in tables.items())
    rows = pd.concat(tables.values())
    rows = rows[rows["method"] == claim.method] if claim.method else rows
    infeasible = int((rows["status"] == "infeasible").sum()) if "status" in rows else 0
    rows = rows.drop_duplicates(subset=[name for name in rows if name not in ("experiment", "value", "case")])
    values = rows[claim.metric].dropna().astype(float)
    return [*(Sample((value,)) for value in values), *[Sample(())] * (missing + infeasible)]


def _missing(name: str, rows: pd.DataFrame, profile: str) -> int:
    """Instances of an experiment without any row: nobody has a plan there."""
    experiment = experiments(profile)[name]
    return len(experiment.points) * experiment.seeds - rows.groupby(["value", "seed"]).ngroups


def _spread(claim: Claim, profile: str) -> list[Sample]:
    """Relative difference between the largest and the least value of a column over methods, on every instance."""
    samples = []
    for name in claim.experiments:
        rows = _results(claim, name, profile)
        samples += [Sample(())] * _missing(name, rows, profile)
        for _, group in rows.groupby(["value", "seed"]):
            values = group[claim.metric].dropna().to_numpy(dtype=float)
            if not len(values):  # all agree that nobody has a plan
                samples.append(Sample(()))
                continue
            # An instance that one method finds infeasible and another does not is a full contradiction.
            spread = float(np.ptp(values) / max(abs(values).max(), 1e-12)) if len(values) == len(group) else 1.0
            samples.append(Sample((spread,)))
    return samples


def _speedup(claim: Claim, profile: str) -> list[Sample]:
    """Logarithm of the baseline's running time over the method's, seed by seed, at every point."""
    samples = []
    for name in claim.experiments:
        table = timings(name, profile).pivot(index=["value", "seed"], columns="method", values="runtime_s")
        ratio = table[claim.baseline] / table[claim.method]
        for value, group in ratio.dropna().groupby("value"):
            samples.append(Sample(tuple(arrays.log(group).tolist()), f"{name}: {value:g}", logarithmic=True))
    return samples


def _exponent(claim: Claim, profile: str) -> list[Sample]:
    """Exponent of cumulative regret in the round, fitted per seed; less the baseline's when there is one."""
    slopes = _slopes(claim, claim.method, profile)
    if claim.baseline:
        slopes = slopes - _slopes(claim, claim.baseline, profile)
    return [Sample(tuple(slopes.tolist()), "convergence")] if np.isfinite(slopes).all() else []


def _slopes(claim: Claim, method: str, profile: str) -> np.ndarray:
    rows = _results(claim, "convergence", profile)
    rows = rows[(rows["method"] == method) & (rows["rule"] == claim.metric)].sort_values("round")
    runs = (run[["round", "cumulative_regret"]] for _, run in rows.groupby("seed"))
    return np.array([growth_exponent(*(run[column].to_numpy() for column in run)) for run in runs])


TESTS: dict[Test, Callable[[Claim, str], Iterable[Sample]]] = {
    "reduction": functools.partial(_relative, sign=1.0),
    "gain": functools.partial(_relative, sign=-1.0),
    "column": _column,
    "spread": _spread,
    "speedup": _speedup,
    "exponent": _exponent,
    "workload": _workloads,
}
