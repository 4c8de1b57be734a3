"""The core works without notebooks and Gurobi, and says in one line which extra brings what is missing."""

import ast
import functools
import json
import sys
from pathlib import Path

import command
import pytest
from packaging.requirements import Requirement

from mecpfm.extras import EXTRAS

ROOT = Path(__file__).parents[1]
mecpfm = functools.partial(command.mecpfm, first="core_only")


def test_the_core_needs_no_extra(tmp_path: Path):
    """New, generate, solve, verify, show and what-if work where no package of an extra can be imported."""
    net, plan, page = tmp_path / "net", tmp_path / "plan.json", tmp_path / "plan.html"
    paper, answer = tmp_path / "paper.json", tmp_path / "answer.json"
    sizes = ("--cloudlets", 8, "--requests", 5, "--models", 4)
    commands = [
        ("new", net, "--users", 12),
        ("solve", net, "-o", plan, "--iterations", 20),
        ("show", plan, "--html", page),
        ("what-if", plan, "--every", "site", "memory_gb=+8"),
        ("generate", "published", *sizes, "-o", paper),
        ("solve", paper, "--json"),
        ("solve", paper, "--method", "ilp", "--solver", "auto"),
    ]
    for words in commands:
        done = mecpfm(*words)
        assert done.returncode == 0, (words, done.stderr)
        if words[-1] == "--json":
            answer.write_text(done.stdout)
    assert page.stat().st_size > 1000
    done = mecpfm("verify", paper, "--plan", answer, "--json")
    assert json.loads(done.stdout)["complaints"] == [], done.stderr


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("notebooks",), "notebooks"),
        (("experiment", "equivalence", "--scheduler", "tcp://127.0.0.1:9"), "cluster"),
    ],
)
def test_a_missing_extra_is_one_line(
    words: tuple[str, ...], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The line names the command that installs what is missing."""
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    done = mecpfm(*words)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("mecpfm: error: ")
    assert line.endswith(f"pip install 'mecpfm[{extra}]'")


def test_named_gurobi_without_gurobipy_is_one_line(tmp_path: Path):
    """``--solver gurobi`` is refused, and says how to get it; ``auto`` went to HiGHS above."""
    path = tmp_path / "paper.json"
    mecpfm("generate", "published", "--cloudlets", 8, "--requests", 5, "--models", 4, "-o", path)
    done = mecpfm("solve", path, "--method", "ilp", "--solver", "gurobi")
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].endswith("pip install 'mecpfm[gurobi]'")


def test_extras_are_those_of_pyproject():
    """Every module that may be missing belongs to an extra whose package is declared."""
    from test_setup import PROJECT

    declared = PROJECT["optional-dependencies"]
    for package, extra in EXTRAS.values():
        assert any(item.startswith(package) for item in declared[extra]), package
    core = " ".join(PROJECT["dependencies"])
    for package in ("jupyterlab", "papermill", "nbclient", "nbconvert", "ipykernel", "gurobipy"):
        assert package not in core


def test_the_package_imports_what_is_declared():
    """Every module from elsewhere belongs to a package of the core, or of an extra that is asked for by name."""
    from test_setup import PROJECT

    found = set()
    for path in (ROOT / "mecpfm").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {item.name.partition(".")[0] for item in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    core = {Requirement(item).name for item in PROJECT["dependencies"]}
    together = dict.fromkeys(("nbformat", "jupyter_client"), "nbclient")  # come with it
    elsewhere = {together.get(name, name) for name in found - set(sys.stdlib_module_names) - {"mecpfm"}}
    assert elsewhere <= core | set(EXTRAS)
