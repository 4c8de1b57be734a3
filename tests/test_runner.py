"""Experiments resume, repeat to the byte, and lose nothing finished."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from command import COMMAND, start, until

from mecpfm import paths
from mecpfm.errors import InputError, InterruptedRunError, MecpfmError
from mecpfm.experiments import executors, runner, store
from mecpfm.experiments.config import STUDIES, Experiment, Point, experiments
from mecpfm.experiments.study import Measure, Rows, Study, study
from mecpfm.published.generate import Recipe

TINY = Recipe(cloudlets=6, models=3, families=2, requests=4, sites="uniform")
CALLS: list[int] = []
FORKING = f"""
import multiprocessing, signal
from mecpfm.experiments import executors
executors.get_context = lambda: multiprocessing.get_context("fork")
begin = executors._end_with_parent
executors._end_with_parent = lambda parent: (signal.signal(signal.SIGTERM, signal.SIG_DFL), begin(parent))
{COMMAND}
"""
"""The command with workers that have imported what they need, and begin like others otherwise."""
HELD = f"""
import time
from mecpfm.experiments.config import STUDIES
measure = STUDIES["requests"].measure
STUDIES["requests"].measure = lambda recipe, seed: time.sleep(3600) if seed > 2 else measure(recipe, seed)
{FORKING}
"""
"""The same, which gets no further than three tasks."""


def count(recipe: Recipe, seed: int) -> Rows:
    CALLS.append(seed)
    return [{"method": "a", "delay": seed / 3, "runtime_s": time.perf_counter()}]


def tiny_study(measure: Measure) -> Study:
    """A study that measures so; the runner takes its points and seeds from the experiment."""
    found = Study("tiny", shows="counts calls", points=lambda _: [], seeds={})
    found.measure = measure
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty results folder, one tiny experiment, and threads for processes."""

    @contextmanager
    def threads(scheduler: str | None, workers: int, patience_s: float) -> Iterator[Executor]:
        with ThreadPoolExecutor(workers) as pool:
            yield pool

    tiny = Experiment("tiny", (Point(1.0, TINY), Point(2.0, TINY)), seeds=3)
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    monkeypatch.setattr(runner, "experiments", lambda profile: {"tiny": tiny})
    monkeypatch.setattr(executors, "_executor", threads)
    monkeypatch.setitem(STUDIES, "tiny", tiny_study(count))
    CALLS.clear()
    return tmp_path


def table(home: Path) -> bytes:
    return (home / "results" / "quick" / "tiny.csv").read_bytes()


def test_a_decorated_function_is_an_experiment(home: Path, monkeypatch: pytest.MonkeyPatch):
    """A study is listed, with its points and seeds in each profile, and run, by its decorator alone."""
    monkeypatch.setattr(runner, "experiments", experiments)
    monkeypatch.delitem(STUDIES, "tiny")
    seeds = {"quick": 2, "paper": 3}
    study("tiny", shows="counts calls", points=lambda chosen: [Point(chosen.largest, TINY)], seeds=seeds)(count)
    assert [experiments(name)["tiny"].seeds for name in seeds] == [2, 3]
    assert list(experiments("quick"))[-1] == "tiny"
    assert runner.run("tiny", "quick")["value"].tolist() == [100, 100]
    assert CALLS == [0, 1]


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


def flipped(text: str) -> str:
    """One digit of a delay is another."""
    at = text.index("delay") + len('delay": 0.')
    return text[:at] + ("4" if text[at] != "4" else "5") + text[at + 1 :]


DAMAGES: dict[str, Callable[[str, str], str]] = {
    "cut": lambda text, other: text[:-3],
    "empty": lambda text, other: "",
    "a flipped digit": lambda text, other: flipped(text),
    "another seed's file": lambda text, other: other,
    "another seed's rows under this key": lambda text, other: json.dumps(
        {**json.loads(text), "rows": json.loads(other)["rows"]}
    ),
    "[]": lambda text, other: "[]",
    "an object of something else": lambda text, other: '{"a": 1}',
    "no rows": lambda text, other: json.dumps({**json.loads(text), "rows": []}),
    "no digest": lambda text, other: json.dumps({k: v for k, v in json.loads(text).items() if k != "digest"}),
    "a digest that is a number": lambda text, other: json.dumps({**json.loads(text), "digest": 1}),
    "rows as before the digest": lambda text, other: json.dumps(json.loads(text)["rows"]),
    "text": lambda text, other: "rows",
    "deep": lambda text, other: "[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_computed_again(home: Path, caplog: pytest.LogCaptureFixture, damage: str):
    """Whatever happened to a stored file, it is named in one line and replaced, not trusted."""
    runner.run("tiny", "quick")
    first = table(home)
    stored = sorted((home / "results" / "cache" / "tiny").glob("*.json"), key=lambda path: path.read_text()[-60:])
    text = next(path for path in stored if 'delay": 0.3' in path.read_text())
    other = next(path for path in stored if 'delay": 0.6' in path.read_text())
    text.write_text(DAMAGES[damage](text.read_text(), other.read_text()))
    CALLS.clear()
    runner.run("tiny", "quick")
    assert len(CALLS) == 1
    assert table(home) == first
    assert [record.getMessage() for record in caplog.records if text.name in record.getMessage()]
    runner.run("tiny", "quick")
    assert len(CALLS) == 1


def test_a_change_of_code_libraries_or_data_is_another_key(home: Path, monkeypatch: pytest.MonkeyPatch):
    """Results of another version are never read."""
    for part in ("none", "code", "libraries", "data"):
        found = store.fingerprint() | {part: "another"}
        monkeypatch.setattr(store, "fingerprint", lambda found=found: found)
        monkeypatch.setattr(executors, "fingerprint", lambda found=found: found)
        runner.run("tiny", "quick")
    assert len(CALLS) == 24


def test_every_source_that_computes_enters_the_key(tmp_path: Path):
    """One edited file in any folder, or a top-level module, changes the hash; cli and figures only show."""
    copy = copytree(paths.PACKAGE, tmp_path / "mecpfm")
    before = store.code_version(copy)
    assert before == store.code_version(paths.PACKAGE)
    folders = sorted({source.parent for source in copy.rglob("*.py")})
    assert len(folders) > 8
    edited = [sorted(folder.glob("*.py"))[-1] for folder in folders] + [copy / "experiments" / "config.py"]
    for source in edited:
        text = source.read_text()
        source.write_text(text + "\nOFFLINE = ()\n")
        shows = source.relative_to(copy).parts[0] in store.SHOWING
        assert (store.code_version(copy) == before) is shows, source
        source.write_text(text)
    (copy / "experiments" / "config.py").rename(copy / "experiments" / "configuration.py")
    assert store.code_version(copy) != before


def fails_at_one(recipe: Recipe, seed: int) -> Rows:
    """Measurement whose second seed fails."""
    if seed == 1:
        raise ValueError("cannot be measured")
    return count(recipe, seed)


def test_a_failed_task_costs_only_itself(home: Path, monkeypatch: pytest.MonkeyPatch):
    """The others are stored, the error names the failed ones and how to go on, and a later run does just those."""
    monkeypatch.setitem(STUDIES, "tiny", tiny_study(fails_at_one))
    with pytest.raises(MecpfmError, match=r"2 of 6 tasks failed: tiny at 1, seed 1: ValueError.*run the same"):
        runner.run("tiny", "quick")
    assert sorted(CALLS) == [0, 0, 2, 2]
    CALLS.clear()
    monkeypatch.setitem(STUDIES, "tiny", tiny_study(count))
    runner.run("tiny", "quick")
    assert CALLS == [1, 1]


def test_rows_of_a_worker_with_other_code_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch):
    """Every result is signed; another signature than this process's own ends the run and stores nothing."""
    monkeypatch.setattr(executors, "signed", lambda function, task: executors.Measured(function(task), {"code": "old"}))
    with pytest.raises(InputError, match="other code and libraries and data"):
        runner.run("tiny", "quick", workers=1)
    assert not (home / "results" / "cache").exists()


def die(task: int) -> int:
    """End the process as the kernel does when memory runs out."""
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def where(task: int) -> int:
    """The process that runs it."""
    if task == 1:
        raise ValueError("cannot be measured")
    return os.getpid()


def test_short_work_stays_in_this_process(monkeypatch: pytest.MonkeyPatch):
    """Without a number of workers nobody is started for what is short, or for the last task; failures are kept."""
    monkeypatch.setattr(executors, "get_context", lambda: multiprocessing.get_context("fork"))
    here = os.getpid()
    found = dict(executors.run_all(where, range(4)))
    assert [type(found.pop(1)), *found.values()] == [ValueError, here, here, here]
    monkeypatch.setattr(executors, "HERE_S", 0.0)
    assert dict(executors.run_all(where, [0])) == {0: here}
    found = dict(executors.run_all(where, range(4)))
    assert isinstance(found.pop(1), ValueError)
    assert sorted(found) == [0, 2, 3] and here not in found.values()


def test_a_killed_process_is_one_line():
    """The error says what may have happened and how to go on."""
    with pytest.raises(MecpfmError, match=r"memory runs out.*run the same command again"):
        dict(executors.run_all(die, range(4), workers=1))


def test_a_signal_while_rows_are_stored_says_how_to_go_on(home: Path, monkeypatch: pytest.MonkeyPatch):
    """Ctrl-C between two tasks ends like Ctrl-C while one is awaited."""

    def interrupted(task: store.Task, rows: Rows) -> None:
        raise KeyboardInterrupt

    def watched(*words: Any, **options: Any) -> Iterator[Any]:
        try:
            yield from run_all(*words, **options)
        finally:
            ended.append(True)

    run_all, ended = executors.run_all, list[bool]()
    monkeypatch.setattr(executors, "run_all", watched)
    monkeypatch.setattr(runner, "keep", interrupted)
    with pytest.raises(InterruptedRunError, match="run the same command again") as caught:
        runner.run("tiny", "quick", workers=1)
    assert ended, f"{caught.value}: workers go on while the traceback is held"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, HELD), (signal.SIGTERM, HELD), (signal.SIGTERM, COMMAND)])
def test_an_interrupted_sweep_says_how_to_go_on(tmp_path: Path, number: signal.Signals, code: str):
    """One line, code 130, no child left; the same command then finishes."""
    words = ("experiment", "requests", "--workers", 2)
    run = start(tmp_path, *words, code=code, MECPFM_HOME=str(tmp_path))
    folder = tmp_path / "results" / "cache" / "requests"
    until(lambda: run.poll() is not None or list(folder.glob("*.json")))
    run.send_signal(number)
    _, said = run.communicate()
    if run.returncode or code == HELD:  # a quick machine may have finished before the signal
        assert run.returncode == 130
        assert "run the same command again" in said.splitlines()[-1]
        assert "Traceback" not in said


def test_children_end_with_a_killed_parent(tmp_path: Path):
    """After SIGKILL of the parent no worker process is left."""
    parent = """
import sys, time, multiprocessing
from mecpfm.experiments import executors
if __name__ == "__main__":
    for _ in executors.run_all(time.sleep, [0] + [300] * 4, workers=2):
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""
    run = start(tmp_path, code=parent)
    until(lambda: "\n" in run.out.read_text() or run.poll() is not None)
    children = [int(word) for word in run.out.read_text().split()]
    assert children
    run.kill()

    def alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    until(lambda: not any(map(alive, children)), 60)


def test_a_full_disk_loses_nothing_finished(home: Path, monkeypatch: pytest.MonkeyPatch):
    """When writing fails, what was stored stays whole and a later run goes on from there."""
    write, left = store.write_atomic, [3]

    def full(path: Path, content: bytes) -> None:
        if left[0] == 0:
            raise OSError(28, "No space left on device", str(path))
        left[0] -= 1
        write(path, content)

    monkeypatch.setattr(store, "write_atomic", full)
    with pytest.raises(OSError, match="No space left"):
        runner.run("tiny", "quick")
    stored = list((home / "results" / "cache" / "tiny").iterdir())
    assert len(stored) == 3
    assert all(isinstance(json.loads(path.read_text())["rows"], list) for path in stored)
    CALLS.clear()
    left[0] = 99
    runner.run("tiny", "quick")
    assert len(CALLS) == 3


def test_unknown_experiment_is_refused(home: Path):
    """The error lists what there is."""
    with pytest.raises(InputError, match="tiny"):
        runner.run("huge", "quick")


def test_a_real_sweep_survives_kill_9(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed on the way, a sweep ends with the same bytes as an undisturbed one and redoes no finished task."""
    homes = [tmp_path / "killed", tmp_path / "whole"]
    words, environment = ("experiment", "requests", "--workers", 2), {"MECPFM_HOME": str(homes[0])}
    stored = homes[0] / "results" / "cache" / "requests"
    run = start(tmp_path, *words, code=HELD, **environment)
    until(lambda: run.poll() is not None or len(list(stored.glob("*.json"))) > 2)
    run.kill()
    before = {path: path.stat().st_mtime_ns for path in stored.glob("*.json")}
    assert len(before) == 3
    assert start(tmp_path, *words, code=FORKING, **environment).wait() == 0
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    monkeypatch.setenv("MECPFM_HOME", str(homes[1]))
    runner.run("requests", "quick")
    one, two = (home / "results" / "quick" / "requests.csv" for home in homes)
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
