"""Which notebooks run side by side, and what the terminal says."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mecpfm import paths
from mecpfm.experiments import notebooks, progress


def test_every_notebook_runs_once_and_those_that_measure_time_alone():
    """Those that may meet come first, headed by the one that compiles for all; verdicts last; nobody is lost."""
    names = notebooks.names()
    found = progress.stages(names)
    assert sorted(name for group in found for name in group) == names
    assert [name[:2] for name in found[0]][: len(progress.FIRST)] == list(progress.FIRST)
    assert len(found[0]) == len(names) - len(progress.ALONE) - 1
    assert found[-1] == [progress.LAST]
    assert set(progress.ALONE) < set(names)
    assert all([name] in found for name in progress.ALONE)
    assert progress.stages(["00_broken", "01_whole"]) == [["00_broken", "01_whole"]]
    assert progress.stages(["09_claims"]) == [["09_claims"]]


class Threads(ThreadPoolExecutor):
    """In place of processes."""

    def __init__(self, workers: int, mp_context: object) -> None:
        super().__init__(workers)


@pytest.mark.parametrize(("profile", "most"), [("quick", 2), ("paper", 1)])
def test_at_most_two_quick_notebooks_run_at_once(profile: str, most: int, monkeypatch: pytest.MonkeyPatch):
    """Two that are free meet; the full profile, which fills every core, runs one after the other."""
    meeting, active, peak = threading.Barrier(most, timeout=60), set[str](), [0]

    def execute(name: str, profile: str, in_place: bool) -> tuple[float, float, str]:
        active.add(name)
        peak[0] = max(peak[0], len(active))
        if name in ("01_b", "04_c"):
            meeting.wait()
        time.sleep(0.05)  # long enough for a second one to begin, where it may
        active.remove(name)
        return 1.0, 2.0, "boom" * (name == "04_c")

    monkeypatch.setattr(notebooks, "ProcessPoolExecutor", Threads)
    monkeypatch.setattr(notebooks, "_execute", execute)
    monkeypatch.setattr(notebooks, "_disk_mb", lambda: 0.0)
    monkeypatch.setattr(notebooks.os, "cpu_count", lambda: 2)
    seen: list[str] = []
    groups = progress.stages(["00_a", "01_b", "04_c", "06_d"])
    found = list(notebooks._all(groups, profile, False, lambda names: seen.extend(names)))
    assert sorted(found) == [
        ("00_a", 1.0, 2.0, "", 0.0), ("01_b", 1.0, 2.0, "", 0.0), ("04_c", 1.0, 2.0, "boom", 0.0),
        ("06_d", 1.0, 2.0, "", 0.0),
    ]  # fmt: skip
    assert peak == [most]
    assert set(seen) == {"00_a", "01_b", "04_c", "06_d"}


def test_lines_tell_how_far_it_is(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Time passed and the whole by what an earlier run took; the last line has nothing left to guess."""
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    rows = ["profile,notebook,seconds", "quick,01_a,30.0", "quick,02_b,90.0", "paper,02_b,1e9"]
    (tmp_path / "resources.csv").write_text("\n".join(rows))
    now = iter([0.0, 60.0, 200.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    told = progress.Told("quick", ["01_a", "02_b"])
    assert told.line("01_a", 31.2, "") == "[1/2] 01_a: ok, 0:31 (1:00 of about 4:00)"
    assert told.line("02_b", float("nan"), "boom") == "[2/2] 02_b: boom, ? (3:20)"


def test_no_bar_without_a_terminal(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Elsewhere there are plain lines only."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    told = progress.Told("quick", ["01_a"])
    with told.bar() as now:
        now(["01_a"])
    assert capfd.readouterr() == ("", "")
