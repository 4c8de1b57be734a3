"""Tables against a slow twin: Floyd and Warshall by hand, loops over users, models and sites; topologies."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.data.graphml import read_graphml
from mecpfm.data.topologies import great_circle_km, load
from mecpfm.errors import InputError
from mecpfm.network import build as builder
from mecpfm.network.build import build
from mecpfm.network.folder import read
from mecpfm.network.network import Network
from mecpfm.network.settings import Remote, Settings

GPUS = {"A": (50.0, 500.0, 24.0), "B": (100.0, 900.0, 40.0)}


def table(rows: list[tuple], *columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))


def drawn(seed: int) -> Network:
    """A connected network of five sites and a router, with measured speeds, holders, deadlines and listed blocks."""
    r = np.random.default_rng(seed)
    sites = [
        (f"s{c}", r.uniform(-60, 60), r.uniform(-180, 180), "AB"[c % 2], 1 + c % 3, [None, 20.0][c % 2])
        for c in range(5)
    ]
    pairs = [("s0", "x"), ("s1", "x"), ("s2", "s1"), ("s3", "x"), ("s4", "s3"), *([("s0", "s4")] * 2), ("s2", "s4")]
    links = [(a, b, float(r.choice([1, 2, 10])), r.choice([None, 3.0, 0.0])) for a, b in pairs]
    models = [("m0", "t", 0.9, 7.0, "bb", 13.0, 0.2), ("m1", "t", 0.6, 3.0, None, 0.0, 6.0),
              ("m2", "u", 0.7, 7.0, "bb", 13.0, 0.0), ("m3", "t", 0.8, 2.0, None, 0.0, 0.0)]  # fmt: skip
    users = [
        (f"u{i}", *[(f"s{i % 5}", None, None), (None, r.uniform(-60, 60), r.uniform(-180, 180))][i % 2],
         "tu"[i % 3 == 0],
         float(r.integers(10, 900)), float(r.integers(10, 90)), float(r.integers(1, 9)), float(r.choice([0, 0.7])),
         r.choice([None, 2.0, 0.3]))
        for i in range(9)
    ]  # fmt: skip
    return Network(
        sites=table(sites, "site", "latitude_deg", "longitude_deg", "gpu", "gpus", "memory_gb"),
        links=table(links, "from", "to", "gbit_s", "latency_ms"),
        routers=table([("x", 10.0, 20.0)], "router", "latitude_deg", "longitude_deg"),
        models=table(models, "model", "task", "accuracy", "parameters_b", "backbone", "backbone_gb", "own_gb"),
        blocks=table([("m3", "bb", 13.0), ("m3", "low", 2.0), ("m3", "m3", 1.0)], "model", "block", "size_gb"),
        users=table(users, "user", "site", "latitude_deg", "longitude_deg", "task", "tokens_in", "tokens_out",
                    "per_hour", "min_accuracy", "deadline_s"),
        holds=table([("s1", "bb", None), ("s4", "low", None), ("s2", None, "m3")], "site", "block", "model"),
        gpus=table([(k, *v) for k, v in GPUS.items()], "gpu", "fp16_tflops", "bandwidth_gb_s", "memory_gb"),
        speeds=table([("A", "m1", 900.0, 30.0), ("B", "m2", 5000.0, 70.0)], "gpu", "model", "prefill_tokens_s",
                     "decode_tokens_s"),
        settings=Settings(period_s=1800.0, access_ms=4.0, remote=Remote("", "B", 9.0, 20.0, 5.0)),
    )  # fmt: skip


def slow_paths(net: Network, weigh) -> dict[tuple[str, str], float]:
    """Floyd and Warshall over sites and routers."""
    names = [*net.sites["site"], *net.routers["router"]]
    far = {(a, b): 0.0 if a == b else math.inf for a in names for b in names}
    for link in net.links.to_dict("records"):
        ends = link["from"], link["to"]
        far[ends] = far[ends[::-1]] = min(far[ends], weigh(link))
    for via in names:
        for a in names:
            for b in names:
                far[a, b] = min(far[a, b], far[a, via] + far[via, b])
    return far


def km(a: dict, b: dict) -> float:
    """Great circle by the vectors' angle."""

    def vector(at):
        la, lo = math.radians(at["latitude_deg"]), math.radians(at["longitude_deg"])
        return np.array([math.cos(la) * math.cos(lo), math.cos(la) * math.sin(lo), math.sin(la)])

    return 6371.0088 * math.atan2(np.linalg.norm(np.cross(vector(a), vector(b))), vector(a) @ vector(b))


def token_s(net: Network, gpu: str, model: dict) -> tuple[float, float]:
    for speed in net.speeds.to_dict("records"):
        if (speed["gpu"], speed["model"]) == (gpu, model["model"]):
            return 1 / speed["prefill_tokens_s"], 1 / speed["decode_tokens_s"]
    flops, band, _ = GPUS[gpu]
    return 2 * model["parameters_b"] / (500 * flops), 2 * model["parameters_b"] / band


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_builder_equals_its_slow_twin(seed):
    """Every option, delay, pull, source and memory."""
    net = drawn(seed)
    built = build(net)
    instance, sites, models = built.instance, net.sites.to_dict("records"), net.models.to_dict("records")
    place = {site["site"]: site for site in sites} | {"x": {"latitude_deg": 10.0, "longitude_deg": 20.0}}
    way = slow_paths(
        net,
        lambda e: (
            km(place[e["from"]], place[e["to"]]) / 2e5 + 1e-3 if math.isnan(e["latency_ms"]) else e["latency_ms"] / 1e3
        ),
    )
    pull = slow_paths(net, lambda e: 8 / e["gbit_s"])
    names = [site["site"] for site in sites]
    centre = min(names, key=lambda c: round(sum(way[c, other] for other in names), 9))
    near = lambda a, b: pytest.approx(b, rel=1e-8, abs=1e-9) == a  # noqa: E731
    assert instance.cloudlets.memory_gb.tolist() == [24.0, 20.0, 72.0, 20.0, 48.0]
    assert dict(zip(instance.blocks.name, instance.blocks.size_gb, strict=True)) == {
        "bb": 13,
        "m0": 0.2,
        "m1": 6,
        "low": 2,
        "m3": 1,
    }
    wanted_parts = {"m0": {"bb", "m0"}, "m1": {"m1"}, "m2": {"bb"}, "m3": {"bb", "low", "m3"}}
    for k, model in enumerate(instance.models.name):
        assert {instance.blocks.name[b] for b in instance.models.blocks[k]} == wanted_parts[model]
    held = {"bb": {"s1", "s2"}, "low": {"s4", "s2"}, "m3": {"s2"}}
    for b, block in enumerate(instance.blocks.name):
        for c, site in enumerate(names):
            cheapest = min([pull[h, site] for h in held.get(block, ())] + [pull[centre, site] + 8 / 5])
            assert near(instance.pull_s[b, c], instance.blocks.size_gb[b] * cheapest)
            source = instance.cloudlets.source[b, c]
            cost = pull[centre, site] + 8 / 5 if source == -1 else pull[names[source], site]
            assert near(cost, cheapest)
            assert source == -1 or names[source] in held[block]
    found = {o[:3]: o[3:] for o in zip(*(getattr(instance.options, f).tolist() for f in
             ("request", "model", "cloudlet", "delay_s", "compute_s", "accuracy")), strict=True)}  # fmt: skip
    for r, user in enumerate(net.users.to_dict("records")):
        home = user["site"] or min(names, key=lambda c: km(user, place[c]))
        fitting = [m for m in models if m["task"] == user["task"]]
        best, count = max(fitting, key=lambda m: m["accuracy"]), user["per_hour"] / 2
        before, after = token_s(net, "B", best)
        remote = 0.004 + 2 * (way[home, centre] + 0.02) + 9 * (user["tokens_in"] * before + user["tokens_out"] * after)
        assert near(instance.requests.remote_delay_s[r], remote * count)
        for k, model in enumerate(models):
            for c, site in enumerate(sites):
                before, after = token_s(net, site["gpu"], model)
                before, after = user["tokens_in"] * before, user["tokens_out"] * after
                delay = 0.004 + 2 * way[home, site["site"]] + before + after
                wanted = model in fitting and model["accuracy"] >= user["min_accuracy"]
                wanted = wanted and delay <= min(remote, user["deadline_s"])
                assert ((r, k, c) in found) == wanted
                if wanted:
                    assert near(found[r, k, c][0], delay * count)
                    assert near(found[r, k, c][1], (before + after / 16) * count)


def test_parts_of_users_do_not_show(monkeypatch):
    """However few users are computed together, the bits are the same."""
    whole = build(drawn(5)).instance.to_object()
    monkeypatch.setattr(builder, "AT_ONCE", 1)
    assert build(drawn(5)).instance.to_object() == whole


@settings(max_examples=200, deadline=None)
@given(*[st.floats(-90, 90), st.floats(-180, 180)] * 2)
def test_the_great_circle(a, b, c, d):
    """Against the angle of two vectors, antipodes and poles included."""
    point, other = ({"latitude_deg": p, "longitude_deg": q} for p, q in ((a, b), (c, d)))
    assert float(great_circle_km(a, b, c, d)) == pytest.approx(
        km(point, other), rel=1e-9, abs=2e-6 + 1e-3 * (km(point, other) > 20000)
    )


ZOO = """<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d1"/>
  <key attr.name="Latitude" attr.type="double" for="node" id="d2"/>
  <key attr.name="Longitude" attr.type="double" for="node" id="d3"/>
  <key attr.name="label" attr.type="string" for="node" id="d4"/>
  <graph edgedefault="undirected">
    <node id="0"><data key="d2">45.0</data><data key="d3">5.0</data><data key="d4">Lyon</data></node>
    <node id="1"><data key="d2">46.0</data><data key="d3">6.0</data><data key="d4">Hub</data></node>
    <node id="2"><data key="d4">Hub</data></node>
    <node id="3"><data key="d2">47.0</data><data key="d3">7.0</data><data key="d4">Bern</data></node>
    <edge source="0" target="1"><data key="d1">2000000000.0</data></edge>
    <edge source="1" target="2"/><edge source="2" target="3"/><edge source="3" target="3"/>
  </graph>
</graphml>
"""


def folder_of(tmp_path: Path, topology: str, sites: str, graph: str = ZOO) -> Path:
    (tmp_path / "zoo.graphml").write_text(graph)
    (tmp_path / "network.toml").write_text(f"topology = '{topology}'\nlink_gbit_s = 4\n")
    (tmp_path / "sites.csv").write_text(sites)
    (tmp_path / "models.csv").write_text("model,task,accuracy,parameters_b,own_gb\nm,t,0.9,7,14\n")
    (tmp_path / "users.csv").write_text("user,latitude_deg,longitude_deg,task,tokens_in,tokens_out\nu,45,5,t,9,9\n")
    return tmp_path


def test_graphml_in_place_of_links(tmp_path):
    """Speeds in bit/s, positions from the file where sites lack them, nodes without GPUs as routers."""
    net = read(
        folder_of(tmp_path, "zoo.graphml", "site,gpu,latitude_deg,longitude_deg\nLyon,A10,,\nBern,L4,46.9,7.4\n")
    )
    assert net.sites[["latitude_deg", "longitude_deg"]].to_numpy().tolist() == [[45.0, 5.0], [46.9, 7.4]]
    assert net.routers["router"].tolist() == ["Hub 1", "Hub 2"]
    assert net.links["gbit_s"].tolist() == [2, 4, 4]
    hop = float(great_circle_km(45, 5, 46, 6)) / 2e5
    assert build(net).path_s[0, 1] == pytest.approx(hop + 0.003, rel=1e-12)


def test_a_topology_by_name(tmp_path):
    """A site outside the topology is refused with the nearest node."""
    nodes = load("sndlib/nobel-germany").unique_names()
    folder = folder_of(tmp_path, "sndlib/nobel-germany", f"site,gpu\n{nodes[0]},A10\n{nodes[5]},L4\n")
    assert build(read(folder)).instance.sizes[2] == 2
    folder_of(tmp_path, "sndlib/nobel-germany", f"site,gpu\n{nodes[0]}x,A10\n")
    with pytest.raises(InputError, match=rf"row 1: .* is no node; did you mean '{nodes[0]}'"):
        read(folder)
    folder_of(tmp_path, "sndlib/nobel-germani", f"site,gpu\n{nodes[0]},A10\n")
    with pytest.raises(InputError, match="did you mean 'sndlib/nobel-germany'"):
        read(folder)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<graphml", '<!DOCTYPE a [<!ENTITY b "c">]><graphml', "holds a document type"),
        ("45.0", "91", "Latitude of '0' is '91'; must be a number"),
        ("2000000000.0", "nan", "LinkSpeedRaw of '0 to 1' is 'nan'"),
        ('target="1"', 'target="9"', "node '9' is unknown"),
        ('id="1"', 'id="0"', "a node stands twice"),
        ("</graphml>", "", "is not usable GraphML"),
        ('encoding="utf-8"', 'encoding="none-such"', "is not usable GraphML"),
    ],
)
def test_graphml_that_is_refused(tmp_path, old, new, reason):
    """One line that names the file."""
    path = tmp_path / "zoo.graphml"
    path.write_text(ZOO.replace(old, new, 1))
    with pytest.raises(InputError, match=reason) as caught:
        read_graphml(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
