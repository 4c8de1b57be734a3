"""The house keeps its floors: imports point one way, files stay short, no machine paths."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mecpfm"
FLOORS = (
    ("typing",),
    """errors extras paths sockets clock warm streams files params archives ragged coercion ranges records plan
    statements""".split(),
    ("data", "kernels", "solvers"),
    ("bandits",),
    ("published", "coupled"),
    ("online",),
    ("network",),
    ("experiments",),
    ("cli", "diagnose", "__main__"),
)
FIGURES_MAY_IMPORT = {"figures", "errors", "extras", "paths", "records", "sockets", "typing"}


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """First package part of every mecpfm import in a file, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{item.name}" for item in node.names] if node.module == "mecpfm" else [node.module]
        elif isinstance(node, ast.Import):
            names = [item.name for item in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("mecpfm.")}
    return found


def test_imports_point_down():
    """No file imports from a floor above its own, the two settings do not know each other, figures stand apart."""
    level = {name: i for i, floor in enumerate(FLOORS) for name in floor}
    for path in PACKAGE.rglob("*.py"):
        own = part(path)
        if own == "__init__":
            continue
        if own == "figures":
            assert imports(path) <= FIGURES_MAY_IMPORT, path
            continue
        for other in imports(path) - {own}:
            allowed = other == "figures" and own in ("experiments", "network", "cli", "diagnose")
            assert allowed or level[other] <= level[own], f"{path.name} imports {other}"
            assert {own, other} != {"published", "coupled"}


def test_files_and_functions_stay_short():
    """No package file above 250 lines, no function above 50, docstring and all."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 250, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 50, (path, node.name)


def test_numba_options_stand_in_one_place():
    """Only kernels/_jit.py names Numba's decorators."""
    for path in PACKAGE.rglob("*.py"):
        if path.name != "_jit.py":
            assert not re.search(r"\bnjit\b|@numba|import numba", path.read_text()), path


def test_no_machine_paths_in_tracked_text():
    """No tracked text file holds a path of somebody's home folder."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".ipynb", ".toml", ".yml", ".sh", ".lock", ".cff", ".csv", ".json"}:
            assert not re.search(r"/(?:root|home|Users)/[a-z.]", path.read_text()), name
