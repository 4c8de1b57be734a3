"""Plan files that were damaged: refused in one line, before anything is shown."""

import json
from pathlib import Path

import pytest
from test_front import NAMES, network

import mecpfm as mp


@pytest.fixture(scope="module")
def plan() -> mp.NamedPlan:
    return mp.solve(network(), iterations=500)


CHANGES = [
    (("tables",), None), (("tables", "users"), []), (("tables", "users", 0, "delay_s"), "x"),
    (("tables", "users", 0, "served_at"), 3), (("tables", "users", 0, "served_at"), "nowhere"),
    (("tables", "pulls", 0, "from"), "nowhere"), (("tables", "sites", 0, "site"), NAMES[1]),
    (("tables", "pulls", 0, "gb"), None), (("tables", "sites", 0, "users"), 1e400),
    (("tables", "prices", 0, "site"), None), (("map", "links", 0, 0), "nowhere"), (("summary", "users"), "many"),
    (("summary", "parts_s"), []), (("summary", "violations"), ["a row"]), (("certificate", "bound_s"), "low"),
    (("decisions",), None), (("objective",), "low"), (("method",), 7), (("status",), None),
    (("network", "sites"), None), (("network", "links", "from"), ["nowhere"] * 3),
    (("network", "settings", "period_s"), "x"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), CHANGES, ids=[".".join(map(str, place)) for place, _ in CHANGES])
def test_a_damaged_plan_is_one_line(plan: mp.NamedPlan, tmp_path: Path, place: tuple[str | int, ...], value: object):
    """The file is named, and what is wrong with it."""
    content = json.loads(json.dumps(plan.to_object()))
    *path, last = place
    inner = content
    for key in path:
        inner = inner[key]
    inner[last] = value
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(content))
    with pytest.raises(mp.InputError, match=r"plan\.json") as error:
        mp.load(file)
    assert "\n" not in str(error.value)


def test_a_plan_from_a_file_begins_a_search_by_its_names(plan: mp.NamedPlan, tmp_path: Path):
    """Its network is there, and indices that nobody has do no harm; another cost or network in it is refused."""
    content = json.loads(json.dumps(plan.to_object()))
    content["decisions"]["option"] = [10**9] * len(plan.users)
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(content))
    again = mp.solve(network(), start=mp.load(file), iterations=0)
    assert again.objective <= plan.objective * (1 + 1e-9)
    more = network(28.0)
    assert mp.load(file).saves_at_most(more) == plan.saves_at_most(more)
    file.write_text(json.dumps(content | {"objective": plan.objective * 2}))
    with pytest.raises(mp.InputError, match=r"objective is .*; what its users table says costs"):
        mp.load(file).saves_at_most(more)
    content["network"]["settings"]["period_s"] = 60
    file.write_text(json.dumps(content))
    with pytest.raises(mp.InputError, match="another network"):
        mp.load(file).saves_at_most(more)
