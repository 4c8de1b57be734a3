"""Commands on instance files: generate, solve, verify, simulate; a file's schema says which setting it belongs to."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecpfm import clock
from mecpfm.cli import catalogue
from mecpfm.cli.catalogue import choice
from mecpfm.cli.output import report, working
from mecpfm.errors import InfeasibleError, InputError, MecpfmError

if TYPE_CHECKING:
    from mecpfm.statements import Audit

log = logging.getLogger("mecpfm")
generate = typer.Typer(help="Write a random instance file.", no_args_is_help=True)

PROGRESS_S = 2.0
"""Least time between two lines of progress."""

Seed = Annotated[int, typer.Option(min=0, help="Seed of every random stream.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
InstanceFile = Annotated[Path, typer.Argument(metavar="INSTANCE", help="File, .json or .npz; - is standard input.")]
Problem = Annotated[
    Path, typer.Argument(metavar="FOLDER|INSTANCE", help="Network in tables, or .json or .npz; - is standard input.")
]


@generate.command("published")
def generate_published(
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    cloudlets: int = 100,
    requests: int = 100,
    models: int = 10,
    families: int = 2,
    shared_fraction: float = 2 / 3,
    capacity_gb: Annotated[float | None, typer.Option(help="One capacity for all; default randint(8, 24).")] = None,
    cost_budget: Annotated[float | None, typer.Option(help="One budget for all; default U(30000, 50000).")] = None,
    accuracy_requirement: Annotated[float | None, typer.Option(help="One for all; default U(0.1, 0.4).")] = None,
    seed: Seed = 0,
) -> None:
    """Write an instance of the paper's problem with the released parameter ranges."""
    from mecpfm.files import target
    from mecpfm.published.generate import Recipe, generate

    recipe = Recipe(
        cloudlets=cloudlets,
        models=models,
        families=families,
        requests=requests,
        shared_fraction=shared_fraction,
        capacity_gb=capacity_gb,
        cost_budget=cost_budget,
        accuracy_requirement=accuracy_requirement,
    )
    target(output)
    with working("generating"):
        generate(recipe, seed).write(output)


@generate.command("coupled")
def generate_coupled(
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write, .json or .npz.")],
    cloudlets: int = 16,
    requests: int = 400,
    models: int = 48,
    families: int = 4,
    regime: Annotated[str, choice("--regime", catalogue.REGIMES)] = "mixed",
    adaptation: Annotated[str, choice("--adaptation", catalogue.ADAPTATIONS)] = "published",
    shared_fraction: Annotated[float | None, typer.Option(help="One for all models, in place of --adaptation.")] = None,
    topology: Annotated[str | None, typer.Option(help="A topohub network; default the EUA sites.")] = None,
    trace: Annotated[str | None, choice("--trace", catalogue.TRACES)] = None,
    reach: Annotated[int | None, typer.Option(help="Nearest cloudlets that may serve a request.")] = None,
    cached_share: Annotated[float, typer.Option(help="Probability that a block is at a cloudlet already.")] = 0.0,
    memory_gb: Annotated[float | None, typer.Option(help="One memory for all cloudlets.")] = None,
    period_s: Annotated[float | None, typer.Option(help="Time each accelerator computes.")] = None,
    backhaul_gbit_s: Annotated[float | None, typer.Option(help="One backhaul for all cloudlets.")] = None,
    seed: Seed = 0,
) -> None:
    """Write an instance of the coupled problem: aggregate capacity, blocks stored and pulled once a cloudlet."""
    from mecpfm.coupled.generate import Recipe, generate
    from mecpfm.files import target

    recipe = Recipe(
        cloudlets=cloudlets,
        requests=requests,
        models=models,
        families=families,
        regime=regime,
        adaptation=adaptation,
        shared_fraction=shared_fraction,
        topology=topology,
        trace=trace,
        reach=reach,
        cached_share=cached_share,
        memory_gb=memory_gb,
        period_s=period_s,
        backhaul_gbit_s=backhaul_gbit_s,
    )
    target(output)
    with working("generating"):
        generate(recipe, seed).write(output)


def solve(
    instance: Problem,
    method: Annotated[str | None, choice("--method", catalogue.METHODS, catalogue.METHOD_HELP)] = None,
    solver: Annotated[str, choice("--solver", catalogue.SOLVERS)] = "auto",
    seed: Seed = 0,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds a solver may take.")] = None,
    iterations: Annotated[int | None, typer.Option(min=0, help="Budget of the local search (coupled).")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Where to save the bound's multipliers (coupled).")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to save the plan.")] = None,
    as_json: Json = False,
) -> None:
    """Solve a network or an instance and report decisions, objective, bound and gap."""
    from mecpfm.files import schema_of, target, write_atomic

    if certificate is not None:
        target(certificate)
    common: dict[str, Any] = {"solver": solver, "seed": seed, "time_limit": time_limit}
    if output is not None:
        target(output)
    with clock.listening():
        log.debug("reading %s; Ctrl-C gives the best plan so far", instance)
        if instance.is_dir():
            from mecpfm.cli.network import print_solved, solve_folder

            with _progress() as progress:
                wanted = {**common, "iterations": iterations, "progress": progress}
                found = solve_folder(instance, method or "polish", output, certificate, **wanted)
            print_solved(*found, as_json)
            return
        if schema_of(instance).startswith("mecpfm.coupled/"):
            content = _solve_coupled(instance, method or "polish", certificate, {**common, "iterations": iterations})
        elif iterations is not None or certificate is not None:
            raise InputError(f"{instance}: --iterations and --certificate are for coupled instances")
        else:
            content = _solve_published(instance, method or "exact", common)
        if output is not None:
            write_atomic(output, (json.dumps(content, allow_nan=False) + "\n").encode(), parents=False)
        report(content, as_json)


def _solve_published(instance: Path, method: str, common: dict[str, Any]) -> dict[str, Any]:
    from mecpfm.published.instance import Instance
    from mecpfm.published.methods import solve

    with working("solving"):
        return solve(Instance.read(instance), method, **common).to_object()


def _solve_coupled(instance: Path, method: str, certificate: Path | None, common: dict[str, Any]) -> dict[str, Any]:
    from mecpfm.coupled.instance import Instance
    from mecpfm.coupled.methods import certified, solve

    problem = Instance.read(instance)
    with _progress() as progress:
        if certificate is None:
            return solve(problem, method, progress=progress, **common).to_object()
        plan, proof = certified(problem, method, progress=progress, **common)
    proof.write(certificate)
    return plan.to_object()


@contextmanager
def _progress() -> Iterator[Callable[[int, float, float], None]]:
    """Tells incumbent, bound and gap: in a bar on a terminal, which is there while the bound is computed too.

    Elsewhere a line is logged every few seconds.
    """
    last = -math.inf
    with working("reading, then proving a bound") as tell:

        def line(iterations: int, cost: float, bound: float) -> None:
            nonlocal last
            gap = (cost - bound) / max(cost, 1e-12)
            said = f"{iterations} iterations: cost {cost:.6g} s, bound {bound:.6g} s, gap {100 * gap:.2f} %"
            if tell is not None:
                tell(said)
            elif (now := time.monotonic()) - last >= PROGRESS_S:
                last = now
                log.info(said)

        yield line


def verify(
    instance: InstanceFile,
    certificate: Annotated[
        Path | None, typer.Argument(metavar="[CERTIFICATE]", help="File of solve --certificate (coupled).")
    ] = None,
    plan: Annotated[Path | None, typer.Option(help="Output of solve --json: everything it states is checked.")] = None,
    as_json: Json = False,
) -> None:
    """Recompute the bound that a certificate proves, and what a plan states, from the instance alone."""
    with working("verifying"):
        found = _audit(instance, certificate, plan)
    report(found.to_object(), as_json)
    if found.complaints:
        raise MecpfmError("; ".join(found.complaints))
    if found.violations:
        raise InfeasibleError(f"{plan}: {found.violations[0]}")


def _audit(instance: Path, certificate: Path | None, plan: Path | None) -> Audit:
    from mecpfm.files import schema_of

    if schema_of(instance).startswith("mecpfm.coupled/"):
        from mecpfm.coupled.audit import audit

        if certificate is None:
            raise InputError(f"{instance}: a coupled instance is verified with a CERTIFICATE (solve --certificate)")
        return audit(instance, certificate, plan)
    from mecpfm.published.audit import audit as audit_published

    if certificate is not None or plan is None:
        raise InputError(f"{instance}: a published instance has no certificates; verify it with --plan alone")
    return audit_published(instance, plan)


def simulate(
    instance: InstanceFile,
    policy: Annotated[str, choice("--policy", catalogue.SIMULATED)],
    share: Annotated[bool | None, typer.Option("--share/--no-share", help="Propagate shareable parts.")] = None,
    source: Annotated[str | None, choice("--source", catalogue.SOURCES)] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds; default one a request.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Serve the requests one at a time with an online policy that starts with empty caches."""
    from mecpfm.published.instance import Instance
    from mecpfm.published.online import simulate

    with working("simulating"):
        episode = simulate(Instance.read(instance), policy, share=share, source=source, rounds=rounds, seed=seed)
    report(episode.to_object(), as_json)
