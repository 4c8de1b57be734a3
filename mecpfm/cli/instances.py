"""Commands on instance files: generate, solve, verify, simulate; a file's schema says which setting it belongs to."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecpfm import clock
from mecpfm.cli import catalogue
from mecpfm.cli.catalogue import choice
from mecpfm.cli.output import report, searching, working
from mecpfm.errors import InfeasibleError, InputError, MecpfmError

if TYPE_CHECKING:
    from mecpfm.statements import Audit

log = logging.getLogger("mecpfm")
TABLES = (".csv", ".toml", ".graphml")
"""Files of a network's folder that are read."""
generate = typer.Typer(help="Write a random instance file.", no_args_is_help=True)


Seed = Annotated[int, typer.Option(min=0, help="Seed of every random stream.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Params = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file of parameters (docs/command_line.md).")]
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
    options = locals()
    from mecpfm.published import generate as setting

    _generate(setting, options)


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
    options = locals()
    from mecpfm.coupled import generate as setting

    _generate(setting, options)


def _generate(setting: Any, options: dict[str, Any]) -> None:
    """Write an instance of a setting; options are the fields of its recipe, an output file and a seed."""
    from mecpfm.files import target

    output, seed = options.pop("output"), options.pop("seed")
    recipe = setting.Recipe(**options)
    target(output)
    with working("generating"):
        setting.generate(recipe, seed).write(output)


def solve(
    instance: Problem,
    method: Annotated[str | None, choice("--method", catalogue.METHODS, catalogue.METHOD_HELP)] = None,
    solver: Annotated[str, choice("--solver", catalogue.SOLVERS)] = "auto",
    seed: Seed = 0,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds a solver may take.")] = None,
    iterations: Annotated[int | None, typer.Option(min=0, help="Budget of the local search (coupled).")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores of auto; all by default (coupled).")] = None,
    gap: Annotated[str | None, typer.Option(help="Good enough: 1% or 0.01 above the bound (coupled).")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Where to save the bound's multipliers (coupled).")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to save the plan by name.")] = None,
    html: Annotated[Path | None, typer.Option(help="Where to save a page with its map and tables.")] = None,
    params: Params = None,
    as_json: Json = False,
) -> None:
    """Solve a network or an instance and report decisions, objective, bound and gap."""
    from mecpfm.archives import schema_of
    from mecpfm.files import require_apart

    tables = [file for file in instance.iterdir() if file.suffix in TABLES] if instance.is_dir() else []
    require_apart((certificate, output, html), [instance, *tables, *([] if params is None else [params])])
    common: dict[str, Any] = {"solver": solver, "seed": seed, "time_limit": time_limit}
    given = {"iterations": iterations, "threads": threads, "gap": None if gap is None else share(gap), "params": params}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with clock.listening():
        log.debug("reading %s; Ctrl-C gives the best plan so far", instance)
        published = not (instance.is_dir() or schema_of(instance).startswith("mecpfm.coupled/"))
        if published and (wanted or certificate is not None):
            raise InputError(
                f"{instance}: --iterations, --threads, --gap, --params and --certificate are for networks and coupled "
                "instances"
            )
        if params is not None:
            from mecpfm.coupled.engine import EngineParams

            wanted["params"] = EngineParams.read(params, method or "auto")
        if instance.is_dir() or output is not None or html is not None:
            from mecpfm.cli.network import Files, solve_named

            solve_named(instance, method, Files(output, html, certificate), as_json, **common, **wanted)
            return
        if published:
            content = _solve_published(instance, method or "exact", common)
        else:
            content = _solve_coupled(instance, method or "auto", certificate, {**common, **wanted})
        report(content, as_json)


def share(text: str) -> float:
    """A share as people write it: ``1%`` or ``0.01``; InputError for what is none from 0 up to 1."""
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = math.nan
    if rest or not 0 <= value < 1:
        raise InputError(f"--gap is {text!r}; must be a share as 1% or 0.01, from 0 and below 1")
    return value


def _solve_published(instance: Path, method: str, common: dict[str, Any]) -> dict[str, Any]:
    from mecpfm.published.instance import Instance
    from mecpfm.published.methods import solve

    with working("solving"):
        return solve(Instance.read(instance), method, **common).to_object()


def _solve_coupled(instance: Path, method: str, certificate: Path | None, common: dict[str, Any]) -> dict[str, Any]:
    from mecpfm.coupled.instance import Instance
    from mecpfm.coupled.methods import certified, solve

    problem = Instance.read(instance)
    with searching() as progress:
        if certificate is None:
            return solve(problem, method, progress=progress, **common).to_object()
        plan, proof = certified(problem, method, progress=progress, **common)
    proof.write(certificate)
    return plan.to_object()


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
    from mecpfm.archives import schema_of

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
    params: Params = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Serve the requests one at a time with an online policy that starts with empty caches."""
    from mecpfm.params import changed, named_in, read_params
    from mecpfm.published.instance import Instance
    from mecpfm.published.online import simulate
    from mecpfm.published.policies import POLICIES

    given = read_params(params, ("learner",))["learner"]
    learner = changed(f"{params}: learner", POLICIES[policy].params, given)
    with named_in(f"{params}: learner"):  # what the learner's own checks refuse, too
        POLICIES[policy].make(1, seed, learner)
    with working("simulating"):
        problem = Instance.read(instance)
        episode = simulate(problem, policy, share=share, source=source, rounds=rounds, seed=seed, params=learner)
    report(episode.to_object(), as_json)
