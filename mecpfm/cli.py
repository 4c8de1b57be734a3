"""Command line: a thin door to the package (docs/command_line.md); heavy imports happen inside the commands."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from mecpfm.errors import InputError, MecpfmError

app = typer.Typer(
    help="Joint selection and pulling of fine-tuned foundation models at the mobile edge.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
generate = typer.Typer(help="Write a random instance file.", no_args_is_help=True)
data = typer.Typer(help="External data files: list, fetch, verify.", no_args_is_help=True)
app.add_typer(generate, name="generate")
app.add_typer(data, name="data")

Seed = Annotated[int, typer.Option(min=0, help="Seed of every random stream.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
InstanceFile = Annotated[Path, typer.Argument(metavar="INSTANCE.json", help="Instance file.")]
Profile = Annotated[str, typer.Option(help="quick or paper.")]


@app.callback()
def _common(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False) -> None:
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="mecpfm: %(message)s")
    for noisy in ("numba", "choreographer", "kaleido", "asyncio", "papermill"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@app.command()
def doctor() -> None:
    """Print versions, solvers and licence limits, data found, and the browser for static figures."""
    from mecpfm import diagnose

    _table(("what", "state"), diagnose.rows())


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
    generate(recipe, seed).write(output)


@app.command()
def solve(
    instance: InstanceFile,
    method: Annotated[str, typer.Option(help="lp ilp nlip exact appro nbs nbs-released nonshare sc greedy.")],
    solver: Annotated[str, typer.Option(help="auto, gurobi or highs.")] = "auto",
    seed: Seed = 0,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds a solver may take.")] = None,
    as_json: Json = False,
) -> None:
    """Solve an instance and report decisions, objective, bound and gap."""
    from mecpfm.published.instance import Instance
    from mecpfm.published.methods import solve

    if solver not in ("auto", "gurobi", "highs"):
        raise InputError(f"--solver is {solver!r}; must be auto, gurobi or highs")
    plan = solve(Instance.read(instance), method, solver=solver, seed=seed, time_limit=time_limit)
    _report(plan.to_object(), as_json)


@app.command()
def simulate(
    instance: InstanceFile,
    policy: Annotated[str, typer.Option(help="ol wtsrc mab adms random ucb1 epsilon-greedy linucb lints myopic.")],
    share: Annotated[bool | None, typer.Option("--share/--no-share", help="Propagate shareable parts.")] = None,
    source: Annotated[str | None, typer.Option(help="nearest, last or cloud; default as released.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds; default one a request.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Serve the requests one at a time with an online policy that starts with empty caches."""
    from mecpfm.published.instance import Instance
    from mecpfm.published.online import simulate

    episode = simulate(Instance.read(instance), policy, share=share, source=source, rounds=rounds, seed=seed)
    _report(episode.to_object(), as_json)


@app.command()
def experiment(
    name: Annotated[str, typer.Argument(help="An experiment, or all.")],
    profile: Profile = "quick",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default one a core.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask.distributed scheduler.")] = None,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Keep what is finished.")] = True,
) -> None:
    """Run an experiment; what is finished is kept, whatever happens, and never computed twice."""
    from mecpfm.experiments.config import experiments
    from mecpfm.experiments.runner import run

    names = list(experiments(profile)) if name == "all" else [name]
    rows = []
    for one in names:
        table = run(one, profile, workers=workers, scheduler=scheduler, resume=resume)
        rows.append((one, len(table), f"results/{profile}/{one}.csv"))
    _table(("experiment", "rows", "table"), rows)


@app.command()
def claims(
    profile: Profile = "quick",
    save: Annotated[bool, typer.Option("--save", help="Refresh docs/claims.csv and the README's table.")] = False,
) -> None:
    """Recompute every claim; fails when a stated status and the data disagree (quick: when a reproduced one fails)."""
    from mecpfm.experiments import report
    from mecpfm.experiments.claims import judge_all

    verdicts = judge_all(profile)
    _table(report.COLUMNS, report.rows(verdicts))
    if save:
        report.save(verdicts, profile)
    if wrong := report.disagreements(verdicts, profile):
        raise MecpfmError(f"status and data disagree: {', '.join(wrong)}")


@app.command()
def figures() -> None:
    """Draw every figure again from the data in figures/*.csv."""
    from mecpfm.figures import redraw

    _table(("figure", "files"), redraw())


@app.command()
def notebooks(
    profile: Profile = "quick",
    names: Annotated[list[str] | None, typer.Argument(help="Notebook names; default all.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Refresh the committed copies instead.")] = False,
) -> None:
    """Execute the notebooks through papermill; copies and resource use go to results/, figures to figures/."""
    from mecpfm.experiments.notebooks import run

    _table(("notebook", "seconds", "peak MB"), run(profile, names or None, in_place=in_place))


@data.command("list")
def data_list() -> None:
    """List the external data files, their licence and whether they are here."""
    _data_table()


@data.command("fetch")
def data_fetch(names: Annotated[list[str] | None, typer.Argument(help="File names; default all.")] = None) -> None:
    """Download data files from their upstream repositories at pinned commits, checked by SHA-256."""
    from mecpfm.data import registry
    from mecpfm.data.fetch import fetch

    for path in fetch(names or registry.names()):
        typer.echo(path)


@data.command("verify")
def data_verify() -> None:
    """Check every data file at hand against its SHA-256; a corrupt one is an error."""
    if corrupt := [row.name for row in _data_table() if row.status == "corrupt"]:
        raise InputError(f"{', '.join(corrupt)}: does not match its SHA-256")


def _data_table() -> list[Any]:
    from mecpfm.data.fetch import Status, verify

    rows = verify()
    _table(Status._fields, [[cell if cell is not None else "" for cell in row] for row in rows])
    return rows


def _report(content: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(content, allow_nan=False))
        return
    content.pop("decisions")
    _table(("field", "value"), [(key, _readable(value)) for key, value in content.items()])


def _readable(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "; ".join(map(str, value[:3])) + (f"; and {len(value) - 3} more" if len(value) > 3 else "") or "none"
    return "" if value is None else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    # A pipe has no width: let long lines be long instead of folding them at 80.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)


def main() -> NoReturn:
    """Run a command; errors meant for the user become one line on stderr and their exit code."""
    try:
        app()
    except MecpfmError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        _fail(f"{error.filename or 'file'}: {error.strerror or error}", InputError.exit_code)
    sys.exit(0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"mecpfm: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
