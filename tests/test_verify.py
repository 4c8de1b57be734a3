"""``verify`` proves or complains: honest files pass for every method, every change that makes them false is found."""

import copy
import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coupled_strategies import small
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tiny

from mecpfm.coupled import audit as coupled_audit
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.drawing import GUARANTEE
from mecpfm.coupled.drawing import NAME as GUARANTEED
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.methods import certified, solve
from mecpfm.coupled.table import METHODS, OWN_PROOF
from mecpfm.errors import InfeasibleError, InputError, LimitError
from mecpfm.plan import instance_sha256
from mecpfm.published import audit as published_audit
from mecpfm.published import methods as published
from mecpfm.published.instance import Instance as Published
from mecpfm.statements import UNPROVED, Audit

Content = dict[str, Any]
Way = tuple[str | int, ...]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verify")


@pytest.fixture(scope="module")
def coupled() -> dict[str, tuple[Content, Content, Content]]:
    """Instance, certificate and plan of every method."""
    instance = small(5, 5, 2, families=True, per_request=4)
    problem = {"schema": "mecpfm.coupled/1", **instance.to_object()}
    found = {}
    for method in METHODS:
        plan, proof = certified(instance, method, iterations=50, solver="highs")
        stated = {"schema": proof._schema(), **proof.to_object()}
        found[method] = tuple(json.loads(json.dumps(one)) for one in (problem, stated, plan.to_object()))
    return found


@pytest.fixture(scope="module")
def uncoupled() -> dict[str, tuple[Content, Content]]:
    """Published instance and plan of every method, on the first few instances it can be solved on."""
    found = {}
    for method in published.METHODS:
        for seed in range(20):
            instance = tiny(seed)
            try:
                # HiGHS takes no products; auto may enumerate.
                plan = published.solve(instance, method, solver="auto" if method == "nlip" else "highs").to_object()
            except (InfeasibleError, LimitError):
                continue
            problem = {"schema": "mecpfm.published/1", **instance.to_object()}
            found[method] = json.loads(json.dumps([problem, plan]))
            break
    return found


WRITTEN: dict[Path, Content | str] = {}
READ: dict[Path, Any] = {}


@pytest.fixture(autouse=True)
def _unchanged_files_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a third of the time goes into the instance beside each changed plan."""
    for kind in (Instance, Published, Certificate):

        def once(path: Path, read: Callable[[Path], Any] = kind.read) -> Any:
            READ[path] = READ[path] if path in READ else read(path)
            return READ[path]

        monkeypatch.setattr(kind, "read", once)


def judged(folder: Path, *contents: Content | str) -> Audit | None:
    """Audit of files with these contents (a certificate among them or not), None when one is refused."""
    paths = [folder / f"{i}.json" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        if WRITTEN.get(path) is not content:  # none is changed in place
            path.unlink(missing_ok=True)  # a disk may wait where a file is emptied and written anew
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            WRITTEN[path] = content
            READ.pop(path, None)
    check: Callable[..., Audit] = (coupled_audit if len(contents) == 3 else published_audit).audit
    try:
        return check(*paths)
    except InputError as error:
        assert "\n" not in str(error)
        return None


def silent(found: Audit | None) -> bool:
    """Whether the exit code would be 0 or 3: nothing refused, nothing to complain about."""
    return found is not None and not found.complaints


def others(value: Any) -> list[Any]:
    """Other values in place of one: value, sign, type, NaN, infinity."""
    strange = [None, "x", "", True, math.nan, math.inf, -math.inf, [], {}, 10**400]
    if isinstance(value, bool):
        return [not value, int(value), *strange[:3], math.nan]
    if isinstance(value, (int, float)):
        return [value + 1, value * 2, value - 1, -value, 0, 1e300, str(value), [value], *strange]
    if isinstance(value, str):
        return [value + "x", value[:-1], value.upper(), 1, [value], *strange]
    return strange


def leaves(content: Any, way: Way = ()) -> Iterator[Way]:
    """Ways to every value, lists and objects included."""
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in parts:
        yield (*way, key)
        yield from leaves(value, (*way, key))


def at(content: Any, way: Way) -> Any:
    for key in way:
        content = content[key]
    return content


def copied(content: Content, way: Way) -> tuple[Content, Any]:
    """A copy that shares what is not on the way, and the list or object in it that the way ends in."""
    changed = inner = copy.copy(content)
    for key in way[:-1]:
        inner[key] = copy.copy(inner[key])
        inner = inner[key]
    return changed, inner


def replaced(content: Content, way: Way, value: Any) -> Content:
    changed, inner = copied(content, way)
    inner[way[-1]] = value
    return changed


def mutants(content: Content) -> Iterator[tuple[Way, Any, Content]]:
    """Way, new value (``...`` where it is dropped) and content: every value replaced, dropped, lists reordered."""
    for way in leaves(content):
        value = at(content, way)
        for other in others(value):
            yield way, other, replaced(content, way, other)
        dropped, inner = copied(content, way)
        del inner[way[-1]]
        yield way, ..., dropped
        if isinstance(value, list) and value:
            for other in (value[::-1], value[1:], [*value, value[0]], value[:1] * len(value)):
                yield way, other, replaced(content, way, other)
        if isinstance(value, dict):
            yield way, {**value, "more": 0}, replaced(content, way, {**value, "more": 0})
    yield ("more",), 0, {**content, "more": 0}


def differs(one: Any, other: Any) -> bool:
    """Whether two JSON values state different things: numbers by more than the tolerance, null nothing."""
    if type(one) is bool or type(other) is bool or not all(isinstance(x, (int, float)) for x in (one, other)):
        return bool(one != other) or type(one) is not type(other)
    if not abs(other) < 1e308:
        return True
    return bool(abs(one - other) > 2e-6 * max(1, abs(one)))


def is_false(plan: Content, way: Way, value: Any, changed: Content, come_to: Callable[[Content], Any]) -> bool:
    """Whether a changed plan says what is not so, or says it in a way that is no plan file's."""
    name = way[0]
    if name == "more":
        return True
    if name == "decisions":
        try:
            return bool(come_to(changed) != come_to(plan))
        except (InputError, ValueError, TypeError, KeyError, IndexError, OverflowError):
            return True
    if value in (None, ...) and len(way) == 1:
        return name == "objective" and plan[name] is not None
    if not differs(at(plan, way), value) and type(at(plan, way)) is type(value):
        return False
    if name in UNPROVED and type(value) is type(plan[name]):  # nobody can tell
        negative = name in ("seed", "runtime_s") and value < 0
        return negative or (name == "method" and changed["method"] not in (*METHODS, *published.METHODS))
    if name == "runtime_s":
        return isinstance(value, (bool, str, list, dict)) or not 0 <= value < 1e308  # too large an integer is no float
    return differs(at(plan, way), value)


def decided(instance: Content) -> Callable[[Content], Any]:
    """What the decisions of a plan come to, rounded: cost, metrics and broken rows."""
    module, kind = (coupled_audit, Instance) if "options" in instance else (published_audit, Published)
    problem = kind.model_validate({key: value for key, value in instance.items() if key != "schema"})

    def come_to(plan: Content) -> Any:
        found = module._assess(problem, plan, Path("plan"))
        numbers = [found.objective, *found.metrics.values()]
        return [round(float(f"{value:.6g}"), 9) for value in numbers], found.violations

    return come_to


def test_honest_files_pass(folder: Path, coupled: Any, uncoupled: Any) -> None:
    """No complaint about what solve writes, of any method of both settings; what is not proved is named."""
    for method, files in coupled.items():
        found = judged(folder, *files)
        assert found is not None
        assert (found.complaints, found.violations) == ((), ()), method
        assert {*UNPROVED} <= {*found.not_checked}
        owned = [one for one in found.not_checked if "own proof" in one]
        assert not owned or method in OWN_PROOF
    for method, files in uncoupled.items():
        found = judged(folder, *files)
        assert found is not None
        assert not found.complaints, (method, found.complaints)
    assert len(uncoupled) == len(published.METHODS)


def saved(instance: Content, plan: Content) -> float:
    """What a plan of the coupled setting saves against serving all remotely, s."""
    return float(sum(instance["requests"]["remote_delay_s"]) - plan["objective"])


def test_every_false_plan_is_found(folder: Path, coupled: Any, uncoupled: Any) -> None:
    """Each value of a plan, replaced, dropped, reordered: a change that makes it false is never silent.

    All changes for one method of each kind; methods of one kind share the code that judges them, so of every other
    method each eighth change, beginning at another one.
    """
    tried = caught = 0
    for number, (method, (*others_, plan)) in enumerate([*coupled.items(), *uncoupled.items()]):
        come_to, whole = decided(others_[0]), method in ("lp", "lp-cut", "exact", "no-sharing", GUARANTEED)
        for way, value, changed in itertools.islice(mutants(plan), 0 if whole else number % 8, None, 1 if whole else 8):
            if way[0] == "decisions" and len(way) > 2 and not whole:
                continue
            if way == (GUARANTEE,) and type(value) in (int, float) and value <= saved(others_[0], plan):
                continue  # a plan that saves more keeps a guarantee of less
            tried += 1
            if is_false(plan, way, value, changed, come_to):
                caught += 1
                assert not silent(judged(folder, *others_, changed)), (method, way, value)
    print(f"plans: {tried} mutants, {caught} false, all found")
    assert caught > 1500


def test_swapped_statements_are_found(folder: Path, coupled: Any, uncoupled: Any) -> None:
    """Lies that agree with each other: a bound with its gap, optimal with both, a status, a method of another kind."""
    for method, (instance, proof, plan) in coupled.items():
        cost, bound = plan["objective"], plan["bound"]
        lies = [
            {"bound": 2 * cost, "gap": -1.0},
            {"bound": 1e300, "gap": (cost - 1e300) / cost},
            {"status": "infeasible"},
        ]
        lies += [{"status": "perfect"}, {"setting": "published"}, {"violations": ["cloudlet 0: memory row broken"]}]
        lies += [{"method": "polish"} if "fraction" in plan["decisions"] else {"method": "lp", "status": "optimal"}]
        lies += [{"method": "magic"}]
        lies += [{"violations": ["x"], "feasible": False, "status": "infeasible"}, {"unshared_delay_s": cost + 1}]
        if method not in OWN_PROOF and bound < 0.99 * cost:
            lies += [{"status": "optimal"}, {"bound": cost, "gap": 0.0}]
            lies += [{"bound": cost, "gap": 0.0, "status": "optimal"}]
        for lie in lies:
            assert not silent(judged(folder, instance, proof, plan | lie)), (method, lie)
    for method, (instance, plan) in uncoupled.items():
        cost = plan["objective"]
        lies = [{"setting": "coupled"}, {"bound": 2 * cost, "gap": -1.0}, {"method": "magic"}]
        lies += [{"method": "sc"} if "lp" in method else {"method": "lp", "status": "optimal"}]
        lies += [{"status": "infeasible" if plan["feasible"] else "feasible"}, {"bound": 0.5 * cost, "gap": 0.0}]
        lies += [{"status": "optimal", "bound": 0.5 * cost, "gap": 0.5}, {"status": "optimal", "bound": None}]
        for lie in lies:
            assert not silent(judged(folder, instance, plan | lie)), (method, lie)


def test_what_a_method_proves_by_itself_is_named(folder: Path, coupled: Any) -> None:
    """An optimum that the certificate leaves open is named as not checked, also in the first words of the table."""
    instance, proof, plan = coupled["ilp"]
    proof = proof | {"request_price_s": [0.0] * len(proof["request_price_s"]), "bound_s": 0.0}
    found = judged(folder, instance, proof, plan)
    assert found is not None
    assert not found.complaints
    assert found.not_checked[0].startswith("bound and gap: ilp's own proof; the certificate proves")
    assert found.not_checked[1].startswith("status optimal: ilp's own proof")
    remote = {"objective": 1e6, "decisions": {"option": [-1] * len(plan["decisions"]["option"])}}
    assert not silent(judged(folder, instance, proof, plan | remote))


def test_every_false_certificate_is_found(folder: Path, coupled: Any) -> None:
    """A certificate that passes states no bound above the optimum, whatever was changed; most do not pass."""
    optimum = coupled["nlip"][2]["objective"]
    tried = caught = 0
    for method in ("auto", "polish", "lp", "branch"):
        instance, proof, plan = coupled[method]
        for way, value, changed in mutants(proof):
            tried += 1
            found = judged(folder, instance, changed, plan)
            caught += not silent(found)
            if silent(found):
                assert changed["bound_s"] <= optimum * (1 + 2e-6), (way, value)
                assert way != ("more",)
            if way == ("bound_s",) and isinstance(value, (int, float)) and differs(proof["bound_s"], value):
                assert silent(found) == (-math.inf < value < proof["bound_s"] and value is not True), value
    print(f"certificates: {tried} mutants, {caught} refused")
    assert caught > 1000


def unseen(instance: Content, changed: Content) -> bool:
    """Whether both are the same problem: then verify may pass over the change in silence."""
    kind = Instance if "options" in instance else Published
    plain = [{key: value for key, value in one.items() if key != "schema"} for one in (instance, changed)]
    return instance_sha256(kind.model_validate(plain[0])) == instance_sha256(kind.model_validate(plain[1]))


def test_files_of_another_instance_are_found(folder: Path, coupled: Any, uncoupled: Any) -> None:
    """Each value of the instance changed: refused, or said to be another one, unless it enters no row and no cost."""
    tried = 0
    instance, proof, plan = coupled["polish"]
    for way, value, changed in mutants(instance):
        tried += 1
        found = judged(folder, changed, proof, plan)
        if found is not None and not any("plan is of another instance" in one for one in found.complaints):
            assert unseen(instance, changed), (way, value)
        elif found is not None:
            assert any("certificate is of another instance" in one for one in found.complaints)
    for way, _, changed in mutants(uncoupled["exact"][0]):
        tried += 1
        if silent(judged(folder, changed, uncoupled["exact"][1])):
            assert unseen(uncoupled["exact"][0], changed), way
    print(f"instances: {tried} mutants")
    other = json.loads(json.dumps({"schema": "mecpfm.coupled/1", **small(6, 5, 2, families=True).to_object()}))
    assert not silent(judged(folder, other, proof, plan))


def test_untied_files_still_prove_no_more_than_is_true(folder: Path, coupled: Any) -> None:
    """Files of before name no instance: said so; a certificate then proves what it proves for the instance given."""
    instance, proof, plan = ({k: v for k, v in one.items() if k != "instance_sha256"} for one in coupled["polish"])
    found = judged(folder, instance, proof, plan)
    assert found is not None
    assert not found.complaints
    assert {"certificate: names no instance", "plan: names no instance"} <= {*found.not_checked}
    dearer = replaced(
        instance, ("requests", "remote_delay_s"), [v + 100 for v in instance["requests"]["remote_delay_s"]]
    )
    found = judged(folder, dearer, proof, plan)
    assert found is not None
    assert found.bound <= solve(Instance.read(folder / "0.json"), "nlip").objective * (1 + 1e-6)


def test_keys_that_stand_twice_are_refused(folder: Path, coupled: Any) -> None:
    """The second value of any key, in any of the three files, makes none of them readable."""
    tried = 0
    files = [json.dumps(one) for one in coupled["polish"]]
    for i, content in enumerate(coupled["polish"]):
        for way in leaves(content):
            if isinstance(way[-1], str):
                key = f'"{way[-1]}": '
                doubled = files[i].replace(key, f"{key}0, {key}", 1)
                assert doubled != files[i]
                assert judged(folder, *files[:i], doubled, *files[i + 1 :]) is None, way
                tried += 1
    print(f"keys: {tried} doubled")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
@settings(max_examples=300)
def test_arbitrary_values_end_in_one_line_or_a_true_statement(folder: Path, coupled: Any, data: st.DataObject) -> None:
    """Any JSON in any place of any file: an audit or one line; and a proved bound is never above the optimum."""
    method = data.draw(st.sampled_from(["polish", "lp-cut", "dual", "rounding-nested"]))
    files = list(coupled[method])
    place = data.draw(st.integers(1, 2))
    way = data.draw(st.sampled_from(list(leaves(files[place]))))
    files[place] = replaced(files[place], way, data.draw(json_values))
    found = judged(folder, *files)
    if silent(found):
        assert found is not None
        assert found.bound <= coupled["nlip"][2]["objective"] * (1 + 1e-6)


def test_the_digest_is_the_problem(tmp_path: Path) -> None:
    """The same for .json and .npz, -0.0 and 0.0, any names and places; another one for any other number."""
    content = small(5, 5, 2, families=True).to_object()
    instance = Instance.model_validate(content)
    own = instance_sha256(instance)
    for name in ("i.json", "i.npz"):
        instance.write(tmp_path / name)
        assert instance_sha256(Instance.read(tmp_path / name)) == own
    count = len(content["blocks"]["size_gb"])
    named = copy.deepcopy(content)
    named["blocks"]["name"] = [f"[{b}]" for b in range(count)]
    named["cloudlets"] |= {"longitude_deg": [1.0, 2.0], "latitude_deg": [0.0, -0.0]}
    named["cloudlets"]["cached"] = [row[::-1] for row in named["cloudlets"]["cached"]]
    named["options"]["delay_s"] = [-v if v == 0 else v for v in named["options"]["delay_s"]]
    assert instance_sha256(Instance.model_validate(named)) == own
    moved = replaced(
        content, ("requests", "remote_accuracy", 0), np.nextafter(content["requests"]["remote_accuracy"][0], 2)
    )
    assert instance_sha256(Instance.model_validate(moved)) != own
