"""Which notebooks run side by side, and what the terminal says."""

import pytest

from mecpfm import paths
from mecpfm.experiments import notebooks, progress


def test_every_notebook_runs_once_and_those_that_measure_time_alone():
    """The first stage gives a figure soon; verdicts come last; nobody is lost."""
    names = notebooks.names()
    found = progress.stages(names)
    assert sorted(name for group in found for name in group) == names
    assert found[0] == ["00_start_here"]
    assert found[-1] == [progress.LAST]
    assert set(progress.ALONE) < set(names)
    assert all([name] in found for name in progress.ALONE)
    assert progress.stages(["00_broken", "01_whole"]) == [["00_broken"], ["01_whole"]]
    assert progress.stages(["09_claims"]) == [["09_claims"]]


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
