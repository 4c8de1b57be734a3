"""What claims.toml states: one entry a claim, checked field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mecpfm import paths
from mecpfm.errors import InputError
from mecpfm.experiments.config import SWEEPS, TIMED
from mecpfm.files import read_toml
from mecpfm.records import explain

Test = Literal["reduction", "gain", "column", "spread", "speedup", "exponent", "workload"]
Word = Literal["reproduced", "partly", "undecided", "not-reproduced", "contradicted", "holds", "does not hold"]
"""What the data say; ``mecpfm.experiments.claims.word`` defines each."""


class Claim(BaseModel):
    """One entry of claims.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    words: str
    """What is claimed, in short."""
    quantity: str
    """What is computed, in words."""
    test: Test
    """How it is computed: a key of ``mecpfm.experiments.evidence.TESTS``."""
    metric: str = ""
    method: str = ""
    baseline: str = ""
    or_else: tuple[str, ...] = ()
    """The baseline with other settings; at each point that one counts, in hindsight, against which least is gained."""
    experiments: tuple[str, ...] = tuple(SWEEPS)
    where: dict[str, str | bool | float] = {}
    """Only rows with these values count, for example one pull rule of the ablation."""
    by: str = "value"
    """Column whose values are the points at which the claim can hold."""
    without: tuple[float, ...] = ()
    """Points left out because method and baseline are the same policy there."""
    direction: Literal["at least", "at most", "within"]
    """``within``: between minus and plus the threshold, as a claim of equality needs."""
    threshold: float
    after_pilot: bool = False
    """Whether the threshold was set when first runs had been seen."""
    beyond: bool = False
    """Whether nobody published the claim: it holds or does not, but there is nothing to reproduce."""
    status: Word
    notes: dict[str, str] = {}
    """What is to be known of single points, by their names in docs/claims_points.csv."""
    why: str
    notebook: str
    figure: str = ""
    """None where only the notebook's tables and docs/claims_points.csv show it."""

    @property
    def baselines(self) -> tuple[str, ...]:
        """The baseline in all its settings."""
        return (self.baseline, *self.or_else)

    @property
    def timed(self) -> bool:
        """Whether the verdict rests on running times, which differ from run to run."""
        return self.test == "speedup" or not set(TIMED).isdisjoint(self.experiments)


def read(path: Path | None = None) -> list[Claim]:
    """All claims of claims.toml; InputError names the entry and field that is wrong."""
    path = path or paths.sources() / "claims.toml"
    content = read_toml(path)
    if "claim" not in content:
        raise InputError(f"{path}: holds no [[claim]] tables")
    claims = []
    for i, entry in enumerate(content["claim"]):
        try:
            claims.append(Claim.model_validate(entry))
        except ValidationError as error:
            raise InputError(f"{path}: claim {entry.get('id', i)}: {explain(error)}") from None
    return claims
