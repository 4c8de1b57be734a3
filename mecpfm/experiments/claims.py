"""Claims and what the data say of them: verdicts are computed, never typed (claims.toml states what is expected)."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from mecpfm import paths
from mecpfm.errors import InputError
from mecpfm.experiments.config import SWEEPS
from mecpfm.experiments.runner import run
from mecpfm.experiments.statistics import growth_exponent, interval, paired
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
    direction: Literal["at least", "at most"]
    threshold: float
    status: Status
    holds: bool = True
    """For claims beyond the paper, which have no verdict of their own: whether the data bear them out."""
    why: str
    notebook: str
    figure: str


class Evidence(NamedTuple):
    """One point at which a claim can hold: its place, value and 95 % interval (the value itself when exact)."""

    place: str
    value: float
    low: float
    high: float


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

    @property
    def agrees(self) -> bool:
        """Whether the stated status is what the data say."""
        if self.claim.status == "beyond-paper":
            return (self.verdict == "reproduced") == self.claim.holds
        return self.verdict == self.claim.status


def read(path: Path | None = None) -> list[Claim]:
    """All claims of claims.toml; InputError names the entry and field that is wrong."""
    path = path or paths.root() / "claims.toml"
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
    evidence = TESTS[claim.test](claim, profile)
    sign = 1 if claim.direction == "at least" else -1
    # The whole interval must lie on the right side; of an exact value, the value itself.
    holding = sum(sign * (one.low if sign > 0 else one.high) >= sign * claim.threshold for one in evidence)
    ranked = sorted(evidence, key=lambda one: sign * one.value)
    middle = ranked[(len(ranked) - 1) // 2]
    verdict = "reproduced" if holding == len(evidence) else "partly" if holding else "not-reproduced"
    return Verdict(
        claim, len(evidence), holding, middle.value, middle.low, middle.high, ranked[0].value, ranked[-1].value, verdict
    )


def judge_all(profile: str) -> list[Verdict]:
    """Every claim, in the file's order."""
    return [judge(claim, profile) for claim in read()]


def table(verdicts: list[Verdict]) -> pd.DataFrame:
    """Verdicts as a tidy table."""
    return pd.DataFrame(
        [
            {
                "id": v.claim.id,
                "claim": v.claim.words,
                "direction": v.claim.direction,
                "threshold": v.claim.threshold,
                "points": v.points,
                "holding": v.holding,
                "median": v.value,
                "ci_low": v.low,
                "ci_high": v.high,
                "worst": v.worst,
                "best": v.best,
                "verdict": v.verdict,
                "status": v.claim.status,
                "agrees": v.agrees,
            }
            for v in verdicts
        ]
    )


def _reductions(claim: Claim, profile: str) -> list[Evidence]:
    """Relative reduction against a baseline, seed by seed, at every sweep point where both have values."""
    return _relative(claim, profile, 1.0)


def _gains(claim: Claim, profile: str) -> list[Evidence]:
    """Relative gain over a baseline, seed by seed, at every sweep point."""
    return _relative(claim, profile, -1.0)


def _relative(claim: Claim, profile: str, sign: float) -> list[Evidence]:
    found = []
    for name in claim.experiments:
        points = paired(run(name, profile), claim.method, claim.baseline, claim.metric)
        for value, mean, *ends in points[["value", "reduction", "ci_low", "ci_high"]].to_numpy(dtype=float).tolist():
            if math.isfinite(mean):
                found.append(Evidence(f"{name} {value:g}", sign * mean, *sorted(sign * end for end in ends)))
    return found


def _column(claim: Claim, profile: str) -> list[Evidence]:
    """Every value of a column of deterministic facts, for one method if named."""
    found = []
    for name in claim.experiments:
        rows = run(name, profile)
        rows = rows[rows["method"] == claim.method] if claim.method else rows
        found += [Evidence(name, value, value, value) for value in rows[claim.metric].astype(float)]
    return found


def _mean(claim: Claim, profile: str) -> list[Evidence]:
    """Mean over seeds of a column at every point, with its interval."""
    found = []
    for name in claim.experiments:
        rows = run(name, profile)
        rows = rows[rows["method"] == claim.method] if claim.method else rows
        for value, group in rows.groupby("value"):
            found.append(Evidence(f"{name} {value:g}", *interval(group[claim.metric].to_numpy(dtype=float))))
    return found


def _exponent(claim: Claim, profile: str) -> list[Evidence]:
    """Exponent of cumulative regret in the round, fitted per seed from a tenth of the rounds on."""
    rows = run("convergence", profile)
    rows = rows[(rows["method"] == claim.method) & (rows["rule"] == claim.metric)]
    slopes = []
    for _, group in rows.groupby("seed"):
        ordered = group.sort_values("round")
        slopes.append(growth_exponent(ordered["round"].to_numpy(), ordered["cumulative_regret"].to_numpy()))
    return [Evidence("convergence", *interval(np.array(slopes)))]


TESTS: dict[str, Callable[[Claim, str], list[Evidence]]] = {
    "reduction": _reductions,
    "gain": _gains,
    "column": _column,
    "mean": _mean,
    "exponent": _exponent,
}
