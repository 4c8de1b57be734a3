"""Claims and what the data say of them: verdicts are computed, never typed (claims.toml states what is expected)."""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from mecpfm import paths
from mecpfm.errors import InputError, InterruptedRunError
from mecpfm.experiments.config import SWEEPS, TIMED
from mecpfm.experiments.config import profile as check_profile
from mecpfm.experiments.runner import run, timings
from mecpfm.experiments.statistics import growth_exponent, interval, paired
from mecpfm.figures.export import ZERO
from mecpfm.records import explain

Status = Literal["reproduced", "partly", "not-reproduced", "beyond-paper"]


class Claim(BaseModel):
    """One entry of claims.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    words: str
    """What is claimed, in short."""
    quantity: str
    """What is computed, in words."""
    test: str
    """How it is computed: a key of ``TESTS``."""
    metric: str = ""
    method: str = ""
    baseline: str = ""
    experiments: tuple[str, ...] = tuple(SWEEPS)
    where: dict[str, str | bool | float] = {}
    """Only rows with these values count, for example one pull rule of the ablation."""
    by: str = "value"
    """Column whose values are the points at which the claim can hold."""
    without: tuple[float, ...] = ()
    """Points left out because method and baseline are the same policy there."""
    direction: Literal["at least", "at most"]
    threshold: float
    status: Status
    holds: bool = True
    """For claims beyond the paper, which have no verdict of their own: whether the data bear them out."""
    why: str
    notebook: str
    figure: str = ""
    """None where only the notebook's tables and docs/claims_points.csv show it."""

    def holds_at(self, one: Evidence) -> bool:
        """Whether the whole interval lies on the right side; of an exact value, the value itself."""
        return one.low >= self.threshold if self.direction == "at least" else one.high <= self.threshold

    @property
    def timed(self) -> bool:
        """Whether the verdict rests on running times, which differ from run to run."""
        return self.test == "speedup" or not set(TIMED).isdisjoint(self.experiments)


@functools.cache
def _outcome(name: str, profile: str) -> pd.DataFrame | Exception:
    """Rows of an experiment, or why there are none: it is not run again for every claim."""
    try:
        return run(name, profile)
    except InterruptedRunError:
        raise
    except Exception as error:
        return error


def _results(name: str, profile: str) -> pd.DataFrame:
    found = _outcome(name, profile)
    if isinstance(found, Exception):
        raise found
    return found


class Evidence(NamedTuple):
    """One point at which a claim can hold: value and 95 % interval (the value itself when exact)."""

    value: float
    low: float
    high: float
    point: str = ""
    """Experiment and where in it; empty for facts without an interval, of which there may be hundreds."""


class Verdict(NamedTuple):
    """A claim judged by the data of one profile; ``value`` with its interval is that of the middle point."""

    claim: Claim
    points: int
    holding: int
    value: float
    low: float
    high: float
    worst: float
    best: float
    verdict: str
    evidence: tuple[Evidence, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the stated status is what the data say."""
        if self.claim.status == "beyond-paper":
            return (self.verdict == "reproduced") == self.claim.holds
        return self.verdict == self.claim.status


def read(path: Path | None = None) -> list[Claim]:
    """All claims of claims.toml; InputError names the entry and field that is wrong."""
    path = path or paths.sources() / "claims.toml"
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["claim"]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise InputError(f"{path}: is not a list of [[claim]] tables ({error})") from None
    claims = []
    for i, entry in enumerate(entries):
        try:
            claims.append(Claim.model_validate(entry))
        except ValidationError as error:
            raise InputError(f"{path}: claim {entry.get('id', i)}: {explain(error)}") from None
        if claims[-1].test not in TESTS:
            raise InputError(f"{path}: claim {claims[-1].id}: test is {claims[-1].test!r}; known: {', '.join(TESTS)}")
    return claims


def judge(claim: Claim, profile: str) -> Verdict:
    """Recompute a claim from the experiments' results."""
    evidence = [_zeroed(one) for one in TESTS[claim.test](claim, profile)]
    sign = 1 if claim.direction == "at least" else -1
    holding = sum(map(claim.holds_at, evidence))
    ranked = sorted(evidence, key=lambda one: sign * one.value)
    middle = ranked[(len(ranked) - 1) // 2]
    verdict = "reproduced" if holding == len(evidence) else "partly" if holding else "not-reproduced"
    ends = (ranked[0].value, ranked[-1].value)
    return Verdict(claim, len(evidence), holding, *middle[:3], *ends, verdict, tuple(evidence))


def _zeroed(one: Evidence) -> Evidence:
    """What only rounding keeps from zero, and no two solvers or machines agree on, is zero."""
    value, low, high = (0.0 if abs(number) < ZERO else number for number in one[:3])
    return Evidence(value, low, high, one.point)


class Judged(NamedTuple):
    """Verdicts in the file's order, and of every claim without one why there is none."""

    verdicts: list[Verdict]
    missing: dict[str, str]


def judge_all(profile: str) -> Judged:
    """Every claim that can be computed; a failed experiment costs only the claims that rest on it."""
    check_profile(profile)
    paths.require_writable_home()
    found = Judged([], {})
    for claim in read():
        try:
            found.verdicts.append(judge(claim, profile))
        except InterruptedRunError:
            raise
        except Exception as error:  # no rows, a column that is not there: whatever its experiment left behind
            found.missing[claim.id] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return found


def _reductions(claim: Claim, profile: str) -> list[Evidence]:
    """Relative reduction against a baseline, seed by seed, at every sweep point where both have values."""
    return _relative(claim, profile, 1.0)


def _gains(claim: Claim, profile: str) -> list[Evidence]:
    """Relative gain over a baseline, seed by seed, at every sweep point."""
    return _relative(claim, profile, -1.0)


def _relative(claim: Claim, profile: str, sign: float) -> list[Evidence]:
    found = []
    for name in claim.experiments:
        rows = _chosen(claim, _results(name, profile))
        points = paired(rows, claim.method, claim.baseline, claim.metric, by=claim.by)
        label = next((column for column in ("case", "regime", "scenario") if column in rows), "value")
        label = label if claim.by == "value" else claim.by
        words = rows.groupby(claim.by)[label].first().map(lambda word: word if isinstance(word, str) else f"{word:g}")
        for value, mean, *ends in points[[claim.by, "reduction", "ci_low", "ci_high"]].to_numpy(dtype=float).tolist():
            if math.isfinite(mean) and value not in claim.without:
                low, high = sorted(sign * end for end in ends)
                found.append(Evidence(sign * mean, low, high, f"{name}: {words[value]}"))
    return found


def _chosen(claim: Claim, rows: pd.DataFrame) -> pd.DataFrame:
    for column, value in claim.where.items():
        rows = rows[rows[column] == value]
    return rows


def _column(claim: Claim, profile: str) -> list[Evidence]:
    """Every value of a column, for one method if named: facts without an interval."""
    rows = pd.concat([_chosen(claim, _results(name, profile)) for name in claim.experiments])
    rows = rows[rows["method"] == claim.method] if claim.method else rows
    return [Evidence(*3 * (value,)) for value in rows[claim.metric].dropna().astype(float)]


def _spread(claim: Claim, profile: str) -> list[Evidence]:
    """Relative difference between the largest and the least value of a column over methods, on every instance."""
    found = []
    for name in claim.experiments:
        for _, group in _results(name, profile).groupby(["value", "seed"]):
            values = group[claim.metric].dropna().to_numpy(dtype=float)
            # An instance that one method finds infeasible and another does not is a full contradiction.
            agree = len(values) in (0, len(group))
            spread = float(np.ptp(values) / max(abs(values).max(), 1e-12)) if len(values) and agree else 1.0 - agree
            found.append(Evidence(*3 * (spread,)))
    return found


def _speedup(claim: Claim, profile: str) -> list[Evidence]:
    """Running time of the baseline over that of the method, seed by seed, at every point."""
    found = []
    for name in claim.experiments:
        table = timings(name, profile).pivot(index=["value", "seed"], columns="method", values="runtime_s")
        ratio = table[claim.baseline] / table[claim.method]
        for value, group in ratio.dropna().groupby("value"):
            found.append(Evidence(*interval(group.to_numpy(dtype=float)), f"{name}: {value:g}"))
    return found


def _exponent(claim: Claim, profile: str) -> list[Evidence]:
    """Exponent of cumulative regret in the round, fitted per seed from a tenth of the rounds on."""
    rows = _results("convergence", profile)
    rows = rows[(rows["method"] == claim.method) & (rows["rule"] == claim.metric)]
    slopes = []
    for _, group in rows.groupby("seed"):
        ordered = group.sort_values("round")
        slopes.append(growth_exponent(ordered["round"].to_numpy(), ordered["cumulative_regret"].to_numpy()))
    return [Evidence(*interval(np.array(slopes)))]


TESTS: dict[str, Callable[[Claim, str], list[Evidence]]] = {
    "reduction": _reductions,
    "gain": _gains,
    "column": _column,
    "spread": _spread,
    "speedup": _speedup,
    "exponent": _exponent,
}
