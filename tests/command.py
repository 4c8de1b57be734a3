"""The command as a process of its own, without its start: forked from one that has imported the package.

A variable that is read at the start (a locale, PYTHON..., NUMBA_..., HOME) takes a start as a user's; so do the tests
of the start itself (test_entry.py, test_docs_typed.py, test_wheel.py).
"""

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
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer

ROOT = Path(__file__).parents[1]
COMPILING = re.compile("mecpfm: compiling kernels, once: about [0-9]+ s\n")
"""What a command says must not hang on whether an earlier test has compiled its kernels (test_clock.py asks)."""
LATE = ("MECPFM_HOME", "MECPFM_DATA_DIR", "MECPFM_MAX_GB", "COLUMNS", "PYTEST_CURRENT_TEST")
"""Variables that are read when they are needed."""


def mecpfm(
    *words: object, given: str | None = None, cwd: Path | None = None, first: str = "command", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Outcome of ``mecpfm`` with these words, a text on standard input and variables on top of the environment.

    The process that it is forked from has imported the module ``first`` before the package.
    """
    command = [sys.executable, "-m", "mecpfm", *map(str, words)]
    variables = os.environ | environment
    if any(name not in LATE for name, _ in variables.items() ^ _started(first)[1].items()):
        assert first == "command", "a start of its own would not import it"
        done = subprocess.run(command, capture_output=True, text=True, input=given, cwd=cwd, env=variables)
        code, out, err = done.returncode, done.stdout, done.stderr
    else:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("in", "out", "err")]
            files[0].write_text(given or "")
            code = _fork(first, command[3:], dict(variables), str(cwd or Path.cwd()), [*map(str, files)])
            out, err = (file.read_text() for file in files[1:])
    return subprocess.CompletedProcess(command, code, out, COMPILING.sub("", err))


def _fork(first: str, *asked: object) -> int:
    """Exit code of a child of the process that forks."""
    process, _ = _started(first)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.flush()
    return int(process.stdout.readline())


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
    """Fork for every line of standard input; the child becomes the command."""
    import mecpfm
    from mecpfm.cli import app
    from mecpfm.cli import main as command
    from mecpfm.kernels._compiler import Kernel

    for module in pkgutil.walk_packages(mecpfm.__path__, "mecpfm."):
        if module.name != "mecpfm.__main__":
            with contextlib.suppress(ModuleNotFoundError):  # of an extra
                importlib.import_module(module.name)
    kernels = {one: 0 for one in gc.get_objects() if isinstance(one, Kernel)}
    build_once()
    typer.main.get_command(app)
    with os.fdopen(os.dup(0)) as asked, os.fdopen(os.dup(1), "w") as told:
        while line := asked.readline():
            _load(kernels)
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # threads of a library
                child = os.fork()
            if not child:
                break
            told.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
            told.flush()
    if line:
        _become(*json.loads(line))
        _end(command)


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
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [str(ROOT / "mecpfm" / "__main__.py"), *words]


def _end(command: Callable[[], object]) -> NoReturn:
    """Run the command and end as Python does, but for taking apart what was imported, which takes longer than most."""
    code = 0
    try:
        command()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
