"""The command line on coupled instances: dispatch by schema, certificates that are checked, interruption."""

import json
import math
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import ROOT, mecpfm
from coupled_strategies import small
from test_coupled_dual import forged, narrow

from mecpfm.coupled import audit as audit_module
from mecpfm.coupled.audit import audit
from mecpfm.coupled.check import assess
from mecpfm.coupled.methods import certified
from mecpfm.errors import InputError

SIZES = (
    "--cloudlets", 6, "--requests", 60, "--models", 12, "--regime", "memory-bound", "--seed", 5,
    "--topology", "sndlib/nobel-germany",
)  # fmt: skip
FIELDS = (
    "setting method seed status feasible violations objective bound gap total_delay_s pulling_s average_accuracy "
    "edge_share runtime_s solver instance_sha256 decisions"
).split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one instance in both formats, a plan and its certificate."""
    path = tmp_path_factory.mktemp("coupled")
    for name in ("instance.json", "instance.npz"):
        done = mecpfm("generate", "coupled", *SIZES, "-o", path / name)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = mecpfm(
        "solve", path / "instance.json", "--iterations", 200, "--certificate", path / "certificate.json", "--json"
    )
    assert done.returncode == 0, done.stderr
    (path / "plan.json").write_text(done.stdout)
    return path


def changed(source: Path, **fields: Any) -> Path:
    """Copy of a JSON file with other fields."""
    target = source.with_name(f"changed-{source.name}")
    target.write_text(json.dumps(json.loads(source.read_text()) | fields))
    return target


def test_auto_is_the_default_and_prints_the_contract(folder: Path):
    """Fields, bound and gap are there; progress with incumbent, bound and gap goes to stderr only."""
    plan = json.loads((folder / "plan.json").read_text())
    assert list(plan) == FIELDS
    assert plan["method"] == "auto"
    assert plan["feasible"]
    assert plan["bound"] <= plan["objective"] * (1 + 1e-9)
    done = mecpfm("solve", folder / "instance.npz", "--iterations", 200, "--json")
    again = json.loads(done.stdout)
    assert {key: again[key] for key in ("objective", "bound", "decisions")} == {
        key: plan[key] for key in ("objective", "bound", "decisions")
    }, "both formats hold the same instance, and an iteration budget gives the same plan"
    assert "cost" in done.stderr
    assert "bound" in done.stderr
    assert "gap" in done.stderr


def test_certificates_verify(folder: Path):
    """verify recomputes the stated bound and cost from the instance, whichever method's plan they belong to."""
    files = (folder / "instance.npz", folder / "certificate.json", "--plan", folder / "plan.json")
    done = mecpfm("verify", *files, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found, plan = json.loads(done.stdout), json.loads((folder / "plan.json").read_text())
    assert found["objective"] == pytest.approx(plan["objective"], rel=1e-9)
    assert found["stated_bound"] * (1 - 1e-9) <= found["bound"] <= plan["bound"] * (1 + 1e-6)
    assert found["complaints"] == found["violations"] == []
    proof = folder / "remote.npz"
    assert mecpfm("solve", files[0], "--method", "remote", "--certificate", proof).returncode == 0
    found = json.loads(mecpfm("verify", files[0], proof, "--json").stdout)
    assert found["bound"] == pytest.approx(found["stated_bound"], rel=1e-9)
    assert found["objective"] is None


def test_lies_are_found(folder: Path):
    """A bound or cost that is not what the numbers give, files of another instance and unstated broken rows: code 1."""
    instance, certificate, plan = (folder / name for name in ("instance.json", "certificate.json", "plan.json"))
    stated = json.loads(certificate.read_text())["bound_s"]
    done = mecpfm("verify", instance, changed(certificate, bound_s=stated * 1.01))
    assert done.returncode == 1
    assert "proves only" in done.stderr
    done = mecpfm("verify", instance, certificate, "--plan", changed(plan, objective=1.0))
    assert done.returncode == 1
    assert "costs" in done.stderr
    content = json.loads(instance.read_text())
    content["cloudlets"]["compute_s"] = [0.0] * 6
    tight = folder / "tight.json"
    tight.write_text(json.dumps(content))
    done = mecpfm("verify", tight, certificate, "--plan", plan)
    assert done.returncode == 1
    assert "compute row broken" in done.stderr
    assert "the plan is of another instance" in done.stderr


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with an instance of some options, a plan of one option a request, one of fractions, and a certificate."""
    path = tmp_path_factory.mktemp("tiny")
    instance = small(5, 6, 2, families=True, per_request=6)
    instance.write(path / "instance.json")
    for name, method in (("plan", "polish"), ("fractions", "lp")):
        plan, proof = certified(instance, method, iterations=50, solver="highs")
        (path / f"{name}.json").write_text(json.dumps(plan.to_object()))
    proof.write(path / "certificate.json")
    return path


def audited(tiny: Path, name: str = "plan", **fields: Any) -> audit_module.Audit:
    """Audit of a plan with other fields."""
    plan = changed(tiny / f"{name}.json", **fields)
    return audit(tiny / "instance.json", tiny / "certificate.json", plan)


@pytest.mark.parametrize("name", ["plan", "fractions"])
def test_honest_plans_pass(name: str, tiny: Path):
    """Nothing is wrong with what solve writes; statements may be null or absent, and a fraction as far off as a row."""
    found = audited(tiny, name)
    assert not found.complaints
    assert not found.violations
    assert not audited(tiny, name, bound=None, gap=None, feasible=None).complaints


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"objective": 1e6}, "costs"),
        ({"objective": -1e6, "gap": None}, "costs"),
        ({"bound": 1e6, "gap": None}, "states the bound"),
        ({"gap": -5.0}, "states the gap -5"),
        ({"gap": 1e300}, "states the gap"),
        ({"bound": -1.7e308}, "states the gap"),
        ({"bound": None, "gap": 0.0}, "states the gap"),
        ({"feasible": False}, "states feasible: false"),
    ],
)
def test_contradictions_are_complaints(fields: dict[str, Any], says: str, tiny: Path):
    """What a plan file states of itself is compared with the recomputed numbers, or with each other."""
    assert any(says in complaint for complaint in audited(tiny, **fields).complaints)


def test_a_plan_that_breaks_rows_is_not_feasible(tiny: Path):
    """Every request on fractions that add up to more than 1: violations, and feasible: true is a lie."""
    count = len(json.loads((tiny / "instance.json").read_text())["options"]["request"])
    everything = {"fraction": [[option, 1.0] for option in range(count)]}
    found = audited(tiny, "fractions", decisions=everything)
    assert found.violations
    assert any("feasible: true" in complaint for complaint in found.complaints)


def test_a_bound_above_a_plan_is_a_contradiction(monkeypatch: pytest.MonkeyPatch, tiny: Path):
    """A proved bound above a plan that keeps all rows can only be a fault of the check itself, and is reported."""
    monkeypatch.setattr(audit_module, "verify", lambda *_: 1e6)
    assert any("keeps all rows" in complaint for complaint in audited(tiny).complaints)
    assert not audited(tiny, "fractions").complaints, "a fractional plan may cost less than any bound on integral ones"


def test_a_plan_inside_the_rows_tolerance_is_no_contradiction(tmp_path: Path):
    """A row broken by less than its tolerance lets the plan cost less than the bound: nobody lied."""
    instance = narrow(cloudlets={"compute_s": [0.1]}, options={"compute_s": [0.1 + 5e-8]})
    files = instance_file, proof_file, plan_file = [tmp_path / f"{name}.json" for name in ("instance", "proof", "plan")]
    instance.write(instance_file)
    forged(bound_s=4.95e-6, request_price_s=[10.0], cut_price=[[99.0]]).write(proof_file)
    plan = assess(instance, "polish", np.array([0]), bound=4.95e-6)
    plan_file.write_text(json.dumps(plan.to_object()))
    found = audit(*files)
    assert plan.feasible
    assert (found.objective, found.bound) == (0, pytest.approx(4.95e-6))
    assert not found.complaints


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        *[({"objective": value}, "objective must be") for value in (None, "1", True, math.nan, math.inf, 10**400)],
        *[({"bound": value}, "bound must be") for value in ("1", True, math.nan, -math.inf, -(10**400))],
        ({"gap": [0.0]}, "gap must be a number"),
        ({"feasible": 1}, "feasible must be true or false"),
        ({"decisions": None}, "decisions must hold"),
        ({"decisions": {"option": [], "fraction": []}}, "decisions must hold"),
        *[({"decisions": {kind: None}}, f"decisions.{kind} must be a list") for kind in ("option", "fraction")],
        *[
            ({"decisions": {"option": [value] * 6}}, "decisions.option[0] must be")
            for value in (0.9, 0.0, "0", False, None, -2, 2**70, [0])
        ],
        ({"decisions": {"option": [-1]}}, "decisions.option has shape (1,)"),
        ({"decisions": {"option": [-1] * 5 + [0]}}, "decisions.option[5] is 0, not an option of request 5"),
        *[
            ({"decisions": {"fraction": [[value, 1.0]]}}, "decisions.fraction[0][0] must be")
            for value in (-1, True, None, 0.0, "0", 2**70, [0, 1])
        ],
        *[
            ({"decisions": {"fraction": [[0, value]]}}, "decisions.fraction[0][1]")
            for value in (-0.1, 1.1, math.nan, math.inf, True, None, "1", 10**400)
        ],
        *[({"decisions": {"fraction": [value]}}, "decisions.fraction[0] must be a pair") for value in (0, [0], None)],
        ({"decisions": {"fraction": [[0, 0.5], [0, 0.5]]}}, "decisions.fraction[1][0] is 0"),
    ],
)
def test_malformed_plans_are_refused(fields: dict[str, Any], says: str, tiny: Path):
    """Nothing is coerced: one line names file, field and reason."""
    with pytest.raises(InputError, match=re.escape(f"changed-plan.json: {says}")) as caught:
        audited(tiny, **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_certificate_states_a_finite_bound(value: float, tiny: Path):
    """NaN is neither above nor below what is proved: refused."""
    proof = changed(tiny / "certificate.json", bound_s=value)
    with pytest.raises(InputError, match=r"changed-certificate\.json: bound_s is .* must be finite"):
        audit(tiny / "instance.json", proof)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("solve", "{f}/instance.npz", "--method", "exact"), "exact"),
        (("solve", "{f}/missing.npz"), "missing.npz"),
        (("solve", "{f}/damaged.npz"), "damaged.npz"),
        (("solve", "{f}/pickled.npz", "--json"), "pickled.npz: is not a usable .npz archive"),
        (("solve", "{f}/unsorted.json", "--json"), "unsorted.json: options.request[1] is 0 after 1; must not decrease"),
        (("solve", "{f}/nameless.json", "--iterations", "5"), "nameless.json: schema is None"),
        (("solve", "{f}/other.json"), "mecpfm.other/1"),
        (("generate", "coupled", "--regime", "magic", "-o", "{f}/x.json"), "magic"),
        (("verify", "{f}/instance.json", "{f}/plan.json"), "plan.json: schema"),
        (("verify", "{f}/instance.json", "{f}/certificate.json", "--plan", "{f}/other.json"), "objective"),
        (("verify", "{f}/instance.json", "{f}/certificate.json", "--plan", "{f}/strange.json"), "strange.json"),
        (("verify", "{f}/instance.json", "{f}/infinite.json"), "infinite.json: memory_price_s_per_gb[0] is 1e+300"),
        (("verify", "{f}/instance.json", "{f}/elsewhere.json"), "elsewhere.json: share_block[0] is 999"),
    ],
)
def test_bad_input_is_one_line_and_code_2(words: tuple[str, ...], says: str, folder: Path):
    """Whatever is wrong is named on one line of stderr."""
    (folder / "damaged.npz").write_bytes((folder / "instance.npz").read_bytes()[:500])
    (folder / "pickled.npz").write_bytes(pickle.dumps({"schema": "mecpfm.coupled/1"}))
    content = json.loads((folder / "instance.json").read_text())
    (folder / "nameless.json").write_text(json.dumps({key: content[key] for key in content if key != "schema"}))
    content["options"]["request"][:2] = [1, 0]
    (folder / "unsorted.json").write_text(json.dumps(content))
    (folder / "other.json").write_text('{"about": {"schema": "x"}, "schema": "mecpfm.other/1"}')
    (folder / "strange.json").write_text('{"objective": 1.0, "decisions": {"option": [0, 99999]}}')
    content = json.loads((folder / "certificate.json").read_text())
    (folder / "infinite.json").write_text(json.dumps(content | {"memory_price_s_per_gb": [1e300] * 6}))
    share = {"share_cloudlet": [0], "share_block": [999], "share_request": [0], "share_s": [1.0]}
    (folder / "elsewhere.json").write_text(json.dumps(content | share))
    done = mecpfm(*(word.format(f=folder) for word in words))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_options_of_the_coupled_setting_are_refused_elsewhere(tmp_path: Path):
    """A published instance takes no iteration budget and gives no certificate file."""
    path = tmp_path / "published.json"
    small = ("--cloudlets", 5, "--requests", 3, "--models", 4)
    assert mecpfm("generate", "published", *small, "-o", path).returncode == 0
    assert mecpfm("solve", path, "--json").returncode == 0
    assert mecpfm("solve", path, "--iterations", 5).returncode == 2


def test_interruption_returns_the_best_plan_so_far(folder: Path):
    """Ctrl-C during the search: exit code 0, a feasible plan with its gap, and a certificate that verifies it."""
    proof, out = folder / "interrupted.json", folder / "interrupted-plan.json"
    words = ("solve", folder / "instance.npz", "--iterations", 10**9, "--certificate", proof, "--json")
    command = [sys.executable, "-m", "mecpfm", *map(str, words)]

    def listen() -> None:  # a shell that runs the tests in the background has its children ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=listen) as process:
        assert process.stderr is not None
        assert "cost" in process.stderr.readline(), "the first line of progress says that the search runs"
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    plan = json.loads(stdout)
    assert plan["feasible"]
    assert plan["status"] in ("interrupted", "optimal")
    out.write_text(stdout)
    assert mecpfm("verify", folder / "instance.npz", proof, "--plan", out).returncode == 0


def test_branch_proves_optimality_where_it_ends(folder: Path):
    """Method branch is there by name; on a small instance its plan is optimal and its certificate verifies."""
    small, proof, out = (folder / name for name in ("small.npz", "branch.json", "branch-plan.json"))
    sizes = ("--cloudlets", 4, "--requests", 12, "--models", 8, "--families", 2, "--topology", "sndlib/nobel-germany")
    assert mecpfm("generate", "coupled", *sizes, "-o", small).returncode == 0
    done = mecpfm("solve", small, "--method", "branch", "--iterations", 100, "--certificate", proof, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "optimal"
    out.write_text(done.stdout)
    assert mecpfm("verify", small, proof, "--plan", out).returncode == 0


def test_the_running_example_is_as_described(tmp_path: Path):
    """The file is what the page shows, about twenty lines; its plan verifies, the stated costs are computed ones."""
    text = (ROOT / "docs" / "first_steps.md").read_text()
    example = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert example
    assert example[1].count("\n") <= 20
    assert example[1] == (ROOT / "data" / "two_cloudlets.json").read_text()
    network, proof, plan = (tmp_path / name for name in ("network.json", "proof.json", "plan.json"))
    network.write_text(example[1])
    done = mecpfm("solve", network, "--certificate", proof, "--json")
    assert done.returncode == 0, done.stderr
    plan.write_text(done.stdout)
    assert mecpfm("verify", network, proof, "--plan", plan).returncode == 0
    found = json.loads(done.stdout)
    assert (found["status"], found["edge_share"]) == ("optimal", 1.0)
    assert f"at the edge in {found['objective']:.1f} s, {found['pulling_s']:.1f} s of which" in text
    alone = json.loads(mecpfm("solve", network, "--method", "no-sharing", "--json").stdout)
    assert f"without sharing it takes {alone['objective']:.1f} s" in text
    for document in ("README.md", "docs/two_cloudlets.svg"):
        both = (f"{found['objective']:.1f} s", f"{alone['objective']:.1f} s")
        assert all(words in (ROOT / document).read_text() for words in both)
