"""Shared settings: property tests draw the same examples on every machine, and Ctrl-C means the same everywhere."""

import os
import signal
import subprocess
from typing import Any

import pytest
from command import COMPILING
from hypothesis import settings

# Without compilation a third of them asks whether the same comes out.
EXAMPLES = 20 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 60
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=EXAMPLES)
settings.load_profile("ci")

# A test sees the same files on every machine; real_data marks those that read the reader's (workers inherit).
REAL_DATA = "MECPFM_TESTS_REAL_DATA"
if "MECPFM_DATA_DIR" in os.environ:
    os.environ[REAL_DATA] = os.environ.pop("MECPFM_DATA_DIR")

# A shell that starts the tests in the background lets them, and every command they start, ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
def _real_data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real traces and sites, for those that ask for them."""
    if request.node.get_closest_marker("real_data"):
        if REAL_DATA not in os.environ:
            pytest.skip("MECPFM_DATA_DIR is not set")
        monkeypatch.setenv("MECPFM_DATA_DIR", os.environ[REAL_DATA])
