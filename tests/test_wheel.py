"""Wheel and sdist hold what is needed, and the wheel works where there is no checkout."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = """
import sys
from hatchling import build
build.build_wheel(sys.argv[1])
build.build_sdist(sys.argv[1])
"""

COMMANDS = """\
new net --users 12
solve net -o plan.json --iterations 20
show plan.json --html plan.html
generate coupled --cloudlets 4 --requests 10 --models 6 -o x.npz
solve x.npz --iterations 20 --certificate proof.json -o solved.json
verify x.npz proof.json --plan solved.json""".splitlines()
ONE_AFTER_ANOTHER = """
import sys
from mecpfm.cli import main
for command in sys.argv[1:]:
    sys.argv[1:] = command.split()
    try:
        main()
    except SystemExit as end:
        if end.code:
            sys.exit(f"{command}: exit code {end.code}")
"""
"""A process for all of them: importing takes longer than most."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and sdist of the tracked files, made as pip makes them but with the hatchling that is here."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def test_the_wheel_holds_the_package_and_its_data(built: tuple[Path, Path]):
    """Every module, the committed tables, the schemas, py.typed, what Jupyter loads; no test, no notebook."""
    names = set(zipfile.ZipFile(built[0]).namelist())
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mecpfm").rglob("*.py")}
    data = {f"mecpfm/data/tables/{path.name}" for path in (ROOT / "data").glob("*.csv")}
    schemas = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mecpfm").rglob("*.json")}
    assert len(data) >= 4
    assert package | data | schemas | {"mecpfm/py.typed"} <= names
    server = "mecpfm-0.1.0.data/data/etc/jupyter/jupyter_server_config.d/mecpfm.json"
    assert {name for name in names if name.split("/")[0] not in ("mecpfm", "mecpfm-0.1.0.dist-info")} == {server}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_holds_what_builds_and_tests(built: tuple[Path, Path]):
    """A wheel can be built from it, and the tests run from it."""
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "README.md", "LICENSE", "requirements.lock", "run_all.sh", "claims.toml"}
    needed |= {"mecpfm/__init__.py", "mecpfm/py.typed", "data/model_zoo.csv", "tests/test_wheel.py"}
    assert needed <= names


def test_the_wheel_works_outside_a_checkout(built: tuple[Path, Path], tmp_path: Path):
    """Unpacked into an empty folder, with an empty home: from nothing to a page, and a certificate verified."""
    library, work, home = tmp_path / "library", tmp_path / "work", tmp_path / "home"
    zipfile.ZipFile(built[0]).extractall(library)
    work.mkdir()
    home.mkdir()
    given = {name: value for name, value in os.environ.items() if not name.startswith(("MECPFM_", "XDG_", "PYTHON"))}
    # Kernels as plain Python: they compute the same, and compiling them in a new place takes minutes.
    environment = {**given, "HOME": str(home), "PYTHONPATH": str(library), "NUMBA_DISABLE_JIT": "1"}

    def python(*words: str) -> str:
        command = [sys.executable, "-P", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=work, env=environment)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    found = python("-c", "import mecpfm; print(mecpfm.__file__)")
    assert found.strip() == str(library / "mecpfm" / "__init__.py")
    assert python("-m", "mecpfm", "--version") == "mecpfm 0.1.0\n"
    python("-c", ONE_AFTER_ANOTHER, *COMMANDS)
    assert "<svg" in (work / "plan.html").read_text()
    assert sorted(path.name for path in work.iterdir()) == [
        "net", "plan.html", "plan.json", "proof.json", "solved.json", "x.npz"
    ]  # fmt: skip
    assert sorted(path.name for path in home.iterdir()) in ([], [".cache"])
