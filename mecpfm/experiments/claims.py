"""Claims and what the data say of them: verdicts are computed, never typed (claims.toml states what is expected)."""

from __future__ import annotations

import math
from typing import NamedTuple

from mecpfm import paths
from mecpfm.errors import InterruptedRunError
from mecpfm.experiments.config import profile as check_profile
from mecpfm.experiments.evidence import Sample, collect
from mecpfm.experiments.stated import Claim, Word, read
from mecpfm.experiments.statistics import CONFIDENCE, median_interval
from mecpfm.figures.export import ZERO


class Evidence(NamedTuple):
    """A point of a claim: mean over seeds and its interval (the value itself when exact).

    The intervals of a claim hold together with 95 %: each of m points has confidence 1 - 0.05 / m (Bonferroni).
    """

    value: float
    low: float
    high: float
    point: str = ""


class Verdict(NamedTuple):
    """A claim judged by the data of one profile; ``value`` is the median over points, with its bootstrap interval."""

    claim: Claim
    points: int
    holding: int
    against: int
    """Points whose whole interval lies on the wrong side."""
    value: float
    low: float
    high: float
    worst: float
    best: float
    verdict: Word
    evidence: tuple[Evidence, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the stated status is what the data say."""
        if self.claim.status == "beyond-paper":
            return (self.verdict == "reproduced") == self.claim.holds
        return self.verdict == self.claim.status

    @property
    def open(self) -> bool:
        """Whether the stated status is another one, but more seeds may bring it: no point settles it."""
        stated = self.claim.status
        if stated == "beyond-paper":
            stated = "reproduced" if self.claim.holds else "partly"
        none_against, none_holding, some_open = self.against == 0, self.holding == 0, self.undecided > 0
        possible = {"reproduced": none_against, "partly": True, "not-reproduced": none_holding}
        return not self.agrees and some_open and possible.get(stated, none_holding)

    @property
    def undecided(self) -> int:
        """Points whose interval holds the threshold."""
        return self.points - self.holding - self.against


def word(points: int, holding: int, against: int) -> Word:
    """The verdict on a claim, from how many of its points hold, are against it, or are neither.

    reproduced: every point holds. partly: some hold. contradicted: every point is against it. not-reproduced: none
    holds, some are against it. undecided: none holds, none is against it.
    """
    if holding:
        return "reproduced" if holding == points else "partly"
    if against:
        return "contradicted" if against == points else "not-reproduced"
    return "undecided"


def judge(claim: Claim, profile: str) -> Verdict:
    """Recompute a claim from the experiments' results."""
    samples = collect(claim, profile)
    confidence = 1 - (1 - CONFIDENCE) / max(len(samples), 1)
    evidence = [Evidence(*_zeroed(*sample.interval(confidence)), sample.point) for sample in samples]
    holding = sum(holds(claim, one) for one in evidence)
    against = sum(_denies(claim, one) for one in evidence)
    away = abs if claim.direction == "within" else float
    ends = sorted((one.value for one in evidence), key=away, reverse=claim.direction != "at least")
    middle = _zeroed(*_middle(samples, low=claim.direction == "at least"))
    verdict = word(len(evidence), holding, against)
    return Verdict(claim, len(evidence), holding, against, *middle, ends[0], ends[-1], verdict, tuple(evidence))


def holds(claim: Claim, one: Evidence) -> bool:
    """Whether the whole interval lies on the right side; of an exact value, the value itself."""
    low, high = _range(claim)
    return low <= one.low and one.high <= high


def _denies(claim: Claim, one: Evidence) -> bool:
    low, high = _range(claim)
    return one.high < low or one.low > high


def _range(claim: Claim) -> tuple[float, float]:
    """Least and largest value with which the claim is true."""
    if claim.direction == "within":
        return -claim.threshold, claim.threshold
    return (claim.threshold, math.inf) if claim.direction == "at least" else (-math.inf, claim.threshold)


def _middle(samples: list[Sample], *, low: bool) -> tuple[float, float, float]:
    """Median over points and its interval; where not only seeds vary, the interval of the point in the middle."""
    found = median_interval([sample.values for sample in samples], low=low)
    at = [sample for sample in samples if sample.freedom and sample.values[0] == found[0]]
    return at[0].interval(CONFIDENCE) if at else found


def _zeroed(*numbers: float) -> tuple[float, float, float]:
    """What only rounding keeps from zero, and no two solvers or machines agree on, is zero."""
    value, low, high = (0.0 if abs(number) < ZERO else number for number in numbers)
    return value, low, high


class Judged(NamedTuple):
    """Verdicts in the file's order, and of every claim without one why there is none."""

    verdicts: list[Verdict]
    missing: dict[str, str]


def judge_all(profile: str) -> Judged:
    """Every claim that can be computed; a failed experiment costs only the claims that rest on it."""
    check_profile(profile)
    paths.require_writable_home()
    judged = Judged([], {})
    for claim in read():
        try:
            judged.verdicts.append(judge(claim, profile))
        except InterruptedRunError:
            raise
        except Exception as error:  # no rows, a column that is not there: whatever its experiment left behind
            judged.missing[claim.id] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return judged
