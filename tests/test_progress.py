"""Which notebooks run side by side, and what the terminal says."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import running_times

from mecpfm import paths
from mecpfm.experiments import notebooks, progress


def test_every_notebook_runs_once_and_the_verdicts_last():
    """The one that compiles for all begins, then the longest; who reads tables comes after; nobody is lost."""
    names = notebooks.names()
    found = progress.stages(names)
    assert sorted(name for group in found for name in group) == names
    assert [name[:2] for name in found[0]][: len(progress.FIRST)] == list(progress.FIRST)
    assert found[0][-len(progress.AFTER) :] == list(progress.AFTER)
    free = [progress.measured()[name] for name in found[0][len(progress.FIRST) : -len(progress.AFTER)]]
    assert free == sorted(free, reverse=True)
    assert found[1:] == [[progress.LAST]]
    assert progress.stages(["00_broken", "01_whole"]) == [["00_broken", "01_whole"]]
    assert progress.stages(["09_claims"]) == [["09_claims"]]


class Threads(ThreadPoolExecutor):
    """In place of processes."""

    def __init__(self, workers: int, *process: object) -> None:
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


def test_what_is_said_of_times_was_measured():
    """The table has every notebook and both commands; frames, README and docs/speed.md say what it holds."""
    seconds = progress.measured()
    assert set(seconds) == {
        *notebooks.names(),
        *(f"./run_all.sh{rest}" for rest in ("", " --test", " --profile paper")),
    }
    for file in running_times.said():
        text = file.read_text(encoding="utf-8")
        assert text == running_times.renewed(file.stem, text, seconds), f"{file.name}: python tests/running_times.py"
        others = dict.fromkeys(seconds, 7260.0)
        assert running_times.renewed(file.stem, text, others) != text, f"{file.name} says nothing"


def test_times_are_entered_once(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """What a run recorded goes into the table and from there into every text; other times and words stay."""
    for folder in ("docs", "notebooks", "results"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(paths, "sources", lambda: tmp_path)
    monkeypatch.setattr(paths, "results", lambda: tmp_path / "results")
    assert progress.measured() == progress.recorded("quick") == {}
    (tmp_path / "docs" / "running_times.csv").write_text("what,seconds\n./run_all.sh,753\n./run_all.sh --test,99\n")
    (tmp_path / "results" / "resources.csv").write_text("profile,notebook,seconds\nquick,01_a,58.7\npaper,01_a,900\n")
    texts = {
        "notebooks/01_a.ipynb": ("running half a minute (quick), or running 9 minutes", "half a minute", "a minute"),
        "README.md": ("./run_all.sh  # about 1 minutes\n./run_all.sh --test  # about 2 minutes", "1 ", "13 "),
        "docs/speed.md": (
            "| `./run_all.sh` | 1 min 2 s alone | `./run_all.sh --x` | 5 min 5 s",
            "1 min 2 s",
            "12 min 33 s",
        ),
    }
    for name, (text, _, _) in texts.items():
        (tmp_path / name).write_text(text)
    running_times.renew()
    assert progress.table().read_text() == "what,seconds\n./run_all.sh,753\n./run_all.sh --test,99\n01_a,59\n"
    for name, (text, before, after) in texts.items():
        assert (tmp_path / name).read_text() == text.replace(before, after, 1), name


def test_no_bar_without_a_terminal(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Elsewhere there are plain lines only."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    told = progress.Told("quick", ["01_a"])
    with told.bar() as now:
        now(["01_a"])
    assert capfd.readouterr() == ("", "")
