"""Everything in one go: notebooks, figures, verdicts. What fails costs only itself and is named at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mecpfm.errors import FailedError, InterruptedRunError, MecpfmError


def reproduce(profile: str, *, figures: Callable[[], Any], claims: Callable[[], Any]) -> None:
    """Run every notebook, then ``figures`` and ``claims``, whatever happened before.

    Raises
    ------
    FailedError
        After the last step: what failed, and the command that redoes just that.
    """
    from mecpfm.experiments import config, notebooks

    config.profile(profile)
    steps = {
        f"notebooks --profile {profile}": lambda: notebooks.run(profile),
        "figures": figures,
        f"claims --profile {profile}": claims,
    }
    failures: list[str] = []
    for command, step in steps.items():
        try:
            step()
        except InterruptedRunError:
            raise
        except FailedError as error:
            failures += error.failures
        except (MecpfmError, OSError) as error:
            failures.append(f"{error}; redo: mecpfm {command}")
    if failures:
        raise FailedError(failures)
