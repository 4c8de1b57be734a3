"""What fails costs only itself; inputs come from the checkout, outputs go where they can be written."""

import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import command
import numpy as np
import pandas as pd
import pytest
from command import mecpfm

from mecpfm import cli, paths
from mecpfm.data import fetch
from mecpfm.errors import FailedError, InputError, MecpfmError
from mecpfm.experiments import claims, evidence, notebooks, reproduce, stated
from mecpfm.experiments.config import experiments
from mecpfm.figures import redraw
from mecpfm.kernels import _cache, _jit, ordering

ROOT = Path(__file__).parents[1]


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("mecpfm: error: ")
    return line


def test_a_failed_step_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Figures and claims are made although notebooks fail; every failure is named with the command that redoes it."""
    done = []

    def broken(profile: str) -> None:
        raise FailedError(["notebook 07: ZeroDivisionError; redo: mecpfm notebooks --profile quick 07"])

    def disagree() -> None:
        done.append("claims")
        raise InputError("claims.toml: is not there")

    monkeypatch.setattr(notebooks, "run", broken)
    monkeypatch.setattr(claims, "judge_all", lambda profile: claims.Judged([], {"equivalence": "no rows"}))
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    with pytest.raises(FailedError) as caught:
        reproduce.reproduce("quick", figures=lambda: done.append("figures"), claims=disagree)
    assert done == ["figures", "claims"]
    last = capsys.readouterr().out.splitlines()[-1]
    count = len(notebooks.names())
    assert last.startswith(f"{count - 1} of {count} notebooks ok, 0 figures, 0 of 0 claims as stated")
    assert last.endswith("open results/index.html")
    written = (tmp_path / "results" / "index.html").read_text(encoding="utf-8")
    assert "ZeroDivisionError" in written
    assert "equivalence: no rows" in written
    first, second = caught.value.failures
    assert first.endswith("redo: mecpfm notebooks --profile quick 07")
    assert second == "claims.toml: is not there; redo: mecpfm claims --profile quick"


def test_a_failed_experiment_leaves_the_others(monkeypatch: pytest.MonkeyPatch):
    """Of all experiments one fails: the rest run, and the command that redoes it is named."""
    asked = []

    def run(name: str, profile: str, **options: object) -> pd.DataFrame:
        asked.append(name)
        if len(asked) == 1:
            raise MecpfmError("1 of 2 tasks failed")
        return pd.DataFrame()

    monkeypatch.setattr("mecpfm.experiments.runner.run", run)
    with pytest.raises(FailedError) as caught:
        cli.experiment("all")
    assert asked == list(experiments("quick"))
    (failure,) = caught.value.failures
    assert failure.endswith(f"redo: mecpfm experiment {asked[0]} --profile quick")
    asked.clear()
    with pytest.raises(MecpfmError, match=r"^1 of 2 tasks failed$"):
        cli.experiment("cloudlets")


def test_a_broken_notebook_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The second of two notebooks runs although the first one raises."""
    import nbformat

    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name, code in (("00_broken", "1 / 0"), ("01_whole", "print(1)")):
        cell = nbformat.v4.new_code_cell('profile = "quick"', metadata={"tags": ["parameters"]})
        notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(code)])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, folder / f"{name}.ipynb")
    monkeypatch.setattr(paths, "sources", lambda: tmp_path)
    monkeypatch.setattr(notebooks.paths, "sources", lambda: tmp_path)
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    forked = multiprocessing.get_context("fork")  # keeps the folders set above
    monkeypatch.setattr(notebooks, "_preloaded_context", lambda: forked)
    with pytest.raises(FailedError, match=r"00_broken.*ZeroDivisionError.*redo: mecpfm notebooks --profile quick 00_"):
        notebooks.run("quick")
    assert (tmp_path / "results" / "notebooks" / "quick" / "01_whole.ipynb").exists()
    assert set(pd.read_csv(tmp_path / "results" / "resources.csv")["notebook"]) == {"00_broken", "01_whole"}


def test_a_damaged_figure_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Figures with data are drawn, the damaged one is named."""
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    monkeypatch.setenv("BROWSER_PATH", "")
    monkeypatch.setattr("mecpfm.figures.export.browser", lambda: None)
    (tmp_path / "figures").mkdir()
    with pytest.raises(InputError, match="holds no data of figures"):
        redraw()
    good = pd.DataFrame({"scheme": ["a"], "requests": [1], "factor": [1.0]})
    good.to_csv(tmp_path / "figures" / "openings.csv", index=False)
    (tmp_path / "figures" / "regret.csv").write_text("nothing\n1\n")
    with pytest.raises(FailedError, match="figure regret: KeyError"):
        redraw()


def test_claims_without_data_leave_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A failed experiment is asked for once, and only its claims say why they have no verdict."""
    known, asked = stated.read(), []

    def run(name: str, profile: str) -> pd.DataFrame:
        asked.append(name)
        if name != "equivalence":
            raise ValueError("no rows")
        return pd.DataFrame({"value": [1.0, 1.0], "seed": [0, 0], "objective": [2.0, 2.0]})

    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    evidence._outcome.cache_clear()
    monkeypatch.setattr(evidence, "run", run)
    monkeypatch.setattr(evidence, "timings", run)
    found = claims.judge_all("quick")
    evidence._outcome.cache_clear()
    assert [one.claim.id for one in found.verdicts] == ["equivalence"]
    assert set(found.missing) == {one.id for one in known} - {"equivalence"}
    assert "ValueError: no rows" in found.missing["ratio"]
    assert asked.count("cloudlets") == 1


@pytest.mark.parametrize("words", [("notebooks",), ("figures",), ("claims",), ("experiment", "equivalence")])
def test_nowhere_to_write_is_one_line(words: tuple[str, ...]):
    """A folder for results that cannot be made is bad input, said once, before anything runs."""
    line = one_line(mecpfm(*words, MECPFM_HOME="/proc/nowhere"))
    assert "MECPFM_HOME" in line or words == ("figures",)


def test_nothing_to_do_outside_a_checkout_is_an_error(tmp_path: Path):
    """A package without its checkout says that there is nothing here, and exits with 2."""
    shutil.copytree(ROOT / "mecpfm", tmp_path / "lib" / "mecpfm")
    shutil.copytree(ROOT / "data", tmp_path / "lib" / "mecpfm" / "data" / "tables")
    code = """
import sys
from mecpfm.cli import main
for sys.argv[1:] in (["notebooks"], ["figures"], ["claims"]):
    try:
        main()
    except SystemExit as stop:
        print(stop.code)
"""
    run = command.start(tmp_path, code=code, cwd=tmp_path, PYTHONPATH=str(tmp_path / "lib"))
    out, err = run.communicate()
    assert out.split() == ["2", "2", "2"], err
    assert [line[:15] for line in err.splitlines()] == ["mecpfm: error: "] * 3, err


def test_inputs_come_from_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """MECPFM_HOME moves results and figures, and nothing that is read."""
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    assert paths.sources() == ROOT
    assert (paths.results(), paths.figures()) == (tmp_path / "results", tmp_path / "figures")
    assert stated.read()
    assert "09_claims" in notebooks.names()


def test_a_data_folder_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """MECPFM_DATA_DIR that is absent or a file is one line, not the same as unset."""
    file = tmp_path / "file"
    file.touch()
    for given in (tmp_path / "nonexistent", file):
        monkeypatch.setenv("MECPFM_DATA_DIR", str(given))
        with pytest.raises(InputError, match="must be a folder"):
            fetch.verify()
    assert "MECPFM_DATA_DIR" in one_line(mecpfm("data", "list", MECPFM_DATA_DIR="/nonexistent"))


def test_a_foreign_or_open_cache_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder that others may write to is passed over; a new one is private."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("MECPFM_CACHE_DIR", str(tmp_path))
    own = paths.cache()
    assert own == tmp_path / "mecpfm"
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    own.chmod(0o777)
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    second = paths.cache()
    assert second == tmp_path / "temporary" / f"mecpfm-{os.getuid()}"
    second.rmdir()
    second.symlink_to(own)
    third = paths.cache()
    assert third not in (own, second)
    assert stat.S_IMODE(third.stat().st_mode) == 0o700
    third.rmdir()


DAMAGE = {
    "emptied": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "garbage": lambda data: b"\x80\x04garbage" * 40,
    "flipped": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_damaged_kernel_cache_is_a_miss(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Whatever happened to an index or a kernel, one line says so, it is compiled again, and the result stands."""
    monkeypatch.setattr(_cache, "BASE", tmp_path)

    def run() -> str:
        """What a process says that has not used the kernel before."""
        kernel = _jit.kernel(ordering.largest.py_func)
        assert kernel(np.array([1.0, 3.0, 2.0])) == 1
        return capsys.readouterr().err

    assert run() == run() == ""
    for name, damage in DAMAGE.items():
        files = list(tmp_path.rglob(f"*largest*{suffix}"))
        assert files
        for file in files:
            file.write_bytes(damage(file.read_bytes()))
        assert "compiling it again" in run(), name
        assert run() == "", name


def stub(folder: Path) -> Path:
    """A Python that pretends to make environments: it counts how many make one at the same time."""
    path = folder / "python"
    path.write_text(
        """#!/usr/bin/env bash
case "$*" in
  *"${FAIL:-nothing}"*) exit 7 ;;
  "-c import sys"*) exit 0 ;;
  *"-m venv"*)
    mkdir "$STUB/making" || { echo overlap >>"$STUB/log"; exit 1; }
    sleep "${SLOW:-0}"
    mkdir -p .venv/bin; cp "$0" .venv/bin/python; rmdir "$STUB/making"; echo made >>"$STUB/log" ;;
  *) echo "$*" >>"$STUB/log" ;;
esac
"""
    )
    path.chmod(0o755)
    return path


def checkout(tmp_path: Path) -> Path:
    """What run_all.sh needs of a checkout, without its run bits."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("run_all.sh", "requirements.lock", "pyproject.toml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def tools(tmp_path: Path) -> str:
    """A folder of what run_all.sh calls and nothing else: no uv, wherever this machine has it."""
    folder = tmp_path / "tools"
    if not folder.exists():
        folder.mkdir()
        for name in ("bash", "cat", "chmod", "cksum", "cp", "dirname", "env", "mkdir", "mv", "rm", "rmdir", "sleep"):
            (folder / name).symlink_to(shutil.which(name))
    return str(folder)


def start(folder: Path, tmp_path: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    environment = {"PATH": tools(tmp_path), "PYTHON": str(tmp_path / "python"), "STUB": str(tmp_path), "COLUMNS": "20"}
    environment |= more
    command, pipe = ["bash", "run_all.sh", *words], subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=pipe, stderr=subprocess.STDOUT)


def test_two_runs_at_once_share_one_environment(tmp_path: Path):
    """One installs, the other waits and finds it done; both reproduce. HOME is not set, run bits are missing."""
    folder = checkout(tmp_path)
    stub(tmp_path)
    runs = [start(folder, tmp_path, SLOW="1") for _ in range(3)]
    for run in runs:
        said, _ = run.communicate(timeout=120)
        assert run.returncode == 0, said
    log = (tmp_path / "log").read_text().splitlines()
    assert log.count("made") == 1
    assert "overlap" not in log
    assert log.count("-m mecpfm reproduce --profile quick") == 3
    assert not list(folder.glob(".venv.lock"))
    assert not list((folder / ".venv.users").iterdir())


@pytest.mark.parametrize("check", ["ruff check", "mypy", "worksteal tests", "-m kernels", "nbval"])
def test_a_failed_check_is_the_exit_code_of_all(tmp_path: Path, check: str):
    """Also one that runs beside another; those after it do not begin."""
    stub(tmp_path)
    run = start(checkout(tmp_path), tmp_path, "--test", FAIL=check)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 7, said
    log = (tmp_path / "log").read_text()
    assert ("-m kernels" in log) == (check == "nbval")
    assert ("worksteal tests" in log) == (check in ("mypy", "-m kernels", "nbval"))


def test_the_lock_of_a_dead_run_is_taken_over(tmp_path: Path):
    """A lock whose process is gone, and one without a number, do not stop anybody."""
    folder = checkout(tmp_path)
    stub(tmp_path)
    gone = subprocess.Popen(["true"])
    gone.wait()
    (folder / ".venv.lock").mkdir()
    (folder / ".venv.lock" / "pid").write_text(f"{gone.pid}\n")
    run = start(folder, tmp_path)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said


def test_an_active_environment_without_the_package_is_not_used(tmp_path: Path):
    """The checkout itself, in the working directory, is no installed package: .venv is made all the same."""
    folder = checkout(tmp_path)
    (folder / "mecpfm").mkdir()
    (folder / "mecpfm" / "__init__.py").touch()
    active = tmp_path / "active"
    active.mkdir()
    (active / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    (active / "python").chmod(0o755)
    stub(tmp_path)
    run = start(folder, tmp_path, PATH=f"{active}:{tools(tmp_path)}", CONDA_PREFIX=str(active))
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert "made" in (tmp_path / "log").read_text().splitlines()


def test_a_folder_the_locale_cannot_spell(tmp_path: Path):
    """The environment names its checkout by a relative path, so Python starts under LC_ALL=C as well."""
    text = (ROOT / "run_all.sh").read_text()
    assert r"printf '../../../..\n' >" in text
    site = tmp_path / "é" / ".venv" / "lib" / "python3" / "site-packages"
    site.mkdir(parents=True)
    (site / "_mecpfm.pth").write_text("../../../..\n")
    code = f"import site, sys; site.addsitedir({str(site)!r}); print(ascii(sys.path[-1]))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ascii(str(tmp_path / "é"))
