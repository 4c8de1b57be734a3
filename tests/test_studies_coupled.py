"""What notebook 07 measures, on instances small enough to check, and the figures drawn from it."""

import numpy as np
import pandas as pd
import pytest
from strategies import residual

from mecpfm import figures
from mecpfm.coupled.formulation import linear_model
from mecpfm.coupled.generate import REGIMES, Recipe, generate
from mecpfm.coupled.methods import solve
from mecpfm.errors import InputError
from mecpfm.experiments.config import experiments
from mecpfm.experiments.maps import coupled_map
from mecpfm.experiments.roundings import guarantees, openings, registered, separation
from mecpfm.experiments.studies import coupled
from mecpfm.solvers import highs

SMALL = Recipe(cloudlets=5, requests=25, models=8, regime="memory-bound", topology="sndlib/nobel-germany")


def test_every_method_is_held_against_one_bound():
    """Rows of one instance share the bound, no feasible plan is below it, and a second run gives the same numbers."""
    rows = pd.DataFrame(coupled.regimes(SMALL, 1))
    assert list(rows["method"]) == list(coupled.COMPARED)
    assert rows["bound"].nunique() == 1
    assert (rows["violations"] == 0).all()
    assert (rows["objective"] >= rows["bound"] * (1 - 1e-9)).all()
    again = pd.DataFrame(coupled.regimes(SMALL, 1))
    pd.testing.assert_frame_equal(rows.drop(columns="runtime_s"), again.drop(columns="runtime_s"))


def test_the_bound_is_compared_with_the_linear_program(monkeypatch: pytest.MonkeyPatch):
    """Up to the size limit the LP with the cut is solved, and the dual bound reaches it."""
    rows = {row["method"]: row for row in coupled.size(SMALL, 1)}
    assert set(rows) == {"polish", "lp-cut", "dual"}
    assert rows["lp-cut"]["lp_ratio"] > 0.995
    monkeypatch.setattr(coupled, "LP_OPTIONS", len(generate(SMALL, 1).options.request) - 1)
    assert [row["method"] for row in coupled.size(SMALL, 1)] == ["polish"]


def test_the_race_is_fair_and_monotone():
    """Two methods, equal moments; costs only fall and bounds only rise, no cost is below any bound."""
    rows = pd.DataFrame(coupled.anytime(SMALL, 1))
    assert list(rows.groupby("method")["share"].apply(tuple)) == [coupled.SHARES] * 2
    for _, of in rows.groupby("method"):
        assert of["objective"].is_monotonic_decreasing
        assert of["bound"].is_monotonic_increasing
    assert rows["objective"].min() >= rows["bound"].max() * (1 - 1e-9)
    assert (rows["over_bound"] > -1e-9).all()
    shown = pd.DataFrame([{**row, "metric": "over_bound", "mean": 0.1, "ci_low": -0.1, "ci_high": 0.2} for row in
                          rows.to_dict("records")])  # fmt: skip
    assert len(figures.draw("race", shown).data) == 4


def test_highs_notes_what_it_finds_on_the_way():
    """The last moment has the optimum that a plain solve has; nothing is noted before the start."""
    model = linear_model(generate(SMALL, 1), cut=True)
    moments, found = highs.anytime(model, 60.0), highs.solve(model)
    assert moments[-1].x is not None
    assert model.cost @ moments[-1].x == pytest.approx(found.objective)
    assert moments[-1].bound == pytest.approx(found.bound)
    assert all(moment.seconds >= 0 for moment in moments)
    assert all(residual(model, moment.x) < 1e-5 for moment in moments if moment.x is not None)


def test_openings_follow_the_theorems():
    """Independent draws open a shared block with probability 1 - (1 - 1/n)^n, the others with its LP value 1/n."""
    draws, n = 4_000, 8
    found = {row["method"]: row["factor"] for row in openings(n, draws, seed=1)}
    for method, chance in (("independent", 1 - (1 - 1 / n) ** n), ("coupled", 1 / n), ("nested", 1 / n)):
        error = 4 * n * np.sqrt(chance * (1 - chance) / draws)
        assert found[f"rounding-{method}"] == pytest.approx(n * chance, abs=error), method


def test_separation_follows_theorem_6():
    """A backbone with private models: tree rounding opens it 1.5 times too often at most, the others 8 and 7 times."""
    found = {row["method"]: row["factor"] for row in separation(10, draws=2_000, seed=1)}
    assert found["rounding-tree"] == pytest.approx(1.54, abs=0.6)
    assert found["rounding-independent"] == pytest.approx((1 - 0.95**10) / 0.05, abs=1.1)
    assert found["rounding-coupled"] == pytest.approx(0.5 / (0.5 + 0.95) / 0.05, abs=1.1)


def test_guarantees_have_a_row_a_method_and_hold_for_none_below_its_bound():
    """Every registered rounding and opening is there; no plan and no guarantee is below the certified bound.

    Nested rounding alone has none; that of configurations is of the plan itself, which costs no more.
    """
    found = guarantees(generate(SMALL, 1), seed=0)
    assert {"rounding-independent", "rounding-tree", "opening-tree"} <= set(found.index) == set(registered())
    known = found.drop(index="rounding-nested")
    assert known.notna().all(axis=None) and (known.min() >= 1 - 1e-9).all()
    plan, promised = found.loc["rounding-configurations"]
    assert plan <= promised * (1 + 1e-9)


def test_every_coupled_study_has_seeds_and_all_regimes():
    """Both profiles measure on five seeds or more, and the regimes are the generator's."""
    for profile in ("quick", "paper"):
        studies = [one for name, one in experiments(profile).items() if name.startswith("coupled")]
        assert all(one.seeds >= 5 for one in studies)
        regimes = next(one for one in studies if one.name == "coupled-regimes")
        assert [point.recipe.regime for point in regimes.points] == list(REGIMES)


def test_the_map_shows_every_request_once():
    """Served and remote counts add up to the requests, and backbones stand where requests are served from."""
    instance = generate(SMALL, 1)
    frame = coupled_map(instance, solve(instance, "trimcaching"))
    assert frame.loc[frame["kind"].isin(["serves", "remote"]), "count"].sum() == SMALL.requests
    held = set(zip(*(frame.loc[frame["kind"] == "holds", name] for name in ("lon", "lat", "family")), strict=True))
    used = frame[frame["kind"] == "serves"]
    assert set(zip(used["lon_to"], used["lat_to"], used["family"], strict=True)) == held
    assert len(figures.draw("coupled_map", frame).data) > 2
    bare = instance.model_copy(update={"models": instance.models.model_copy(update={"family": None})})
    with pytest.raises(InputError, match="families"):
        coupled_map(bare, solve(instance, "remote"))
