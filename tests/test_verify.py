"""``verify`` proves or complains: honest files pass for every method, and every change that makes them false is found."""

import copy
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

from mecpfm.coupled.audit import audit
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.methods import METHODS, OWN_PROOF, certified, solve
from mecpfm.errors import InfeasibleError, InputError, LimitError
from mecpfm.plan import instance_sha256
from mecpfm.published import methods as published
from mecpfm.published.audit import audit as audit_published
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
        stated = {"schema": "mecpfm.certificate/1", **proof.to_object()}
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
                plan = published.solve(instance, method, solver="highs").to_object()
            except (InfeasibleError, LimitError):
                continue
            problem = {"schema": "mecpfm.published/1", **instance.to_object()}
            found[method] = json.loads(json.dumps([problem, plan]))
            break
    return found


def text(content: Content | str) -> str:
    return content if isinstance(content, str) else json.dumps(content)


def judged(folder: Path, *contents: Content | str) -> Audit | None:
    """Audit of files with these contents (a certificate among them or not), None when one is refused."""
    paths = [folder / f"{i}.json" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(text(content))
    check: Callable[..., Audit] = audit if len(contents) == 3 else audit_published
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


def replaced(content: Content, way: Way, value: Any) -> Content:
    changed = copy.deepcopy(content)
    at(changed, way[:-1])[way[-1]] = value
    return changed


def mutants(content: Content) -> Iterator[tuple[Way, Any, Content]]:
    """Way, new value (``...`` where it is dropped) and content: every value replaced, dropped, lists reordered."""
    for way in leaves(content):
        value = at(content, way)
        for other in others(value):
            yield way, other, replaced(content, way, other)
        dropped = copy.deepcopy(content)
        del at(dropped, way[:-1])[way[-1]]
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
    if not math.isfinite(other):
        return True
    return bool(abs(one - other) > 2e-6 * max(1, abs(one)))


def is_false(plan: Content, way: Way, value: Any, changed: Content, decided: Callable[[Content], Any]) -> bool:
    """Whether a changed plan says what is not so, or says it in a way that is no plan file's."""
    name = way[0]
    if name == "more":
        return True
    if name == "decisions":
        try:
            return bool(decided(changed) != decided(plan))
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
        return isinstance(value, (bool, str, list, dict)) or not 0 <= value < 1.8e308
    return differs(at(plan, way), value)


def decided_coupled(instance: Content) -> Callable[[Content], Any]:
    """What the decisions of a plan come to, rounded: cost, metrics and broken rows."""
    problem = Instance.model_validate({key: value for key, value in instance.items() if key != "schema"})

    def come_to(plan: Content) -> Any:
        from mecpfm.coupled.audit import _assess

        found = _assess(problem, plan, Path("plan"))
        numbers = [found.objective, *found.metrics.values()]
        return [round(float(f"{value:.6g}"), 9) for value in numbers], found.violations

    return come_to


def decided_published(instance: Content) -> Callable[[Content], Any]:
    from mecpfm.published.audit import _assess
    from mecpfm.published.instance import Instance as Published

    problem = Published.model_validate({key: value for key, value in instance.items() if key != "schema"})

    def come_to(plan: Content) -> Any:
        found = _assess(problem, plan, Path("plan"))
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


def test_every_false_plan_is_found(folder: Path, coupled: Any, uncoupled: Any) -> None:
    """Each value of each method's plan, replaced, dropped, reordered: a change that makes it false is never silent."""
    tried = caught = 0
    for method, (*others_, plan) in [*coupled.items(), *uncoupled.items()]:
        decided = (decided_coupled if len(others_) == 2 else decided_published)(others_[0])
        for way, value, changed in mutants(plan):
            tried += 1
            if is_false(plan, way, value, changed, decided):
                caught += 1
                assert not silent(judged(folder, *others_, changed)), (method, way, value)
    print(f"plans: {tried} mutants, {caught} false, all found")
    assert caught > 3000
