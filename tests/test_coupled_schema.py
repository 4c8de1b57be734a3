"""Files of mecpfm.coupled/2: names for indices, defaults, deadlines; the JSON Schema is that of the code."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from coupled_schema import json_schema
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mecpfm.coupled.instance import Instance
from mecpfm.errors import InputError

SCHEMA = Path(__file__).parents[1] / "docs" / "coupled-2.schema.json"
NAMED = {
    "schema": "mecpfm.coupled/2",
    "blocks": {"size_gb": [13.0, 0.2], "name": ["base", "own"]},
    "models": {"blocks": [["own", "base"], [0]], "name": ["chat", "code"]},
    "cloudlets": {
        "memory_gb": [24, 24], "compute_s": [60, 60], "pull_s_per_gb": [[0, 0.8], [8, 9]], "cached": [["base"], []],
        "source": [["a", "a"], [-1, -1]], "name": ["a", "b"],
    },
    "requests": {"remote_delay_s": [9, 9], "weight": [2, 1], "deadline_s": [3, 1e9], "name": ["u", "v"]},
    "options": {"request": ["u", "v"], "model": ["chat", 1], "cloudlet": ["b", "a"], "delay_s": [4, 5],
                "compute_s": [1, 2]},
}  # fmt: skip
PLAIN = copy.deepcopy(NAMED)
PLAIN["models"]["blocks"] = [[0, 1], [0]]
PLAIN["cloudlets"] |= {"cached": [[0], []], "source": [[0, 0], [-1, -1]]}
PLAIN["requests"] |= {"remote_accuracy": [1, 1]}
PLAIN["options"] |= {"request": [0, 1], "model": [0, 1], "cloudlet": [1, 0], "accuracy": [1, 1]}


def stored(tmp_path: Path, content: dict) -> Path:
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(content))
    return path


def test_names_and_defaults_are_indices_and_ones(tmp_path):
    """The same instance, also after it was written; archives take names too."""
    named = Instance.read(stored(tmp_path, NAMED))
    assert named.to_object() == Instance.read(stored(tmp_path, PLAIN)).to_object()
    named.write(tmp_path / "again.npz")
    assert Instance.read(tmp_path / "again.npz").to_object() == named.to_object()
    with np.load(tmp_path / "again.npz") as archive:
        arrays = dict(archive) | {"options.model": np.array(["chat", "code"])}
    del arrays["options.accuracy"]
    np.savez(tmp_path / "named.npz", **arrays)
    assert Instance.read(tmp_path / "named.npz").to_object() == named.to_object()


@pytest.mark.parametrize(
    ("group", "field", "value", "reason"),
    [
        ("options", "model", ["chatt", 1], r"options.model\[0\] is 'chatt'; models.name has no such name"),
        ("options", "delay_s", [7, 5], r"options.delay_s\[0\] is 7; requests.deadline_s\[0\] allows 6"),
        ("models", "name", ["chat", "chat"], r"models.name\[1\] is 'chat' once more"),
        ("requests", "deadline_s", [0, 1], r"requests.deadline_s\[0\] is 0; must be > 0"),
        ("blocks", "name", None, r"models.blocks\[0\]\[0\] is 'own'; blocks.name has no such name"),
        ("models", "blocks", [["own", "own"], [0]], r"models.blocks\[0\] holds an index twice"),
    ],
)
def test_what_is_refused(tmp_path, group, field, value, reason):
    """One line with the file's name, field and reason."""
    content = copy.deepcopy(NAMED)
    content[group][field] = value
    with pytest.raises(InputError, match=reason):
        Instance.read(stored(tmp_path, content))


def test_the_older_schema_takes_indices_only(tmp_path):
    """Names and defaults are of /2."""
    with pytest.raises(InputError, match=r"must be|must hold|is missing"):
        Instance.read(stored(tmp_path, NAMED | {"schema": "mecpfm.coupled/1"}))


def test_the_schema_is_that_of_the_code():
    """Write it anew by python tests/coupled_schema.py > docs/coupled-2.schema.json."""
    assert json.loads(SCHEMA.read_text()) == json_schema(Instance, "mecpfm.coupled/2")
    Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


VALUES = st.sampled_from([None, -1, 0, 1, 1.5, 1e10, "a", "base", True, [], [0], [[0], []], {}])


@settings(max_examples=200, deadline=None)
@given(place=st.sampled_from([(g, f) for g, fields in PLAIN.items() if g != "schema" for f in fields]), value=VALUES)
def test_what_the_schema_refuses_the_reader_refuses(tmp_path_factory, place, value):
    """And what the reader takes is valid by the schema, but for null, which stands for an absent field."""
    content, (group, field) = copy.deepcopy(PLAIN), place
    content[group][field] = value
    valid = Draft202012Validator(json.loads(SCHEMA.read_text())).is_valid(content)
    assert Draft202012Validator(json.loads(SCHEMA.read_text())).is_valid(NAMED)
    try:
        Instance.read(stored(tmp_path_factory.mktemp("schema"), content))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert valid or value is None
