"""Restricted context where the answer is known: limits, enumerated subsets, drift, public tables."""

import importlib.util

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm import figures
from mecpfm.bandits import problems
from mecpfm.bandits.linear import LinTS
from mecpfm.bandits.problems import ProblemRecipe
from mecpfm.bandits.restricted import ADMS, TSRC, WTSRC, RandomEI, RandomFix
from mecpfm.errors import InputError
from mecpfm.experiments import config, frames_tsrc, runner
from mecpfm.experiments.statistics import interval
from mecpfm.experiments.studies import tsrc

compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="minutes in plain Python")


def rows(measure, recipe, seeds):
    """Rows of several seeds, as the runner stores them."""
    found = [row | {"seed": seed} for seed in seeds for row in measure(recipe, seed)]
    return pd.DataFrame(found).assign(value=float(recipe.observed))


def test_nothing_visible_is_a_context_of_zeros():
    """d = 0 plays what LinTS plays on all-zero contexts, arm 0, decision for decision, for every restricted policy."""
    contexts, rewards = np.random.default_rng(0).standard_normal((50, 4)), np.random.default_rng(1).random(50)
    for make in (TSRC, WTSRC, RandomEI, RandomFix):
        policy, full = make(3, 4, 0, seed=2), LinTS(3, 4, seed=2)
        for context, reward in zip(contexts, rewards, strict=True):
            arm = policy.select(context)
            assert arm == full.select(np.zeros(4)) == 0
            policy.update(arm, context, reward)
            full.update(arm, np.zeros(4), reward)
        assert not policy.counts.any()
        assert not policy.seen.any()
    explorer = ADMS(3, 4, 0, seed=1)
    assert {explorer.select(context) for context in contexts} == {0, 1, 2}


@given(st.integers(0, 2**32), st.integers(0, 3), st.sampled_from(list(problems.WEIGHTS)))
@settings(max_examples=20)
def test_worth_is_what_the_best_linear_rule_gets(seed, observed, name):
    """Worth equals a normal-equations twin, no subset beats all features by more than chance, and the best is named."""
    problem = problems.drawn(name, 6, seed, rows=2000)
    worths = problems.enumerate_worth(problem, observed)
    assert len(worths) == len({tuple(sorted(subset)) for subset in worths}) == [1, 6, 15, 20][observed]
    for subset, value in list(worths.items())[:5]:
        if subset:
            seen = problem.contexts[:, subset]
            rule = np.linalg.solve(seen.T @ seen, seen.T @ np.where(problem.labels, 1.0, -1.0))
            assert value == pytest.approx(np.mean((seen @ rule > 0) == (problem.labels == 1)), abs=2 / 2000)
    deciding = {"one": 1, "equal": 2, "weak": 2, "copy": 2}[name]
    if observed >= deciding:
        assert set(range(deciding)) <= set(max(worths, key=worths.get))
        assert max(worths.values()) > 0.97


def test_worth_of_normal_features_is_the_arcsine_of_their_correlation():
    """A linear rule with correlation r to the deciding sum guesses its sign with probability 1/2 + arcsin(r) / pi."""
    problem = problems.drawn("weak", 4, 0, rows=40_000)
    for subset, r in (((0,), 1 / np.sqrt(1.25)), ((1,), 0.5 / np.sqrt(1.25)), ((0, 1), 1.0)):
        expected = 0.5 + np.arcsin(r) / np.pi
        assert problems.worth(problem, subset) == pytest.approx(expected, abs=0.01)


@compiled
def test_one_relevant_feature_is_found_by_all_and_a_weak_one_not_by_tsrc():
    """One relevant feature: TSRC ends on it. Strong and weak, d = 2: some runs of TSRC lock in noise, none of WTSRC."""
    easy = frames_tsrc.subsets(rows(tsrc.subsets, ProblemRecipe("one", 3000, 2, 8), range(6)))
    assert easy.set_index("method").loc["ol", "hit"] == 1
    hard = rows(tsrc.subsets, ProblemRecipe("weak", 3000, 2, 8), range(12))
    hits = frames_tsrc.subsets(hard).set_index("method")
    assert hits.loc["random-fix", "hit"] < hits.loc["ol", "hit"] < 1 == hits.loc["wtsrc", "hit"]
    locked = hard[(hard["method"] == "ol") & (hard["found"] < hard["best"] - 0.01)]
    assert locked["subset"].str.startswith("0 ").all(), "what is locked in stands beside the strong feature"
    assert locked["share"].mean() > 0.8


@compiled
def test_a_window_recovers_from_drift_and_costs_little_without():
    """Paired over 10 seeds: WTSRC beats TSRC after the change, interval above 0, and loses less than 0.03 without."""
    found = {}
    for name in ("drift", "steady"):
        differences = []
        for seed in range(10):
            problem = problems.drifting(10, seed, 4000, drift=name == "drift")
            policies = TSRC(2, 10, 2, seed=seed), WTSRC(2, 10, 2, window=frames_tsrc.CLAIMED_WINDOW, seed=seed)
            plain, windowed = (tsrc.watch(policy, problem)[0][2000:].mean() for policy in policies)
            differences.append(windowed - plain)
        found[name] = interval(np.array(differences))
    assert found["drift"][1] > 0.02
    assert found["steady"][0] < 0, "a window is not free"
    assert found["steady"][1] > -0.03


def test_drift_is_recorded_by_block_and_by_half():
    """Halves average to the whole, blocks to the halves; the figure's frame holds every block."""
    frame = rows(tsrc.drift, ProblemRecipe("drift", 40, 2, 4), range(2))
    table = frame.pivot_table(index=["problem", "method", "seed"], columns="part", values="reward")
    np.testing.assert_allclose(table["all"], (table["first"] + table["second"]) / 2)
    late = table[[f"block-{i}" for i in range(11, 21)]].mean(axis=1)
    np.testing.assert_allclose(late, table["second"])
    assert set(frame["method"]) >= {f"wtsrc-{window}" for window in tsrc.WINDOWS}
    blocks = frames_tsrc.drift(frame, rounds=40)
    assert len(blocks) == 2 * 4 * tsrc.BLOCKS
    assert blocks["round"].max() == 40


@compiled
@pytest.mark.parametrize(("name", "observed"), [("wine", 3), ("breast_cancer", 3), ("iris", 2)])
def test_order_on_public_tables(name, observed):
    """TSRC between a fresh random subset and all features (2 of iris's 4 nearly are), 4 seeds, 1,000 draws."""
    pytest.importorskip("sklearn")
    size, _ = tsrc.TABLE_SIZES[name]
    parts = [rows(tsrc.practice, ProblemRecipe(name, 1000, d), range(4)) for d in (0, observed, size)]
    frame = frames_tsrc.practice(pd.concat(parts).assign(table=name))
    value = frame[frame["panel"] == "centred"].groupby("method")["mean"].max()
    assert value["lints"] + 0.02 > value["ol"] > value["random-ei"] > value["epsilon-greedy"]
    assert figures.draw("practice", frame).layout.xaxis.type == "log"
    assert int(frame["features"].max()) == size


def test_tables_are_prepared_as_said():
    """Pixels lie in [0, 1], other features have deviation 1; centred ones have mean 0."""
    pytest.importorskip("sklearn")
    for name in problems.TABLES:
        raw, centred = problems.table(name, centred=False), problems.table(name)
        assert raw.contexts.shape[1] == tsrc.TABLE_SIZES[name][0]
        np.testing.assert_allclose(centred.contexts.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(raw.contexts - raw.contexts.mean(axis=0), centred.contexts, atol=1e-12)
        if name == "digits":
            assert (raw.contexts.min(), raw.contexts.max()) == (0, 1)
        else:
            np.testing.assert_allclose(raw.contexts.std(axis=0), 1)


def test_without_scikit_learn_one_line_says_so(monkeypatch, caplog, tmp_path):
    """The study of tables is skipped with one line and no file; a direct call is refused by the same line."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else real(name))
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    with caplog.at_level("WARNING", logger="mecpfm"):
        assert runner.run("tsrc-digits", "quick").empty
    assert len(caplog.records) == 1
    assert "scikit-learn is not installed" in caplog.text
    assert not list(tmp_path.rglob("*.csv"))
    with pytest.raises(InputError, match="table wine: scikit-learn is not installed"):
        problems.table("wine")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: problems.table("mnist"), "table is 'mnist'; must be one of digits, iris"),
        (lambda: problems.drawn("hard", 4, 0), "problem is 'hard'; must be one of one, equal"),
        (lambda: problems.enumerate_worth(problems.drawn("one", 9, 0, rows=10), 2), "features are 9"),
    ],
)
def test_unknown_problems_are_refused(call, says):
    """The line names what is known."""
    with pytest.raises(InputError, match=says):
        call()


def test_every_study_has_seeds():
    """Three or more in the quick profile, twelve or more in the full one."""
    for profile in ("quick", "paper"):
        studies = [one for name, one in config.experiments(profile).items() if name.startswith("tsrc")]
        assert all(one.seeds >= (12 if profile == "paper" else 3) for one in studies)
