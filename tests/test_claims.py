"""Verdicts: what a point, its interval and all points of a claim say, and what more seeds may still change."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm.errors import InputError
from mecpfm.experiments import claims, evidence, report, stated
from mecpfm.experiments.config import Experiment, Point
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
        ([0.6, 0.38], "undecided", (1, 0)),
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
    distinct = len(means)
    assert found.verdict == word
    assert found.points == distinct == found.holding + found.open + found.against
    assert (found.holding, found.against) == counts
    assert (found.worst, found.best) == pytest.approx((min(means), max(means)))


@pytest.mark.parametrize(
    ("means", "word", "worst"),
    [
        ([0.0, -0.03], "reproduced", -0.03),
        ([0.03, 0.045], "undecided", 0.045),
        ([0.03, -0.3], "partly", -0.3),
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
    assert report.rows([found])[0][3] == "\N{PLUS-MINUS SIGN} 0.05"


@pytest.mark.parametrize(
    ("means", "word"),
    [
        ([0.6, 0.5], "holds"),
        ([0.6, 0.38], "undecided"),
        ([0.38, 0.39], "undecided"),
        ([0.6, 0.3], "does not hold"),
        ([0.3, 0.38], "does not hold"),
        ([0.3, 0.2], "does not hold"),
    ],
)
def test_what_nobody_published_holds_or_does_not(means: list[float], word: str, monkeypatch: pytest.MonkeyPatch):
    """There is nothing to reproduce, and one point against a claim is enough; the table says whose claim it is."""
    one = claim("delay-vs-nonshare").model_copy(update={"beyond": True, "status": word, "after_pilot": True})
    found = judged(one, means, monkeypatch)
    assert (found.verdict, found.agrees) == (word, True)
    assert report.rows([found])[0][-2:] == (word, f"{word}, beyond the paper")
    assert report.rows([found])[0][3] == ">= 0.38 *"


def test_counts_stand_with_every_verdict(monkeypatch: pytest.MonkeyPatch):
    """Points that hold, are open and are against it: together, and where each is judged by its own interval."""
    found = judged(claim("delay-vs-nonshare"), [0.7, 0.6, 0.41, 0.3], monkeypatch)
    assert report.rows([found])[0][1:3] == ("2 hold, 1 open, 1 against", "3 hold, 0 open, 1 against")
    row = report.table([found]).iloc[0]
    assert row[["holding", "open", "against", "holding_alone", "against_alone"]].tolist() == [2, 1, 1, 3, 1]
    assert report.points([found])["says"].tolist() == ["holds", "holds", "open", "against"]


def test_notes_stand_beside_their_points(monkeypatch: pytest.MonkeyPatch):
    """A note on a point of claims.toml goes to that point; notes name points that there are."""
    one = claim("delay-vs-nonshare").model_copy(update={"notes": {"at 1": "no plan needed"}})
    assert report.points([judged(one, [0.7, 0.6], monkeypatch)])["note"].tolist() == ["", "no plan needed"]
    committed = pd.read_csv(ROOT / "docs" / "claims_points.csv")
    for noted in stated.read():
        assert set(noted.notes) <= set(committed.loc[committed["id"] == noted.id, "point"]), noted.id


def test_what_more_seeds_may_change_is_undecided(monkeypatch: pytest.MonkeyPatch):
    """Another word than the stated one is undecided as long as no point settles it, and a disagreement otherwise."""
    one = claim("delay-vs-nonshare")  # stated: reproduced
    wide = judged(one, [0.6, 0.39], monkeypatch)
    assert (wide.verdict, report.said(wide)) == ("undecided", "undecided: too few seeds")
    settled = judged(one, [0.6, 0.3], monkeypatch)
    assert report.said(settled) == "partly"
    assert report.disagreements([settled], "paper") == [one.id]
    assert report.disagreements([settled], "quick") == []
    denied = judged(one, [0.3], monkeypatch)
    assert report.disagreements([denied], "quick") == [one.id]
    ours = one.model_copy(update={"beyond": True, "status": "holds"})
    assert report.disagreements([judged(ours, [0.3], monkeypatch)], "quick") == [one.id]
    contradicted = one.model_copy(update={"status": "contradicted"})
    assert judged(contradicted, [0.3, 0.38], monkeypatch).unsettled
    assert not judged(contradicted, [0.3, 0.6], monkeypatch).unsettled


@pytest.mark.parametrize(("name", "gates"), [("delay-vs-nonshare", True), ("one-multiplier-speed", False)])
def test_running_times_are_reported_but_do_not_gate(name: str, gates: bool, monkeypatch: pytest.MonkeyPatch):
    """A denied claim about results is a disagreement; one about running times is told apart from it."""
    denied = judged(claim(name).model_copy(update={"beyond": True, "status": "holds"}), [0.0], monkeypatch)
    assert report.disagreements([denied], "paper") == ([name] if gates else [])
    assert report.disagreements([denied], "paper", timed=True) == ([] if gates else [name])


def test_copies_count_once_and_share_the_error(monkeypatch: pytest.MonkeyPatch):
    """Points of the same plans are one, and only those; intervals are as wide as all together need (Bonferroni)."""
    one = claim("delay-vs-nonshare").model_copy(update={"experiments": ("a",)})
    table(monkeypatch, [(5, 4, 3), (5, 4, 3), (10, 8, 6)], [(10, 10, 10), (10, 10, 10), (20, 20, 20)])
    found = claims.judge(one, "quick")
    assert [at.point for at in found.evidence] == ["a: 0", "a: 2"]
    assert found.evidence[0].value == found.evidence[1].value == pytest.approx(0.6)
    assert found.evidence[0][1:3] == interval((0.5, 0.6, 0.7), 1 - 0.05 / 2)[1:]


def test_a_point_is_not_dropped_in_silence(monkeypatch: pytest.MonkeyPatch):
    """A baseline of zero at one seed is named; only a point at which no seed has both is left out, and counted."""
    one = claim("delay-vs-nonshare").model_copy(update={"experiments": ("a",)})
    table(monkeypatch, [(5, 4), (5, 4)], [(10, np.nan), (np.nan, np.nan)])
    samples, without_plan = evidence.collect(one, "quick")
    assert [(s.point, s.by_seed()) for s in samples] == [("a: 0", {0: 0.5})]
    assert without_plan == 1
    found = claims.judge(one, "quick")
    assert (found.points, found.without_plan) == (1, 1)
    assert report.rows([found])[0][1].endswith(" against, 1 without a plan")
    assert report.table([found])["without_plan"].tolist() == [1]
    table(monkeypatch, [(5, 4), (5, 4)], [(10, 10), (10, 0)])
    with pytest.raises(ValueError, match="a: 1: total_delay_s of nonshare is 0 at a seed"):
        evidence.collect(one, "quick")
    table(monkeypatch, [(5, 4)], [(np.nan, np.nan)])
    with pytest.raises(ValueError, match="no point"):
        claims.judge(one, "quick")


def test_the_baseline_takes_its_best_setting_at_every_point(monkeypatch: pytest.MonkeyPatch):
    """The setting against which least is saved, or gained, on average over seeds, point by point."""
    one = claim("delay-vs-nonshare").model_copy(update={"experiments": ("a",), "or_else": ("sc",)})
    rows = [
        {"experiment": "a", "value": float(at), "seed": seed, "method": method, "total_delay_s": delay}
        for method, points in (("appro", [4, 4]), ("nonshare", [8, 20]), ("sc", [16, 10]))
        for at, mean in enumerate(points)
        for seed, delay in enumerate((mean - 1.0, mean + 1.0))
    ]
    monkeypatch.setattr(evidence, "_outcome", lambda name, profile: pd.DataFrame(rows))

    def last(of: stated.Claim) -> list[float]:
        return [sample.values[1] for sample in evidence.collect(of, "quick").samples]

    assert last(one) == pytest.approx([1 - 5 / 9, 1 - 5 / 11])
    assert last(one.model_copy(update={"test": "gain"})) == pytest.approx([5 / 17 - 1, 5 / 21 - 1])


def table(monkeypatch: pytest.MonkeyPatch, ours: list[tuple[float, ...]], theirs: list[tuple[float, ...]]):
    """Results of one sweep: a tuple a point, a number a seed."""
    rows = [
        {"experiment": "a", "value": float(at), "seed": seed, "method": method, "total_delay_s": delay}
        for method, points in (("appro", ours), ("nonshare", theirs))
        for at, delays in enumerate(points)
        for seed, delay in enumerate(delays)
    ]
    monkeypatch.setattr(evidence, "_outcome", lambda name, profile: pd.DataFrame(rows))


def test_speed_is_a_geometric_mean(monkeypatch: pytest.MonkeyPatch):
    """Ten times and a thousand times as fast are a hundred times, and the interval is that of the logarithms."""
    rows = [(1.0, s, m, t) for s, of in enumerate([10.0, 100.0, 1000.0]) for m, t in (("lp-dual", 1.0), ("old", of))]
    frame = pd.DataFrame(rows, columns=["value", "seed", "method", "runtime_s"])
    monkeypatch.setattr(evidence, "timings", lambda name, profile: frame)
    one = claim("one-multiplier-speed").model_copy(update={"baseline": "old"})
    found = claims.judge(one, "quick")
    assert found.value == pytest.approx(100)
    assert found.evidence[0][:3] == pytest.approx(10 ** np.array(interval([1, 2, 3])), rel=1e-9)
    assert (found.low, found.high) == pytest.approx((10, 1000))


def test_simultaneous_intervals_hold_together():
    """Of 2,000 claims of ten points without any effect about 5 % have an interval beside the truth, or fewer."""
    random = np.random.default_rng(1)
    wrong = 0
    for sample in random.normal(0, 1, (2000, 10, 8)):
        ends = [interval(values, 1 - 0.05 / 10)[1:] for values in sample]
        wrong += any(not low <= 0 <= high for low, high in ends)
    assert 0.03 < wrong / 2000 < 0.065


def test_a_repeated_row_of_another_sweep_counts_once(monkeypatch: pytest.MonkeyPatch):
    """The default point of two sweeps is one instance; other seeds, and other rows of the same value, are not.

    An instance without a row, or that is said to be infeasible, is counted as left out.
    """
    rows = pd.DataFrame({"seed": [0, 1], "value": [5.0, 5.0], "method": "appro", "ratio": [1.0, 1.0], "objective": 2.0})
    sweeps = {"a": rows.assign(experiment="a"), "b": rows.assign(experiment="b", value=9.0)}
    monkeypatch.setattr(evidence, "_outcome", lambda name, profile: sweeps[name])
    one = claim("ratio").model_copy(update={"experiments": ("a", "b")})
    at = {name: Experiment(name, (Point(value, None),), seeds) for name, value, seeds in (("a", 5.0, 2), ("b", 9.0, 3))}
    monkeypatch.setattr(evidence, "experiments", lambda profile: at)
    samples, without_plan = evidence.collect(one, "quick")
    assert [sample.values for sample in samples] == [(1.0,), (1.0,)]
    assert without_plan == 1
    sweeps["a"] = sweeps["a"].assign(status=["infeasible", "feasible"], ratio=[np.nan, 1.0])
    sweeps["b"] = sweeps["b"].assign(status="feasible")
    assert evidence.collect(one, "quick").without_plan == 2


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
    assert found.verdict == "holds"


@given(st.lists(st.lists(st.floats(-10, 10), min_size=1, max_size=6), min_size=1, max_size=6), st.booleans())
def test_the_median_lies_in_its_interval(samples: list[list[float]], low: bool):
    """The value is one point's mean, and the bootstrap interval lies within the values; one value a point is exact."""
    value, left, right = median_interval([dict(enumerate(values)) for values in samples], low=low)
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
            median_interval([dict(enumerate(row)) for row in true[:, None] + random.normal(0, 1, (5, 30))], low=True)
            for _ in range(200)
        )
    ]
    assert 0.9 <= np.mean(hit) <= 1.0


def test_the_interval_of_a_median_covers_where_points_share_their_seeds():
    """Five points moved by the same draws: drawn anew point by point, the interval would be half as wide."""
    random = np.random.default_rng(3)
    samples = [random.normal(0, 1, 30) for _ in range(200)]
    found = [median_interval([dict(enumerate(row + i / 100)) for i in range(5)], low=True) for row in samples]
    assert 0.9 <= np.mean([low <= 0.02 <= high for _, low, high in found]) <= 1.0


def test_a_median_takes_the_seeds_that_a_point_has():
    """Seeds are matched by number, whatever their order, and a point without some takes those it has."""
    values = {seed: float(seed**2) for seed in range(9)}
    some = {seed: values[seed] for seed in (8, 3, 5)}
    assert median_interval([values, dict(reversed(values.items()))], low=True) == median_interval([values], low=True)
    _, low, high = median_interval([some, values, some], low=True)
    assert 9 <= low <= high <= 64
