"""Everything in one go: notebooks, figures, verdicts, page. What fails costs only itself and is named at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mecpfm import paths
from mecpfm.errors import FailedError, InterruptedRunError, MecpfmError

if TYPE_CHECKING:
    from mecpfm.experiments.claims import Judged


def reproduce(profile: str, *, figures: Callable[[], Any], claims: Callable[[], Any]) -> None:
    """Run every notebook, then ``figures`` and ``claims``, whatever happened before, and write the page of it all.

    What ``claims`` judged, if it says, is not judged again for the page.

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
    made = [_try(step, command, failures) for command, step in steps.items()]
    _try(lambda: _summary(profile, failures, made[-1]), f"reproduce --profile {profile}", failures)
    if failures:
        raise FailedError(failures)


def _try(step: Callable[[], Any], command: str, failures: list[str]) -> Any:
    """Take a step, and add to ``failures`` what went wrong and the command that redoes it; what it gives, or None."""
    try:
        return step()
    except InterruptedRunError:
        raise
    except FailedError as error:
        failures += error.failures
    except (MecpfmError, OSError) as error:
        failures.append(f"{error}; redo: mecpfm {command}")
    return None


def _summary(profile: str, failures: list[str], judged: Judged | None) -> None:
    """Write the page, and say in one line how it went and what to open."""
    from mecpfm.experiments import notebooks, page
    from mecpfm.experiments.claims import judge_all

    judged = judged or judge_all(profile)
    target = page.write(judged, profile, failures)
    names = notebooks.names()
    broken = sum(failure.startswith("notebook ") for failure in failures)
    drawn = sum(1 for _ in paths.figures().glob("*.html"))
    stated = sum(verdict.agrees for verdict in judged.verdicts)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(v.verdict for v in judged.verdicts).items())
    shown = target.relative_to(paths.home())
    print(
        f"{len(names) - broken} of {len(names)} notebooks ok, {drawn} figures, {stated} of {len(judged.verdicts)} "
        f"claims as stated{f' ({verdicts})' * bool(verdicts)}; open {shown}",
        flush=True,
    )
