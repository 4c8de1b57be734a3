"""The command as a process of its own, without its start: forked from one that has imported the package.

``mecpfm`` waits for its end; ``start`` does not, for tests that send signals, and runs other code too. A variable that
is read at the start (a locale, PYTHON..., NUMBA_..., HOME) takes a start as a user's; so do the tests of the start
itself (test_entry.py, the README in test_docs_typed.py, test_wheel.py).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer

ROOT = Path(__file__).parents[1]
COMPILING = re.compile("mecpfm: compiling kernels, once: about [0-9]+ s\n")
"""What a command says must not hang on whether an earlier test has compiled its kernels (test_clock.py asks)."""
COMMAND = "from mecpfm.cli import main; main()"
HANG_S = 600.0
"""Guard against a test that hangs; no assertion depends on it."""
LATE = ("MECPFM_HOME", "MECPFM_DATA_DIR", "MECPFM_MAX_GB", "MECPFM_ANSWERS", "COLUMNS", "PYTEST_CURRENT_TEST")
"""Variables that are read when they are needed."""


def mecpfm(
    *words: object, given: str | None = None, cwd: Path | None = None, first: str = "command", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Outcome of ``mecpfm`` with these words, a text on standard input and variables on top of the environment.

    The process that it is forked from has imported the module ``first`` before the package.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = start(Path(folder), *words, given=given, cwd=cwd, first=first, **environment)
        out, err = run.communicate(None)
        return subprocess.CompletedProcess([*map(str, words)], run.wait(None), out, COMPILING.sub("", err))


def start(
    folder: Path, *words: object, given: str | None = None, cwd: Path | None = None, first: str = "command",
    code: str = COMMAND, needs: str = "", **environment: str,
) -> Running:  # fmt: skip
    """Start a command and return; its standard streams are files of a new folder in ``folder``.

    Other ``code`` than the command's runs as ``__main__``, forked where the module that it ``needs`` is imported too.
    """
    own = Path(tempfile.mkdtemp(dir=folder))
    files = [own / name for name in ("in", "out", "err")]
    for file, text in zip(files, (given or "", "", ""), strict=True):
        file.write_text(text)
    variables, texts = os.environ | environment, [*map(str, words)]
    if all(name in LATE for name, _ in variables.items() ^ _started(first)[1].items()):
        pid = _ask(first, needs, code, texts, dict(variables), str(cwd or Path.cwd()), [*map(str, files)])
        return Running(pid, *files[1:], lambda block: _ask(first, pid, block))
    assert first == "command", "a start of its own would not import it"
    program = ["-m", "mecpfm"] if code == COMMAND else ["-c", code]
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(file.open("r+")) for file in files]
        process = subprocess.Popen(
            [sys.executable, *program, *texts], cwd=cwd, env=variables, preexec_fn=_listen,
            **dict(zip(("stdin", "stdout", "stderr"), streams, strict=True)),
        )  # fmt: skip
    return Running(process.pid, *files[1:], lambda block: process.wait() if block else process.poll())


@dataclass
class Running:
    """What tests use of ``subprocess.Popen``, forked or started."""

    pid: int
    out: Path
    err: Path
    ended: Callable[[bool], int | None]
    """Exit code, once there is one; whether to wait for it."""
    returncode: int | None = None

    def poll(self) -> int | None:
        """Exit code, None before the end."""
        self.returncode = self.ended(False) if self.returncode is None else self.returncode
        return self.returncode

    def wait(self, timeout: float | None = HANG_S) -> int:
        """Exit code, after the end."""
        if timeout is None:
            self.returncode = self.ended(True) if self.returncode is None else self.returncode
        else:
            until(lambda: self.poll() is not None, timeout)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = HANG_S) -> tuple[str, str]:
        """Standard output and errors, after the end."""
        self.wait(timeout)
        return self.out.read_text(), self.err.read_text()

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once and wait."""
        self.send_signal(signal.SIGKILL)
        self.wait(None)


def until(holds: Callable[[], object], timeout: float = HANG_S) -> None:
    """Wait until this holds."""
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end, "hangs"
        time.sleep(0.01)


def _listen() -> None:
    """A shell that runs the tests in the background has its children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _ask(first: str, *asked: object) -> Any:
    """What the process that forks answers."""
    process, _ = _started(first)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


@functools.cache
def _started(first: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """The process that forks, which ends with this one, and its environment."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    words = [sys.executable, "-P", "-c", f"import {first}, command; command.main()"]
    pipe, environment = subprocess.PIPE, dict(os.environ)
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment | {"PYTHONPATH": path})
    atexit.register(process.__exit__, None, None, None)
    return process, environment


def build_once() -> None:
    """Let typer build all commands once a process; for each one that is run takes longer than most of them do."""
    typer.main.get_command = functools.cache(typer.main.get_command)


def main() -> None:
    """Fork, or wait, for every line of standard input; a child becomes the command."""
    import mecpfm
    from mecpfm.cli import app
    from mecpfm.kernels._compiler import Kernel

    for module in pkgutil.walk_packages(mecpfm.__path__, "mecpfm."):
        if module.name != "mecpfm.__main__":
            with contextlib.suppress(ModuleNotFoundError):  # of an extra
                importlib.import_module(module.name)
    kernels = {one: 0 for one in gc.get_objects() if isinstance(one, Kernel)}
    build_once()
    typer.main.get_command(app)
    running = set()
    with os.fdopen(os.dup(0)) as questions, os.fdopen(os.dup(1), "w") as told:
        for asked in map(json.loads, iter(questions.readline, "")):
            if isinstance(asked[0], int):
                answer = _status(*asked)
                running -= {asked[0]} if answer is not None else set()
            else:
                if asked[0]:
                    importlib.import_module(asked[0])
                _load(kernels)
                with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # threads of a library
                    answer = os.fork()
                if not answer:
                    break
                running.add(answer)
            told.write(f"{json.dumps(answer)}\n")
            told.flush()
        else:
            for child in running:  # of a test that failed
                os.kill(child, signal.SIGKILL)
            return
    _become(*asked[2:])
    _end(asked[1])


def _status(child: int, block: bool) -> int | None:
    """Exit code of a child, None while it runs."""
    found, status = os.waitpid(child, 0 if block else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _load(kernels: dict[Any, int]) -> None:
    """Load what tests have compiled by now, once for all children; the numbers are times of index files."""
    for kernel, known in kernels.items():
        files = kernel._cache._cache_file
        try:
            kernels[kernel] = Path(files._index_path).stat().st_mtime_ns
        except FileNotFoundError:
            continue
        if kernels[kernel] != known:
            for signature, *_ in files._load_index():
                kernel.compile(signature)
    gc.freeze()  # a collection would copy what is shared


def _become(words: list[str], environment: dict[str, str], folder: str, files: list[str]) -> None:
    """Words, variables, working directory and standard streams of the command."""
    for number, (file, mode) in enumerate(zip(files, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        os.dup2(os.open(file, mode | os.O_CREAT, 0o600), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    _listen()
    sys.argv = [str(ROOT / "mecpfm" / "__main__.py"), *words]


def _end(code: str) -> NoReturn:
    """Run the code and end as Python does, but for taking apart what was imported, which takes longer than most."""
    number = 0
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit as stop:
        number = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        number = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(number)
