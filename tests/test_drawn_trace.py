"""Drawn requests have the committed figures, are as predictable as the real ones, and are a model, not a copy."""

import functools

import numpy as np
import pandas as pd
import pytest
import trace_structure
import trace_summary
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.data import tables, traces
from mecpfm.data.drawn_trace import drawn_azure, drawn_gentd26
from mecpfm.data.marginals import inverse, ranked
from mecpfm.errors import InputError
from mecpfm.online import predictability
from mecpfm.online.trace import REQUESTS, SEED, from_azure, from_gentd26, load

COLUMNS = "time_s type exec_s group prompt_length negative_prompt_length images steps model loras".split()
SEEDS = (SEED, 0, 11)
drawn = functools.lru_cache(drawn_gentd26)
TOLERANCE = {
    "gini": 0.02,
    "class_share": 0.03,
    "model_share": 0.06,
    "gap_autocorrelation": 0.08,
    "repeat": 0.04,
    "no_negative": 0.04,
    "variance_share": 0.12,
    "share": 0.04,
    "home_return": 0.06,
    "away_repeat": 0.06,
    "home_first": 0.1,
    "habit_keep": 0.06,
    "slope": 0.1,
}
"""Largest difference between a figure of the drawn trace and the committed one; a handful of big groups weighs much."""


@pytest.mark.parametrize("seed", SEEDS)
def test_marginals_are_the_committed_ones(seed):
    """Quantiles up to 99 % and means of what is drawn by rank agree closely; what groups keep, within 20 %."""
    found = trace_summary.summarise("gentd26", drawn(REQUESTS, seed)).set_index("quantity")
    stated = tables.trace_summary().query("trace == 'gentd26'").set_index("quantity")
    for name in stated.index:
        rel = 0.02 if name in ("gap_s", "exec_s") else 0.2  # a big group keeps its fields for hundreds of requests
        assert found.loc[name, "mean"] == pytest.approx(stated.loc[name, "mean"], rel=rel), name
        assert found.loc[name, "std"] == pytest.approx(stated.loc[name, "std"], rel=0.3), name
    for level in ("q25", "q50", "q75", "q95", "q99"):
        for name in ("gap_s", "exec_s", "prompt_length", "images", "loras"):
            assert found.loc[name, level] == pytest.approx(stated.loc[name, level], rel=0.08, abs=1), (name, level)


@pytest.mark.parametrize("seed", SEEDS)
def test_structure_is_the_committed_one(seed):
    """Groups, models, persistence and what explains service times agree with the committed table."""
    found = trace_structure.structure(drawn(REQUESTS, seed)).set_index(["quantity", "item"])["value"]
    stated = tables.trace_structure().query("trace == 'gentd26'").set_index(["quantity", "item"])["value"]
    assert found["groups"].item() == stated["groups"].item() and found["models"].item() == stated["models"].item()
    for name, tolerance in TOLERANCE.items():
        real = stated[name]
        ours = found[name].reindex(real.index).fillna(0)
        if name == "model_share":  # a rank is a place, not a model: compare in order
            real, ours = real.sort_values(), ours.sort_values()
        assert np.abs(ours.to_numpy() - real.to_numpy()).max() <= tolerance, (name, ours, real)
    sizes = ["0.25", "0.5", "0.75", "0.9", "0.95", "0.99"]
    assert found["group_size"][sizes].to_numpy() == pytest.approx(stated["group_size"][sizes].to_numpy(), rel=0.1)
    distance = ["0.5", "0.75", "0.9", "0.95"]
    away = found["return_distance"][distance].to_numpy()
    assert away == pytest.approx(stated["return_distance"][distance].to_numpy(), rel=0.3, abs=1)


def test_predictability_is_like_the_real_one():
    """The loaded drawn trace is about as predictable as the real one: 0.733 from all features, 0.713 from two of 22."""
    trace = from_gentd26(drawn(REQUESTS, SEED), "drawn")
    found = predictability.moments(trace)
    sets = predictability.feature_sets(trace, found).set_index("features")["r2"]
    assert sets["all"] == pytest.approx(0.733, abs=0.05) and sets["request"] == pytest.approx(0.424, abs=0.05)
    assert sets["group history"] == pytest.approx(0.662, abs=0.1) and sets["load"] < 0.1 and sets["time of day"] < 0.01
    curve = predictability.subset_curve(trace, (1, 2, 4), 100, found=found).set_index(["choice", "observed"])["r2"]
    assert curve["greedy", 1] > 0.8 * sets["all"] and curve["greedy", 2] > 0.9 * sets["all"]
    assert curve["random", 2] == pytest.approx(0.331, abs=0.08) and curve["random", 4] < 0.75 * sets["all"]


@settings(max_examples=8)
@given(requests=st.integers(1, 400), seed=st.integers(0, 2**32 - 1))
def test_any_number_of_requests(requests, seed):
    """Any size and seed give whole, plausible columns in order; the same seed the same ones."""
    frame = drawn_gentd26(requests, seed)
    assert list(frame) == COLUMNS and len(frame) == requests and not frame.isna().any(axis=None)
    assert frame["time_s"].iloc[0] == 0 and (frame["time_s"].diff().dropna() >= 0).all()
    assert (frame["exec_s"] >= 3).all() and (frame["images"] >= 1).all() and (frame["steps"] >= 1).all()
    pd.testing.assert_frame_equal(frame, drawn_gentd26(requests, seed))


def test_seeds_differ_and_zero_requests_are_refused():
    """Another seed draws other requests; none at all is an InputError."""
    assert not drawn(REQUESTS, SEEDS[0]).equals(drawn(REQUESTS, SEEDS[1]))
    for draw in (drawn_gentd26, functools.partial(drawn_azure, "conv")):
        with pytest.raises(InputError, match="requests is 0; must be >= 1"):
            draw(0, 1)


def test_columns_are_those_of_the_parser(tmp_path):
    """Drawn and parsed frames have the same columns and kinds."""
    path = tmp_path / "trace.csv"
    path.write_text(
        ",".join(traces.GENTD26) + "\n2024-11-15 16:57:50,TXT_2_IMG,SUCCEED,32.0,G,63.0,26.0,1.0,30.0,M,0\n"
    )
    assert traces.read_gentd26(path).dtypes.astype(str).to_dict() == drawn_gentd26(5, 0).dtypes.astype(str).to_dict()


def test_inverse_transform_keeps_quantiles_and_mean():
    """At the committed levels the inverse transform gives the committed quantiles, and it has the committed mean."""
    grid = (np.arange(20_000) + 0.5) / 20_000
    for row in tables.trace_summary().to_dict("records"):
        levels = np.array(list(traces.QUANTILES.values()))
        values = inverse(row["quantity"], levels, row["trace"])
        assert values == pytest.approx(
            [row[name] for name in traces.QUANTILES], rel=2**-22, abs=1e-9
        )  # single precision
    assert inverse("gap_s", grid).mean() == pytest.approx(75.3801, rel=1e-3)
    assert ranked(np.array([3.0, 1.0, 2.0])).tolist() == [5 / 6, 1 / 6, 0.5]


def test_drawn_azure_has_the_committed_quantiles():
    """Tokens and gaps have the committed quantiles, and generated tokens follow the bin of context tokens."""
    frame = drawn_azure("conv", 19_366, 0)
    found = trace_summary.summarise("azure-conv", frame).set_index("quantity")
    stated = tables.trace_summary().query("trace == 'azure-conv'").set_index("quantity")
    for level in ("q25", "q50", "q75", "q95"):
        for name in stated.index:
            assert found.loc[name, level] == pytest.approx(stated.loc[name, level], rel=0.1), (name, level)
    trace = from_azure(frame)
    sets = predictability.feature_sets(trace).set_index("features")["r2"]
    assert sets["group history"] == pytest.approx(0.57, abs=0.05)


def test_load_says_where_requests_come_from(monkeypatch):
    """Without real data, or when it is not wanted, the drawn traces stand in and say so."""
    monkeypatch.setattr("mecpfm.online.trace.drawn_gentd26", drawn)
    trace = load(real=False)
    assert trace.source.startswith("drawn") and len(trace.time_s) == REQUESTS
    assert (np.diff(trace.time_s) >= 0).all() and (trace.work_s > 0).all()
    both = load(False, "azure")
    assert both.source.startswith("drawn") and len(both.time_s) == 28_185 and (np.diff(both.time_s) >= 0).all()
    assert both.group.max() == 39 and len(np.unique(both.origin)) == 28_185
