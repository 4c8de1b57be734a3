"""R^2 by features: against plain least squares, causal, monotone where it must be."""

import numpy as np
import pytest

from mecpfm.errors import InputError
from mecpfm.online import predictability
from mecpfm.online.features import names, survey
from mecpfm.online.trace import Trace

ROWS = 600


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Work that one feature and the model explain, two features that say nothing."""
    random = np.random.default_rng(3)
    static = random.standard_normal((ROWS, 3))
    model = random.integers(0, 4, ROWS)
    work = 20 + 3 * static[:, 0] + 5 * model + random.standard_normal(ROWS)
    group = random.integers(0, 30, ROWS)
    return Trace(
        np.cumsum(random.exponential(10, ROWS)), np.maximum(work, 1), group, group, model,
        np.full(ROWS, 1e-3), static, ("good", "noise", "hour (sine)"), "made up",
    )  # fmt: skip


def test_r2_equals_least_squares(trace, monkeypatch):
    """With hardly any ridge, R^2 from moments is that of NumPy's least squares on the same split, for any subset."""
    monkeypatch.setattr(predictability, "RIDGE", 1e-9)
    raw, work = predictability.observations(trace)
    found, split = predictability.moments(trace), int(0.6 * ROWS)
    shift, scale = raw[:split].mean(axis=0), raw[:split].std(axis=0)
    clipped = np.clip((raw - shift) / scale, -4, 4)
    for subset in ([0], [4, 0], [1, 2, 7], list(range(len(found.names)))):
        known = np.column_stack([clipped[:, subset], np.ones(ROWS)])
        error = work - known @ np.linalg.lstsq(known[:split], work[:split], rcond=None)[0]
        expected = 1 - (error[split:] ** 2).sum() / ((work[split:] - work[split:].mean()) ** 2).sum()
        assert found.r2(subset) == pytest.approx(expected, abs=1e-6)


def test_sets_name_what_helps(trace):
    """Request and model history explain their part, noise nothing."""
    table = predictability.feature_sets(trace)
    sets = table.set_index("features")["r2"]
    assert list(table) == ["source", "features", "count", "r2"] and set(table["source"]) == {"made up"}
    assert sets["all"] > 0.85 > sets["model history"] > sets["request"] > 0.1 > sets["time of day"]


def test_curve_has_bands_and_ends_at_all_features(trace):
    """Greedy and random subsets meet at d = N; bands hold the mean; the same seed gives the same table."""
    total = len(names(trace))
    curve = predictability.subset_curve(trace, (1, 2, total), draws=50, seed=4)
    assert curve.equals(predictability.subset_curve(trace, (1, 2, total), draws=50, seed=4))
    both = curve.pivot(index="observed", columns="choice", values="r2")
    assert (both["greedy"] >= both["random"] - 1e-9).all() and both.loc[total].std() < 1e-9
    random = curve[curve["choice"] == "random"]
    assert (random["low"] <= random["r2"] + 1e-9).all() and (random["r2"] <= random["high"] + 1e-9).all()
    assert curve.loc[2, "subset"].split("; ")[1] == "good"
    for size in (0, total + 1):
        with pytest.raises(InputError, match=f"size is {size}"):
            predictability.subset_curve(trace, (size,))


def test_features_are_causal(trace):
    """Changing the work and the fields of later requests, or work not complete yet, changes no earlier feature."""
    work = np.clip(trace.work_s, 1, 300)
    before = survey(trace.time_s, work, trace, slice(0, ROWS))
    at = 300
    later = trace._replace(static=trace.static.copy(), group=trace.group.copy(), model=trace.model.copy())
    later.static[at + 1 :], later.group[at + 1 :], later.model[at + 1 :] = 9.0, 0, 0
    changed = work.copy()
    changed[at + 1 :] = 200.0
    under_way = (trace.time_s[:at] + work[:at] > trace.time_s[at]).nonzero()[0]
    assert len(under_way)
    changed[under_way] += 50.0
    after = survey(trace.time_s, changed, later, slice(0, ROWS))
    first = under_way[0] + 1
    assert np.array_equal(before[: first + 1], after[: first + 1])
    assert np.array_equal(before[at], after[at])
    assert not np.array_equal(before[at + 40], after[at + 40])


def test_too_few_requests_are_refused(trace):
    """Below ten requests nothing can be learnt."""
    short = Trace(*(part[:9] for part in trace[:7]), *trace[7:])
    with pytest.raises(InputError, match="made up: has 9 requests; at least 10"):
        predictability.feature_sets(short)
