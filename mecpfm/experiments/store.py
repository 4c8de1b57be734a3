"""What is computed once: rows of a task under a key that hashes everything they depend on.

The key covers the task, every source of the package that may compute (all but ``cli`` and ``figures``), the versions
of the libraries beneath and the bytes of the data at hand. A file that is not whole, or not this task's, is a miss.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mecpfm import paths
from mecpfm.data.fetch import verify
from mecpfm.experiments.study import Point, Rows
from mecpfm.records import write_atomic

log = logging.getLogger("mecpfm")
SHOWING = ("cli", "figures")
"""Folders whose code shows results and computes none."""
LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "pandas", "highspy", "gurobipy", "topohub", "scikit-learn")
"""Packages whose versions may change a result."""


@dataclass(frozen=True)
class Task:
    """One point of one experiment with one seed."""

    experiment: str
    point: Point
    seed: int

    def key(self) -> str:
        """Content hash of everything the rows depend on."""
        content = json.dumps([asdict(self), fingerprint()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:24]

    def __str__(self) -> str:
        """Name for messages."""
        return f"{self.experiment} at {self.point.value:g}, seed {self.seed}"

    @property
    def file(self) -> Path:
        """Where the rows are kept."""
        return paths.results() / "cache" / self.experiment / f"{self.key()}.json"


@functools.cache
def fingerprint() -> dict[str, str]:
    """Hashes of code, libraries and data of this process: rows of equal fingerprints may be mixed."""
    return {"code": code_version(paths.PACKAGE), "libraries": library_versions(), "data": data_version()}


def code_version(package: Path) -> str:
    """Hash of the sources under a package's folder, names included, but those that only show results."""
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        name = source.relative_to(package)
        if name.parts[0] not in SHOWING:
            digest.update(f"{name.as_posix()}\0".encode() + source.read_bytes() + b"\0")
    return digest.hexdigest()[:24]


def library_versions() -> str:
    """Python's and the libraries' versions, absent ones as such."""
    found = [f"python {'.'.join(platform.python_version_tuple()[:2])}"]
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} absent")
    return ", ".join(found)


def data_version() -> str:
    """Hash of the committed tables and of which checksummed real files are at hand."""
    digest = hashlib.sha256(json.dumps([[file.name, file.status] for file in verify()]).encode())
    for path in sorted(paths.tables().glob("*.csv")):
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:24]


def load(task: Task) -> Rows | None:
    """Stored rows, None when there are none; what is damaged or another task's is computed again, and said so."""
    path = task.file
    try:
        content = json.loads(path.read_bytes())
        rows: Rows = content["rows"]
        if content["key"] != task.key():
            raise ValueError("belongs to another task")
        if content["digest"] != _digest(rows):
            raise ValueError("is damaged")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        log.warning("%s: unusable (%s); computing it again", path, error)
        return None
    return rows


def keep(task: Task, rows: Rows) -> None:
    """Store the rows of a finished task."""
    content = {"key": task.key(), "digest": _digest(rows), "rows": rows}
    write_atomic(task.file, json.dumps(content).encode())


def _digest(rows: Rows) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
