"""The authors' recorded curves beside ours: blocks of rounds, and shares of MAB's penalty."""

import numpy as np
import pandas as pd
import pytest

from mecpfm.data import tables
from mecpfm.experiments import frames_recorded as frames
from mecpfm.experiments.studies import published as studies
from mecpfm.published.generate import Recipe

MARKS = [1, *range(10, 401, 10)]


def rounds_of(rates: dict[str, float]) -> pd.DataFrame:
    """Cumulative curves that grow by a rate a round, times the seed + 1; regret twice as fast; common rule: none."""
    cells = [(m, rule, s, t) for m in rates for rule in ("released", "common") for s in (0, 1, 2) for t in MARKS]
    frame = pd.DataFrame(cells, columns=["method", "rule", "seed", "round"])
    grown = frame["method"].map(rates) * (frame["seed"] + 1) * frame["round"] * (frame["rule"] == "released")
    return frame.assign(cumulative_penalty=grown, cumulative_regret=2 * grown)


RATES = {"ol": 1.0, "ol-released": 3.0, "mab": 4.0, "adms": 5.0, "random": 3.0}


def test_blocks_are_means_of_fifty_rounds():
    """Ours: the growth over a block divided by 50, with an interval over seeds; theirs as recorded, without one."""
    found = frames.blocks(tables.recorded_curves(), rounds_of(RATES)).set_index(["source", "metric", "method", "round"])
    for name, rate in RATES.items():
        for last in range(50, 401, 50):
            row = found.loc[("ours", "regret", name, last)]
            assert row["mean"] == pytest.approx(4 * rate) and row["ci_low"] < row["mean"] < row["ci_high"]
    theirs = found.loc[[("recorded, run 2", "penalty", "ol-released", last) for last in range(50, 401, 50)]]
    assert theirs["mean"].tolist() == [3.37, 2.41, 1.98, 2.14, 1.85, 1.92, 1.78, 1.61]
    assert theirs["ci_low"].isna().all()
    assert len(found) == 2 * 2 * 3 * 8 + 2 * 5 * 8


def test_shares_of_mab_are_paired():
    """The totals that were recorded, 30 and 25 % below MAB's; ours seed by seed, so that a common factor cancels."""
    found = frames.below_mab(tables.recorded_curves(), rounds_of(RATES))
    assert found.loc["ol-released", ["recorded, run 1", "recorded, run 2"]].round(2).tolist() == [0.30, 0.25]
    assert found.loc["adms", "recorded, run 1"] == pytest.approx(1 - 1209.7 / 899.6)
    assert found.loc["ol"].isna().sum() == 2
    np.testing.assert_allclose(found.loc["ol", ["ours", "ci_low", "ci_high"]].astype(float), 0.75)
    assert found.loc["mab", "ours"] == 0


def test_the_study_has_the_rounds_that_blocks_end_at():
    """Every 50th round is among the rounds that the study keeps."""
    recipe = Recipe(**studies.LONG | {"cloudlets": 5, "models": 3, "families": 1}, sites="uniform")
    kept = {row["round"] for row in studies.convergence(recipe, 0) if row["method"] == "ol-released"}
    assert set(range(50, 401, 50)) <= kept
