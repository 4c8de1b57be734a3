"""A network in tables under a trace, under a dispatcher, and behind the page's HTTP wrapper."""

import json
import re
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import mecpfm, start

from mecpfm.data.topologies import great_circle_km
from mecpfm.errors import InputError
from mecpfm.network.example import write
from mecpfm.network.ground import expected_s, may_serve, serve
from mecpfm.network.live import Dispatcher, _drawn, scene_of
from mecpfm.network.network import Network
from mecpfm.network.settings import Remote, Settings
from mecpfm.online.policy import named
from mecpfm.online.read import read
from mecpfm.online.simulate import Run
from mecpfm.online.world import build

PAGE = Path(__file__).parents[1] / "docs" / "live.md"
HOP_S = 0.001 + great_circle_km(np.array(45.5), np.array(5.5), np.array(46.0), np.array(6.0)) / 200_000


def network(**changes):
    """Three sites in a row; a model that has no backbone; b holds the backbone of the others."""
    tables = {
        "sites": pd.DataFrame(
            {
                "site": ["a", "b", "c"], "latitude_deg": [45.0, 45.5, 46.0], "longitude_deg": [5.0, 5.5, 6.0],
                "gpu": ["L4", "A10", "L4"], "gpus": [1, 1, 2], "memory_gb": [24, 24, 16],
            }
        ),
        "links": pd.DataFrame({"from": ["a", "b"], "to": ["b", "c"], "gbit_s": [8, 4], "latency_ms": [2.0, None]}),
        "models": pd.DataFrame(
            {
                "model": ["chat", "code", "alone"], "task": ["t", "t", "u"], "accuracy": [0.9, 0.8, 0.7],
                "parameters_b": [7, 7, 3], "backbone": ["base", "base", None], "backbone_gb": [14, 14, 0],
                "own_gb": [0.1, 0.2, 6],
            }
        ),
        "users": pd.DataFrame(
            {
                "user": ["u0", "u1", "u2"], "site": ["a", "b", "c"], "task": ["t", "u", "t"],
                "tokens_in": [100, 200, 300], "tokens_out": [50, 60, 70], "per_hour": [10, 20, 30],
            }
        ),
        "holds": pd.DataFrame({"site": ["b"], "block": ["base"]}),
        "settings": Settings(remote=Remote(site="b", gpu="L4", congestion=4.0, latency_ms=20.0, gbit_s=2.0)),
    }  # fmt: skip
    return Network(**{**tables, **changes})


def requests(path, count=90, users=("u0", "u1", "u2"), models=("code", "chat", "alone")):
    """A trace file of one's own, one request every 10 s that takes 3 s."""
    lines = [f"{10 * i},3,{users[i % len(users)]},{models[i % len(models)]}" for i in range(count)]
    path.write_text("time_s,work_s,group,model\n" + "\n".join(lines) + "\n")
    return read(path).trace


def test_the_ground_is_that_of_the_tables(tmp_path):
    """Paths, pulls, speeds, memories, parts and the data centre, by hand."""
    trace = requests(tmp_path / "trace.csv")
    served = serve(network(), trace, 60, None, 0)
    setting, ground = served.setting, served.ground
    assert ground.near.tolist() == [[0, 1, 2], [1, 2, 0], [2, 1, 0]]
    ab, bc = 0.002, HOP_S
    way = np.array([[0, ab, ab + bc], [0, bc, ab], [0, bc, ab + bc]])
    np.testing.assert_allclose(ground.net_s, 0.005 + 2 * way, rtol=1e-9)
    np.testing.assert_allclose(ground.speed[[0, 2]], [1.0, 2.0])
    assert 1 < ground.speed[1] < 3
    assert ground.memory_gb.tolist() == [24, 24, 16]
    assert ground.base.tolist() == [0, 0, 1]
    assert ground.part_gb.tolist() == [14, 0, 0.1, 0.2, 6]
    assert np.argwhere(ground.held).tolist() == [[1, 0]]
    assert 1 / setting.edge_gb_s == pytest.approx(2 * (1 + 2 + 3) / 6)
    assert 1 / setting.centre_gb_s == pytest.approx(4 + (1 + 0 + 2) / 3)
    assert setting.remote_path_s == pytest.approx(0.005 + 2 * ((ab + bc) / 3 + 0.02))
    assert setting.remote_speed == pytest.approx(1 / 4)
    assert (setting.load, setting.congestion_s, setting.remote_load_s) == (None, 0, 0)
    assert trace.model_names == ("code", "chat", "alone")
    assert served.trace.model[:3].tolist() == [1, 0, 2]
    assert ground.home.tolist() == [0, 1, 2]
    assert len(served.assumed) == 4


def test_a_scene_on_tables_runs_on_the_traces_clock(tmp_path):
    """Arrivals and service times are the file's; the first requests find what holds.csv says."""
    trace = requests(tmp_path / "trace.csv")
    served = serve(network(), trace, 60, None, 0)
    scene = build(served.setting, served.trace, 0, ground=served.ground)
    np.testing.assert_array_equal(scene.world.arrival, 10.0 * np.arange(60))
    assert set(scene.world.work) == {3.0}
    assert scene.world.congestion.max() == 0
    run = Run(scene, named("nearest"))
    assert run.edge.held[1, 0]
    assert run.edge.used_gb.tolist() == [0, 14, 0]
    run.advance(2)
    assert run.edge.holders[0] == 2 or run.log.pulled_gb[:2].min() < 1


def test_names_that_no_table_knows_take_turns(tmp_path):
    """And are said to; a name among known ones that is unknown is refused with the nearest."""
    trace = requests(tmp_path / "trace.csv", users=[f"x{i}" for i in range(40)], models=["m", "n", "o", "p"])
    served = serve(network(), trace, 60, None, 0)
    assert served.trace.model[:4].tolist() == [0, 1, 2, 0]
    assert set(served.ground.home) == {0, 1, 2}
    assert len(served.ground.home) == 40
    assert [words.split(":")[0] for words in served.assumed[-2:]] == ["models", "homes"]
    with pytest.raises(InputError, match=r"trace.csv: 'caht' is not in models; did you mean 'chat'\?"):
        serve(network(), requests(tmp_path / "trace.csv", models=("chat", "caht")), 60, None, 0)
    with pytest.raises(InputError, match="'u9' is not in users"):
        serve(network(), requests(tmp_path / "trace.csv", users=("u0", "u9")), 60, None, 0)


@pytest.mark.parametrize(
    ("table", "cell", "says"),
    [
        ("sites", {"memory_gb": [24, 24, 10]}, r"sites: row 3: 'c' has 10 GB; online, .* 'code' takes 14.2"),
        ("holds", {"site": ["c", "c"], "block": ["base", "alone"]}, "holds: site 'c' holds 20 GB; it has 16"),
    ],
)
def test_sites_that_cannot_hold_are_refused(tmp_path, table, cell, says):
    """One line, by name."""
    net = network()
    old = getattr(net, table)
    changed = old.assign(**cell) if table == "sites" else pd.DataFrame(cell)
    with pytest.raises(InputError, match=says):
        serve(network(**{table: changed}), requests(tmp_path / "trace.csv"), 60, None, 0)


def test_the_command_serves_the_folders_sites(tmp_path):
    """JSON names the folder, says what was assumed, and scales nothing unless asked; --scenario is refused."""
    write(tmp_path / "net")
    requests(tmp_path / "trace.csv", users=("u1", "u2"), models=("llama-7b-chat", "gpt-j-6b-code"))
    words = ["simulate-trace", tmp_path / "trace.csv", "--policy", "nearest", "--network", tmp_path / "net"]
    found = [mecpfm(*words, *more) for more in (["--json"], ["--json", "--load", "0.5"], ["--scenario", "base"])]
    plain, scaled = (json.loads(done.stdout) for done in found[:2])
    assert plain["network"] == str(tmp_path / "net")
    assert plain["changed"] == []
    assert any(words.startswith("sites: 8 of ") for words in plain["assumed"])
    assert scaled["load"] == pytest.approx(0.5)
    assert "time: multiplied by" in scaled["changed"][0]
    assert found[2].returncode == 2
    assert found[2].stderr.count("\n") == 1
    assert "--scenario is 'base'" in found[2].stderr


def test_a_dispatcher_on_tables_begins_with_what_they_say():
    """First forecasts are the roofline's means; features of one's own are standardised as stated; all by name."""
    net = network()
    agent = Dispatcher(net, policy="structured-mean", seed=0, features={"images": (2.0, 0.5)})
    assert agent.names.features == ("tokens_in", "tokens_out", "images")
    ticket = agent.decide(user="u2", model="chat", features={"images": 3}, now=0.0)
    table = expected_s(net)
    mean = (table[0, 0] + table[1, 2] + table[2, 0]) / 3  # one observation a user: the first model of its task
    speed = serve(net, _trace(net), 2000, None, 0).ground.speed[["a", "b", "c"].index(ticket.site)]
    assert ticket.service_s == pytest.approx(mean / speed)
    row = agent._desk.open[ticket.number]
    world = agent._desk.rows.world
    assert world.static[row].tolist() == [300, 70, 3]
    assert (world.home[row], world.model[row], world.group[row]) == (2, 0, 2)
    assert world.payload_gb[row] == pytest.approx(4 * 300 / 1e9)
    scene, _ = scene_of(net, {"images": (2.0, 0.5)})
    assert (scene.shift[2], scene.scale[2]) == (2.0, 0.5)
    for name, spread in (("tokens_in", 1.0), ("images", 0.0)):
        with pytest.raises(InputError, match=f"feature {name}"):
            Dispatcher(net, features={name: (1.0, spread)})


def _trace(net):
    static = net.users[["tokens_in", "tokens_out"]].to_numpy()
    return _drawn(net, expected_s(net), may_serve(net), static)


def test_a_dispatcher_learns_from_what_it_is_told():
    """Requests that take ten times what the tables say are forecast so after some of them."""
    agent, tickets = Dispatcher(network(), policy="structured-full", seed=0), []
    for i in range(60):
        tickets.append(agent.decide(user="u1", model="chat", now=400.0 * i))
        agent.complete(tickets[-1], seconds=100.0, service_s=10 * tickets[0].service_s)
    assert tickets[-1].site == tickets[0].site
    assert tickets[-1].service_s == pytest.approx(10 * tickets[0].service_s, rel=0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def post(service, port, path, said):
    """Status and body of a POST; waits for the service to begin to listen, as long as it lives."""
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while service.poll() is None:
        try:
            with opener.open(f"http://127.0.0.1:{port}{path}", data, timeout=600) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError:
            time.sleep(0.02)
    raise AssertionError("the service ended")


def test_the_pages_wrapper_serves(tmp_path):
    """The page's Python, as it stands, in at most twenty lines: decides, completes, refuses and goes on."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 20
    write(tmp_path / "net")
    port = free_port()
    service = start(tmp_path, "net", port, cwd=tmp_path, code=code)
    try:
        asked = {"user": "u17", "model": "llama-7b-chat", "features": {"tokens_in": 240}}
        status, ticket = post(service, port, "/decide", asked)
        assert (status, ticket["number"], set(ticket)) == (200, 0, {"number", "site", "small", "service_s"})
        assert post(service, port, "/complete", {"ticket": 0, "seconds": 4.1}) == (200, None)
        for path, said in (("/complete", {"ticket": 0, "seconds": 1}), ("/decide", {**asked, "user": "x"}),
                           ("/decide", b"{"), ("/decide", b"[1]"), ("/complete", {"seconds": 1})):  # fmt: skip
            assert post(service, port, path, said)[0] == 400, said
        assert post(service, port, "/decide", asked)[1]["number"] == 1
    finally:
        service.kill()
