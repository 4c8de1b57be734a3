"""What the lessons share: the running example, and checks that say what was claimed, measured and needed."""

from __future__ import annotations

import operator

from mecpfm import paths
from mecpfm.coupled.instance import Instance

RELATIONS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}


def two_cloudlets() -> Instance:
    """The running example of every lesson: two cloudlets, six requests, solved by hand in docs/first_steps.md."""
    return Instance.read(paths.tables() / "two_cloudlets.json")


def check(*rows: tuple[str, float, str, float]) -> None:
    """Print ``ok  claim  measured  needed`` a row, then raise AssertionError that names the claims that do not hold.

    Parameters
    ----------
    rows
        Claim, what was measured, one of ``RELATIONS``, what is needed. NaN holds nowhere.

    Examples
    --------
    >>> check(("a plan is never below its bound", 24.816, ">=", 24.8159), ("rows broken", 0, "==", 0))
        claim                            measured  needed
    ok  a plan is never below its bound     24.82  >= 24.82
    ok  rows broken                             0  == 0
    """
    width = max(len(claim) for claim, *_ in rows)
    print(f"{'':4}{'claim':{width}}  {'measured':>8}  needed")
    failed = []
    for claim, measured, relation, needed in rows:
        holds = bool(RELATIONS[relation](measured, needed))
        print(f"{'ok' if holds else 'NO':4}{claim:{width}}  {_short(measured):>8}  {relation} {_short(needed)}")
        failed += [] if holds else [claim]
    if failed:
        raise AssertionError("; ".join(failed))


def _short(value: float) -> str:
    """Four digits, and 0 for what is one but for rounding: less than what differs between machines."""
    return f"{0.0 if abs(value) < 1e-12 else value:.4g}"
