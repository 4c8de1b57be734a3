"""Errors a user can cause or mend; each carries the exit code of the command line (docs/command_line.md)."""

import difflib
from collections.abc import Iterable


class MecpfmError(Exception):
    """Base of every error whose message is meant for the user: one line, no traceback.

    Examples
    --------
    >>> import mecpfm as mp
    >>> issubclass(mp.InputError, mp.MecpfmError)
    True
    """

    exit_code = 1


class InputError(MecpfmError):
    """A file, field or option that cannot be used; the message names it and says why.

    Examples
    --------
    >>> import mecpfm as mp
    >>> try:
    ...     mp.example(users=12).change(sites={"Grenobel": {"gpus": 2}})
    ... except mp.InputError as error:
    ...     print(error)
    sites: 'Grenobel' is unknown; did you mean 'Grenoble'?
    """

    exit_code = 2


class InfeasibleError(MecpfmError):
    """No solution exists; the message names the request or row that cannot be met."""

    exit_code = 3


class LimitError(MecpfmError):
    """A size or licence limit was hit and no fallback was allowed."""

    exit_code = 4


class FailedError(MecpfmError):
    """Parts of a run failed and the rest is done; ``failures`` says of each what failed and how to redo it."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__("; ".join(failures))
        self.failures = failures


class InterruptedRunError(MecpfmError):
    """Ctrl-C or SIGTERM ended a run; the message says how to go on."""

    exit_code = 130


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a mistyped one is most like, if any is."""
    return next(iter(difflib.get_close_matches(name, list(known), 1)), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for an error message: the known name closest to ``name``, or all of a few."""
    names = list(dict.fromkeys(known))
    if close := closest(name, names):
        return f"did you mean {close!r}?"
    return f"known: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
