"""Errors a user can cause or mend; each carries the exit code of the command line (docs/command_line.md)."""


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
