"""Experiments on a dask.distributed cluster: the same bytes, even when a worker dies on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed")


def start(*words: str) -> subprocess.Popen[bytes]:
    # A worker that is killed must not come back by itself, and no dashboard port is needed.
    return subprocess.Popen(
        [sys.executable, "-m", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Address of a scheduler on the loopback interface with two workers, and the workers."""
    file = tmp_path / "scheduler.json"
    where = ("--host", "127.0.0.1", "--no-dashboard")
    scheduler = start("distributed.cli.dask_scheduler", *where, "--port", "0", "--scheduler-file", str(file))
    while not file.exists() or not file.read_text().strip():
        time.sleep(0.05)
    address = json.loads(file.read_text())["address"]
    quiet = ("--nthreads", "1", "--no-nanny", *where, "--local-directory", str(tmp_path))
    workers = [start("distributed.cli.dask_worker", address, *quiet) for _ in range(2)]
    yield address, workers
    for process in (*workers, scheduler):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_worker_may_die(cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path):
    """With one of two workers killed mid-run the experiment ends, and its table is that of a local run."""
    address, workers = cluster
    command = [sys.executable, "-m", "mecpfm", "experiment", "equivalence"]
    homes = {name: os.environ | {"MECPFM_HOME": str(tmp_path / name)} for name in ("cluster", "local")}
    log = (tmp_path / "log").open("wb")
    run = subprocess.Popen([*command, "--scheduler", address], env=homes["cluster"], stdout=log, stderr=log)
    store = tmp_path / "cluster" / "results" / "cache" / "equivalence"
    while run.poll() is None and len(list(store.glob("*.json"))) < 2:
        time.sleep(0.02)
    os.killpg(workers[0].pid, signal.SIGKILL)
    log.close()
    assert run.wait(timeout=240) == 0, (tmp_path / "log").read_text()
    subprocess.run(command, env=homes["local"], check=True, capture_output=True)
    one, two = (tmp_path / name / "results" / "quick" / "equivalence.csv" for name in homes)
    assert one.read_bytes() == two.read_bytes()


def test_no_scheduler_is_one_line_and_code_2():
    """An address where nobody answers is bad input."""
    words = ["experiment", "equivalence", "--no-resume", "--scheduler", "tcp://127.0.0.1:1"]
    done = subprocess.run([sys.executable, "-m", "mecpfm", *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert "tcp://127.0.0.1:1" in done.stderr.splitlines()[-1]
