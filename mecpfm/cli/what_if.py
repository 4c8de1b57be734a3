"""The command what-if: what a change of a network saves at most, and what it does save when it is solved again."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mecpfm.cli.instances import Json
from mecpfm.cli.output import note, table, working
from mecpfm.errors import InputError

if TYPE_CHECKING:
    from mecpfm.network.network import Network
    from mecpfm.network.prices import Priced

GROUPS = {"site": "sites", "user": "users", "model": "models", "link": "links", "gpu": "gpus"}
"""Tables whose rows --every goes through, in the singular too."""
COLUMNS = {
    "change": "change", "at_most_s": "saves at most, s", "by_change_s": "of that by the change, s",
    "saves_s": "saves, s", "moved": "users move",
}  # fmt: skip
"""Columns of the answer and their heads."""


def what_if(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.json", help="What solve FOLDER -o wrote; - is standard input.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TABLE.NAME.COLUMN=VALUE", help="+8 adds; of network.toml: settings.reach=3."),
    ] = None,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE:COLUMN=VALUE,...", help="A row more; users=FILE.csv adds all rows of a file."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="TABLE.NAME", help="A row less, and what hangs on it.")
    ] = None,
    every: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="TABLE COLUMN=VALUE", help="Each row of a table in turn: --every site memory_gb=+8."),
    ] = None,
    resolve: Annotated[bool, typer.Option("--resolve", help="Solve again from the plan, to the plan's gap.")] = False,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds for each --resolve.")] = None,
    network: Annotated[
        Path | None, typer.Option(help="A folder as it is now, in place of the tables that the plan was made for.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a change of the network can save at most, proved by the plan's prices, without solving again.

    Several --set, --add and --remove make one change.
    """
    from mecpfm.network.folder import read

    with working("bounding what can be saved") as tell:
        priced, choice = _priced(plan, network)
        base = priced.network if network is None else read(network)
        changes = _wanted(base, _Edits(change or [], add or [], remove or []), every, network)
        rows = [saving._asdict() for saving in priced.ranked((name, make()) for name, make in changes.items())]
        for row in rows if resolve else ():
            if tell is not None:
                tell(f"solving again: {row['change']}")
            row |= priced.resolved(changes[row["change"]](), choice, time_limit=time_limit)._asdict()
    if as_json:
        typer.echo(json.dumps({"objective_s": priced.objective_s, "changes": rows}, allow_nan=False))
        return
    from mecpfm.plan import ROUNDING

    nothing = ROUNDING * abs(priced.objective_s)
    shown = [name for name in COLUMNS if name in rows[0]]
    table([COLUMNS[name] for name in shown], [[_cell(row[name], nothing) for name in shown] for row in rows])


def _cell(value: Any, nothing: float) -> Any:
    """A number for the eye: what only rounding makes is 0."""
    if not isinstance(value, float):
        return value
    return "0" if abs(value) <= nothing else f"{value:.6g}"


class _Edits(NamedTuple):
    """Options --set, --add and --remove as typed."""

    change: list[str]
    add: list[str]
    remove: list[str]


def _wanted(
    base: Network, edits: _Edits, every: tuple[str, str] | None, folder: Path | None
) -> dict[str, Callable[[], Network]]:
    """What makes each changed network, by name: all edits as one, --every as one a row."""
    from mecpfm.network.edit import changed, names_of, parse, parse_name, parse_rows

    if any(edits) and every:
        raise InputError("what-if needs --every, or --set, --add and --remove; not both")
    if every:
        name, cell = GROUPS.get(every[0], every[0]), every[1]
        texts = [f"{name}.{row}.{cell}" for row in names_of(base, name)]
        return {text: functools.partial(changed, base, parse(text)) for text in texts}
    if not any(edits):
        if folder is None:
            raise InputError("what-if needs a change: --set, --add, --remove, --every or --network")
        return {f"{folder} as it is": lambda: base}
    cells: dict[str, Any] = {}
    for text in edits.change:
        _merge(cells, parse(text))
    rows: dict[str, Any] = {}
    for into, frame in map(parse_rows, edits.add):
        rows[into] = [*rows.get(into, []), *frame.to_dict(orient="records")]
    gone: dict[str, list[str]] = {}
    for of, name in map(parse_name, edits.remove):
        gone.setdefault(of, []).append(name)
    said = [*edits.change, *(f"add {text}" for text in edits.add), *(f"remove {text}" for text in edits.remove)]
    return {", ".join(said): functools.partial(changed, base, cells, rows, gone)}


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


def _priced(plan: Path, folder: Path | None) -> tuple[Priced, Any]:
    """Network, cost and prices of a plan file, and its decisions."""
    from mecpfm.network.change import chosen
    from mecpfm.network.stored import load

    found = load(plan)
    try:
        priced = found.priced
    except InputError as error:
        raise InputError(f"{plan}: {error}") from None
    if priced is None:
        raise InputError(f"{plan}: holds no network with prices; mecpfm solve FOLDER -o PLAN.json writes both")
    if folder is None:
        _note_changes(plan, Path(str(found.summary["network"])), priced.network)
    return priced, chosen(priced.built.instance, found)


def _note_changes(plan: Path, folder: Path, network: Network) -> None:
    """Say in a line when the plan's folder is another network by now."""
    from mecpfm.network.folder import read
    from mecpfm.network.prices import differences

    if not folder.is_dir():
        return
    try:
        other = differences(network, read(folder))
    except InputError:
        other = ["it cannot be read"]
    if other:
        note(
            f"{folder} has changed since {plan} was made ({', '.join(other)}); this is about the plan's network, "
            f"--network {folder} about the folder's"
        )
