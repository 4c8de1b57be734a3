"""Experiments on a dask.distributed cluster: the same bytes or one line, whatever dies, stops or runs other code."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import COMMAND, Running, until
from command import start as fork

from mecpfm import paths
from mecpfm.experiments import runner

pytest.importorskip("distributed")

STUDY = "zoo"
PATIENCE_S = 240
"""Seconds for what a busy machine is slow to do; no assertion depends on it."""
BLOCKED = f"""
import os, time
from mecpfm import paths
from mecpfm.experiments import executors, runner

def measure(task, mine=paths.PACKAGE, go=os.path.join(os.environ["MECPFM_HOME"], "go")):
    from mecpfm import paths
    from mecpfm.experiments.runner import _measure
    while task.seed and paths.PACKAGE == mine and not os.path.exists(go):
        time.sleep(0.05)
    return _measure(task) if paths.PACKAGE == mine else [{{"value": task.point.value}}]

runner._measure = measure
hands = executors._shake_hands
executors._shake_hands = lambda client, address, limit_s: hands(client, address, {PATIENCE_S})
wait, keep, kept = executors.wait, runner.keep, []
executors.wait = lambda left, timeout, **how: wait(left, timeout=timeout if kept else {PATIENCE_S}, **how)
runner.keep = lambda *row: kept.append(keep(*row))
{COMMAND}
"""
"""The command with tasks that begin at once for seed 0 or in a copy, and the others when there is a file."""
IMPATIENT = f"""
import distributed
client = distributed.Client
distributed.Client = lambda address, timeout: client(address, timeout=0.5)
{COMMAND}
"""
"""The command, which tries to reach a scheduler for half a second."""
EDITED = """
import sys
for name in [name for name in sys.modules if name.partition(".")[0] == "mecpfm"]:
    del sys.modules[name]
sys.path.insert(0, sys.argv.pop(1))
"""
"""Before a worker: the package comes from the folder that the first word names."""


class Cluster:
    """A scheduler on the loopback interface, and workers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, []
        file = folder / "scheduler.json"
        self.scheduler = self._start("dask_scheduler", "--port", "0", "--scheduler-file", str(file))
        until(lambda: file.exists() and file.read_text().strip())
        self.address = json.loads(file.read_text())["address"]

    def worker(self, package: Path | None = None) -> Running:
        """Start a worker with one thread, with the package of another folder where one is named."""
        # A worker that is killed must not come back by itself: no nanny.
        words = (self.address, "--nthreads", "1", "--no-nanny", "--memory-limit", "0")
        words += ("--local-directory", str(self.folder))
        return self._start("dask_worker", *words, package=package)

    def workers(self, count: int) -> list[Running]:
        """Start workers and wait until the scheduler knows exactly these."""
        from distributed import Client

        started = [self.worker() for _ in range(count)]
        with Client(self.address) as client:
            until(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == count)
        return started

    def _start(self, program: str, *words: str, package: Path | None = None) -> Running:
        module = f"distributed.cli.{program}"
        code = EDITED * (package is not None) + f"from {module} import main; main()"
        first = () if package is None else (package,)
        words = (*first, *words, "--host", "127.0.0.1", "--no-dashboard")
        self.processes.append(fork(self.folder, *words, cwd=self.folder, code=code, needs=module))
        return self.processes[-1]

    def clear(self) -> None:
        """Kill every worker, and wait until the scheduler has noticed."""
        kill(*self.processes[1:])
        del self.processes[1:]
        if self.scheduler.poll() is None:
            self.workers(0)


def kill(*processes: Running) -> None:
    for process in processes:
        process.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    one = Cluster(tmp_path_factory.mktemp("cluster"))
    yield one
    kill(*one.processes)


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """The module's scheduler without workers."""
    yield running
    running.clear()


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a copy of the package in which one byte of a source differs."""
    folder = tmp_path_factory.mktemp("edited")
    shutil.copytree(paths.PACKAGE, folder / "mecpfm", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "mecpfm" / "errors.py").open("a") as file:
        file.write("#\n")
    return folder


def start(address: str, home: Path, patience: int = PATIENCE_S, code: str = COMMAND) -> Running:
    words = ("experiment", STUDY, "--scheduler", address, "--patience", patience)
    return fork(home, *words, code=code, needs="distributed", MECPFM_HOME=str(home))


def start_blocked(cluster: Cluster, home: Path, patience: int = PATIENCE_S) -> Running:
    """A run that has stored its first row and whose workers are at work."""
    run = start(cluster.address, home, patience, BLOCKED)
    until(lambda: stored(home) or run.poll() is not None)
    return run


def stored(home: Path) -> list[Path]:
    return list((home / "results" / "cache" / STUDY).glob("*.json"))


def ends(run: Running) -> tuple[int, str]:
    """Exit code and the one line of stderr that is no progress and no word on compiling."""
    try:
        _, said = run.communicate()
    finally:
        run.kill()
    lines = [line for line in said.splitlines() if " tasks, " not in line and "compiling kernels" not in line]
    assert len(lines) == 1, said
    assert lines[0].startswith("mecpfm: error: "), said
    return run.returncode, lines[0]


def test_a_worker_may_die(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With one of two workers killed mid-run the experiment ends, and its table is that of a local run."""
    first, _ = cluster.workers(2)
    homes = [tmp_path / "cluster", tmp_path / "local"]
    homes[0].mkdir()
    run = start_blocked(cluster, homes[0])
    kill(first)
    (homes[0] / "go").touch()
    _, said = run.communicate()
    assert run.returncode == 0, said
    monkeypatch.setenv("MECPFM_HOME", str(homes[1]))
    runner.run(STUDY, "quick")
    one, two = (home / "results" / "quick" / f"{STUDY}.csv" for home in homes)
    assert one.read_bytes() == two.read_bytes()


def test_no_scheduler_is_bad_input(tmp_path: Path):
    """An address where nobody answers is bad input."""
    code, line = ends(start("tcp://127.0.0.1:1", tmp_path, code=IMPATIENT))
    assert code == 2
    assert "--scheduler tcp://127.0.0.1:1: cannot be reached" in line


def test_no_workers_is_bad_input(cluster: Cluster, tmp_path: Path):
    """A scheduler without workers is not waited for longer than the patience."""
    code, line = ends(start(cluster.address, tmp_path, patience=1))
    assert code == 2
    assert "has no workers after 1 s" in line


def test_other_code_is_refused_at_the_start(cluster: Cluster, edited: Path, tmp_path: Path):
    """A worker with another source gets no task; the line names it and what differs."""
    cluster.worker(edited)
    code, line = ends(start(cluster.address, tmp_path))
    assert code == 2
    assert "worker tcp://127.0.0.1:" in line
    assert "has other code" in line
    assert not stored(tmp_path)


def test_other_code_is_refused_when_it_joins_late(cluster: Cluster, edited: Path, tmp_path: Path):
    """Rows of a worker that nobody asked at the start are refused as well."""
    cluster.workers(1)
    run = start_blocked(cluster, tmp_path)
    before = stored(tmp_path)
    cluster.worker(edited)
    code, line = ends(run)
    assert code == 2
    assert "has other code" in line
    assert set(before) <= set(stored(tmp_path))


def test_a_stopped_worker_is_not_waited_for(cluster: Cluster, tmp_path: Path):
    """A worker that does not answer at the start is named."""
    stopped, _ = cluster.workers(2)
    stopped.send_signal(signal.SIGSTOP)
    code, line = ends(start(cluster.address, tmp_path, patience=4))
    assert code == 2
    assert "worker tcp://127.0.0.1:" in line
    assert "does not answer within 4 s" in line


@pytest.mark.parametrize("by", [signal.SIGSTOP, signal.SIGKILL])
def test_without_workers_a_run_ends(cluster: Cluster, tmp_path: Path, by: signal.Signals):
    """With every worker stopped or killed mid-run one line says how to go on; finished rows are kept."""
    workers = cluster.workers(2)
    run = start_blocked(cluster, tmp_path, patience=2)
    for worker in workers:
        worker.send_signal(by)
    code, line = ends(run)
    assert code == 1
    assert "finished nothing in 2 s" in line
    assert "run the same command again" in line
    assert stored(tmp_path)


@pytest.mark.parametrize("by", [signal.SIGSTOP, signal.SIGKILL])
def test_without_its_scheduler_a_run_ends(tmp_path: Path, by: signal.Signals):
    """With the scheduler stopped or killed mid-run one line says how to go on; finished rows are kept."""
    cluster = Cluster(tmp_path)
    cluster.workers(1)
    run = start_blocked(cluster, tmp_path, patience=2)
    cluster.scheduler.send_signal(by)
    code, line = ends(run)
    kill(*cluster.processes)
    assert code == 1
    assert "run the same command again" in line
    assert stored(tmp_path)
