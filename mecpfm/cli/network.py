"""Commands on networks in tables and plans by name: new, show, compare, what-if, and what solve does with a folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mecpfm.cli import catalogue
from mecpfm.cli.catalogue import choice
from mecpfm.cli.instances import Json
from mecpfm.cli.output import searching, table
from mecpfm.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from mecpfm.network.named import NamedPlan

SHOWN = {
    "sites": ("site", "users", "gpu_s", "gpu_s_available", "memory_gb", "memory_gb_available", "pulled_gb",
              "price_s_per_gb", "price_s_per_gpu_s"),
    "pulls": ("block", "site", "from", "gb", "seconds", "models"),
    "users": ("user", "home", "served_at", "model", "delay_s", "remote_s", "accuracy", "deadline", "second_choice",
              "second_costs_s"),
}  # fmt: skip
"""Columns of the tables on a terminal; files hold all."""
LONGEST = 50
"""Most rows of a comparison on a terminal."""


def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    topology: Annotated[
        str | None, typer.Option(help="Sites and links of a topohub network, or of a GraphML file.")
    ] = None,
    users: Annotated[int, typer.Option(min=1, max=100_000, help="How many classes of users.")] = 60,
    sites: Annotated[int | None, typer.Option(help="How many sites, all else drawn too.")] = None,
    models: Annotated[int | None, typer.Option(help="How many models, all else drawn too.")] = None,
    regime: Annotated[str | None, choice("--regime", catalogue.REGIMES)] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of what is drawn.")] = None,
) -> None:
    """Write a small example network as CSV files, ready to solve and to be replaced by your own.

    With --sites, --models, --regime or --seed a random one of that size and scarcity in its place.
    """
    from mecpfm.network.example import drawn, write

    write(folder, topology, users, drawn(topology, users, sites, models, regime, seed))
    typer.echo(f"{folder}: {', '.join(sorted(file.name for file in folder.iterdir()))}")
    typer.echo(f"next: mecpfm solve {shlex.quote(str(folder))} -o plan.json --html plan.html")


class Files(NamedTuple):
    """Where a plan is kept: by name, as a page, and its proof alone."""

    plan: Path | None
    page: Path | None
    certificate: Path | None


def solve_named(source: Path, method: str | None, files: Files, as_json: bool, **wanted: Any) -> None:
    """Solve a network in tables or an instance, print the plan by name, and keep it in a file."""
    from mecpfm.network.folder import read
    from mecpfm.network.front import read_instance, solve
    from mecpfm.network.summary import said
    from mecpfm.published import instance as published

    with searching() as progress:
        problem = read(source) if source.is_dir() else read_instance(source)
        told = None if isinstance(problem, published.Instance) else progress
        plan = solve(problem, method=method, progress=told, **wanted)  # type: ignore[arg-type]
    if files.plan is not None:
        plan.save(files.plan)
    if files.page is not None:
        plan.write_html(files.page)
    if files.certificate is not None:
        assert plan.certificate is not None
        plan.certificate.write(files.certificate)
    if as_json:
        typer.echo(json.dumps(plan.to_object(), allow_nan=False))
        return
    typer.echo(said(plan))
    _print(plan, "sites")
    _print(plan, "pulls")


def _print(plan: NamedPlan, name: str) -> None:
    frame = getattr(plan, name)
    columns = [column for column in SHOWN.get(name, frame.columns) if column in frame]
    if not len(frame):
        typer.echo(f"{name}: none")
        return
    _rows(frame[columns])


def _rows(frame: pd.DataFrame) -> None:
    rows = [[f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row] for row in frame.to_numpy(object)]
    table([str(column) for column in frame], rows)


def show(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.json", help="What solve -o wrote; - is standard input.")],
    sites: Annotated[bool, typer.Option("--sites", help="What each site serves, and what is scarce.")] = False,
    users: Annotated[bool, typer.Option("--users", help="Who is served where, and the second choice.")] = False,
    pulls: Annotated[bool, typer.Option("--pulls", help="What is pulled from where.")] = False,
    prices: Annotated[bool, typer.Option("--prices", help="What one more GB or GPU second saves at most.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Folder to write all tables to.")] = None,
    html: Annotated[Path | None, typer.Option(help="File for a page with map and tables.")] = None,
) -> None:
    """Show a plan by name: tables, CSV files, or one page that works without a network."""
    from mecpfm.files import require_apart, write_atomic
    from mecpfm.network.named import TABLES
    from mecpfm.network.stored import load
    from mecpfm.network.summary import said

    require_apart((html,), (plan,))
    if csv is not None and (csv / "models.csv").exists():
        raise InputError(f"{csv}: holds a network, whose tables would be replaced; name another folder")
    found = load(plan)
    if csv is not None:
        for name in TABLES:
            write_atomic(csv / f"{name}.csv", _csv(getattr(found, name)))
    if html is not None:
        found.write_html(html)
    typer.echo(said(found))
    flags = {"sites": sites, "pulls": pulls, "users": users, "prices": prices}
    wanted = [name for name, flag in flags.items() if flag]
    for name in wanted or (() if csv or html else ("sites", "pulls")):
        _print(found, name)


def _csv(frame: pd.DataFrame) -> bytes:
    return str(frame.to_csv(index=False, lineterminator="\n")).encode()


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE.json", help="What solve -o wrote.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER.json", help="The same, later.")],
    csv: Annotated[Path | None, typer.Option(help="File for all rows.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a second plan does otherwise: cost by part, users that move, pulls that come and go."""
    from mecpfm.files import require_apart, write_atomic
    from mecpfm.network.stored import load

    require_apart((csv,), (before, after))
    found = load(before).compare(load(after))
    if csv is not None:
        write_atomic(csv, _csv(found), parents=False)
    if as_json:
        typer.echo(json.dumps({"rows": found.to_dict(orient="records")}, allow_nan=False))
        return
    costs, others = found[found["what"] == "cost"], found[found["what"] != "cost"]
    _rows(costs)
    counts = [f"{count} x {what}" for what, count in others["what"].value_counts(sort=False).items()]
    typer.echo(", ".join(counts) or "nothing else differs")
    if len(others):
        _rows(others.head(LONGEST))
    if len(others) > LONGEST:
        typer.echo(f"and {len(others) - LONGEST} rows more: --csv or --json gives all")
