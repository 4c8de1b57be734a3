"""A network in tables: what is refused, what is built, what is answered, and what a change can save."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.cli.network import Files, new, show, solve_named
from mecpfm.cli.what_if import what_if
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.methods import certified
from mecpfm.coupled.roofline import Accelerator
from mecpfm.data.topologies import great_circle_km
from mecpfm.errors import InputError
from mecpfm.network.build import build
from mecpfm.network.contract import TABLES
from mecpfm.network.edit import changed, parse
from mecpfm.network.example import write
from mecpfm.network.folder import read
from mecpfm.network.naming import of_network
from mecpfm.network.network import Network
from mecpfm.network.page import page
from mecpfm.network.settings import Remote, Settings
from mecpfm.network.tables import AT_CENTRE

SITES = pd.DataFrame(
    {
        "site": ["a", "b", "c"],
        "latitude_deg": [45.0, 45.5, 46.0],
        "longitude_deg": [5.0, 5.5, 6.0],
        "gpu": ["A10", "L4", "A10"],
        "memory_gb": [24, 24, 16],
    }
)
LINKS = pd.DataFrame({"from": ["a", "b"], "to": ["b", "c"], "gbit_s": [10, 1], "latency_ms": [2.0, None]})
MODELS = pd.DataFrame(
    {
        "model": ["chat", "code", "alone"],
        "task": ["t", "t", "u"],
        "accuracy": [0.9, 0.8, 0.7],
        "parameters_b": [7, 7, 3],
        "backbone": ["base", "base", None],
        "backbone_gb": [14, 14, 0],
        "own_gb": [0.1, 0.2, 6],
    }
)


def users(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user": [f"u{i}" for i in range(count)],
            "site": random.choice(["a", "b", "c"], count),
            "task": random.choice(["t", "u"], count),
            "tokens_in": random.integers(10, 900, count),
            "tokens_out": random.integers(10, 200, count),
            "per_hour": random.integers(1, 60, count),
            "min_accuracy": random.choice([0, 0.85], count),
        }
    )


def network(count: int = 4, seed: int = 0, **settings: object) -> Network:
    remote = Remote(congestion=8.0)
    holds = pd.DataFrame({"site": ["b"], "block": ["base"]})
    return Network(
        sites=SITES, links=LINKS, models=MODELS, users=users(count, seed), holds=holds,
        settings=Settings(period_s=360.0, remote=remote, **settings),
    )  # fmt: skip


def test_the_builder_equals_a_loop():
    """Options, delays, compute, pulls and sources by hand, one by one."""
    net = network(6, 3)
    built = build(net)
    instance, gpus = built.instance, net.gpus.set_index("gpu")
    hop = great_circle_km(np.array(45.5), np.array(5.5), np.array(46.0), np.array(6.0)) / 200_000 + 0.001
    ab, bc = 0.002, float(hop)
    path = np.array([[0, ab, ab + bc], [ab, 0, bc], [ab + bc, bc, 0]])
    found = {
        (int(r), int(k), int(c)): (d, g)
        for r, k, c, d, g in zip(
            instance.options.request, instance.options.model, instance.options.cloudlet,
            instance.options.delay_s, instance.options.compute_s, strict=True,
        )
    }  # fmt: skip
    centre = int(path.sum(axis=1).argmin())
    for r, user in enumerate(net.users.itertuples()):
        home, count = "abc".index(user.site), user.per_hour * 0.1
        best = max(MODELS[MODELS["task"] == user.task].itertuples(), key=lambda m: m.accuracy)
        far = Accelerator(*gpus.loc["A100-40GB", ["fp16_tflops", "bandwidth_gb_s"]])
        remote = 0.005 + 2 * (path[home, centre] + 0.025) + 8 * far.inference_s(
            best.parameters_b, user.tokens_in, user.tokens_out
        )  # fmt: skip
        assert instance.requests.remote_delay_s[r] == pytest.approx(remote * count, rel=1e-12)
        for k, model in enumerate(MODELS.itertuples()):
            for c, gpu in enumerate(SITES["gpu"]):
                here = Accelerator(*gpus.loc[gpu, ["fp16_tflops", "bandwidth_gb_s"]])
                work = (model.parameters_b, user.tokens_in, user.tokens_out)
                delay = 0.005 + 2 * path[home, c] + here.inference_s(*work)
                wanted = model.task == user.task and model.accuracy >= user.min_accuracy and delay <= remote
                assert ((r, k, c) in found) == wanted
                if wanted:
                    assert found[r, k, c] == pytest.approx((delay * count, here.compute_s(*work) * count), rel=1e-12)
    b = list(instance.blocks.name).index("base")
    assert instance.cloudlets.source[b].tolist() == [1, 1, 1]
    assert instance.pull_s[b].tolist() == pytest.approx([14 * 0.8, 0, 14 * 8])
    own = list(instance.blocks.name).index("alone")
    assert (instance.cloudlets.source[own] == -1).all()
    assert instance.pull_s[own, centre] == pytest.approx(6 * 8 / 10)


def test_deadlines_filter_and_what_nobody_meets_is_listed():
    """Options after the deadline go; a user whose deadline the data centre misses too is named as missed."""
    net = network(5, 1)
    tight = Network(
        sites=net.sites,
        links=net.links,
        models=net.models,
        users=net.users.assign(deadline_s=1e-6),
        settings=net.settings,
    )
    built = build(tight)
    assert len(built.instance.options.request) == 0
    plan, proof = certified(built.instance, "polish")
    found = of_network(tight, built, plan, proof)
    assert (found.users["deadline"] == "missed").all()
    assert found.summary["deadlines_missed"] == 5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_answers_add_up(seed):
    """Tables by name say what the checker says: cost, pulls, loads; the second choice is never better by itself."""
    net = network(5, seed)
    built = build(net)
    plan = solve_nlip(built.instance)
    _, proof = certified(built.instance, "polish", iterations=50)
    found = of_network(net, built, plan, proof)
    cost = (found.users["delay_s"] * found.users["requests"]).sum() + found.pulls["seconds"].sum()
    assert cost == pytest.approx(plan.objective, rel=1e-9)
    assert found.pulls["gb"].sum() == pytest.approx(found.sites["pulled_gb"].sum())
    assert (found.sites["memory_gb"] <= found.sites["memory_gb_available"] * (1 + 1e-6)).all()
    assert (found.users.loc[found.users["served_at"] != AT_CENTRE, "second_choice"] != "").all()


CHANGES = st.one_of(
    st.tuples(st.just("sites"), st.sampled_from("abc"), st.just("memory_gb"), st.sampled_from(["+8", "+1", "-6", 40])),
    st.tuples(st.just("sites"), st.sampled_from("abc"), st.just("gpus"), st.sampled_from(["+1", 3])),
    st.tuples(st.just("models"), st.sampled_from(["chat", "code"]), st.just("own_gb"), st.sampled_from(["+3", 0.01])),
    st.tuples(st.just("models"), st.just("alone"), st.just("accuracy"), st.sampled_from(["+0.2", 0.3])),
    st.tuples(st.just("users"), st.sampled_from(["u0", "u2"]), st.just("per_hour"), st.sampled_from(["+30", 1])),
    st.tuples(st.just("users"), st.just("u1"), st.just("min_accuracy"), st.sampled_from([0, 0.85])),
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), CHANGES)
def test_no_change_saves_more_than_was_proved(seed, change):
    """The optimum of the changed network is never below what the old prices prove."""
    net = network(4, seed)
    before = build(net)
    optimum = solve_nlip(before.instance).objective
    _, proof = certified(before.instance, "polish", iterations=50)
    table, name, column, value = change
    after = build(changed(net, {table: {name: {column: value}}})).instance
    saved = optimum - solve_nlip(after).objective
    assert saved <= optimum - verify(after, proof) + 1e-6 * max(1.0, optimum)


def test_the_committed_accelerators_are_each_network_s_own():
    """They are checked once; a network whose cells are written to leaves others as they are."""
    net, other = network(), network()
    net.gpus.loc[0, "memory_gb"] = 1.0
    assert other.gpus.loc[0, "memory_gb"] == network().gpus.loc[0, "memory_gb"] > 1


def test_a_change_is_a_validated_copy():
    """Numbers replace, signs add, also to memory that the accelerator implies; the network stays as it was."""
    net = Network(sites=SITES.drop(columns="memory_gb"), links=LINKS, models=MODELS, users=users(3, 0))
    more = changed(net, {"sites": {"a": {"memory_gb": "+8"}, "b": {"gpus": 2}}})
    assert build(more).instance.cloudlets.memory_gb.tolist() == [32, 48, 24]
    assert build(net).instance.cloudlets.memory_gb.tolist() == [24, 24, 24]
    assert str(net).startswith("<network: 3 sites, ")
    for bad, reason in (
        ({"sites": {"aa": {"gpus": 1}}}, "did you mean 'a'|known: a"),
        ({"sites": {"a": {"gpu_s": 1}}}, "did you mean 'gpus?'"),
        ({"site": {"a": {"gpus": 1}}}, "did you mean 'sites'"),
        ({"sites": {"a": {"gpus": "+x"}}}, "cannot be added"),
        ({"sites": {"a": {"latitude_deg": 91}}}, "latitude_deg, row 1"),
    ):
        with pytest.raises(InputError, match=reason):
            changed(net, bad)
    assert parse("sites.St. Gallen.memory_gb=+8") == {"sites": {"St. Gallen": {"memory_gb": "+8"}}}
    for text in ("sites.a", "=", "sites.a=3", "a.b.c="):
        with pytest.raises(InputError, match="must be TABLE"):
            parse(text)


def test_from_an_empty_folder_to_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """new, solve, show and what-if as the documents show them."""
    folder, plan = tmp_path / "net", tmp_path / "plan.json"
    new(folder, None, 12)
    with pytest.raises(InputError, match="not empty"):
        new(folder, None, 12)
    solve_named(folder, "polish", Files(plan, tmp_path / "solved.html", None), False, iterations=200, seed=0)
    said = capsys.readouterr().out
    assert "of 12 users at the edge" in said
    content = json.loads(plan.read_text())
    assert content["summary"]["status"] == content["status"]
    show(plan, csv=tmp_path / "tables", html=tmp_path / "plan.html", users=True)
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        "sites.csv",
        "users.csv",
        "pulls.csv",
        "prices.csv",
    }
    html = (tmp_path / "plan.html").read_text()
    assert html == (tmp_path / "solved.html").read_text()
    assert html.count("<table>") == 3
    assert "http" not in html.replace("http-equiv", "")
    capsys.readouterr()
    what_if(plan, every=("site", "memory_gb=+8"), as_json=True)
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert len(changes) == 8
    assert all(math.isfinite(change["at_most_s"]) and change["by_change_s"] >= -1e-6 for change in changes)
    with pytest.raises(InputError, match="needs a change"):
        what_if(plan)
    (folder / "holds.csv").unlink()
    what_if(plan, every=("site", "memory_gb=+8"), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out)["changes"] == changes  # the plan's own tables
    assert f"{folder} has changed since {plan} was made (holds)" in err
    what_if(plan, network=folder, as_json=True)
    out, err = capsys.readouterr()
    assert not err
    (row,) = json.loads(out)["changes"]
    assert row["change"] == f"{folder} as it is"
    assert row["by_change_s"] < 0  # the backbone that Lyon held is pulled by somebody
    other = tmp_path / "other.json"
    other.write_text("{}")
    for command in (lambda: show(other), lambda: what_if(other, every=("sites", "gpus=+1"))):
        with pytest.raises(InputError, match="holds no"):
            command()


def test_names_cannot_break_the_page():
    """What users call things is text on the page, not markup."""
    net = network(3, 0)
    renamed = Network(
        sites=net.sites, links=net.links, models=net.models, settings=net.settings,
        users=net.users.assign(user=["<script>alert(1)</script>", "'\"&", "u"]),
    )  # fmt: skip
    built = build(renamed)
    plan, proof = certified(built.instance, "polish", iterations=20)
    text = page(of_network(renamed, built, plan, proof))
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_a_topology_makes_a_network(tmp_path: Path):
    """Sites and links of a topohub network, ready to be built."""
    write(tmp_path / "net", "sndlib/nobel-germany", 20)
    built = build(read(tmp_path / "net"))
    assert isinstance(built.instance, Instance)
    assert built.instance.sizes[2] == 17


def test_every_column_is_documented():
    """docs/your_own_network.md names every table and column."""
    text = (Path(__file__).parents[1] / "docs" / "your_own_network.md").read_text()
    for table, fields in TABLES.items():
        assert f"`{table}.csv`" in text
        assert all(f"`{name}`" in text for name in fields), table
