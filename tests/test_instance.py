"""Instance files: a faithful round trip, and one plain line for everything that can be wrong with a file."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import tiny, tiny_instances

from mecpfm.errors import InputError
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.instance import Cloudlets, Instance, Models, Requests
from mecpfm.records import Ragged


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("instances")


def content(seed=3):
    """File content of a tiny instance of 3 cloudlets, 3 models and 3 requests, all of one family."""
    instance = tiny(seed)
    found = json.loads(json.dumps({"schema": "mecpfm.published/1", **instance.to_object()}))
    found["models"] |= {"family": [0, 0, 0], "shared_at": [[0, 3]] * 3, "private_at": [[0, 3], [1, 3], [2]]}
    return copy.deepcopy(found)


def refusal(folder, changed):
    """The one line that reading a file with this content (an object or raw text) gives."""
    path = folder / "broken.json"
    path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(InputError) as error:
        Instance.read(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_the_unbroken_content_is_accepted(folder):
    """What the mutations below start from is itself valid."""
    path = folder / "sound.json"
    path.write_text(json.dumps(content()))
    assert Instance.read(path).sizes == (3, 3, 3)


@given(tiny_instances())
def test_round_trip_is_exact(folder, instance):
    """Writing and reading back gives the same arrays, bit by bit."""
    path = folder / "tiny.json"
    instance.write(path)
    again = Instance.read(path)
    for (name, one, _), (other_name, other, _) in zip(instance.leaves(), again.leaves(), strict=True):
        assert name == other_name
        pairs = (
            [(one.indptr, other.indptr), (one.indices, other.indices)] if isinstance(one, Ragged) else [(one, other)]
        )
        for left, right in pairs:
            assert np.array_equal(left, right), name
            assert left.dtype == right.dtype


def test_writing_is_deterministic_and_makes_no_folders(tmp_path):
    """The same instance gives the same bytes, with nothing left beside them; a folder that is absent is named."""
    instance = generate(Recipe(cloudlets=5, models=2, requests=3), 1)
    one, other = tmp_path / "a" / "one.json", tmp_path / "b" / "two.json"
    with pytest.raises(InputError, match=f"there is no folder {one.parent}"):
        instance.write(one)
    one.parent.mkdir()
    other.parent.mkdir()
    instance.write(one)
    instance.write(str(other))
    assert one.read_bytes() == other.read_bytes()
    assert [path.name for path in one.parent.iterdir()] == ["one.json"]


def test_arrays_are_frozen_copies():
    """Neither the arrays of an instance nor its fields can be changed, and they do not alias what was passed in."""
    instance = tiny(3)
    with pytest.raises(ValueError, match="read-only"):
        instance.accuracy[0, 0] = 0
    with pytest.raises(ValueError, match="frozen"):
        instance.accuracy = instance.accuracy
    budget = instance.requests.cost_budget.copy()
    record = Requests(**{**dict(instance.requests), "cost_budget": budget})
    budget[0] = -1
    assert record.cost_budget[0] == 1e6


GROUPS = {"cloudlets": Cloudlets, "models": Models, "requests": Requests}
FIELDS = [(group, name) for group, record in GROUPS.items() for name in record.model_fields]
FIELDS += [(None, name) for name in ("memory_per_gb", "distance_s_per_gb", "accuracy", "output_ratio")]
FLOATS = [field for field in FIELDS if field[1] not in ("family", "home", "shared_at", "private_at")]
LISTS = [("models", "shared_at"), ("models", "private_at")]
INTEGERS = [("models", "family"), ("requests", "home"), *LISTS]


def dotted(field):
    return ".".join(filter(None, field))


def holder(changed, field):
    return changed if field[0] is None else changed[field[0]]


def put(value, entry, data):
    """The value with one randomly drawn innermost entry replaced, and the index of that entry as a file counts it."""
    if not isinstance(value, list):
        return entry, ""
    at = data.draw(st.integers(0, len(value) - 1))
    inner, index = put(value[at], entry, data)
    return [*value[:at], inner, *value[at + 1 :]], f"[{at}]{index}"


@given(field=st.sampled_from(FIELDS), data=st.data())
def test_missing_fields_are_named(folder, field, data):
    """Leaving any field out is reported with its dotted name."""
    changed = content()
    del holder(changed, field)[field[1]]
    assert refusal(folder, changed) == f"{dotted(field)} is missing"


@given(group=st.sampled_from([None, *GROUPS]), name=st.text("abcxyz_", min_size=1, max_size=8))
def test_unknown_fields_are_named(folder, group, name):
    """A key that the schema does not know, at the top or in a group, is reported, not ignored."""
    changed = content()
    holder(changed, (group, name))["q" + name] = 1
    assert refusal(folder, changed) == f"{dotted((group, 'q' + name))} is not a known field"


@given(
    field=st.sampled_from(FLOATS),
    entry=st.sampled_from([float("nan"), float("inf"), -float("inf"), -1.0]),
    data=st.data(),
)
def test_non_finite_and_negative_entries_are_named_with_their_index(folder, field, entry, data):
    """NaN, infinities and negative numbers in any float field are reported as field[index]."""
    changed = content()
    target = holder(changed, field)
    target[field[1]], index = put(target[field[1]], entry, data)
    message = refusal(folder, changed)
    assert message.startswith(f"{dotted(field)}{index} is {entry:g}; must be ")
    assert ("must be finite" in message) == (not np.isfinite(entry))


@given(field=st.sampled_from(INTEGERS), data=st.data())
def test_negative_indices_are_named_with_their_index(folder, field, data):
    """Minus one never means the last one."""
    changed = content()
    target = holder(changed, field)
    target[field[1]], index = put(target[field[1]], -1, data)
    message = refusal(folder, changed)
    name = f"{dotted(field)}{index.partition(']')[0]}]"
    assert message.startswith(name)
    assert "-1; must be >= 0" in message


@given(
    field=st.sampled_from(FIELDS),
    entry=st.sampled_from(["1", "x", True, False, None, {}, [[1.0]], [], {"a": [1]}]),
    data=st.data(),
)
def test_entries_of_the_wrong_kind_are_refused(folder, field, entry, data):
    """Strings, booleans, null, objects and deeper nesting inside any field give one line that names the field."""
    changed = content()
    target = holder(changed, field)
    target[field[1]], _ = put(target[field[1]], entry, data)
    assert refusal(folder, changed).startswith(dotted(field))


@given(field=st.sampled_from(FIELDS), entry=st.sampled_from(["text", {}, None, True, [[[[1]]]], []]))
def test_whole_fields_of_the_wrong_kind_are_refused(folder, field, entry):
    """Another kind of value in place of any whole field gives one line that names a field."""
    changed = content()
    holder(changed, field)[field[1]] = entry
    message = refusal(folder, changed)
    assert field[1] in message or "cloudlets, models and requests must not be empty" in message


@given(group=st.sampled_from(list(GROUPS)), entry=st.sampled_from([None, 1, "x", [], [1]]))
def test_groups_must_be_objects(folder, group, entry):
    """A group that is no object is reported by its name."""
    assert refusal(folder, content() | {group: entry}).startswith(group)


@given(field=st.sampled_from([f for f in FIELDS if f[1] != "memory_per_gb"]), longer=st.booleans())
def test_wrong_lengths_are_refused(folder, field, longer):
    """One row too many or too few is reported with the shape and the field that fixed the letter."""
    changed = content()
    target = holder(changed, field)
    rows = target[field[1]]
    target[field[1]] = [*rows, rows[-1]] if longer else rows[:-1]
    message = refusal(folder, changed)
    assert "has shape" in message
    assert " by " in message


@pytest.mark.parametrize("field", ["distance_s_per_gb", "accuracy", "output_ratio"])
def test_ragged_matrices_are_refused(folder, field):
    """A matrix with a short row is reported as such."""
    changed = content()
    changed[field][1] = changed[field][1][:-1]
    assert refusal(folder, changed) == f"{field} rows differ in length"


@pytest.mark.parametrize("field", INTEGERS)
def test_indices_must_be_integers(folder, field):
    """A float is no index, even when it is a whole number."""
    changed = content()
    target = holder(changed, field)
    target[field[1]][0] = [0.0] if field in LISTS else 0.0
    assert refusal(folder, changed).endswith("must hold integers only")


def test_indices_out_of_range_are_named(folder):
    """Homes must be cloudlets (not the data centre), holders must be locations."""
    changed = content()
    changed["requests"]["home"][1] = 3
    assert refusal(folder, changed) == "requests.home[1] is 3; must be < C = 3"
    for name in ("shared_at", "private_at"):
        changed = content()
        changed["models"][name][2] = [0, 4]
        assert refusal(folder, changed) == f"models.{name}[2] names location 4; the last one is 3"


@pytest.mark.parametrize("name", ["shared_at", "private_at"])
def test_empty_and_repeated_holders_are_named(folder, name):
    """A part that nobody holds, or a holder listed twice, is reported with the model's index."""
    changed = content()
    changed["models"][name][1] = []
    assert refusal(folder, changed) == f"models.{name}[1] is empty; at least one location must hold the part"
    changed["models"][name][1] = [3, 0, 3]
    assert refusal(folder, changed) == f"models.{name}[1] holds an index twice"


def test_contradictory_families_are_named(folder):
    """Two models of one family whose shareable parts sit in different places contradict each other."""
    changed = content()
    changed["models"]["shared_at"][2] = [1, 3]
    assert refusal(folder, changed).startswith(
        "models.shared_at[2] differs from models.shared_at[0] of the same family 0"
    )
    changed["models"]["family"][2] = 1
    changed["models"]["shared_at"][2] = [1, 3]
    path = folder / "two_families.json"
    path.write_text(json.dumps(changed))
    assert Instance.read(path).models.family.tolist() == [0, 0, 1]


def test_distance_to_itself_is_zero(folder):
    """A location that needs time to pull from itself is a contradiction."""
    changed = content()
    changed["distance_s_per_gb"][2][2] = 0.5
    assert refusal(folder, changed) == "distance_s_per_gb[2][2] must be 0"


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        (("cloudlets", "processing_tflops"), 0, "must be >= 1e-30"),
        (("cloudlets", "service_rate_hz"), 0, "must be >= 1e-30"),
        (("requests", "rate_gb_per_s"), 0, "must be >= 1e-30"),
        (("requests", "rate_gb_per_s"), 5e-324, "must be >= 1e-30"),
        (("requests", "cost_budget"), 1e308, "must be <= 1e+30"),
    ],
)
def test_formulas_neither_divide_by_zero_nor_overflow(folder, field, value, rule):
    """What they divide by is no smaller, and nothing is larger."""
    changed = content()
    changed[field[0]][field[1]][1] = value
    assert refusal(folder, changed) == f"{dotted(field)}[1] is {value:g}; {rule}"


def test_accuracy_is_at_most_one(folder):
    """An accuracy of 1.25 is reported with row and column."""
    changed = content()
    changed["accuracy"][2][1] = 1.25
    assert refusal(folder, changed) == "accuracy[2][1] is 1.25; must be <= 1"


@pytest.mark.parametrize("schema", [None, "mecpfm.published/2", "mecpfm.coupled/1", 1, ["mecpfm.published/1"]])
def test_other_schemas_are_refused(folder, schema):
    """A missing or different schema name is reported with the one that is understood."""
    changed = content() | {"schema": schema}
    if schema is None:
        del changed["schema"]
    assert refusal(folder, changed) == f"schema is {schema!r}; must be 'mecpfm.published/1'"


@given(cut=st.floats(0, 0.999))
def test_truncated_files_are_refused(folder, cut):
    """A file cut off anywhere is never read as a smaller instance."""
    text = json.dumps(content())
    assert "is not valid JSON" in refusal(folder, text[: int(cut * len(text))])


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "null", "true"])
def test_json_that_is_no_object_is_refused(folder, text):
    """The file must hold one object."""
    assert refusal(folder, text) == "must hold a JSON object"


def test_hostile_files_are_refused(folder):
    """Deep nesting, huge integers and bytes that are no text end in one line as well."""
    assert "nested too deeply" in refusal(folder, "[" * 200_000)
    assert refusal(folder, content() | {"memory_per_gb": 10**400}).startswith("memory_per_gb")
    for huge in (2**63, 2**70):
        changed = content()
        changed["models"]["family"][0] = huge
        assert refusal(folder, changed).startswith("models.family")
        changed = content()
        changed["models"]["private_at"][0] = [0, huge]
        assert refusal(folder, changed).startswith("models.private_at[0]")
    path = folder / "binary.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        Instance.read(path)


def test_absent_files_and_folders_are_refused(folder):
    """A path that cannot be read is an InputError with the system's reason."""
    with pytest.raises(InputError, match=r"none\.json: cannot be read \(No such file"):
        Instance.read(folder / "none.json")
    with pytest.raises(InputError, match="cannot be read"):
        Instance.read(folder)


@pytest.mark.parametrize("key", ["schema", "requests", "home"])
def test_keys_that_stand_twice_are_refused(folder, key):
    """Whether the first or the last one counts depends on the reader: neither does here."""
    text = json.dumps(content())
    at = text.index(f'"{key}"')
    message = refusal(folder, f'{text[:at]}"{key}": 0, {text[at:]}')
    assert message == f"is not valid JSON (key {key!r} stands twice in one object)"
