"""Verdicts as tables: for people, for docs/claims.csv and docs/claims.md, and the few that the README names."""

from __future__ import annotations

import re

import pandas as pd

from mecpfm import paths
from mecpfm.experiments.claims import Verdict, says
from mecpfm.figures.export import rounded
from mecpfm.records import write_atomic

MARKS = ("<!-- claims: begin -->", "<!-- claims: end -->")
NAMED = r"([a-z][a-z -]*: \d+ hold, \d+ open, \d+ against(?:, \d+ without a plan)?)\s\(`([\w-]+)`\)"
"""How a text names a claim: verdict and counts of points, then its identifier."""
SIGNS = {"at least": ">=", "at most": "<=", "within": "\N{PLUS-MINUS SIGN}"}
"""How the direction of a claim is written before its threshold."""
COLUMNS = ("claim", "points", "each alone", "needed", "worst", "median [95 %]", "best", "verdict", "stated")
"""``each alone``: the counts where every point is judged by its own 95 % interval."""
COUNTED = ("points", "holding", "open", "against", "holding_alone", "against_alone", "without_plan")
"""Fields of a verdict that count points."""


def rows(verdicts: list[Verdict]) -> list[tuple[str, ...]]:
    """Verdicts for people to read, in ``COLUMNS``."""
    out: list[tuple[str, ...]] = []
    for v in verdicts:
        sign = SIGNS[v.claim.direction]
        middle = _short(v.value) + ("" if v.low == v.high else f" [{_short(v.low)}, {_short(v.high)}]")
        cells = (
            counts(v.points, v.holding, v.against, v.without_plan),
            counts(v.points, v.holding_alone, v.against_alone),
            f"{sign} {_short(v.claim.threshold)}{' *' * v.claim.after_pilot}",
            _short(v.worst),
            middle,
            _short(v.best),
        )
        out.append((v.claim.words, *cells, said(v), v.claim.status + ", beyond the paper" * v.claim.beyond))
    return out


def counts(points: int, holding: int, against: int, without_plan: int = 0) -> str:
    """How many points hold, are open, and are against a claim, and how many are left out, in words."""
    left_out = f", {without_plan} without a plan" if without_plan else ""
    return f"{holding} hold, {points - holding - against} open, {against} against{left_out}"


def said(verdict: Verdict) -> str:
    """The verdict in words; where more seeds may still bring the stated one, that is what is said."""
    return "undecided: too few seeds" if verdict.unsettled else verdict.verdict


def _short(value: float) -> str:
    return f"{value:.3g}"


def disagreements(verdicts: list[Verdict], profile: str, *, timed: bool = False) -> list[str]:
    """Claims whose status the data deny; the quick profile, with few seeds, may only deny one that holds.

    ``timed`` asks for those that rest on running times instead: near a threshold two runs on one machine differ.
    """
    strict = profile == "paper"
    return [
        v.claim.id
        for v in verdicts
        if v.claim.timed == timed
        and not v.agrees
        and (strict or (v.claim.status in ("reproduced", "holds") and not v.holding and v.against))
    ]


def save(verdicts: list[Verdict], profile: str) -> None:
    """Write docs/claims.csv, docs/claims_points.csv, the table of docs/claims.md and what the README says of each."""
    docs = paths.sources() / "docs"
    for name, frame in (("claims_points", points(verdicts)), ("claims", table(verdicts))):
        write_atomic(docs / f"{name}.csv", rounded(frame, 4).to_csv(index=False, lineterminator="\n").encode())
    page = docs / "claims.md"
    before, _, rest = page.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    lines = ["| " + " | ".join(row) + " |" for row in [COLUMNS, ("---",) * len(COLUMNS), *rows(verdicts)]]
    text = "\n".join(
        [before + MARKS[0], f"<!-- mecpfm claims --profile {profile} --save -->", *lines, MARKS[1] + after]
    )
    write_atomic(page, text.encode())
    readme = paths.sources() / "README.md"
    write_atomic(readme, recounted(readme.read_text(), verdicts).encode())


def recounted(text: str, verdicts: list[Verdict]) -> str:
    """The text with every ``verdict: counts (`claim`)`` as the verdicts have it."""
    found = {v.claim.id: f"{v.verdict}: {counts(v.points, v.holding, v.against, v.without_plan)}" for v in verdicts}
    return re.sub(NAMED, lambda hit: f"{found[hit[2]]} (`{hit[2]}`)" if hit[2] in found else hit[0], text)


def points(verdicts: list[Verdict]) -> pd.DataFrame:
    """Every point with an interval, claim by claim: where, value, 95 % interval, what it says, and a note."""
    found = [
        (v.claim.id, one.point, *one[:3], v.claim.threshold, says(v.claim, one), v.claim.notes.get(one.point, ""))
        for v in verdicts
        for one in v.evidence
        if one.point
    ]
    return pd.DataFrame(found, columns=["id", "point", "value", "ci_low", "ci_high", "threshold", "says", "note"])


def table(verdicts: list[Verdict]) -> pd.DataFrame:
    """Verdicts as a tidy table."""
    return pd.DataFrame(
        [
            {
                "id": v.claim.id,
                "claim": v.claim.words,
                "test": v.claim.test,
                "direction": v.claim.direction,
                "threshold": v.claim.threshold,
                **{name: getattr(v, name) for name in COUNTED},
                "median": v.value,
                "ci_low": v.low,
                "ci_high": v.high,
                "worst": v.worst,
                "best": v.best,
                "verdict": v.verdict,
                "status": v.claim.status,
                "beyond": v.claim.beyond,
                "agrees": v.agrees,
            }
            for v in verdicts
        ]
    )
