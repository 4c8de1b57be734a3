"""A dispatcher's file: goes on draw for draw, and is refused in one line when it is damaged or something else."""

import zipfile

import numpy as np
import pytest
from dispatcher_replay import agent_of, decide, place_of, replay, state
from hypothesis import given, settings
from hypothesis import strategies as st
from online_strategies import ALL, scene

from mecpfm.errors import InputError
from mecpfm.online.dispatcher import Dispatcher
from mecpfm.online.dispatcher_file import _digest


@pytest.mark.parametrize("name", ["priced-cov", "disjoint-wtsrc", "hybrid-lints", "belief", "credit", "follow-probe"])
def test_saving_and_loading_change_nothing(name, tmp_path):
    """A dispatcher that is saved and loaded every 40 requests, and grows meanwhile, replays the trace all the same."""

    def reload(agent, request):
        if request % 40:
            return agent
        agent.save(tmp_path / "agent.npz")
        found = Dispatcher.load(tmp_path / "agent.npz")
        assert state(found) == state(agent)
        return found

    tickets, _, outcome = replay(scene(300, seed=1), ALL[name], between=reload)
    assert [(t.site, t.small) for t in tickets] == [place_of(outcome, i) for i in range(300)]


@given(st.data())
@settings(max_examples=80)
def test_damaged_files_are_one_line(tmp_path_factory, data):
    """Any byte changed, or any end cut off: the file loads as it was, or one InputError names it."""
    path = tmp_path_factory.mktemp("live") / "agent.npz"
    agent = agent_of("ucb1")
    decide(agent, 1.0)
    agent.save(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        found = Dispatcher.load(path)
    except InputError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert state(found) == state(agent)


def test_files_of_before_are_read(tmp_path):
    """One that does not name the arrays which only ``follow-probe`` keeps is whole without them."""
    path, agent = tmp_path / "agent.npz", agent_of()
    agent.save(path)
    with np.load(path) as archive:
        content = {
            name: array for name, array in archive.items() if name not in ("digest", "demand.losses", "demand.made")
        }
    np.savez(path, **content, digest=np.array(_digest(content)))
    assert state(Dispatcher.load(path)) == state(agent)


def test_foreign_and_edited_files_are_refused(tmp_path):
    """An archive of something else, one with a number changed, one that lies about its shapes, and none at all."""
    path = tmp_path / "agent.npz"
    agent_of().save(path)
    with np.load(path) as archive:
        content = dict(archive)
    edited = {**content, "edge.free": content["edge.free"] + 1}
    other = {**content, "edge.free": np.zeros(1)}
    del other["digest"]
    for case, says in (
        ({"schema": np.array("mecpfm.coupled/1")}, "no dispatcher"),
        ({"a": np.zeros(3)}, "no dispatcher"),
        (edited, "damaged"),
        ({**other, "digest": np.array(_digest(other))}, "edge.free has shape"),
        ({name: value for name, value in content.items() if name != "told"}, "damaged"),
    ):
        np.savez(path, **case)
        with pytest.raises(InputError, match=says):
            Dispatcher.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        Dispatcher.load(tmp_path / "none.npz")
    with pytest.raises(InputError, match="no folder"):
        agent_of().save(tmp_path / "no" / "agent.npz")
    agent_of().save(path)
    with zipfile.ZipFile(path) as archive:
        assert not any(name.endswith(".pkl") for name in archive.namelist())
