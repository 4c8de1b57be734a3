"""Commands that list what there is, a line each: methods, policies, experiments."""

from __future__ import annotations

from mecpfm.cli.catalogue import COUPLED, PUBLISHED, SIMULATED, TRACE
from mecpfm.cli.output import table


def methods() -> None:
    """List the methods of solve: whether they prove a bound, draw by --seed, and heed --time-limit."""
    columns = ("method", "for", "bound", "seed", "time", "what it does")
    rows = [
        (name, kind, *("yes" if flag else "-" for flag in (one.bound, one.seed, one.time)), one.does)
        for kind, known in (("published", PUBLISHED), ("coupled", COUPLED))
        for name, one in known.items()
    ]
    table(columns, rows)


def policies() -> None:
    """List the policies of simulate (published) and simulate-trace (trace)."""
    rows = [(name, "published", "yes" if draws else "-", does) for name, (does, draws) in SIMULATED.items()]
    rows += [(name, "trace", "yes", does) for name, does in TRACE.items()]
    table(("policy", "for", "seed", "what it does"), rows)


def experiments() -> None:
    """List the experiments: what each shows, and its points x seeds in both profiles."""
    from mecpfm.experiments.config import STUDIES, experiments

    quick, paper = experiments("quick"), experiments("paper")
    sizes = {name: [f"{len(of[name].points)} x {of[name].seeds}" for of in (quick, paper)] for name in paper}
    rows = [(name, *sizes[name], STUDIES[name].shows) for name in paper]
    table(("experiment", "quick", "paper", "what it shows"), rows)
