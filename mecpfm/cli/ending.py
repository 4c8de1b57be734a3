"""How a command ends: what is meant for the user is one line on stderr, or one JSON object there with ``--json``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO

import typer

from mecpfm.cli.output import visible
from mecpfm.errors import FailedError, InputError, InterruptedRunError, LimitError, MecpfmError

USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""Any wrong option: its class is not among typer's public names."""
LONGEST = 500
"""Most characters of a line of error."""
KINDS = {1: "failed", 2: "input", 3: "infeasible", 4: "limit", 130: "interrupted"}
"""What exit codes are called in JSON."""


def run(app: Callable[..., Any], words: list[str]) -> NoReturn:
    """Run a command; errors meant for the user become one line on stderr and their exit code."""
    sys.stderr = sys.stderr or _nowhere()
    as_json = "--json" in words
    if sys.stdout is None:
        _fail("standard output is closed", InputError.exit_code, as_json)
    try:
        if app(_global_first(words), "mecpfm", standalone_mode=False) == InterruptedRunError.exit_code:
            raise InterruptedRunError("interrupted")  # what typer makes of Ctrl-C
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has had enough, as in `| head -1`
        _drop_output()
        sys.exit(MecpfmError.exit_code)
    except (USAGE, typer.Abort, MecpfmError, OSError, MemoryError, RecursionError) as error:
        _end(error, as_json)
    sys.exit(0)


def _global_first(words: list[str]) -> list[str]:
    """``--quiet`` and ``--verbose`` may stand after the command too."""
    found = [word for word in words if word in ("--quiet", "--verbose")]
    return found + [word for word in words if word not in found]


def _end(error: BaseException, as_json: bool) -> NoReturn:
    if type(error).__name__ == "NoArgsIsHelpError":  # a command without any option shows its help
        error.show()  # type: ignore[attr-defined]
        sys.exit(InputError.exit_code)
    if isinstance(error, USAGE):
        said = f"{error.format_message()} (--help shows what there is)"  # type: ignore[attr-defined]
        _fail(said, InputError.exit_code, as_json)
    if isinstance(error, typer.Abort):
        _fail("interrupted", MecpfmError.exit_code, as_json)
    if isinstance(error, FailedError) and not as_json:
        print(f"mecpfm: {len(error.failures)} failed, the rest is done:", file=sys.stderr)
        for failure in error.failures[:-1]:
            print(f"mecpfm: error: {_line(failure)}", file=sys.stderr)
        _fail(error.failures[-1], error.exit_code, as_json)
    if isinstance(error, MecpfmError):
        _fail(str(error), error.exit_code, as_json)
    if isinstance(error, OSError):
        _drop_output()
        _fail(f"{error.filename or 'standard output'}: {error.strerror or error}", InputError.exit_code, as_json)
    _fail(f"does not fit into memory ({error or 'out of memory'})", LimitError.exit_code, as_json)


def _drop_output() -> None:
    """Forget what is left in the buffer: flushing it at the end would fail again, with a traceback."""
    sys.stdout = _nowhere()


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w")


def _line(message: str) -> str:
    """A message as one line of visible characters, not endless."""
    line = visible(" ".join(message.split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


def _fail(message: str, code: int, as_json: bool) -> NoReturn:
    line = _line(message)
    error = {"exit_code": code, "kind": KINDS[code], "message": line}
    print(json.dumps({"error": error}) if as_json else f"mecpfm: error: {line}", file=sys.stderr)
    sys.exit(code)
