"""``solve`` and ``verify`` on files that once passed for true, and on amounts at the edge of what is accepted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import mecpfm
from coupled_strategies import instances, is_laminar, replaced
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.coupled.audit import audit
from mecpfm.coupled.instance import LARGEST, SMALLEST, Instance
from mecpfm.coupled.methods import certified
from mecpfm.coupled.rounding import TREES
from mecpfm.coupled.table import METHODS
from mecpfm.errors import InputError

CASES = Path(__file__).parent / "cases"
LIES = CASES / "verify"
TINY = sorted((CASES / "tiny").glob("*.json"))
QUICK = [method for method in METHODS if method not in ("branch", "nlip")]


@pytest.mark.parametrize("plan", sorted(LIES.glob("plan_*.json")), ids=lambda path: path.stem)
def test_lies_that_once_passed_are_complaints(plan: Path) -> None:
    """Optimal with no proof, metrics of another plan, a bound of 1e300 on nothing: exit code 1, one line."""
    done = mecpfm("verify", LIES / "instance.json", LIES / "certificate.json", "--plan", plan, "--json")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["complaints"]


def test_the_certificate_of_those_lies_is_honest() -> None:
    """It proves what it states; that it names no instance is said."""
    found = audit(LIES / "instance.json", LIES / "certificate.json")
    assert (found.complaints, found.not_checked) == ((), ("certificate: names no instance",))


def test_exit_codes(tmp_path: Path) -> None:
    """Honest files 0, also where the optimum rests on the method's proof; a lie or another instance 1; bad words 2."""
    instance, proof, plan = (tmp_path / f"{name}.json" for name in ("instance", "proof", "plan"))
    assert mecpfm("generate", "published", "--cloudlets", 6, "--requests", 4, "-o", instance).returncode == 0
    plan.write_text(mecpfm("solve", instance, "--json").stdout)
    assert mecpfm("verify", instance, "--plan", plan).returncode == 0
    for words in ((), (proof, "--plan", plan), (plan,)):
        assert mecpfm("verify", instance, *words).returncode == 2
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"average_cost": 1.0}))
    assert mecpfm("verify", instance, "--plan", plan).returncode == 1
    done = mecpfm("solve", LIES / "instance.json", "--method", "ilp", "--certificate", proof, "--json")
    plan.write_text(done.stdout)
    files = (proof, "--plan", plan)
    assert mecpfm("verify", LIES / "instance.json", *files).returncode == 0
    content = json.loads((LIES / "instance.json").read_text())
    content["requests"]["remote_delay_s"] = [8.0] * 6
    instance.write_text(json.dumps(content))
    done = mecpfm("verify", instance, *files, "--json")
    assert done.returncode == 1
    assert "the certificate is of another instance" in done.stderr
    assert json.loads(done.stdout)["bound"] > 20, "proved for the instance given"
    assert mecpfm("verify", instance, "--plan", plan).returncode == 2


def test_broken_rows_that_are_stated_are_exit_code_3(tmp_path: Path) -> None:
    """A plan that says which rows it breaks tells the truth and is not feasible."""
    stated = json.loads((LIES / "plan_false_metrics.json").read_text())
    plan = {key: stated[key] for key in ("setting", "method")} | {
        "objective": 0.0,
        "decisions": {"option": [0, 2, 4, 6, 8, 9]},
    }
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    files = (LIES / "instance.json", LIES / "certificate.json", "--plan", path)
    found = json.loads(mecpfm("verify", *files, "--json").stdout)
    assert found["violations"]
    honest = {
        "objective": found["objective"],
        "violations": found["violations"],
        "status": "infeasible",
        "feasible": False,
    }
    path.write_text(json.dumps(plan | honest))
    assert mecpfm("verify", *files).returncode == 3


@pytest.mark.parametrize("path", TINY, ids=lambda path: path.stem)
def test_amounts_below_the_smallest_are_refused(path: Path, tmp_path: Path) -> None:
    """They made solve overflow, state infeasible plans as feasible, and write certificates that prove less."""
    done = mecpfm("solve", path, "--method", path.stem.split("_")[1], "--certificate", tmp_path / "proof.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "must be 0 or >= 1e-09" in done.stderr


def lifted(content: Any) -> Any:
    """The same content with positive amounts below the smallest raised to it."""
    if isinstance(content, dict):
        return {key: lifted(value) for key, value in content.items()}
    if isinstance(content, list):
        return [lifted(value) for value in content]
    return SMALLEST if isinstance(content, float) and 0 < content < SMALLEST else content


def solve_and_verify(instance: Instance, method: str, folder: Path) -> None:
    """Whatever solve states of an instance is accepted by verify, and the plan keeps all rows."""
    files = [folder / f"{name}.json" for name in ("instance", "proof", "plan")]
    if method in TREES and not is_laminar(instance):
        with pytest.raises(InputError, match="nested or disjoint"):
            certified(instance, method)
        return
    plan, proof = certified(instance, method, iterations=25, solver="highs")
    instance.write(files[0])
    proof.write(files[1])
    files[2].write_text(json.dumps(plan.to_object()))
    found = audit(*files)
    assert (found.complaints, found.violations) == ((), ()), (method, plan)
    assert plan.feasible


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", TINY, ids=lambda path: path.stem)
def test_amounts_at_the_border_are_solved_and_verified(path: Path, method: str, tmp_path: Path) -> None:
    """The same files, every amount raised to the smallest one that is accepted."""
    content = lifted(json.loads(path.read_text()))
    content.pop("schema")
    solve_and_verify(Instance.model_validate(content), method, tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("border")


def bordering(instance: Instance, seed: int) -> Instance:
    """The instance with amounts of every order of magnitude that is accepted, many at the ends, ties and zeros."""
    random = np.random.default_rng(seed)
    amounts = np.array([0, SMALLEST, 2 * SMALLEST, 3e-9, 1e-8, 1e-6, 1e-3, 1.0, 1e3, LARGEST / 8])
    few = random.choice(amounts, 4)

    def drawn(like: Any) -> Any:
        return random.choice(few, len(like))

    one, held, size = instance.cloudlets, instance.cloudlets.cached, drawn(instance.blocks.size_gb)
    memory = np.array([max(m, size[b].max(initial=0)) for m, b in zip(drawn(one.memory_gb), held, strict=True)])
    return replaced(
        instance,
        blocks={"size_gb": size},
        cloudlets={"memory_gb": memory, "compute_s": drawn(memory), "pull_s_per_gb": drawn(memory)},
        requests={"remote_delay_s": drawn(instance.requests.remote_delay_s)},
        options={name: drawn(instance.options.request) for name in ("delay_s", "compute_s")},
    )


@given(instance=instances(families=False), seed=st.integers(0, 2**32 - 1), method=st.sampled_from(QUICK))
@settings(max_examples=150)
def test_any_accepted_amounts_are_solved_and_verified(folder: Path, instance: Instance, seed: int, method: str) -> None:
    """Amounts of 0 and from 1e-9 to 1e8, mixed: no false feasible plan, no certificate that proves less, no warning."""
    solve_and_verify(bordering(instance, seed), method, folder)


@given(instance=instances(families=True), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_any_accepted_amounts_are_branched_on(folder: Path, instance: Instance, seed: int) -> None:
    """The same for branch and bound."""
    solve_and_verify(bordering(instance, seed), "branch", folder)


@pytest.mark.parametrize("field", ["blocks.size_gb", "cloudlets.memory_gb", "cloudlets.compute_s", "options.delay_s"])
@pytest.mark.parametrize("value", [5e-324, 1e-310, 1e-10, float(np.nextafter(SMALLEST, 0))])
def test_the_least_amount_is_named(field: str, value: float, tmp_path: Path) -> None:
    """Just below it: one line with file, field and least amount; 0 and the amount itself pass."""
    content = json.loads((LIES / "instance.json").read_text())
    content["cloudlets"]["cached"] = [[], []]
    group, name = field.split(".")
    path = tmp_path / "instance.json"
    for amount in (0.0, SMALLEST, value):
        content[group][name][0] = amount
        path.write_text(json.dumps(content))
        if amount != value:
            Instance.read(path)
    with pytest.raises(InputError, match=rf"{path}: {field}\[0\] is .*; must be 0 or >= 1e-09"):
        Instance.read(path)
