"""Shared settings: property tests draw the same examples on every machine, and Ctrl-C means the same everywhere."""

import atexit
import gc
import importlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from command import COMPILING, build_once
from hypothesis import settings

from mecpfm import paths

# Without compilation a third of them asks whether the same comes out.
COMPILED = os.environ.get("NUMBA_DISABLE_JIT") != "1"
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60 if COMPILED else 20)
settings.load_profile("ci")

# A test sees the same files on every machine; real_data marks those that read the reader's (workers inherit).
REAL_DATA = "MECPFM_TESTS_REAL_DATA"
if "MECPFM_DATA_DIR" in os.environ:
    os.environ[REAL_DATA] = os.environ.pop("MECPFM_DATA_DIR")
if "PYTEST_XDIST_WORKER" not in os.environ:  # workers inherit: fetched files stay unseen, compiled kernels are shared
    os.environ.setdefault("NUMBA_CACHE_DIR", str(paths.cache() / "numba"))
    os.environ["MECPFM_CACHE_DIR"] = tempfile.mkdtemp(prefix="mecpfm-tests-")
    atexit.register(shutil.rmtree, os.environ["MECPFM_CACHE_DIR"], ignore_errors=True)

# A shell that starts the tests in the background lets them, and every command they start, ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)

build_once()
gc.disable()  # what collection makes stays


def pytest_collection_finish() -> None:
    """Look for garbage in what tests make alone, and seldom: in all that was there it took a tenth of their time."""
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


def whole(config: pytest.Config) -> bool:
    """Whether these are all tests, compiled."""
    return COMPILED and [Path(name).resolve() for name in config.args] == [Path(__file__).parent]


def pytest_configure(config: pytest.Config) -> None:
    """Compile kernels before several workers run the whole suite (tests/compiled.py)."""
    if whole(config) and config.getoption("numprocesses", None):
        import compiled

        compiled.compile_all()


def pytest_collection(session: pytest.Session) -> None:
    """Import another part first in each worker: of assertions, which pytest rewrites, each then does its share."""
    if whole(session.config) and "PYTEST_XDIST_WORKER" in os.environ:
        worker, workers = int(os.environ["PYTEST_XDIST_WORKER"][2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        files = sorted(Path(__file__).parent.glob("test_*.py"))
        for file in files[len(files) * worker // workers :]:
            with suppress(Exception):  # collection reports it
                importlib.import_module(file.stem)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file without a test for ``-m kernels``: without compilation that took as long as a third of them."""
    if config.getoption("markexpr") == "kernels" and collection_path.suffix == ".py":
        return "mark.kernels" not in collection_path.read_text(encoding="utf-8") or None
    return None


@pytest.fixture(autouse=True)
def _kernels_as_if_compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What commands say must not hang on whether an earlier test has compiled their kernels (test_clock.py asks)."""
    if request.module.__name__ == "test_clock":
        return
    run = subprocess.run

    def quiet(*words: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
        done = run(*words, **options)
        if isinstance(done.stderr, str):
            done.stderr = COMPILING.sub("", done.stderr)
        return done

    monkeypatch.setattr(subprocess, "run", quiet)


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Variables that an import adds (scikit-learn, papermill) go: with them every later command would start anew."""
    before = set(os.environ)
    yield
    for name in os.environ.keys() - before:
        del os.environ[name]


@pytest.fixture(autouse=True)
def _real_data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real traces and sites, for those that ask for them."""
    if request.node.get_closest_marker("real_data"):
        if REAL_DATA not in os.environ:
            pytest.skip("MECPFM_DATA_DIR is not set")
        monkeypatch.setenv("MECPFM_DATA_DIR", os.environ[REAL_DATA])


@pytest.fixture
def restricted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that only the restricted licence is present, whatever the machine has."""
    monkeypatch.setattr("mecpfm.solvers.gurobi.licence", lambda: "restricted")
