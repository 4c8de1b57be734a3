"""Intervals on a trace: seeds and workload told apart, both carried, and windows that do not overlap."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mecpfm.errors import InputError
from mecpfm.experiments import claims, evidence, workload
from mecpfm.experiments.config import STUDIES, profile
from mecpfm.experiments.stated import read
from mecpfm.experiments.statistics import student
from mecpfm.experiments.studies import online as studies
from mecpfm.experiments.workload import losses, reduction
from mecpfm.online.setting import BASE
from mecpfm.online.trace import load
from mecpfm.online.world import build, disjoint


def table(by_seed, by_block, noise=0.0, baseline=10.0, random=None) -> pd.DataFrame:
    """Losses that are 10 less what a seed and a block save; the baseline's are 10."""
    saved = np.add.outer(by_seed, by_block)
    saved = saved + (noise * random.standard_normal(saved.shape) if random else 0)
    rows = [
        {"seed": s, "block": b, "method": name, "loss_s": baseline - share * saved[s, b], "value": 0.0}
        for s in range(len(by_seed))
        for b in range(len(by_block))
        for name, share in (("ours", 1.0), ("theirs", 0.0))
    ]
    return pd.DataFrame(rows)


def test_the_table_is_seeds_by_blocks():
    """Rows in any order give the same table; the reduction is the mean over seeds of the share saved."""
    rows = table([1.0, 2.0], [0.5, 0.0, 1.0]).sample(frac=1, random_state=1)
    assert losses(rows, "ours").tolist() == [[8.5, 9.0, 8.0], [7.5, 8.0, 7.0]]
    assert reduction(rows, "ours", "theirs").value == pytest.approx(0.2)


def test_what_varies_is_told_apart():
    """Where only seeds differ blocks add no error, and the other way round; where both do, both count."""
    random = np.random.default_rng(3)
    draws = random.standard_normal(24), random.standard_normal(16)
    places = reduction(table(draws[0], np.zeros(16)), "ours", "theirs")
    work = reduction(table(np.zeros(24), draws[1]), "ours", "theirs")
    both = reduction(table(*draws), "ours", "theirs")
    plain = [np.std(draw, ddof=1) / math.sqrt(len(draw)) / 10 for draw in draws]
    assert (places.workload, work.places) == pytest.approx((0, 0), abs=1e-12)
    assert [places.places, work.workload] == pytest.approx(plain, rel=0.1)
    assert both.both == pytest.approx(math.hypot(*plain), rel=0.1)
    assert both.both > max(both.places, both.workload)


def test_one_seed_or_one_block_has_no_error():
    """Nothing is known of what was seen once."""
    assert math.isnan(reduction(table([1.0], [1.0, 2.0]), "ours", "theirs").places)
    assert math.isnan(reduction(table([1.0, 2.0], [1.0]), "ours", "theirs").both)


def test_intervals_cover_a_new_workload_and_new_places(monkeypatch: pytest.MonkeyPatch):
    """Of 300 drawn tables at least 93 % of the intervals hold the true reduction; over seeds alone far fewer do."""
    monkeypatch.setattr(workload, "REPLICATES", 100)  # errors of the errors are 7 %
    random, hit, alone = np.random.default_rng(5), 0, 0
    for _ in range(300):
        rows = table(3 + random.standard_normal(12), random.standard_normal(16), 0.5, random=random)
        found = reduction(rows, "ours", "theirs")
        hit += abs(found.value - 0.3) <= student(found.blocks - 1) * found.both
        alone += abs(found.value - 0.3) <= student(11) * found.places
    assert hit / 300 >= 0.93 > 0.88 > alone / 300


def test_claims_carry_the_workload(monkeypatch: pytest.MonkeyPatch):
    """A window is a point; its interval has the confidence that all windows together need."""
    random = np.random.default_rng(0)
    parts = [
        table(3 + i + random.standard_normal(8), random.standard_normal(16)).assign(value=float(i)) for i in (0, 1)
    ]
    one = next(claim for claim in read() if claim.test == "workload")
    one = one.model_copy(update={"method": "ours", "baseline": "theirs", "or_else": (), "threshold": 0.1})
    monkeypatch.setattr(evidence, "_outcome", lambda name, profile: pd.concat(parts))
    found = claims.judge(one, "quick")
    first = reduction(parts[0], "ours", "theirs")
    assert [at.point for at in found.evidence] == [f"{one.experiments[0]}: window {i}" for i in (0, 1)]
    assert found.evidence[0].high - first.value == pytest.approx(student(15, 1 - 0.05 / 2) * first.both)
    assert (found.value, found.high) == pytest.approx((first.value, first.value + student(15) * first.both))


@pytest.mark.parametrize("name", ["quick", "paper"])
def test_windows_of_the_study_are_disjoint(name):
    """Two windows after the tuning part, as long as fit; with 8,000 requests the trace would hold one."""
    points = STUDIES["online-trace-windows"].points(profile(name))
    spans = [(p.recipe.first, p.recipe.first + p.recipe.setting.requests) for p in points]
    assert spans == {"quick": [(11_000, 15_000), (15_000, 19_000)], "paper": [(11_000, 18_696), (18_696, 26_392)]}[name]
    assert len(disjoint(26_392, 8_000)) == 1


def test_a_given_window_changes_nothing_else():
    """The same seed draws the same places with and without a given first row, and the window starts there."""
    setting, trace = replace(BASE, requests=200), load(False)
    drawn = build(setting, trace, 3, real_sites=False)
    placed = build(setting, trace, 3, real_sites=False, first=12_345)
    assert placed.first == 12_345 != drawn.first
    assert np.array_equal(placed.world.net_s, drawn.world.net_s)
    assert np.array_equal(placed.world.speed, drawn.world.speed)
    assert np.array_equal(placed.world.static, trace.static[12_345:12_545])
    again = build(setting, trace, 3, real_sites=False, first=drawn.first)
    assert np.array_equal(again.world.arrival, drawn.world.arrival)
    with pytest.raises(InputError, match=r"first is 10999; must be in \[11000, 26192\]"):
        build(setting, trace, 3, real_sites=False, first=10_999)


def test_blocks_of_the_study_are_its_losses(monkeypatch: pytest.MonkeyPatch):
    """The mean over a method's blocks is the run's mean loss; seeds share the workload."""
    monkeypatch.setattr(studies, "WINDOWED", ("ucb1", "priced-mean"))
    recipe = studies.OnTrace("base", replace(BASE, requests=160), real=False, first=12_000)
    rows = pd.DataFrame(studies.windows(recipe, 1))
    assert rows.groupby("method")["block"].nunique().tolist() == [16, 16]
    whole = studies.simulate(studies.scene(recipe, 1), studies.POLICIES["priced-mean"], 1)
    assert rows[rows["method"] == "priced-mean"]["loss_s"].mean() == pytest.approx(whole.metrics()["loss_s"])
    works = [studies.scene(recipe, seed).world.work for seed in (0, 1)]
    assert np.array_equal(*works)
