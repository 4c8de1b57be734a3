"""The files that install the project agree with each other, and the shell door behaves."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

import mecpfm

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK_LINES = (ROOT / "requirements.lock").read_text().replace("\\\n", "").splitlines()
LOCK = [Requirement(line.split("--hash")[0]) for line in LOCK_LINES if not line.startswith("#")]


def declared(*unlocked: str) -> list[Requirement]:
    groups = PROJECT["optional-dependencies"].items()
    extras = [item for name, group in groups if name not in unlocked for item in group]
    return [Requirement(item) for item in PROJECT["dependencies"] + extras]


def test_lock_satisfies_every_bound_of_pyproject():
    """Each dependency but the site's and the rival solvers' is locked on every Python, at a version it allows."""
    for need in declared("docs", "solvers"):
        for python in ("3.11", "3.12", "3.13"):
            environment = {"python_full_version": f"{python}.0", "python_version": python}
            locked = [
                item for item in LOCK
                if item.name == need.name.lower() and (item.marker is None or item.marker.evaluate(environment))
            ]  # fmt: skip
            assert len(locked) == 1, (need.name, python)
            version = str(locked[0].specifier).removeprefix("==")
            assert need.specifier.contains(version), (need.name, version)


def test_lock_pins_everything_and_holds_no_address():
    """A lock line is name==version, at most a marker, and the hashes that both installers insist on."""
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert all(str(item.specifier).startswith("==") for item in LOCK)
    assert all("--hash=sha256:" in line for line in LOCK_LINES if not line.startswith("#"))
    shell = (ROOT / "run_all.sh").read_text()
    installs = [line for line in shell.splitlines() if " -r " in line]
    assert len(installs) == 3
    assert all("--require-hashes" in line for line in installs)
    assert re.search(r"'pip==[\d.]+ --hash=sha256:[0-9a-f]{64}'", shell)


def test_environment_yml_uses_the_same_python_and_lock():
    """Conda users get the same versions and the package itself: python's bound from pyproject, the rest as locked."""
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = content["dependencies"]
    assert python == f"python{PROJECT['requires-python']}"
    assert pip == "pip"
    package, *pins = packages["pip"]
    assert package == "--editable ."
    assert [str(Requirement(pin)) for pin in pins] == [str(item) for item in LOCK]


def test_versions_agree():
    """Package, pyproject and citation carry one version; licence and author stand as agreed."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert mecpfm.__version__ == PROJECT["version"] == citation["version"]
    assert citation["authors"] == [{"name": "the mecpfm developers"}]
    assert "the mecpfm developers" in (ROOT / "LICENSE").read_text()


def test_run_all_refuses_bad_options_with_usage():
    """A bad option or profile prints usage and exits with 2, before anything is installed; --help exits with 0."""
    for words in (["--bogus"], ["--profile", "huge"], ["--profile"]):
        done = subprocess.run(["bash", ROOT / "run_all.sh", *words], capture_output=True, text=True)
        assert done.returncode == 2, words
        assert "usage:" in done.stderr
    done = subprocess.run(["bash", ROOT / "run_all.sh", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "usage:" in done.stdout


def test_every_dependency_is_explained():
    """docs/dependencies.md has a word on each direct dependency."""
    text = (ROOT / "docs" / "dependencies.md").read_text()
    for need in declared():
        assert re.search(rf"\b{re.escape(need.name)}\b", text), need.name
