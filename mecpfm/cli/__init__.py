"""Command line: a thin door to the package (docs/command_line.md); heavy imports happen inside the commands."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any, NoReturn

import typer

import mecpfm
from mecpfm.cli import ending, instances, listings, network, output, trace, what_if
from mecpfm.cli.catalogue import PROFILES, choice, chosen
from mecpfm.cli.output import note, table
from mecpfm.errors import FailedError, InputError, InterruptedRunError, MecpfmError

app = typer.Typer(
    help="Joint selection and pulling of fine-tuned foundation models at the mobile edge.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data = typer.Typer(help="External data files: list, fetch, verify.", no_args_is_help=True)
app.add_typer(instances.generate, name="generate")
app.add_typer(data, name="data")
for command in (network.new, instances.solve, network.show, network.compare, instances.verify, instances.simulate):
    app.command()(command)
app.command("simulate-trace")(trace.simulate_trace)
app.command("what-if")(what_if.what_if)

for listing in (listings.methods, listings.policies, listings.experiments):
    app.command()(listing)

Profile = Annotated[str, choice("--profile", PROFILES)]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mecpfm {mecpfm.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing on stderr but errors; after a command too.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="mecpfm: %(message)s")
    output.quiet = quiet
    for noisy in ("numba", "choreographer", "kaleido", "asyncio", "papermill"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@app.command()
def doctor() -> None:
    """Print versions, solvers and licence limits, data found, and the browser for static figures."""
    from mecpfm import diagnose

    table(("what", "state"), diagnose.rows())


@app.command()
def experiment(
    name: Annotated[
        str | None, typer.Argument(help="A name of `mecpfm experiments`, online-trace for all on a trace, or all.")
    ] = None,
    profile: Profile = "quick",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default one a core.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask.distributed scheduler.")] = None,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Keep what is finished.")] = True,
    patience: Annotated[
        float, typer.Option(min=1, max=1e6, help="Seconds without a finished task until a cluster counts as lost.")
    ] = 600,
    listing: Annotated[bool, typer.Option("--list", help="List the experiments and stop.")] = False,
) -> None:
    """Run an experiment; what is finished is kept, whatever happens, and never computed twice.

    online-trace runs every study on the trace, then notebooks 08 and 13, which draw their figures.
    """
    if listing:
        listings.experiments()
        return
    if name is None:
        raise InputError("the experiment's name is missing; --list shows the names")
    from mecpfm.experiments import notebooks
    from mecpfm.experiments.config import ONLINE_TRACE, TRACE_NOTEBOOKS, experiments
    from mecpfm.experiments.runner import run

    chosen("experiment", (*experiments(profile), "all", ONLINE_TRACE))(name)
    names, workers = [name], workers or os.cpu_count()
    if name in ("all", ONLINE_TRACE):
        names = [one for one in experiments(profile) if name == "all" or one.startswith(ONLINE_TRACE)]
    if name == ONLINE_TRACE:
        from mecpfm.online.trace import FILES

        trace.say_if_absent(*FILES)
    rows, failed = [], []
    for one in names:
        try:
            found = run(one, profile, workers=workers, scheduler=scheduler, resume=resume, patience_s=patience)
        except MecpfmError as error:  # what concerns all of them ends all of them
            if len(names) == 1 or isinstance(error, (InputError, InterruptedRunError)):
                raise
            failed.append(f"experiment {one}: {error}; redo: mecpfm experiment {one} --profile {profile}")
            continue
        rows.append((one, len(found), f"results/{profile}/{one}.csv" if len(found) else "none"))
    table(("experiment", "rows", "table"), rows)
    if failed:
        raise FailedError(failed)
    if name == ONLINE_TRACE:
        table(("notebook", "seconds", "peak MB", "MB written"), notebooks.run(profile, [*TRACE_NOTEBOOKS]))


@app.command()
def claims(
    profile: Profile = "quick",
    save: Annotated[bool, typer.Option("--save", help="Refresh docs/claims.* and the README's counts.")] = False,
) -> Any:
    """Recompute every claim; fails when a stated status and the data disagree (quick: when one that holds fails).

    Claims about running times are judged too, but only reported: near a threshold two runs on one machine differ.
    """
    from mecpfm.experiments import report
    from mecpfm.experiments.claims import judge_all

    judged = judge_all(profile)
    verdicts, missing = judged
    table(report.COLUMNS, report.rows(verdicts))
    redo = f"redo: mecpfm claims --profile {profile}"
    failures = [f"claim {name}: not computed: {reason}; {redo}" for name, reason in missing.items()]
    if save and failures:
        failures.append(f"nothing was saved: a table needs every claim; {redo} --save")
    elif save:
        report.save(verdicts, profile)
    if slow := report.disagreements(verdicts, profile, timed=True):
        note(f"running times here say otherwise than stated: {', '.join(slow)}")
    if wrong := report.disagreements(verdicts, profile):
        failures.append(f"status and data disagree: {', '.join(wrong)}")
    if failures:
        raise FailedError(failures)
    return judged


@app.command()
def figures() -> None:
    """Draw every figure again from the data in figures/*.csv."""
    from mecpfm.figures import redraw

    table(("figure", "files"), redraw())


@app.command()
def reproduce(profile: Profile = "quick") -> None:
    """Run every notebook, draw every figure, judge every claim, write results/index.html, whatever fails."""
    from mecpfm.experiments import reproduce as everything
    from mecpfm.figures import redraw

    everything.reproduce(profile, figures=lambda: redraw(stale=True), claims=lambda: claims(profile))


@app.command()
def notebooks(
    profile: Profile = "quick",
    names: Annotated[list[str] | None, typer.Argument(help="Notebook names; default all.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Refresh the committed copies instead.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say which committed outputs differ here.")] = False,
) -> None:
    """Execute the notebooks through papermill; copies and resource use go to results/, figures to figures/."""
    from mecpfm.experiments.notebooks import run
    from mecpfm.experiments.recheck import check as compare

    if check:
        if found := compare(names or None):
            table(("notebook", "code cell", "first difference"), found)
            raise MecpfmError(f"{len(found)} committed outputs differ here")
        return
    table(("notebook", "seconds", "peak MB", "MB written"), run(profile, names or None, in_place=in_place))


@data.command("list")
def data_list() -> list[Any]:
    """List the external data files, their licence and whether they are here."""
    from mecpfm.data.fetch import Status, verify

    rows = verify()
    table(Status._fields, [[cell if cell is not None else "" for cell in row] for row in rows])
    return rows


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
    if corrupt := [row.name for row in data_list() if row.status == "corrupt"]:
        raise InputError(f"{', '.join(corrupt)}: does not match its SHA-256")


def main() -> NoReturn:
    """Run a command; errors meant for the user become one line on stderr and their exit code."""
    ending.run(app, sys.argv[1:])
