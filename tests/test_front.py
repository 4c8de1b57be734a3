"""``import mecpfm as mp``: a network with names that bite, from tables to a plan that is saved and changed."""

import ast
import importlib.util
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mecpfm as mp
from mecpfm.cli.instances import solve as solve_command
from mecpfm.cli.network import compare, show
from mecpfm.coupled.audit import audit
from mecpfm.coupled.check import assess
from mecpfm.coupled.engine import DEFAULT
from mecpfm.coupled.generate import Recipe as CoupledRecipe
from mecpfm.coupled.generate import generate as generate_coupled
from mecpfm.coupled.methods import certified
from mecpfm.errors import InfeasibleError
from mecpfm.network.build import build
from mecpfm.network.naming import of_coupled
from mecpfm.network.tables import AT_CENTRE, Names, called
from mecpfm.published.check import assess as assess_published
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.methods import solve as solve_published

NAMES = ["São Paulo, centro", 'the "old" exchange', "東京", "O'Hara <b>&"]
TABLES = ("sites", "users", "pulls", "prices")


def network(memory_gb: float = 20.0) -> mp.Network:
    """Four sites on a line, the first alone holds the backbone; two tasks; one user without a way to its deadline."""
    sites = pd.DataFrame(
        {
            "site": NAMES, "latitude_deg": [-23.5, -22.9, -22.0, -21.5], "longitude_deg": [-46.6, -43.2, -45.0, -47.5],
            "gpu": ["A10", "L4", "T4", "A10"], "memory_gb": memory_gb,
        }
    )  # fmt: skip
    links = pd.DataFrame({"from": NAMES[:3], "to": NAMES[1:], "gbit_s": [10, 1, 5]})
    models = pd.DataFrame(
        {
            "model": ["ask, v1", "ask, v2", "see"], "task": ["ask", "ask", "see"], "accuracy": [0.8, 0.9, 0.7],
            "parameters_b": [7, 7, 3], "backbone": ["base, 7b", "base, 7b", None], "backbone_gb": [14, 14, 0],
            "own_gb": [0.2, 0.4, 6],
        }
    )  # fmt: skip
    users = pd.DataFrame(
        {
            "user": [f"user {i};'" for i in range(8)], "site": [NAMES[i % 4] for i in range(8)],
            "task": ["ask", "ask", "see", "ask"] * 2, "tokens_in": 300, "tokens_out": 80,
            "per_hour": [40, 80, 60, 90] * 2, "deadline_s": [None] * 7 + [1e-3],
        }
    )  # fmt: skip
    holds = pd.DataFrame({"site": NAMES[:1], "block": ["base, 7b"]})
    settings = mp.Settings(remote=mp.Remote(congestion=9))
    return mp.Network(sites=sites, links=links, models=models, users=users, holds=holds, settings=settings)


@pytest.fixture(scope="module")
def plan() -> mp.NamedPlan:
    return mp.solve(network(), iterations=500)


def same(one: mp.NamedPlan, two: mp.NamedPlan) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    assert (one.summary, one.links, one.violations) == (two.summary, two.links, two.violations)
    np.testing.assert_equal((one.objective, one.bound, one.gap), (two.objective, two.bound, two.gap))


def test_the_import_loads_nothing_heavy():
    """No table, array or compiler library comes with the import; dir names what there is."""
    heavy = {"numpy", "pandas", "numba", "scipy", "plotly", "pydantic"}
    code = f"import sys, mecpfm as mp; dir(mp); print({heavy} & set(sys.modules), 'solve' in dir(mp))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set() True"
    assert not hasattr(mp, "no_such_name")


def test_type_checkers_see_the_same_names():
    """The names for checkers are those that load when asked for, from the same modules."""
    for node in ast.parse(Path(mp.__file__).read_text()).body:
        if isinstance(node, ast.If):
            shown = {item.asname: node.module for node in node.body for item in node.names}
    homes = {name: f"mecpfm.{home}" for name, home in mp._HOME.items()}
    assert shown == {name: home for name, home in homes.items() if importlib.util.find_spec(home)}
    assert (Path(mp.__file__).parent / "py.typed").exists()


def test_tables_say_what_the_plan_does(plan: mp.NamedPlan):
    """Cost, parts of a delay, pulls and loads add up, by name."""
    users, sites = plan.users, plan.sites
    edge = users["served_at"] != AT_CENTRE
    assert edge.any()
    parts = users.loc[edge, ["access_s", "path_s", "prefill_s", "decode_s"]].sum(axis=1)
    np.testing.assert_allclose(users.loc[edge, "delay_s"], parts, rtol=1e-9)
    total = (users["delay_s"] * users["requests"]).sum() + plan.pulls["seconds"].sum()
    assert total == pytest.approx(plan.objective, rel=1e-9)
    assert sum(plan.summary["parts_s"].values()) == pytest.approx(plan.objective, rel=1e-9)
    assert sites["users"].sum() == edge.sum() == plan.summary["users_at_edge"]
    assert set(users["served_at"]) <= {*NAMES, AT_CENTRE}
    assert users["deadline"].tolist()[-1] == "missed"
    backbone = plan.pulls[plan.pulls["block"] == "base, 7b"]
    assert set(backbone["from"]) <= {NAMES[0], AT_CENTRE}
    assert NAMES[0] not in set(backbone["site"])
    assert plan.gap >= 0
    assert plan.status in ("optimal", "feasible")


@pytest.mark.parametrize("times", [1, 15, 70])
def test_second_choices_can_be_taken(times: int):
    """Each named second choice, taken alone, breaks no row and costs what the table says; also where GPUs are full."""
    net = network()
    net = net.change(users=net.users.assign(per_hour=times * net.users["per_hour"]))
    plan, built = mp.solve(net, iterations=500), build(net)
    options, names = built.instance.options, Names.of(built.instance)
    choice = np.array(plan.decided.decisions["option"])
    tried = 0
    for r, row in enumerate(plan.users.to_dict("records")):
        if not row["second_choice"]:
            continue
        other = choice.copy()
        other[r] = -1
        if row["second_choice"] != AT_CENTRE:
            labels = [
                f"{names.sites[c]}, {names.models[k]}" for c, k in zip(options.cloudlet, options.model, strict=True)
            ]
            other[r] = next(o for o in np.flatnonzero(options.request == r) if labels[o] == row["second_choice"])
        found = assess(built.instance, "second", other)
        assert found.feasible
        delay = found.objective - found.metrics["pulling_s"] - (plan.objective - plan.summary["parts_s"]["pulls"])
        assert delay / row["requests"] == pytest.approx(row["second_costs_s"], rel=1e-6, abs=1e-9)
        tried += 1
    assert tried > 3


def test_plans_of_all_settings_survive_a_file(plan: mp.NamedPlan, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What is loaded is what was saved, and the command shows it: network, coupled instance, published instance."""
    coupled = mp.solve(generate_coupled(CoupledRecipe(cloudlets=4, requests=60, models=6), 1), iterations=100)
    published = mp.solve(generate(Recipe(cloudlets=5, requests=6, models=4), 3))
    generate_coupled(CoupledRecipe(cloudlets=4, requests=60, models=6), 1).write(tmp_path / "instance.npz")
    coupled.certificate.write(tmp_path / "certificate.json")
    for name, one in (("plan", plan), ("coupled", coupled), ("published", published)):
        path = tmp_path / f"{name}.json"
        one.save(path)
        same(mp.load(path), one)
        html = tmp_path / f"{name}.html"
        show(path, csv=tmp_path / name, html=html, sites=True, users=True, pulls=True, prices=True)
        said = capsys.readouterr().out
        assert one.users["user"].iloc[0] in said
        assert f"{one.objective:.6g} s" in said
        for table in TABLES:
            if len(getattr(one, table)):
                again = pd.read_csv(tmp_path / name / f"{table}.csv", keep_default_na=False, na_values=[""])
                assert again.iloc[:, 0].tolist() == getattr(one, table).iloc[:, 0].tolist()
        assert "<svg" in html.read_text()
        assert "<svg" in one._repr_html_()
    found = audit(tmp_path / "instance.npz", tmp_path / "certificate.json", tmp_path / "coupled.json")
    assert not found.complaints
    assert "tables" in found.not_checked


def test_published_tables_add_up():
    """Delays are the checker's, parts are the objective, pulls those of every request."""
    instance = generate(Recipe(cloudlets=6, requests=8, models=4), 2)
    for method in ("exact", "nonshare", "greedy"):
        found = mp.solve(instance, method=method)
        by_index = solve_published(instance, method)
        assert found.users["delay_s"].sum() == pytest.approx(by_index.metrics["total_delay_s"], rel=1e-9)
        assert sum(found.summary["parts_s"].values()) == pytest.approx(by_index.objective, rel=1e-9)
        assert found.pulls["gb"].sum() == pytest.approx(found.sites["pulled_gb"].sum())
        assert (found.users["second_costs_s"].dropna() >= -1e-6).all() or method != "exact"
        assert math.isnan(found.gap) == math.isnan(by_index.bound)
        assert "no bound proved" in repr(found) or method == "exact"


def test_a_change_and_back(plan: mp.NamedPlan, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The session of the documents: change, saves at most, begin from the plan, keep a site, compare."""
    plan.save(tmp_path / "before.json")
    loaded, name = mp.load(tmp_path / "before.json"), NAMES[1]
    more = network().change(sites={name: {"memory_gb": "+30"}})
    again = mp.solve(more, start=plan, iterations=500)
    assert again.objective <= plan.objective * (1 + 1e-9)
    assert plan.objective - again.objective <= plan.saves_at_most(more) + 1e-6
    assert loaded.saves_at_most(more) == pytest.approx(plan.saves_at_most(more))
    for start in (plan, loaded):
        kept = mp.solve(more, start=start, keep={NAMES[0], "user 2;'"}, iterations=200)
        user = kept.users["user"] == "user 2;'"
        assert kept.users.loc[user, "served_at"].tolist() == plan.users.loc[user, "served_at"].tolist()
        assert kept.objective <= plan.objective * (1 + 1e-9)
    far = mp.solve(more, method="remote")
    rows = plan.compare(far)
    moved = rows[rows["what"] == "user moves"]
    assert set(moved["name"]) == set(plan.users.loc[plan.users["served_at"] != AT_CENTRE, "user"])
    assert (rows["what"] == "dropped pull").sum() == len(plan.pulls)
    assert rows.set_index("name").loc["total", "change_s"] == pytest.approx(far.objective - plan.objective)
    assert set(plan.compare(loaded)["what"]) == {"cost"}
    far.save(tmp_path / "after.json")
    compare(tmp_path / "before.json", tmp_path / "after.json", as_json=True)
    assert len(json.loads(capsys.readouterr().out)["rows"]) == len(rows)


def test_users_that_come_and_go():
    """Plans of networks with other users compare by name, and begin each other."""
    net = network()
    fewer = net.change(users=net.users.iloc[1:])
    one, two = mp.solve(net, iterations=100), mp.solve(fewer, iterations=100)
    assert (one.compare(two)["what"] == "user goes").sum() == 1
    assert (two.compare(one)["what"] == "user comes").sum() == 1
    assert math.isfinite(one.saves_at_most(fewer))
    assert mp.solve(net, start=two, iterations=100).objective <= one.objective * 1.5


def test_broken_rows_are_told_by_name():
    """A plan that breaks rows is infeasible, and says where in the network's words."""
    small = network(memory_gb=15.0).change(sites={NAMES[0]: {"memory_gb": 40}})
    built = build(small)
    instance = built.instance
    at = instance.options.cloudlet == 1
    choice = np.full(instance.sizes[3], -1)
    for o in np.flatnonzero(at).tolist():
        choice[instance.options.request[o]] = o
    plan = assess(instance, "by hand", choice)
    assert plan.violations
    _, proof = certified(instance, "remote")
    found = of_coupled(instance, plan, proof)
    assert found.status == "infeasible"
    assert all(repr(NAMES[1]) in row and "cloudlet" not in row for row in found.violations)
    assert found.violations[0] in repr(found)


def test_names_that_stand_twice_are_told_apart():
    """Rows are called once each, whatever an instance calls them; the data centre's name is its own."""
    assert called(("a", "b", "a", AT_CENTRE, ""), "cloudlet", 5) == [
        "a (cloudlet 0)", "b", "a (cloudlet 2)", "data centre (cloudlet 3)", "(cloudlet 4)",
    ]  # fmt: skip
    assert called(None, "request", 2) == ["request 0", "request 1"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"method": "lp"}, "fractions"),
        ({"method": "magic"}, "must be one of"),
        ({"keep": {"x"}}, "keep needs start"),
        ({"gap": 2.0}, "gap is 2"),
        ({"time_limit": -1}, "time_limit"),
    ],
)
def test_what_cannot_be_asked_is_one_line(asked: dict[str, object], says: str):
    """Methods of fractions, unknown ones, pins without a plan, numbers out of range."""
    with pytest.raises(mp.InputError, match=says) as error:
        mp.solve(network(), **asked)
    assert "\n" not in str(error.value)


def test_other_problems_are_refused(plan: mp.NamedPlan, tmp_path: Path):
    """Pins that nobody has, a plan of another setting to begin with, quantities beyond what an instance takes."""
    instance = generate(Recipe(cloudlets=5, requests=6, models=4), 3)
    with pytest.raises(mp.InputError, match="'nowhere' is no site or user"):
        mp.solve(network(), start=plan, keep={"nowhere"})
    with pytest.raises(mp.InputError, match="another setting"):
        mp.solve(network(), start=mp.solve(instance))
    more = (
        {"iterations": 3},
        {"gap": 0.1},
        {"start": plan},
        {"keep": {"x"}},
        {"progress": print},
        {"threads": 1},
        {"params": DEFAULT},
    )
    for asked in more:
        with pytest.raises(mp.InputError, match="are for networks and coupled instances"):
            mp.solve(instance, **asked)
    instance.write(tmp_path / "paper.json")
    for asked in ({"gap": "1%"}, {"iterations": 3}, {"certificate": tmp_path / "c.json"}, {"params": tmp_path / "p"}):
        for output in (None, tmp_path / "plan.json"):
            with pytest.raises(mp.InputError, match=r"paper\.json: .* are for networks and coupled instances"):
                solve_command(tmp_path / "paper.json", output=output, **asked)
    assert [file.name for file in tmp_path.iterdir()] == ["paper.json"]
    with pytest.raises(mp.InputError, match="no certificate"):
        mp.solve(instance).saves_at_most(network())
    with pytest.raises(mp.InputError, match="must be <= 1e"):
        mp.solve(network().change(users={"user 0;'": {"per_hour": 1e9, "tokens_out": 1e9}}))


def test_second_choices_of_the_published_problem_can_be_taken():
    """The checker finds no broken row, and the cost that the table names; where none is named there is none."""
    for seed, budget in itertools.product((1, 3, 5, 6, 8), (80.0, 100.0, 120.0, 200.0)):
        instance = generate(
            Recipe(cloudlets=5, requests=5, models=5, accuracy_requirement=0.3, cost_budget=budget), seed
        )
        try:
            found = mp.solve(instance, method="greedy")
        except InfeasibleError:
            continue
        if not found.violations:
            model = np.array(found.decided.decisions["model"])
            for j, row in enumerate(found.users.to_dict("records")):
                costs = {}
                for k in set(range(5)) - {int(model[j])}:
                    other = np.where(np.arange(5) == j, k, model)
                    taken = assess_published(instance, "second", other)
                    if taken.feasible:
                        costs[f"model {k}"] = taken.objective - found.objective
                if costs and row["second_choice"]:
                    assert costs[row["second_choice"]] == pytest.approx(row["second_costs_s"], rel=1e-6, abs=1e-6)
                    assert row["second_costs_s"] == pytest.approx(min(costs.values()), rel=1e-6, abs=1e-6)
                else:
                    assert not row["second_choice"]
                    assert not costs
