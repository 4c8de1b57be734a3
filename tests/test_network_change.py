"""Changes of instances and networks: what is proved without solving, to the last bit and never too little."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from coupled_strategies import small
from test_network import network, users

from mecpfm.cli.network import Files, new, solve_named
from mecpfm.cli.what_if import what_if
from mecpfm.coupled.audit import audit
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.methods import certified, solve
from mecpfm.coupled.pins import kept
from mecpfm.coupled.proof import Proof
from mecpfm.errors import InputError
from mecpfm.network.build import build
from mecpfm.network.change import carry, keep_of
from mecpfm.network.network import Network
from mecpfm.network.prices import Priced, carry_prices
from mecpfm.network.tables import prices

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
    """2,400 changes: site by site as verify at once, and never below what the enumerated optimum saves."""
    changes = 0
    for seed in range(240):
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
    assert changes == 2400


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
    kind = int(random.integers(7))
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
    if kind == 5:
        return net.change(holds=pd.DataFrame({"site": [site], "block": ["base"]}))
    return net.change(sites={site: {"memory_gb": "+8", "gpus": 2}}, users={user: {"per_hour": "+30"}})


def test_changed_users_links_and_models_are_bounded_too():
    """By name: 300 changes of networks against the enumerated optimum of both."""
    for seed in range(60):
        random = np.random.default_rng(seed)
        net = network(4, seed)
        built = build(net)
        before = solve_nlip(built.instance).objective
        _, given = certified(built.instance, "polish", iterations=0)
        priced = Priced.of(net, built, before, given)
        for _ in range(5):
            other = rewired(net, random)
            saving = priced.saving(other)
            after = solve_nlip(build(other).instance).objective
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
    start = carry(built, choice, there)
    assert assess(there.instance, "start", start).feasible
    old, now = built.instance, there.instance
    for r, name in enumerate(now.requests.name):
        before = choice[old.requests.name.index(name)]
        assert (start[r] < 0) == (before < 0)
        if before >= 0:
            assert now.options.model[start[r]] == old.options.model[before]
            assert now.options.cloudlet[start[r]] == old.options.cloudlet[before]
    keep = keep_of(built, choice, ["b", "u7"], there)
    found = solve(now, "polish", start=start, keep=keep, iterations=50)
    assert kept(now, keep, np.array(found.decisions["option"]))
    served = old.requests.name[int(np.flatnonzero(choice >= 0)[0])]
    gone = build(replace(net, source="", models=net.models.assign(task="none").iloc[:2].assign(task=["t", "u"])))
    assert assess(gone.instance, "start", carry(built, choice, gone)).feasible
    far = build(net.change(users={served: {"deadline_s": 1e-6}}))
    with pytest.raises(InputError, match=f"keep: '{served}' cannot stay"):
        keep_of(built, choice, [served], far)
    with pytest.raises(InputError, match="'bb' is no site or user"):
        keep_of(built, choice, ["bb"])


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
    instance = build(network(4, 0)).instance
    _, given = certified(instance, "polish", iterations=0)
    given.write(tmp_path / "proof.json")
    more = instance.change(cloudlets={"memory_gb": {"a": "+8"}})
    more.write(tmp_path / "more.json")
    found = audit(tmp_path / "more.json", tmp_path / "proof.json")
    assert found.bound == verify(more, given)
