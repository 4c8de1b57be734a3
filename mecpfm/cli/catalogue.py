"""Every name that the command line knows, with what it does: for help, completion and ``mecpfm methods`` and its like.

The names stand here once more because help must not load what computes; a test holds them to where they are registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import typer

from mecpfm.errors import InputError, closest

Check = Callable[[str | None], str | None]


class Entry(NamedTuple):
    """What a method does, and whether it proves a bound of its own, draws by ``--seed``, and heeds ``--time-limit``."""

    does: str
    bound: bool
    seed: bool
    time: bool


PUBLISHED = {
    "lp": Entry("LP relaxation of the ILP, by a solver", True, False, True),
    "lp-dual": Entry("at least that value from one multiplier, without a solver", True, False, True),
    "ilp": Entry("integer program, by a solver", True, False, True),
    "nlip": Entry("nonlinear program as published, by Gurobi or by enumeration", True, False, True),
    "exact": Entry("certified optimum from one multiplier and a search (default)", True, False, True),
    "appro": Entry("randomized rounding of the paper", True, True, True),
    "nbs": Entry("Nash bargaining, rounded in proportion", False, True, False),
    "nbs-released": Entry("Nash bargaining, rounded as released", False, True, False),
    "nonshare": Entry("most accurate model, nothing shared", False, False, False),
    "sc": Entry("service caching", False, False, False),
    "greedy": Entry("cheapest allowed model of each request in turn", False, False, False),
}
"""Methods of the paper's problem."""
COUPLED = {
    "lp": Entry("LP relaxation, by a solver", True, False, True),
    "lp-cut": Entry("the same, strengthened by the cut; its certificate holds the duals", True, False, True),
    "ilp": Entry("integer program, by a solver", True, True, True),
    "nlip": Entry("enumeration of all plans, for tiny instances", True, False, True),
    "dual": Entry("the dual engine's bound, with TrimCaching-Gen's plan", True, False, True),
    "auto": Entry("bound, search and HiGHS at once, until it is proved or time is over (default)", True, True, True),
    "polish": Entry("dive, ruin and recreate, settle: the best plan in the time given", True, True, True),
    "branch": Entry("polish, then branch and bound until it is proved", True, True, True),
    "remote": Entry("nothing at the edge", True, False, True),
    "popularity": Entry("what most requests nearby accept", True, False, True),
    "lru": Entry("caches that drop the block used longest ago", True, False, True),
    "lfu": Entry("caches that drop the block used least often", True, False, True),
    "accuracy-first": Entry("most accurate option, fastest first, while it fits", True, False, True),
    "no-sharing": Entry("planned as if models shared nothing, costed as it is", True, True, True),
    "trimcaching": Entry("TrimCaching-Gen, by gain per incremental byte", True, False, True),
    "trimcaching-gain": Entry("TrimCaching-Gen as published, by gain", True, False, True),
    "cocar": Entry("one independent draw a request from the LP, after CoCaR", True, True, True),
    "gap-rounding": Entry("Shmoys and Tardos on assignment and GPU time, then repaired", True, False, True),
    "rounding-independent": Entry("LP rounding, every request by its own draw", True, True, True),
    "rounding-coupled": Entry("LP rounding, one draw a cloudlet and model", True, True, True),
    "rounding-nested": Entry("LP rounding, one draw a cloudlet", True, True, True),
    "rounding-tree": Entry("LP rounding down the tree that the shared blocks form", True, True, True),
    "opening-tree": Entry("blocks opened down that tree, then Shmoys and Tardos", True, True, True),
    "rounding-configurations": Entry("polish's plans, recombined by rounding: savings guaranteed", True, True, True),
}
"""Methods of the coupled problem and of networks; where a method proves no bound the dual engine's is given."""
SIMULATED = {
    "ol": ("the paper's learner: Thompson sampling with restricted context (TSRC)", True),
    "ol-released": ("the same with the slips of the released code: as good as a random model", True),
    "wtsrc": ("TSRC with a window", True),
    "mab": ("epsilon-greedy 0.5 as released", True),
    "adms": ("ADMS as released", True),
    "random": ("a random model", True),
    "ucb1": ("upper confidence bound, no context", False),
    "epsilon-greedy": ("epsilon-greedy 0.1", True),
    "linucb": ("a linear model an arm, optimistic", True),
    "lints": ("a linear model an arm, sampled", True),
    "myopic": ("knows every delay and minds no later round", False),
}
"""Policies of ``simulate``, and whether the seed counts: they draw, or look at the drawn context."""
_SHOWN = {
    "tsrc": "features chosen by Thompson sampling",
    "wtsrc": "features chosen in a window",
    "random-ei": "features drawn anew each time",
    "random-fix": "features drawn once",
}
_LINES = {"linucb": "all features, optimistic", "lints": "all features, sampled", **_SHOWN}
_FORECAST = {
    "mean": "the running mean",
    "full": "ridge on all features",
    **{name: f"ridge on four {shown}" for name, shown in _SHOWN.items()},
    "tsrc-delay": "ridge on four features credited with the delay",
    "cov": "two features and pairwise moments",
    "oracle": "the true service time",
}
TRACE = {
    "remote": "all to the data centre",
    "random": "a random place",
    "nearest": "the nearest cloudlet",
    "shortest-queue": "the shortest queue",
    "mean-greedy": "least mean loss so far",
    "ucb1": "upper confidence bound, no context",
    "ucb1-500": "the same, losses cut at 500 s in place of 120",
    "ucb1-500-wide": "the same with a bonus four times as large in seconds",
    "epsilon-0.1": "epsilon-greedy 0.1, no context",
    "epsilon-0.1-500": "the same, losses cut at 500 s in place of 120",
    "epsilon-0.5": "epsilon-greedy 0.5, no context",
    **{f"disjoint-{name}": f"a linear model an arm; {says}" for name, says in _LINES.items()},
    **{f"hybrid-{name}": f"one linear model for all arms; {says}" for name, says in _LINES.items()},
    **{f"structured-{name}": f"known delay model; service time by {says}" for name, says in _FORECAST.items()},
    **{f"priced-{name}": f"structured-{name}, and the delay that it adds to later requests" for name in _FORECAST},
    "follow-probe": "known delay model; service time from the best feature so far, three others probed at random",
}
"""Policies of ``simulate-trace``."""
SCENARIOS = (
    "base", "load 0.5", "load 1.1", "8 cloudlets", "16 cloudlets", "slow links", "remote 60 s", "variants", "LLM",
    "as given",
)  # fmt: skip
PROFILES, SOLVERS, SOURCES = ("quick", "paper"), ("auto", "gurobi", "highs"), ("nearest", "last", "cloud")
REGIMES = ("compute-bound", "memory-bound", "link-bound", "mixed")
ADAPTATIONS = ("published", "frozen-prefix", "full", "mixed")
TRACES = ("azure-conv", "azure-code")
METHODS = tuple(dict.fromkeys((*PUBLISHED, *COUPLED)))
METHOD_HELP = (
    f"Published problem: {', '.join(PUBLISHED)}; default exact. "
    f"Networks, coupled problem: {', '.join(COUPLED)}; default auto. `mecpfm methods` says what each does."
)


def chosen(option: str, names: Iterable[str]) -> Check:
    """Callback of an option: InputError, with the nearest known name, for what is none of ``names``."""
    known = tuple(names)

    def check(value: str | None) -> str | None:
        if value is None or value in known:
            return value
        if close := closest(value, known):
            raise InputError(f"{option} is {value!r}; did you mean {close!r}?")
        raise InputError(f"{option} is {value!r}; must be one of {', '.join(known)}")

    return check


def choice(option: str, names: Iterable[str], says: str = "") -> typer.models.OptionInfo:
    """An option that takes one of a few names: they stand in its help, complete in a shell, and are checked."""
    known = tuple(names)
    found: typer.models.OptionInfo = typer.Option(
        option, help=says or ", ".join(known), callback=chosen(option, known), autocompletion=lambda: list(known)
    )
    return found
