"""How the kernel of a lesson starts, once more if it must, and ends: in order, or at once when the run is stopped."""

import asyncio
import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import nbformat
import pytest
from command import start, until

from mecpfm.errors import FailedError
from mecpfm.experiments import notebooks
from mecpfm.experiments.kernel import IdleFirst

SLOW = """
import atexit, time
handlers = get_ipython().kernel.shell_handlers
answer = handlers["kernel_info_request"]
async def slowly(*words):
    await answer(*words)
    time.sleep(0.5)
handlers["kernel_info_request"] = slowly
atexit.register(open, "ended", "w");
"""
BUSY = """
import os, time
with open("part", "w") as file:
    file.write(str(os.getpid()))
os.rename("part", "busy")
time.sleep(1000)
"""
RUN = """
import multiprocessing, os, sys
from pathlib import Path
from mecpfm.errors import FailedError
from mecpfm.experiments import notebooks
os.setsid()
notebooks.paths.sources = lambda: Path(sys.argv[1])
notebooks._preloaded_context = lambda: multiprocessing.get_context("fork")
try:
    notebooks.run("quick")
except KeyboardInterrupt:
    print("interrupted")
"""


DYING = """
import os, runpy, sys
with open(sys.argv.pop(1), "a+") as file:
    file.write("x")
    if file.tell() <= int(sys.argv.pop(1)):
        os._exit(1)
runpy.run_module("ipykernel_launcher", run_name="__main__")
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))


def written(folder: Path, code: str) -> Path:
    """A notebook of the folder with one cell beside its parameter."""
    cells = [nbformat.v4.new_code_cell('profile: str = "quick"', metadata={"tags": ["parameters"]})]
    book = nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell(code)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (folder / "notebooks").mkdir()
    nbformat.write(book, folder / "notebooks" / "00_one.ipynb")
    return folder / "notebooks" / "00_one.ipynb"


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("deaths", [1, 2])
def test_a_kernel_that_dies_at_its_start_is_started_once_more(
    deaths: int, in_place: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """The lesson of the second kernel succeeds; one that dies as well is the lesson's error, in one line."""
    written(tmp_path, "print(1)")
    spec, starts = tmp_path / "kernels" / "python3" / "kernel.json", tmp_path / "starts"
    spec.parent.mkdir(parents=True)
    call = [sys.executable, "-c", DYING, str(starts), str(deaths), "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": call, "display_name": "Python 3", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setattr(notebooks.paths, "sources", lambda: tmp_path)
    monkeypatch.setattr(notebooks, "_preloaded_context", lambda: multiprocessing.get_context("fork"))
    if deaths == 1:
        notebooks.run("quick", in_place=in_place)
    else:
        with pytest.raises(FailedError, match=r"^notebook 00_one: Kernel died before replying to kernel_info; redo: "):
            notebooks.run("quick", in_place=in_place)
    assert starts.read_text() == "xx"


def test_the_last_question_is_answered_in_peace(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """A kernel still busy with papermill's last question is not interrupted, and runs what is due at its exit."""
    source = written(tmp_path, SLOW)
    notebooks._papermill(source, "quick")
    assert (source.parent / "ended").exists()
    assert "KeyboardInterrupt" not in capfd.readouterr().err


class Listener:
    """A client that gives other messages for ever, or waits for one that somebody else has taken."""

    def __init__(self, talks: bool) -> None:
        self.talks = talks

    async def get_iopub_msg(self, timeout: float = 0) -> dict[str, dict[str, str]]:
        await (asyncio.sleep(0.01) if self.talks else asyncio.Event().wait())
        return {"content": {"name": "stdout"}, "parent_header": {"msg_type": "execute_request"}}


@pytest.mark.parametrize("talks", [False, True])
def test_a_kernel_that_never_gets_idle_is_not_waited_for(talks: bool):
    """After Ctrl-C nbclient may take the message that is waited for, and a cell may print without an end."""
    manager = IdleFirst()
    manager.listener = Listener(talks)
    assert asyncio.run(asyncio.wait_for(manager._idle(), 60)) is False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_leaves_no_kernel(number: signal.Signals, tmp_path: Path):
    """SIGTERM for the command alone acts as Ctrl-C, which a terminal sends to the lessons as well."""
    source = written(tmp_path, BUSY)

    run = start(tmp_path, tmp_path, code=RUN, MECPFM_HOME=str(tmp_path))
    until(lambda: (source.parent / "busy").exists() or run.poll() is not None)
    assert run.poll() is None, run.err.read_text()
    (os.kill if number == signal.SIGTERM else os.killpg)(run.pid, number)
    assert "interrupted" in run.communicate()[0]
    with pytest.raises(ProcessLookupError):
        os.kill(int((source.parent / "busy").read_text()), 0)
