"""Commands on networks in tables: new, show, and what solve does with a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecpfm.cli.output import table
from mecpfm.errors import InputError

if TYPE_CHECKING:
    from mecpfm.network.answer import Answer

SHOWN = {
    "sites": ("site", "users", "gpu_s", "gpu_s_available", "memory_gb", "memory_gb_available", "pulled_gb",
              "worth_of_a_gb_s", "worth_of_a_gpu_s"),
    "pulls": ("block", "site", "from", "gb", "seconds", "models"),
    "users": ("user", "home", "served_at", "model", "delay_s", "remote_s", "accuracy", "deadline", "second_choice",
              "second_costs_s"),
}  # fmt: skip
"""Columns of the tables on a terminal; files hold all."""


def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    topology: Annotated[str | None, typer.Option(help="Sites and links of a topohub network.")] = None,
    users: Annotated[int, typer.Option(min=1, max=100_000, help="How many classes of users.")] = 60,
) -> None:
    """Write a small example network as CSV files, ready to solve and to be replaced by your own."""
    from mecpfm.network.example import write

    write(folder, topology, users)
    typer.echo(
        f"{folder}: sites, links, models, users, holds and network.toml; next: mecpfm solve {folder} -o plan.json"
    )


def solve_folder(
    folder: Path, method: str, output: Path | None, certificate: Path | None, as_json: bool, **wanted: Any
) -> None:
    """Solve a network in tables, print the answer by name, and keep it in a file."""
    from mecpfm.coupled.methods import certified
    from mecpfm.files import write_atomic
    from mecpfm.network.answer import answer
    from mecpfm.network.build import build
    from mecpfm.network.network import read

    network = read(folder)
    built = build(network)
    plan, proof = certified(built.instance, method, **wanted)
    if "option" not in plan.decisions:
        raise InputError(f"--method is {method}; a folder needs one whose plans are whole")
    found = answer(network, built, plan, proof)
    content = {**plan.to_object(), **found.to_object(), "certificate": proof.to_object()}
    if output is not None:
        write_atomic(output, (json.dumps(content, allow_nan=False) + "\n").encode(), parents=False)
    if certificate is not None:
        proof.write(certificate)
    if as_json:
        typer.echo(json.dumps(content, allow_nan=False))
        return
    _say(found)
    _print(found, "sites")
    _print(found, "pulls")


def _say(found: Answer) -> None:
    s = found.summary
    gap = f"gap {100 * s['gap']:.2g} %" if s["gap"] > 1e-9 else "gap 0"
    typer.echo(
        f"{s['status']}: {s['objective_s']:.6g} s in {s['period_s']:g} s, bound {s['bound_s']:.6g} s ({gap}); "
        f"{s['users_at_edge']} of {s['users']} users at the edge; {s['pulled_gb']:.4g} GB pulled; "
        f"{s['deadlines_missed']} deadlines missed"
    )


def _print(found: Answer, name: str) -> None:
    frame = getattr(found, name)
    columns = [column for column in SHOWN[name] if column in frame]
    if not len(frame):
        typer.echo(f"{name}: none")
        return
    rows = [
        [f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row] for row in frame[columns].to_numpy(object)
    ]
    table(columns, rows)


def show(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.json", help="What solve FOLDER -o wrote.")],
    sites: Annotated[bool, typer.Option("--sites", help="What each site serves, and what is scarce.")] = False,
    users: Annotated[bool, typer.Option("--users", help="Who is served where, and the second choice.")] = False,
    pulls: Annotated[bool, typer.Option("--pulls", help="What is pulled from where.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Folder to write all tables to.")] = None,
    html: Annotated[Path | None, typer.Option(help="File for a page with map and tables.")] = None,
) -> None:
    """Show a plan of a network by name: tables, CSV files, or one page that works without a network."""
    from mecpfm.files import read_json, write_atomic
    from mecpfm.network.answer import TABLES, Answer

    try:
        found = Answer.from_object(read_json(plan))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{plan}: holds no tables; mecpfm solve FOLDER -o {plan.name} writes them") from None
    if csv is not None:
        for name in TABLES:
            write_atomic(csv / f"{name}.csv", getattr(found, name).to_csv(index=False, lineterminator="\n").encode())
    if html is not None:
        from mecpfm.network.page import page

        write_atomic(html, page(found).encode(), parents=False)
    _say(found)
    wanted = [name for name, flag in (("sites", sites), ("pulls", pulls), ("users", users)) if flag]
    for name in wanted or (() if csv or html else ("sites", "pulls")):
        _print(found, name)
