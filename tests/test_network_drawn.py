"""New folders: random networks of every regime and size, and public topologies from files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_network_tables import ZOO

import mecpfm as mp
from mecpfm.cli.network import new
from mecpfm.coupled.check import assess
from mecpfm.coupled.generate import REGIMES
from mecpfm.coupled.methods import solve
from mecpfm.network.build import build
from mecpfm.network.example import write

TABLES = ("sites", "links", "models", "users")


@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 30), st.integers(1, 20), st.integers(1, 60), st.sampled_from(sorted(REGIMES)), st.integers(0, 2**32)
)
def test_what_is_drawn_is_a_network_of_that_size(sites: int, models: int, users: int, regime: str, seed: int):
    """Any recipe is built and served; the same one gives the same tables; requests are 50 a site and period."""
    net = mp.example(users, sites=sites, models=models, regime=regime, seed=seed)
    assert tuple(map(len, (net.sites, net.models, net.users))) == (sites, models, users)
    again = mp.example(users, sites=sites, models=models, regime=regime, seed=seed)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(net, name), getattr(again, name))
    instance = build(net).instance
    assert instance.sizes[2:] == (sites, users)
    plan = solve(instance, "polish", iterations=20)
    assert plan.feasible
    assert 25 * sites <= instance.requests.weight.sum() <= 75 * sites + users
    assert net.settings.period_s == REGIMES[regime].period_s
    assert set(net.links["gbit_s"]) <= set(REGIMES[regime].backhaul_gbit_s)


def test_regimes_are_short_of_what_they_say():
    """GPU time has a price where compute is scarce, memory is what was stated where memory is."""
    for regime, column in (("compute-bound", "price_s_per_gpu_s"), ("memory-bound", "price_s_per_gb")):
        plan = mp.solve(mp.example(80, sites=6, models=12, regime=regime, seed=1), method="polish", iterations=100)
        assert (plan.sites[column] > 0).any(), regime
    assert set(mp.example(9, regime="memory-bound").sites["memory_gb"]) == {32.0}
    one, two = (mp.example(9, seed=seed) for seed in (0, 1))
    assert not one.sites.equals(two.sites)


def test_a_graphml_file_makes_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Its speeds stay, nodes without a position are routers, and so are those beyond the sites asked for."""
    (tmp_path / "zoo.graphml").write_text(ZOO)
    graph = str(tmp_path / "zoo.graphml")
    write(tmp_path / "all", graph, 12)
    net = mp.read(tmp_path / "all")
    assert (net.links["gbit_s"] > 0).all()
    instance = build(net).instance
    assert assess(instance, "remote", np.full(12, -1)).feasible
    new(tmp_path / "two", graph, 12, 2, None, "mixed", 4)
    two = mp.read(tmp_path / "two")
    assert len(two.sites) == 2
    assert len(two.sites) + (0 if two.routers is None else len(two.routers)) == ZOO.count("<node ")
    assert "sites.csv" in capsys.readouterr().out
    (tmp_path / "apart.graphml").write_text(ZOO.replace("</graph>", '<node id="far"/></graph>'))
    for name, says in (("apart", "is not connected"), ("none", "cannot be read")):
        with pytest.raises(mp.InputError, match=says):
            write(tmp_path / "new", str(tmp_path / f"{name}.graphml"))
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("asked", [{"sites": 1}, {"models": 0}, {"regime": "dry"}, {"seed": -1}])
def test_what_cannot_be_drawn_is_one_line(asked: dict[str, object]):
    with pytest.raises(mp.InputError, match=next(iter(asked))) as error:
        mp.example(**asked)
    assert "\n" not in str(error.value)
