"""Rules stand in the annotations of a dataclass, and one function holds its fields to them."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from mecpfm import ranges
from mecpfm.errors import InputError


@dataclass(frozen=True)
class Box:
    """One field of every kind."""

    count: ranges.Count = 1
    weight: ranges.Positive | None = None
    share: ranges.Share = 0.5
    limit: Annotated[float | None, ranges.positive] = None
    word: str = "any"

    def __post_init__(self) -> None:
        ranges.check(self)


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ({"count": 0}, r"count is 0; must be a whole number in \[1, 1000000000\]"),
        ({"weight": 0.0}, "weight is 0.0; must be finite and > 0"),
        ({"limit": math.inf}, "limit is inf; must be finite and > 0"),
        ({"share": 1.5}, r"share is 1.5; must be in \[0, 1\]"),
    ],
)
def test_a_broken_rule_names_field_and_range(field: dict[str, Any], says: str):
    """Inside an optional annotation or around it; what may be None may be left out."""
    assert Box().weight is Box().limit is None
    assert Box(word="").word == ""
    with pytest.raises(InputError, match=f"^{says}$"):
        Box(**field)


def test_none_is_no_number():
    """A field that is not optional is not skipped."""

    @dataclass
    class Strict:
        weight: ranges.Positive

    with pytest.raises(TypeError):
        ranges.check(Strict(None))  # type: ignore[arg-type]
