"""Claims and what the data say of them: verdicts are computed, never typed (claims.toml states what is expected)."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from mecpfm import paths
from mecpfm.errors import InterruptedRunError
from mecpfm.experiments.config import profile as check_profile
from mecpfm.experiments.evidence import Sample, collect, exponentials
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
    holding_alone: int
    against_alone: int
    """The same where each point is judged by its own 95 % interval, whatever the number of points."""
    without_plan: int
    """Points, or instances, left out because nobody has a plan there."""
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
        return self.verdict == self.claim.status

    @property
    def unsettled(self) -> bool:
        """Whether the stated status is another one, but more seeds may bring it: no point settles it."""
        stated = self.claim.status
        none_against, none_holding = self.against == 0, self.holding == 0
        ends = {"reproduced": none_against, "holds": none_against, "undecided": none_against}
        possible = ends | {"partly": True, "does not hold": True}
        return not self.agrees and self.open > 0 and possible.get(stated, none_holding)

    @property
    def open(self) -> int:
        """Points whose interval holds the threshold."""
        return self.points - self.holding - self.against


def word(points: int, holding: int, against: int, *, beyond: bool = False) -> Word:
    """The verdict on a claim, from how many of its points hold or are against it; the rest is open.

    reproduced: every point holds. undecided: none is against it, some are open. partly: some hold, some are against
    it. not-reproduced: none holds, some are against it. contradicted: every point is against it. Of a claim beyond the
    paper: holds, undecided, or, as soon as one point is against it, does not hold.
    """
    if holding == points:
        return "holds" if beyond else "reproduced"
    if not against:
        return "undecided"
    if beyond:
        return "does not hold"
    if against == points:
        return "contradicted"
    return "partly" if holding else "not-reproduced"


def judge(claim: Claim, profile: str) -> Verdict:
    """Recompute a claim from the experiments' results."""
    samples, without_plan = collect(claim, profile)
    if not samples:
        raise ValueError("no point at which the results have what it compares")
    evidence = _evidence(samples, 1 - (1 - CONFIDENCE) / len(samples))
    together, alone = ([says(claim, one) for one in found] for found in (evidence, _evidence(samples, CONFIDENCE)))
    holding, against = together.count("holds"), together.count("against")
    away = abs if claim.direction == "within" else float
    ends = sorted((one.value for one in evidence), key=away, reverse=claim.direction != "at least")
    middle = _zeroed(*_middle(samples, low=claim.direction == "at least"))
    verdict = word(len(evidence), holding, against, beyond=claim.beyond)
    counts = (len(evidence), holding, against, alone.count("holds"), alone.count("against"), without_plan)
    return Verdict(claim, *counts, *middle, ends[0], ends[-1], verdict, tuple(evidence))


def _evidence(samples: list[Sample], confidence: float) -> list[Evidence]:
    return [Evidence(*_zeroed(*sample.interval(confidence)), sample.point) for sample in samples]


def says(claim: Claim, one: Evidence) -> Literal["holds", "open", "against"]:
    """Whether the whole interval lies on the right side, holds the threshold, or lies on the wrong side."""
    low, high = _range(claim)
    if low <= one.low and one.high <= high:
        return "holds"
    return "against" if one.high < low or one.low > high else "open"


def _range(claim: Claim) -> tuple[float, float]:
    """Least and largest value with which the claim is true."""
    if claim.direction == "within":
        return -claim.threshold, claim.threshold
    return (claim.threshold, math.inf) if claim.direction == "at least" else (-math.inf, claim.threshold)


def _middle(samples: list[Sample], *, low: bool) -> tuple[float, float, float]:
    """Median over points and its interval; where not only seeds vary, the interval of the point in the middle."""
    found = median_interval([sample.by_seed() for sample in samples], low=low)
    if samples[0].logarithmic:
        return exponentials(found)
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
