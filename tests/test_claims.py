"""Verdicts: what a point, its interval and all points of a claim say, and what more seeds may still change."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm.errors import InputError
from mecpfm.experiments import claims, evidence, report, stated
from mecpfm.experiments.evidence import Sample
from mecpfm.experiments.statistics import interval, median_interval

ROOT = Path(__file__).parents[1]


def claim(name: str) -> stated.Claim:
    return next(one for one in stated.read() if one.id == name)


def judged(one: stated.Claim, means: list[float], monkeypatch: pytest.MonkeyPatch, half: float = 0.01):
    samples = [Sample((mean - half, mean, mean + half), f"at {i}") for i, mean in enumerate(means)]
    monkeypatch.setitem(evidence.TESTS, one.test, lambda *_: samples)
    return claims.judge(one, "quick")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('direction = "at most"', 'direction = "sideways"'), "direction"),
        (("threshold = 1e-6", 'threshold = "small"'), "threshold"),
        (('test = "spread"', 'test = "magic"'), "test"),
        (("[[claim]]", "[[claim]]\nbogus = 1"), "bogus"),
        (("[[claim]]", "[[claim"), "claim"),
    ],
)
def test_a_broken_claims_file_is_refused(change: tuple[str, str], says: str, tmp_path: Path):
    """The error names the file and what is wrong."""
    path = tmp_path / "claims.toml"
    path.write_text((ROOT / "claims.toml").read_text().replace(*change))
    with pytest.raises(InputError, match=says) as error:
        stated.read(path)
    assert "claims.toml" in str(error.value)


@pytest.mark.parametrize(
    ("means", "word", "counts"),
    [
        ([0.6, 0.5], "reproduced", (2, 0)),
        ([0.6, 0.3], "partly", (1, 1)),
        ([0.6, 0.38], "partly", (1, 0)),
        ([0.3, 0.2], "contradicted", (0, 2)),
        ([0.3, 0.38], "not-reproduced", (0, 1)),
        ([0.38, 0.38], "undecided", (0, 0)),
    ],
)
def test_words_follow_the_intervals(
    means: list[float], word: str, counts: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    """A point holds, or is against the claim, when its whole interval is; every mix has its word."""
    found = judged(claim("delay-vs-nonshare"), means, monkeypatch)
    distinct = len(set(means))
    assert found.verdict == word
    assert found.points == distinct
    assert (found.holding, found.against) == (counts if distinct == 2 else (0, 0))
    assert (found.worst, found.best) == pytest.approx((min(means), max(means)))


@pytest.mark.parametrize(
    ("means", "word", "worst"),
    [
        ([0.0, -0.03], "reproduced", -0.03),
        ([0.03, 0.045], "partly", 0.045),
        ([-0.3, 0.2], "contradicted", -0.3),
        ([0.2, -0.045], "not-reproduced", 0.2),
        ([0.045, -0.046], "undecided", -0.046),
    ],
)
def test_equality_needs_the_whole_interval_near_zero(
    means: list[float], word: str, worst: float, monkeypatch: pytest.MonkeyPatch
):
    """Within +-0.05: a point holds when its interval lies inside, on either side of zero; what is farther is worse."""
    one = claim("delay-vs-nonshare").model_copy(update={"direction": "within", "threshold": 0.05})
    found = judged(one, means, monkeypatch, half=0.002)
    assert (found.verdict, found.worst) == (word, pytest.approx(worst))
    assert report.rows([found])[0][2] == "\N{PLUS-MINUS SIGN} 0.05"


def test_what_more_seeds_may_change_is_undecided(monkeypatch: pytest.MonkeyPatch):
    """Another word than the stated one is undecided as long as no point settles it, and a disagreement otherwise."""
    one = claim("delay-vs-nonshare")  # stated: reproduced
    wide = judged(one, [0.6, 0.39], monkeypatch)
    assert (wide.verdict, report.said(wide)) == ("partly", "undecided: too few seeds")
    settled = judged(one, [0.6, 0.3], monkeypatch)
    assert report.said(settled) == "partly"
    assert report.disagreements([settled], "paper") == [one.id]
    assert report.disagreements([settled], "quick") == []
    denied = judged(one, [0.3], monkeypatch)
    assert report.disagreements([denied], "quick") == [one.id]
    contradicted = one.model_copy(update={"status": "contradicted"})
    assert judged(contradicted, [0.3, 0.38], monkeypatch).open
    assert not judged(contradicted, [0.3, 0.6], monkeypatch).open


@pytest.mark.parametrize(("name", "gates"), [("delay-vs-nonshare", True), ("one-multiplier-speed", False)])
def test_running_times_are_reported_but_do_not_gate(name: str, gates: bool, monkeypatch: pytest.MonkeyPatch):
    """A denied claim about results is a disagreement; one about running times is told apart from it."""
    denied = judged(claim(name).model_copy(update={"status": "beyond-paper", "holds": True}), [0.0], monkeypatch)
    assert report.disagreements([denied], "paper") == ([name] if gates else [])
    assert report.disagreements([denied], "paper", timed=True) == ([] if gates else [name])


def test_copies_count_once_and_share_the_error(monkeypatch: pytest.MonkeyPatch):
    """Points with the same values are one; intervals are as wide as all points together need (Bonferroni)."""
    one = claim("delay-vs-nonshare")
    values = [(0.5, 0.6, 0.7), (0.5, 0.6, 0.7), (0.5, 0.61, 0.7)]
    monkeypatch.setitem(evidence.TESTS, one.test, lambda *_: [Sample(v, f"at {i}") for i, v in enumerate(values)])
    found = claims.judge(one, "quick")
    assert [at.point for at in found.evidence] == ["at 0", "at 2"]
    assert found.evidence[0][1:3] == interval(values[0], 1 - 0.05 / 2)[1:]


def test_simultaneous_intervals_hold_together():
    """Of 2,000 claims of ten points without any effect about 5 % have an interval beside the truth, or fewer."""
    random = np.random.default_rng(1)
    wrong = 0
    for sample in random.normal(0, 1, (2000, 10, 8)):
        ends = [interval(values, 1 - 0.05 / 10)[1:] for values in sample]
        wrong += any(not low <= 0 <= high for low, high in ends)
    assert 0.03 < wrong / 2000 < 0.065


def test_a_repeated_row_of_another_sweep_counts_once(monkeypatch: pytest.MonkeyPatch):
    """The default point of two sweeps is one instance; other seeds, and other rows of the same value, are not."""
    rows = pd.DataFrame({"seed": [0, 1], "value": [5.0, 5.0], "method": "appro", "ratio": [1.0, 1.0], "objective": 2.0})
    sweeps = {"a": rows.assign(experiment="a"), "b": rows.assign(experiment="b", value=9.0)}
    monkeypatch.setattr(evidence, "_outcome", lambda name, profile: sweeps[name])
    one = claim("ratio").model_copy(update={"experiments": ("a", "b")})
    assert [sample.values for sample in evidence.collect(one, "quick")] == [(1.0,), (1.0,)]


def test_growth_is_compared_with_a_baseline_seed_by_seed(monkeypatch: pytest.MonkeyPatch):
    """Regret that grows with the square root of the round, less one that grows linearly: exponent -1/2."""
    rounds = np.arange(10, 1010, 10)
    parts = [
        pd.DataFrame(
            {"method": name, "rule": "released", "seed": seed, "round": rounds, "cumulative_regret": rounds**power}
        )
        for name, power in (("ol", 0.5), ("random", 1.0))
        for seed in (0, 1, 2)
    ]
    monkeypatch.setattr(evidence, "_outcome", lambda name, profile: pd.concat(parts))
    found = claims.judge(claim("ol-regret-vs-random"), "quick")
    assert found.value == pytest.approx(-0.5)
    assert found.verdict == "reproduced"


@given(st.lists(st.lists(st.floats(-10, 10), min_size=1, max_size=6), min_size=1, max_size=6), st.booleans())
def test_the_median_lies_in_its_interval(samples: list[list[float]], low: bool):
    """The value is one point's mean, and the bootstrap interval lies within the values; one value a point is exact."""
    value, left, right = median_interval(samples, low=low)
    means = [float(np.mean(values)) for values in samples]
    assert value == sorted(means)[(len(means) - 1) // 2 if low else len(means) // 2]
    assert min(map(min, samples)) - 1e-9 <= left <= right <= max(map(max, samples)) + 1e-9
    if all(len(values) == 1 for values in samples):
        assert value == left == right


def test_the_interval_of_a_median_covers():
    """Over 200 draws of five points with 30 seeds the interval holds the median of the true means about 95 %."""
    random = np.random.default_rng(2)
    true = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    hit = [
        low <= 1.0 <= high
        for _, low, high in (
            median_interval(list(true[:, None] + random.normal(0, 1, (5, 30))), low=True) for _ in range(200)
        )
    ]
    assert 0.9 <= np.mean(hit) <= 1.0
