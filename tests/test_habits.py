"""What runs for contributors: workflows, nox sessions and run_all.sh name what exists and run the same checks."""

import ast
import itertools
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import mecpfm

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SOURCE = (ROOT / "noxfile.py").read_text()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def sessions() -> set[str]:
    """Names of the nox sessions with their Pythons, read from the source: nox is no test dependency."""
    tree = ast.parse(SOURCE)
    pythons = re.findall(r"PYTHONS = (\[.*\])", SOURCE)[0]
    every = ast.literal_eval(pythons)
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            decorator = ast.unparse(node.decorator_list[0])
            of = {"nox.session(python=PYTHONS)": every, "nox.session(python=[FIRST])": every[:1]}[decorator]
            names |= {f"{node.name}-{python}" for python in of}
    return names


def filled(job: dict[str, Any], text: str) -> list[str]:
    """The text once for each row of the job's matrix, with the row put in."""
    rows = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
    lines = [text] * len(rows)
    for i, row in enumerate(rows):
        for name, value in row.items():
            lines[i] = lines[i].replace(f"${{{{ matrix.{name} }}}}", value)
    return lines


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_what_exists(path: Path) -> None:
    """Every step is an action at a major version, a nox session that there is, or run_all.sh with options it knows."""
    usage = (ROOT / "run_all.sh").read_text()
    jobs = yaml.safe_load(path.read_text())["jobs"]
    for job in jobs.values():
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), step
                continue
            for line in itertools.chain(*(filled(job, line) for line in step["run"].splitlines())):
                program, *words = line.removeprefix("pipx run ").split()
                if program == "nox":
                    assert words[0] == "-s"
                    assert set(words[1:]) <= sessions(), line
                else:
                    assert program == "./run_all.sh", line
                    assert all(word in usage for word in words), line


def test_workflows_cover_every_session_and_python() -> None:
    """No session is run by nobody, and each supported Python runs the suite."""
    text = [line for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values()
            for step in job["steps"] for line in filled(job, step.get("run", ""))]  # fmt: skip
    called = set(re.findall(r"nox -s (\S+)", "\n".join(text)))
    assert {name.rpartition("-")[0] for name in called} == {name.rpartition("-")[0] for name in sessions()}
    assert {f"tests-{python}" for python in ("3.11", "3.12", "3.13")} <= called


def test_no_sign_stands_before_a_zero() -> None:
    """A format with a sign and fixed digits has the z that takes the sign from what rounds to zero."""
    files = [*(ROOT / "mecpfm").rglob("*.py"), *(ROOT / "notebooks").glob("*.ipynb")]
    signed = {path.name: re.findall(r":\+,?\.\d[f%]", path.read_text(encoding="utf-8")) for path in files}
    assert not {name: found for name, found in signed.items() if found}


def test_nox_and_run_all_run_the_same_checks() -> None:
    """Each check of ``run_all.sh --test`` is a line of a nox session."""
    block = (ROOT / "run_all.sh").read_text().partition('if [ "$task" = test ]; then')[2].partition("\n    exit")[0]
    checks = re.findall(r'"\$python" (-m .*?)(?: &)?$', block, re.MULTILINE)
    assert len(checks) == 6
    for check in checks:
        assert f'"python {check}"' in SOURCE, check
    assert "NUMBA_DISABLE_JIT=1" in block
    assert '"NUMBA_DISABLE_JIT": "1"' in SOURCE


def test_nox_installs_extras_that_exist() -> None:
    """Names in ``.[...]`` are extras of pyproject.toml."""
    named = set(",".join(re.findall(r"\.\[([\w,]+)\]", SOURCE)).split(","))
    assert named <= set(EXTRAS)


def test_ci_names_nothing_outside_the_repository() -> None:
    """The script goes up to its own root and nowhere else; an environment variable alone says where data are."""
    commands = (ROOT / ".ci" / "run").read_text().partition("\n")[2]
    assert commands.count("..") == 1
    assert not re.findall(r'(?<![\w"])/\w+', commands)


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_yaml_of_the_forge_parses(path: Path) -> None:
    """Each file is a mapping; an issue form has a name, a description and fields with unique names."""
    content = yaml.safe_load(path.read_text())
    assert isinstance(content, dict)
    if path.parent.name == "ISSUE_TEMPLATE" and path.stem != "config":
        assert content["name"]
        assert content["description"]
        ids = [field["id"] for field in content["body"] if field["type"] != "markdown"]
        assert len(set(ids)) == len(ids)


def test_commit_hooks_run_the_locked_tools_and_leave_notebooks_executed() -> None:
    """Ruff and mypy are those of the environment; no hook strips outputs."""
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    hooks = {hook["id"]: hook for repository in yaml.safe_load(text)["repos"] for hook in repository["hooks"]}
    for name in ("ruff", "ruff-format", "mypy"):
        command = hooks[name]["entry"].removesuffix(" --fix")
        assert hooks[name]["language"] == "system"
        assert f'run(session, "{command}' in SOURCE
    assert not any("strip" in name for name in hooks)


def test_binder_and_devcontainer_install_what_is_locked() -> None:
    """Both take the lock with its hashes and the Python of the committed outputs; Binder's script can be run."""
    script = ROOT / ".binder" / "postBuild"
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert os.access(script, os.X_OK)
    assert (ROOT / ".binder" / "runtime.txt").read_text().strip() == "python-3.11"
    assert container["image"].endswith(":3.11")
    for text in (script.read_text(), container["postCreateCommand"]):
        assert "--require-hashes" in text
        assert "-r requirements.lock" in text
        assert "--no-deps --no-build-isolation --editable ." in text


def test_the_changelog_begins_with_this_version() -> None:
    """The newest entry names the version of the package, released or not."""
    newest = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert mecpfm.__version__ in newest


def test_contributing_names_files_that_exist() -> None:
    """Every path in the table of what is added where."""
    named = set(re.findall(r"`((?:mecpfm|tests|docs|figures)/[\w./]*)`", (ROOT / "CONTRIBUTING.md").read_text()))
    assert len(named) > 20
    for path in named:
        assert (ROOT / path).exists(), path


def test_every_document_is_in_the_site() -> None:
    """The site's index lists each document once; Sphinx would warn of one that nobody reaches."""
    text = (ROOT / "docs" / "index.md").read_text()
    for path in (ROOT / "docs").glob("*.md"):
        assert path.stem == "index" or re.findall(rf"^{path.stem}$", text, re.MULTILINE) == [path.stem], path.name
