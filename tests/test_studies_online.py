"""Tables of the studies on a trace: paired, and what they say is what the rows say."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mecpfm import figures
from mecpfm.cli import app
from mecpfm.experiments import frames_online as frames
from mecpfm.experiments import notebooks, runner
from mecpfm.experiments.config import ONLINE_TRACE, TRACE_NOTEBOOKS, experiments
from mecpfm.experiments.stated import read
from mecpfm.experiments.studies.online import LADDER, PLANNED, PRICED, SHOWN
from mecpfm.online.policy import POLICIES

SEEDS = 4


def table(axis: str, points: dict[str, list[float]]) -> pd.DataFrame:
    """Losses that differ far more between seeds than between policies."""
    level = {(name, value): 40.0 - 2 * i for i, (name, values) in enumerate(points.items()) for value in values}
    rows = [
        {"method": name, axis: value, "seed": seed, "loss_s": (1 + seed) * loss, "demand_r2": 0.1 * value}
        for (name, value), loss in level.items()
        for seed in range(SEEDS)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def scenarios() -> pd.DataFrame:
    names = [*LADDER, PLANNED]
    random = np.random.default_rng(0)
    rows = [
        {"method": name, "scenario": scenario, "seed": seed, "loss_s": (1 + seed) * (90 - i + random.random())}
        for scenario in ("base", "variants")
        for i, name in enumerate(names)
        for seed in range(SEEDS)
    ]
    table = pd.DataFrame(rows)
    return table.assign(delay_s=table["loss_s"], accuracy=1 - table["loss_s"] / 1_000)


def test_names_of_policies_exist():
    """Rungs, comparators, comparisons and claims name policies that the quick profile measures, too."""
    measured = {*SHOWN, PLANNED}
    assert set(SHOWN) <= set(LADDER)
    claims = [claim for claim in read() if "online-trace-scenarios" in claim.experiments]
    assert {name for claim in claims for name in (claim.method, *claim.baselines)} <= measured
    assert {name for name, *_ in frames.RUNGS} <= measured
    assert {over for _, _, over, _ in frames.RUNGS} - {""} <= measured
    assert set(frames.COMPARATORS) <= measured
    assert {name for pair in frames.WORTH for name in pair[:2]} <= measured


def test_ladder_steps_are_paired(scenarios: pd.DataFrame):
    """A step is the mean difference seed by seed to the rung it names, not to the row above."""
    base = scenarios[scenarios["scenario"] == "base"]
    found = frames.ladder(base).set_index("rung")
    wide = base.pivot(index="seed", columns="method", values="loss_s")
    step = (wide["planned-cov"] - wide["priced-cov"]).mean()
    assert found.loc["two features, planned caches", "step"] == pytest.approx(step)
    assert found["mean"].to_list() == pytest.approx([wide[name].mean() for name, *_ in frames.RUNGS])
    assert found["step"].isna().tolist() == [True] + [False] * (len(frames.RUNGS) - 1)
    assert figures.draw("ladder", found.reset_index()).data


def test_savings_keep_the_order_of_scenarios(scenarios: pd.DataFrame):
    """Scenarios come as they were run, not by the alphabet; the intervals are those of paired shares."""
    turned = pd.concat([scenarios[scenarios["scenario"] == name] for name in ("variants", "base")])
    found = frames.savings(turned, "priced-cov", ["ucb1"])
    assert found["scenario"].tolist() == ["variants", "base"]
    wide = turned[turned["scenario"] == "base"].pivot(index="seed", columns="method", values="loss_s")
    assert found["reduction"].iloc[1] == pytest.approx((1 - wide["priced-cov"] / wide["ucb1"]).mean())
    worth = frames.worth(scenarios)
    assert ((worth["least"] <= worth["base"]) & (worth["base"] <= worth["most"])).all()
    gains = frames.accuracy(scenarios[scenarios["scenario"] == "variants"], "priced-cov")
    assert gains["gain"].isna().tolist() == [False] * len(frames.COMPARATORS) + [True]


def test_pairing_takes_the_spread_of_seeds_away():
    """Where seeds scale all policies alike, paired intervals have no width; figures can be drawn from the tables."""
    chosen = table("observed", {"priced-tsrc": [0, 1, 2, 22], "priced-cov": [0, 1, 2, 22]})
    saved = frames.choosers(chosen).query("metric == 'saved'")
    np.testing.assert_allclose(saved["ci_low"], saved["ci_high"])
    assert saved.query("observed == 0 and method == 'priced-tsrc'")["mean"].item() == pytest.approx(0)
    costs = table("cost_s", {name: [0.0, 0.1, 1.0] for name in PRICED})
    price = frames.prices(costs, {name: POLICIES[name].observed or 0 for name in PRICED})
    assert price.query("method == 'priced-mean'")["change"].abs().max() == pytest.approx(0)
    probes = frames.probes(table("probes", {"probe-all": [5], "probe-random": [1, 2]}))
    assert probes["method"].unique().tolist() == ["probe-random"]
    assert (probes["change"] < 0).all()
    for name, frame in (("choosers", frames.choosers(chosen)), ("costs", price), ("probing", probes)):
        drawn = figures.draw(name, frame)
        assert drawn.layout.title.text
        assert all(trace.name for trace in drawn.data)


def test_caches_against_lru():
    """Every other way to fill caches is paired with LRU, in delay and in data; the figure has both panels."""
    rows = pd.concat(
        [
            table("probes", {name: [0] for name in ("lru", "value", "trimcaching", "polish")}).assign(scenario=scenario)
            for scenario in ("base", "slow links")
        ]
    ).assign(pulled_gb=100.0)
    found = frames.caches(rows)
    assert set(found["method"]) == {"value", "trimcaching", "polish"}
    assert (found.query("metric == 'loss_s'")["reduction"] > 0).all()
    assert (found.query("metric == 'pulled_gb'")["reduction"] == 0).all()
    assert len(figures.draw("placement", found).data) == 4


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    done: list[object] = []

    def study(name: str, profile: str, **_: object) -> pd.DataFrame:
        done.append((name, profile))
        return pd.DataFrame({"x": [1]})

    def execute(profile: str, chosen: list[str]) -> list[tuple[str, ...]]:
        done.append((profile, chosen))
        return [(chosen[0], "1.0", "1", "1")]

    monkeypatch.setattr(runner, "run", study)
    monkeypatch.setattr(notebooks, "run", execute)
    return done


@pytest.mark.parametrize("present", [True, False])
def test_online_trace_runs_all_studies_then_the_notebooks(
    calls: list[object], present: bool, monkeypatch: pytest.MonkeyPatch
):
    """Every study on the trace, then notebooks 08 and 13; one line on stderr where the real trace is absent."""
    done = calls
    monkeypatch.setattr("mecpfm.online.trace.locate", lambda name: name if present else None)
    result = CliRunner().invoke(app, ["experiment", ONLINE_TRACE, "--profile", "paper"])
    assert result.exit_code == 0, result.output
    studies = [name for name in experiments("paper") if name.startswith(ONLINE_TRACE)]
    assert len(studies) == 8
    assert done == [*((name, "paper") for name in studies), ("paper", [*TRACE_NOTEBOOKS])]
    assert set(TRACE_NOTEBOOKS) <= set(notebooks.names())
    said = [line for line in result.stderr.splitlines() if "absent" in line]
    assert len(said) == (0 if present else 1)
    assert present or "mecpfm data fetch lora_request_trace.csv" in said[0]


def test_one_study_runs_no_notebook(calls: list[object]):
    """A single study is only itself."""
    done = calls
    assert CliRunner().invoke(app, ["experiment", "online-trace-costs"]).exit_code == 0
    assert done == [("online-trace-costs", "quick")]
