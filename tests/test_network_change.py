"""Changes of instances and networks: what is proved without solving, to the last bit and never too little."""

import functools
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from coupled_strategies import replaced, small
from test_coupled_dual import forged, narrow
from test_network import network, users

from mecpfm.cli.network import Files, new, solve_named
from mecpfm.cli.what_if import what_if
from mecpfm.coupled.audit import audit
from mecpfm.coupled.belonging import model_gb
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.instance import Instance, most
from mecpfm.coupled.methods import certified, solve
from mecpfm.coupled.pins import kept
from mecpfm.coupled.proof import Proof
from mecpfm.errors import InputError
from mecpfm.network.build import build
from mecpfm.network.change import carry, keep_of
from mecpfm.network.network import Network
from mecpfm.network.prices import Priced, carry_prices, differences
from mecpfm.network.tables import prices
from mecpfm.plan import instance_sha256

TOLERANCE = 1e-6


def altered(instance: Instance, random: np.random.Generator) -> Instance:
    """One to three numbers changed, of any kind an instance has."""
    blocks, _, cloudlets, requests = instance.sizes
    options = len(instance.options.request)
    for _ in range(int(random.integers(1, 4))):
        part, field, count, most = (
            ("cloudlets", "memory_gb", cloudlets, 8.0),
            ("cloudlets", "compute_s", cloudlets, 8.0),
            ("cloudlets", "pull_s_per_gb", cloudlets, 3.0),
            ("requests", "remote_delay_s", requests, 7.0),
            ("options", "delay_s", options, 4.0),
            ("options", "compute_s", options, 4.0),
            ("blocks", "size_gb", blocks, 2.5),
        )[int(random.integers(7))]
        if count:
            place, value = int(random.integers(count)), round(float(random.uniform(0, most)) * 4) / 4
            try:
                instance = instance.change(**{part: {field: {place: value}}})
            except InputError:  # a cached block that is now larger than the memory
                continue
    return instance


def test_old_prices_prove_the_same_to_the_last_bit_and_never_too_little():
    """1,200 changes: site by site as verify at once, and never below what the enumerated optimum saves."""
    changes = 0
    for seed in range(120):
        random = np.random.default_rng(seed)
        instance = small(seed, 4, 3, families=bool(seed % 2))
        _, given = certified(instance, "polish", iterations=0)
        proof = Proof.of(instance, given)
        assert proof.bound == verify(instance, given)
        before = solve_nlip(instance).objective
        for _ in range(10):
            other = altered(instance, random)
            moved = proof.moved(other)
            assert moved.bound == verify(other, given)
            assert moved.moved(instance).bound == proof.bound
            saved = before - solve_nlip(other).objective
            assert saved <= before - moved.bound + TOLERANCE * max(1.0, before)
            changes += 1
    assert changes == 1200


@pytest.mark.parametrize("resource", ["memory_gb", "compute_s"])
def test_a_cloudlet_where_something_comes_to_just_fit_is_evaluated_again(resource: str):
    """From a limit below to the one whose row the amount meets exactly, and back; somewhere the terms change."""
    changed = 0
    for seed in range(12):
        instance = replaced(small(seed, 1 + seed % 5, 1, families=True), cloudlets={"cached": [[]]})
        _, given = certified(instance, "polish", iterations=0)
        needs = model_gb(instance) if resource == "memory_gb" else instance.options.compute_s
        for amount in np.unique(needs[needs > 0]).tolist():
            near = amount / float(most(np.ones(1))[0])
            limit = next(x for x in near * (1 + 2.0**-53 * np.arange(-8, 9)) if most(np.array([x]))[0] == amount)
            less, just = (instance.change(cloudlets={resource: [x]}) for x in (limit * (1 - 1e-9), limit))
            for one in (given, given.model_copy(update={"cut_price": 0 * given.cut_price})):
                below, at = Proof.of(less, one), Proof.of(just, one)
                assert below.moved(just).bound == at.bound
                assert at.moved(less).bound == below.bound
                changed += below.sites != at.sites
    assert changed > 5


def test_a_library_that_keeps_its_blocks_or_its_models_alone_is_another_one():
    """Sizes halve under the same models, or models change over the same blocks: all is evaluated again."""
    instance = narrow(
        blocks={"size_gb": [2.0, 1.0, 4.0]}, models={"blocks": [[0, 1], [0, 2]]}, cloudlets={"memory_gb": [9.0]},
    )  # fmt: skip
    proof = Proof.of(instance, forged(family=[0, 0], request_price_s=[10.0], memory_price_s_per_gb=[1.0]))
    for part, gb in (({"blocks": {"size_gb": [1.0, 0.5, 2.0]}}, 1.5), ({"models": {"blocks": [[0, 2], [0, 1]]}}, 6.0)):
        other = instance.change(**part)
        assert proof.moved(other).bound == verify(other, proof.given) == pytest.approx(10 - 9 - (10 - gb))


def test_an_option_of_which_everything_changes_is_another_one():
    """Its request, model, delay and compute at once: nothing of a cloudlet's options is as it was."""
    one = [1.0, 1.0]
    instance = narrow(
        blocks={"size_gb": one}, models={"blocks": [[0], [1]]}, cloudlets={"compute_s": [9.0]},
        requests={"remote_delay_s": [10.0, 10.0], "remote_accuracy": one},
    )  # fmt: skip
    proof = Proof.of(instance, forged(family=[0, 1], exact=[1, 1], cut_price=[[0, 0]], request_price_s=[10.0, 10.0]))
    other = instance.change(options={"request": [1], "model": [1], "delay_s": [4.0], "compute_s": [2.0]})
    assert proof.moved(other).bound == verify(other, proof.given) == pytest.approx(14.0)


@pytest.mark.parametrize(("pull_s", "price"), [(9.5, 0.25), (10.5, 0.0)])
def test_the_price_of_compute_is_that_of_the_cut_where_the_family_is_open(pull_s: float, price: float):
    """10 s gained for 9.5 s of pulling are worth it, if by half a second alone; for 10.5 s they are not."""
    instance = narrow(cloudlets={"pull_s_per_gb": [pull_s], "compute_s": [1.0]}, options={"compute_s": [1.0]})
    proof = Proof.of(instance, forged(request_price_s=[10.0], cut_price=[[0.25]]))
    assert proof.bound == pytest.approx(min(pull_s, 10.0))
    assert proof.price(0, "compute_s") == price


@pytest.mark.parametrize("resource", ["memory_gb", "compute_s"])
def test_a_price_is_the_slope_of_the_bound_where_it_says_so(resource: str):
    """Inside the range the bound follows the price, and just beyond it leaves that line."""
    bounded = 0
    for seed in range(60):
        instance = small(seed, 6, 2, families=True)
        _, given = certified(instance, "polish", iterations=0)
        proof = Proof.of(instance, given)
        for c in range(2):
            price, least, most = proof.valid_range(c, resource)
            now = float(getattr(instance.cloudlets, resource)[c])
            assert -now <= least <= 0 <= most

            def below(change: float, c: int = c, price: float = price, proof: Proof = proof, now: float = now) -> float:
                cloudlets = {resource: getattr(proof.instance.cloudlets, resource).copy()}
                cloudlets[resource][c] = now + change
                other = proof.instance.model_copy(
                    update={"cloudlets": proof.instance.cloudlets.model_copy(update=cloudlets)}
                )
                return proof.bound - price * change - verify(other, proof.given)

            noise = 2e-9 * max(1.0, abs(proof.bound))
            inside = np.linspace(least, min(most, 16 * max(now, 1.0)), 7)
            assert all(abs(below(change)) <= noise for change in inside)
            step = 2e-3 * max(now, 1.0)
            if math.isfinite(most):
                bounded += 1
                assert below(most + step) > noise / 2
            if resource == "memory_gb" and least > step - now:
                assert below(least - step) < -noise / 2
    assert bounded > 5


def rewired(net: Network, random: np.random.Generator) -> Network:
    """Links, holders, users and models come, go and change."""
    kind = int(random.integers(11))
    site, user = "abc"[int(random.integers(3))], f"u{int(random.integers(4))}"
    if kind == 0:
        return net.change(links={"a-b": {"gbit_s": float(random.uniform(0.1, 30))}, "c-b": {"latency_ms": 30.0}})
    if kind == 1:
        return net.change(users=net.users[net.users["user"] != user])
    if kind == 2:
        more = users(6, int(random.integers(1 << 30))).iloc[4:]
        return net.change(users=pd.concat([net.users, more], ignore_index=True))
    if kind == 3:
        row = {"model": "new", "task": "t", "accuracy": 0.95, "parameters_b": 2, "backbone": "base", "backbone_gb": 14}
        return net.change(models=pd.concat([net.models, pd.DataFrame([{**row, "own_gb": 0.3}])], ignore_index=True))
    if kind == 4:
        return net.change(
            models=net.models.assign(backbone="", own_gb=net.models["own_gb"] + 1.5),
            holds=net.holds.assign(block="chat"),
        )
    if kind > 6:
        return _regrown(net, random, kind, site)
    if kind == 5:
        return net.change(holds=pd.DataFrame({"site": [site], "block": ["base"]}))
    return net.change(sites={site: {"memory_gb": "+8", "gpus": 2}}, users={user: {"per_hour": "+30"}})


def _regrown(net: Network, random: np.random.Generator, kind: int, site: str) -> Network:
    """Rows and settings."""
    if kind == 7:
        return net.change(remove={"sites": "a" if site == "b" else "c", "users": ["u2"]})
    if kind == 8:
        row = {"site": "d", "latitude_deg": 45.2, "longitude_deg": 5.1, "gpu": "L4"}
        return net.change(add={"sites": [row], "links": [{"from": "d", "to": site, "gbit_s": 3}]})
    if kind == 9:
        remote = {"congestion": float(random.uniform(1, 12)), "latency_ms": "+20"}
        return net.change(settings={"reach": int(random.integers(1, 4)), "period_s": 400, "remote": remote})
    more = users(6, int(random.integers(1 << 30))).iloc[4:]
    return net.change(add={"users": more}, remove={"users": "u1"}, users={"u0": {"per_hour": 5}})


def test_changed_users_links_and_models_are_bounded_too(monkeypatch: pytest.MonkeyPatch):
    """By name: 150 changes of networks against the enumerated optimum of both."""
    once = functools.cache(build)  # for the price of a changed network and for its optimum
    monkeypatch.setattr("mecpfm.network.prices.build", once)
    for seed in range(30):
        random = np.random.default_rng(seed)
        net = network(4, seed)
        built = once(net)
        before = solve_nlip(built.instance).objective
        _, given = certified(built.instance, "polish", iterations=0)
        priced = Priced.of(net, built, before, given)
        for _ in range(5):
            other = rewired(net, random)
            saving = priced.saving(other)
            after = solve_nlip(once(other).instance).objective
            assert before - after <= saving.at_most_s + TOLERANCE * max(1.0, before)


def test_prices_go_by_name():
    """Users in another order prove the same bound; capacities alone are not built anew, and equal what is."""
    net = network(6, 3)
    built = build(net)
    _, given = certified(built.instance, "polish", iterations=20)
    priced = Priced.of(net, built, 0.0, given)
    turned = net.change(users=net.users.iloc[::-1].reset_index(drop=True))
    assert priced.saving(turned).by_change_s == pytest.approx(0.0, abs=1e-9)
    more = net.change(sites={"a": {"memory_gb": "+8", "gpus": "+1"}})
    quick, whole = priced.saving(more), verify(build(more).instance, given)
    assert quick.at_most_s == -whole
    assert carry_prices(built.instance, given, build(more).instance) is given
    ranges = prices(priced.proof)
    assert ranges["site"].tolist() == ["a", "b", "c"]
    assert ranges["price_s_per_gb"].tolist() == given.memory_price_s_per_gb.tolist()
    assert (ranges[["gb_least", "gpu_s_least"]].to_numpy() <= 0).all()
    with pytest.raises(InputError, match="larger than the site's memory"):
        priced.saving(net.change(sites={"b": {"memory_gb": 2}}))


def test_a_plan_and_its_pins_carry_over_by_name():
    """To a network with users gone and in another order; what cannot stay is named."""
    net = network(8, 1)
    built = build(net)
    plan = solve(built.instance, "polish", iterations=50)
    choice = np.array(plan.decisions["option"])
    there = build(net.change(users=net.users.iloc[::-1].iloc[:6].reset_index(drop=True)))
    old, now = built.instance, there.instance
    start = carry(old, choice, now)
    assert assess(now, "start", start).feasible
    for r, name in enumerate(now.requests.name):
        before = choice[old.requests.name.index(name)]
        assert (start[r] < 0) == (before < 0)
        if before >= 0:
            assert now.options.model[start[r]] == old.options.model[before]
            assert now.options.cloudlet[start[r]] == old.options.cloudlet[before]
    keep = keep_of(old, choice, ["b", "u7"], now)
    found = solve(now, "polish", start=start, keep=keep, iterations=50)
    assert kept(now, keep, np.array(found.decisions["option"]))
    served = old.requests.name[int(np.flatnonzero(choice >= 0)[0])]
    gone = build(replace(net, source="", models=net.models.assign(task="none").iloc[:2].assign(task=["t", "u"])))
    assert assess(gone.instance, "start", carry(old, choice, gone.instance)).feasible
    far = build(net.change(users={served: {"deadline_s": 1e-6}}))
    with pytest.raises(InputError, match=f"keep: '{served}' cannot stay"):
        keep_of(old, choice, [served], far.instance)
    with pytest.raises(InputError, match="'bb' is no site or user"):
        keep_of(old, choice, ["bb"])


def test_changes_of_instances_are_checked():
    """Names, indices, pairs, whole arrays; every mistake is one line."""
    instance = build(network(4, 0)).instance
    more = instance.change(cloudlets={"memory_gb": {"a": "+8", 2: 1.5}, "pull_s_per_gb": {("base", "a"): 7.0}})
    assert more.cloudlets.memory_gb.tolist() == [32.0, 24.0, 1.5]
    assert more.cloudlets.pull_s_per_gb[0, 0] == 7.0
    assert instance.change(cloudlets={"compute_s": [1.0, 2.0, 3.0]}).cloudlets.compute_s.tolist() == [1, 2, 3]
    for changes, reason in (
        ({"sites": {}}, "'sites' is no part"),
        ({"cloudlets": {"memory": {0: 1}}}, "cloudlets.memory is unknown"),
        ({"cloudlets": {"memory_gb": {"d": 1}}}, "'d' is no name there"),
        ({"cloudlets": {"memory_gb": {3: 1}}}, "3 is no entry"),
        ({"cloudlets": {"memory_gb": {-1: 1}}}, "must be a name or an index"),
        ({"cloudlets": {"memory_gb": {0: "+x"}}}, "must be a number"),
        ({"cloudlets": {"memory_gb": {0: -1.0}}}, "must be >= 0"),
        ({"cloudlets": {"memory_gb": [1.0]}}, "memory_gb"),
        ({"cloudlets": {"cached": {0: 1}}}, "no single entries"),
        ({"cloudlets": {"memory_gb": {1: 1.0}}}, "holds block"),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            instance.change(**changes)
        assert "\n" not in str(caught.value)


def test_rows_come_and_go_with_what_hangs_on_them():
    """A site takes its links, what it holds and its users' address; a model its blocks; nothing is left to a name."""
    net = network(8, 2).change(add={"holds": [{"site": "c", "model": "alone"}]})
    less = net.change(remove={"sites": "c"})
    assert less.sites["site"].tolist() == ["a", "b"]
    assert less.links["to"].tolist() == ["b"]
    assert less.holds["site"].tolist() == ["b"]
    lost = (net.users["site"] == "c").to_numpy()
    assert lost.any()
    assert (less.users["site"][lost] == "").all()
    assert (less.users[["latitude_deg", "longitude_deg"]][lost] == [46.0, 6.0]).all(axis=None)
    assert set(build(less).home[lost]) == {1}
    assert net.change(remove={"sites": "b"}, add={"links": [{"from": "c", "to": "a", "gbit_s": 1}]}).holds is not None
    one_task = net.change(users=net.users.assign(task="t", min_accuracy=0.0))
    assert one_task.change(remove={"models": ["alone"]}).holds["block"].tolist() == ["base"]
    other = one_task.change(remove={"models": ["chat", "code"]}, users=net.users.assign(task="u", min_accuracy=0.0))
    assert other.holds["model"].tolist() == ["alone"]
    again = net.change(add={"users": [{"user": "new", "task": "t", "site": "a", "tokens_in": 9, "tokens_out": 9}]})
    assert again.users["per_hour"].tolist()[-1] == 1.0
    pd.testing.assert_frame_equal(again.change(remove={"users": "new"}).users, net.users)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"remove": {"sites": ["z"]}}, "sites: 'z' is unknown"),
        ({"remove": {"sites": "b"}}, "links: holds no rows"),
        ({"remove": {"holds": ["b"]}}, "'holds' is no table of the network with names"),
        ({"remove": {"site": ["b"]}}, "'site' is no table"),
        ({"remove": {"models": ["chat", "code"]}}, "users: column task"),
        (
            {"add": {"users": [{"user": "u0", "task": "t", "site": "a", "tokens_in": 1, "tokens_out": 1}]}},
            "stands twice",
        ),
        ({"add": {"users": [{"user": "v", "task": "t", "site": "a"}]}}, "users: column tokens_in, row 5"),
        ({"add": {"users": [{"user": "v", "home": "a"}]}}, "column 'home' is unknown"),
        ({"add": {"people": []}}, "'people' is no table"),
        ({"settings": {"reech": 3}}, "settings: reech is unknown"),
        ({"settings": {"reach": "two"}}, "must be a number"),
        ({"settings": {"reach": 1.5}}, "whole number"),
        ({"settings": {"remote": {"site": "z"}}}, "remote.site is 'z'"),
        ({"settings": {"remote": 3}}, "remote must be a table"),
        ({"settings": {"period_s": "-4000"}}, "must be from"),
        ({"settings": {"topology": "sndlib/abilene"}}, "change links instead"),
    ],
)
def test_what_cannot_come_or_go_is_one_line(asked: dict[str, object], says: str):
    with pytest.raises(InputError, match=says) as error:
        build(network(4, 0).change(**asked))
    assert "\n" not in str(error.value)


def test_a_network_in_a_plan_file_is_the_network():
    """Every table and setting comes back as it was, to the last bit, and so does the instance."""
    for seed in range(30):
        net = rewired(network(4, seed), np.random.default_rng(seed))
        again = Network.from_object(json.loads(json.dumps(net.to_object())), "plan.json: network")
        assert differences(net, again) == []
        assert instance_sha256(build(again).instance) == instance_sha256(build(net).instance)
    content = net.to_object()
    for part, value, says in (
        ("users", None, "must be an object"), ("links", {"from": ["a"], "to": []}, "equal lengths"),
        ("sites", {"site": [["a"]]}, "texts and numbers"), ("more", {}, "more is no table"),
        ("users", {**content["users"], "per_hour": {}}, "texts and numbers"),
        ("users", {**content["users"], "per_hour": [[], *content["users"]["per_hour"][1:]]}, "texts and numbers"),
        ("settings", {"reach": "x"}, "reach"), ("users", {"user": ["u"]}, "users: column task"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=f"^here.*{says}"):
            Network.from_object({**content, part: value}, "here")
    with pytest.raises(InputError, match=r"here\.links is missing"):
        Network.from_object({name: part for name, part in content.items() if name != "links"}, "here")


def test_rows_of_links_go_by_both_names():
    net = network(3, 0)
    assert net.change(links={"b-a": {"gbit_s": "+5"}}).links["gbit_s"].tolist() == [15.0, 1.0]
    for bad, reason in (
        ({"links": {"a-c": {"gbit_s": 1}}}, "'a-c' is unknown"),
        ({"links": {"a-b": {"to": "c"}}}, "column 'to' is unknown"),
        ({"holds": {"b": {"block": "x"}}}, "no table of the network with names"),
        ({"speeds": {"x": {}}}, "'speeds' is no table"),
    ):
        with pytest.raises(InputError, match=reason):
            net.change(**bad)


def _what_if_of_rows_and_settings(plan: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a plan alone: its folder is gone."""
    shutil.rmtree(folder / "net")
    (folder / "more.csv").write_text("user,site,task,tokens_in,tokens_out\nv,Lyon,chat,9,9\n")
    what_if(
        plan, change=["settings.reach=3", "settings.remote.congestion=+1", "sites.Lyon.gpus=2"],
        add=["users:user=w,site=Lyon,task=code,tokens_in=300,tokens_out=80", f"users={folder / 'more.csv'}"],
        remove=["sites.Clermont", "users.u1"], resolve=True, as_json=True,
    )  # fmt: skip
    (row,) = json.loads(capsys.readouterr().out)["changes"]
    assert row["saves_s"] <= row["at_most_s"] + TOLERANCE
    for options, says in (
        ({"add": ["users"]}, "must be TABLE:COLUMN=VALUE"), ({"remove": ["Clermont"]}, "must be TABLE.NAME"),
        ({"change": ["settings.reach"]}, "must be TABLE.NAME.COLUMN"), ({"change": ["sites.reach=3"]}, "must be TABLE"),
        ({"add": ["users:user=w"], "every": ("site", "gpus=2")}, "not both"),
        ({"add": [f"users={folder / 'none.csv'}"]}, "none.csv: cannot be read"),
        ({"network": folder / "net", "remove": ["users.u1"]}, "is no folder"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            what_if(plan, **options)


def test_what_if_ranks_and_resolves(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """--every over any table; --resolve never saves more than was proved; a changed file is verified as it is."""
    folder, plan = tmp_path / "net", tmp_path / "plan.json"
    new(folder, None, 12)
    solve_named(folder, "polish", Files(plan, None, tmp_path / "old.json"), False, iterations=200, seed=0)
    capsys.readouterr()
    what_if(plan, every=("sites", "memory_gb=+8"), resolve=True, as_json=True)
    rows = json.loads(capsys.readouterr().out)["changes"]
    assert len(rows) == 8
    assert [row["at_most_s"] for row in rows] == sorted((row["at_most_s"] for row in rows), reverse=True)
    for row in rows:
        assert -TOLERANCE <= row["saves_s"] <= row["at_most_s"] + TOLERANCE
    what_if(plan, every=("user", "per_hour=+100"))
    assert capsys.readouterr().out.count("users.u") == 12
    what_if(plan, change=["links.Lyon-Grenoble.gbit_s=40", "sites.Lyon.gpus=2"], resolve=True)
    assert "users move" in capsys.readouterr().out
    with pytest.raises(InputError, match="'holds' is no table"):
        what_if(plan, every=("holds", "block=x"))
    _what_if_of_rows_and_settings(plan, tmp_path, capsys)
    instance = build(network(4, 0)).instance
    _, given = certified(instance, "polish", iterations=0)
    given.write(tmp_path / "proof.json")
    more = instance.change(cloudlets={"memory_gb": {"a": "+8"}})
    more.write(tmp_path / "more.json")
    found = audit(tmp_path / "more.json", tmp_path / "proof.json")
    assert found.bound == verify(more, given)
