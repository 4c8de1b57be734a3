"""Commands on networks in tables: new, show, and what solve does with a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecpfm.cli.output import table, working
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
    folder: Path, method: str, output: Path | None, certificate: Path | None, **wanted: Any
) -> tuple[Answer, dict[str, Any]]:
    """Solve a network in tables and keep the answer by name in a file: tables, and the file's content."""
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
    return found, content


def print_solved(found: Answer, content: dict[str, Any], as_json: bool) -> None:
    """Print what ``solve_folder`` found."""
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
    plan: Annotated[Path, typer.Argument(metavar="PLAN.json", help="What solve FOLDER -o wrote; - is standard input.")],
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


def what_if(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.json", help="What solve FOLDER -o wrote; - is standard input.")],
    change: Annotated[
        list[str] | None, typer.Option("--set", help="TABLE.NAME.COLUMN=VALUE; +8 adds. Several make one change.")
    ] = None,
    every: Annotated[str | None, typer.Option(help="COLUMN=VALUE for each site in turn, as memory_gb=+8.")] = None,
    network: Annotated[Path | None, typer.Option(help="The network's folder; default the plan's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say what a change of the network can save at most, proved by the plan's prices, without solving again."""
    from mecpfm.network.change import Saving, ranked

    with working("bounding what can be saved"):
        objective, problem, proof = _proved(plan, network)
        found: list[Saving] = ranked(problem, objective, proof, _wanted(problem.sites["site"].tolist(), change, every))
    if as_json:
        rows = [saving._asdict() for saving in found]
        typer.echo(json.dumps({"objective_s": objective, "changes": rows}, allow_nan=False))
        return
    columns = ("change", "saves at most, s", "of that by the change, s")
    table(columns, [(one.change, f"{one.at_most_s:.6g}", f"{one.by_change_s:.6g}") for one in found])


def _wanted(sites: list[str], change: list[str] | None, every: str | None) -> list[tuple[str, Any]]:
    """Changes by name: all of --set as one, --every as one a site."""
    from mecpfm.network.change import parse

    if bool(change) == bool(every):
        raise InputError("what-if needs --set or --every, one of them")
    if every:
        texts = [f"sites.{site}.{every}" for site in sites]
        return [(text, parse(text)) for text in texts]
    together: dict[str, dict[str, dict[str, Any]]] = {}
    for text in change or []:
        for name, rows in parse(text).items():
            for row, cells in rows.items():
                together.setdefault(name, {}).setdefault(row, {}).update(cells)
    return [(", ".join(change or []), together)]


def _proved(plan: Path, folder: Path | None) -> tuple[float, Any, Any]:
    """Cost of a plan file, s, its network as it was when the plan was made, and the certificate."""
    from pydantic import ValidationError

    from mecpfm.coupled.certificate import Certificate
    from mecpfm.files import read_json
    from mecpfm.network.build import build
    from mecpfm.network.network import read
    from mecpfm.plan import instance_sha256
    from mecpfm.records import explain

    content = read_json(plan)
    try:
        proof = Certificate.model_validate(content["certificate"])
        objective, source = float(content["objective"]), str(content["summary"]["network"])
    except ValidationError as error:
        raise InputError(f"{plan}: certificate: {explain(error)}") from None
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{plan}: holds no certificate; mecpfm solve FOLDER -o {plan.name} writes one") from None
    network = read(folder or Path(source))
    if instance_sha256(build(network).instance) != content.get("instance_sha256"):
        raise InputError(f"{network.source}: has changed since {plan} was made; solve it again")
    return objective, network, proof
