"""Experiments resume, repeat to the byte, and lose nothing finished."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from mecpfm.errors import InputError
from mecpfm.experiments import measure, runner
from mecpfm.experiments.config import Experiment, Point, experiments
from mecpfm.published.generate import Recipe

TINY = Recipe(cloudlets=6, models=3, families=2, requests=4, sites="uniform")
CALLS: list[int] = []


def count(recipe: Recipe, seed: int) -> measure.Rows:
    CALLS.append(seed)
    return [{"method": "a", "delay": seed / 3, "runtime_s": time.perf_counter()}]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty results folder, one tiny experiment, and threads for processes."""

    @contextmanager
    def threads(scheduler: str | None, workers: int) -> Iterator[Executor]:
        with ThreadPoolExecutor(workers) as pool:
            yield pool

    tiny = Experiment("tiny", "count", "none", (Point(1.0, TINY), Point(2.0, TINY)), seeds=3)
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    monkeypatch.setattr(runner, "experiments", lambda profile: {"tiny": tiny})
    monkeypatch.setattr(runner, "_executor", threads)
    monkeypatch.setitem(measure.MEASURES, "count", count)
    CALLS.clear()
    return tmp_path


def table(home: Path) -> bytes:
    return (home / "results" / "quick" / "tiny.csv").read_bytes()


def test_nothing_is_computed_twice(home: Path):
    """A second run reads every task from its store; --no-resume computes all again."""
    runner.run("tiny", "quick")
    first = table(home)
    runner.run("tiny", "quick")
    assert len(CALLS) == 6
    assert table(home) == first
    runner.run("tiny", "quick", resume=False)
    assert len(CALLS) == 12


def test_one_or_two_workers_write_the_same_bytes(home: Path):
    """Rows come in task order whatever finished first; running times are kept apart."""
    runner.run("tiny", "quick", workers=1, resume=False)
    first = table(home)
    runner.run("tiny", "quick", workers=2, resume=False)
    assert table(home) == first
    assert b"runtime_s" not in first
    assert b"runtime_s" in (home / "results" / "quick" / "tiny.timing.csv").read_bytes()


def test_a_corrupted_entry_is_computed_again(home: Path, caplog: pytest.LogCaptureFixture):
    """A truncated or foreign file in the store is named in the log and replaced, not trusted."""
    runner.run("tiny", "quick")
    first = table(home)
    stored = sorted((home / "results" / "cache" / "tiny").glob("*.json"))
    stored[0].write_text(stored[0].read_text()[:-3])
    stored[1].write_text('{"a": 1}')
    runner.run("tiny", "quick")
    assert len(CALLS) == 8
    assert table(home) == first
    assert stored[0].name in caplog.text


def test_a_change_of_code_or_data_is_another_key(home: Path, monkeypatch: pytest.MonkeyPatch):
    """Results of another version are never read."""
    runner.run("tiny", "quick")
    monkeypatch.setattr(runner, "code_version", lambda kind: "another")
    runner.run("tiny", "quick")
    monkeypatch.setattr(runner, "data_version", lambda: "another")
    runner.run("tiny", "quick")
    assert len(CALLS) == 18


def test_a_full_disk_loses_nothing_finished(home: Path, monkeypatch: pytest.MonkeyPatch):
    """When writing fails, what was stored stays whole and a later run goes on from there."""
    write, left = runner.write_atomic, [3]

    def full(path: Path, content: bytes) -> None:
        if left[0] == 0:
            raise OSError(28, "No space left on device", str(path))
        left[0] -= 1
        write(path, content)

    monkeypatch.setattr(runner, "write_atomic", full)
    with pytest.raises(OSError, match="No space left"):
        runner.run("tiny", "quick")
    stored = list((home / "results" / "cache" / "tiny").iterdir())
    assert len(stored) == 3
    assert all(isinstance(json.loads(path.read_text()), list) for path in stored)
    CALLS.clear()
    left[0] = 99
    runner.run("tiny", "quick")
    assert len(CALLS) == 3


def test_unknown_experiment_is_refused(home: Path):
    """The error lists what there is."""
    with pytest.raises(InputError, match="tiny"):
        runner.run("huge", "quick")


def test_a_real_sweep_survives_kill_9(tmp_path: Path):
    """Killed twice on the way, a sweep ends with the same bytes as an undisturbed one and redoes no finished task."""
    command = [sys.executable, "-m", "mecpfm", "experiment", "requests", "--workers", "2"]

    def environment(name: str) -> dict[str, str]:
        return os.environ | {"MECPFM_HOME": str(tmp_path / name)}

    store = tmp_path / "killed" / "results" / "cache" / "requests"
    for wanted in (1, 3):
        run = subprocess.Popen(command, env=environment("killed"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while run.poll() is None and len(list(store.glob("*.json"))) < wanted:
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.wait()
    before = {path: path.stat().st_mtime_ns for path in store.glob("*.json")}
    assert len(before) >= 3
    for name in ("killed", "whole"):
        subprocess.run(command, env=environment(name), check=True, capture_output=True)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    one, two = (tmp_path / name / "results" / "quick" / "requests.csv" for name in ("killed", "whole"))
    assert one.read_bytes() == two.read_bytes()


def test_profiles_hold_the_published_values():
    """The paper profile has every published value and at least 30 seeds; quick is the same code on fewer, smaller."""
    paper, quick = experiments("paper"), experiments("quick")
    assert list(paper) == list(quick)
    assert [point.value for point in paper["cloudlets"].points] == [30, 50, 100, 300, 500]
    assert [point.value for point in paper["requests"].points] == [10, 30, 50, 100, 300, 500]
    assert [point.recipe.families for point in paper["models"].points] == [2, 6, 10, 14, 20]
    assert [point.value for point in paper["accuracy"].points] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    published = [experiment for name, experiment in paper.items() if not name.startswith(("coupled", "online", "tsrc"))]
    assert all(experiment.seeds >= 30 for experiment in published)
    largest = paper["models"].points[-1].recipe
    assert (largest.cloudlets, largest.requests, largest.models) == (300, 300, 100)
