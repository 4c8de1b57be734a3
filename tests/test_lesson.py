"""Checks of the lessons: what they print, and that one that does not hold is named."""

import math

import pytest

from mecpfm.experiments.lesson import check, two_cloudlets


def test_a_check_prints_claim_measured_and_needed(capsys: pytest.CaptureFixture[str]):
    """A row each, in columns."""
    check(("short", 1.23456, "<=", 2), ("somewhat longer", 0, "==", 0))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["ok", "short", "1.235", "<=", "2"]
    assert lines[1].index("1.235") + 5 == lines[2].index("0  ==") + 1


@pytest.mark.parametrize("measured", [3.0, math.nan])
def test_what_does_not_hold_is_named_after_all_rows(measured: float, capsys: pytest.CaptureFixture[str]):
    """Every row is printed; the error has the failing claims alone; nothing is below a NaN."""
    with pytest.raises(AssertionError, match=r"^too large$"):
        check(("too large", measured, "<", 2), ("fine", 1, "<", 2))
    assert [line[:2] for line in capsys.readouterr().out.splitlines()[1:]] == ["NO", "ok"]


def test_the_running_example_is_the_committed_one():
    """Two cloudlets, six requests."""
    assert two_cloudlets().sizes == (4, 3, 2, 6)
