"""Intervals, paired comparisons and growth rates against SciPy and simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mecpfm.experiments.statistics import growth_exponent, interval, paired, summary, texts


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_interval_is_students(values: list[float]):
    """Mean and interval equal SciPy's t interval."""
    mean, low, high = interval(np.array(values))
    spread = stats.sem(values)
    assert low <= mean <= high
    if spread > 0:
        expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=spread)
        assert (low, high) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_interval_covers_as_often_as_it_says():
    """Over 2,000 normal samples of ten the interval covers the mean about 95 % of the time."""
    random = np.random.default_rng(0)
    samples = random.normal(3, 2, (2000, 10))
    covered = [low <= 3 <= high for _, low, high in map(interval, samples)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def table(ours: list[float], theirs: list[float]) -> pd.DataFrame:
    rows = [
        (1.0, seed, name, value) for name, found in (("a", ours), ("b", theirs)) for seed, value in enumerate(found)
    ]
    return pd.DataFrame(rows, columns=["value", "seed", "method", "delay"])


def test_paired_reduction_and_test():
    """A method that always halves the baseline has reduction 0.5 without spread and Wilcoxon's p-value."""
    theirs = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    row = paired(table([x / 2 for x in theirs], theirs), "a", "b", "delay").iloc[0]
    assert (row.reduction, row.ci_low, row.ci_high) == pytest.approx((0.5, 0.5, 0.5))
    assert row.difference == pytest.approx(-17.5)
    assert row.p_value == pytest.approx(stats.wilcoxon([x / 2 for x in theirs], theirs).pvalue)
    assert row.seeds == 6


def test_paired_leaves_out_seeds_without_a_value():
    """A seed that one side could not solve does not count for either."""
    row = paired(table([1.0, np.nan, 3.0], [2.0, 4.0, 6.0]), "a", "b", "delay").iloc[0]
    assert row.seeds == 2
    assert row.reduction == pytest.approx(0.5)


def test_texts_leave_out_what_is_missing_and_the_sign_of_zero():
    """Means with intervals; NaN is no text, and what rounds to zero is no negative number."""
    frame = pd.DataFrame({"mean": [0.123, np.nan, -4e-4], "ci_low": [0.1, 0, -0.0123], "ci_high": [0.15, 0, -1e-9]})
    assert texts(frame, "mean") == ["+12.3% [+10.0%, +15.0%]", "", "+0.0% [-1.2%, +0.0%]"]
    assert texts(frame, "mean", form=".0f") == ["0 [0, 0]", "", "0 [0, 0]"]


def test_summary_is_tidy():
    """One row a group and metric, with the number of seeds behind it."""
    out = summary(table([1.0, 3.0], [5.0, 5.0]), ["value", "method"], ["delay"])
    assert out[["method", "metric", "mean", "seeds"]].to_numpy().tolist() == [
        ["a", "delay", 2.0, 2],
        ["b", "delay", 5.0, 2],
    ]


@given(st.floats(0.2, 1.5), st.floats(0.5, 100))
def test_growth_exponent_recovers_a_power(power: float, scale: float):
    """The exponent of c t^p is p."""
    rounds = np.arange(1, 401)
    assert growth_exponent(rounds, scale * rounds**power) == pytest.approx(power, abs=1e-9)
