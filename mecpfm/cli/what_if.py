"""The command what-if: what a change of a network saves at most, and what it does save when it is solved again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecpfm.cli.output import table, working
from mecpfm.errors import InputError

if TYPE_CHECKING:
    from mecpfm.network.change import Changes
    from mecpfm.network.prices import Priced

GROUPS = {"site": "sites", "user": "users", "model": "models", "link": "links", "gpu": "gpus"}
"""Tables whose rows --every goes through, in the singular too."""


def what_if(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.json", help="What solve FOLDER -o wrote; - is standard input.")],
    change: Annotated[
        list[str] | None, typer.Option("--set", help="TABLE.NAME.COLUMN=VALUE; +8 adds. Several make one change.")
    ] = None,
    every: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="TABLE COLUMN=VALUE", help="Each row of a table in turn: --every site memory_gb=+8."),
    ] = None,
    resolve: Annotated[bool, typer.Option("--resolve", help="Solve again from the plan, to the plan's gap.")] = False,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds for each --resolve.")] = None,
    network: Annotated[Path | None, typer.Option(help="The network's folder; default the plan's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say what a change of the network can save at most, proved by the plan's prices, without solving again."""
    with working("bounding what can be saved") as tell:
        priced, choice = _priced(plan, network)
        changes = _wanted(priced, change, every)
        rows = [saving._asdict() for saving in priced.ranked(changes)]
        if resolve:
            by_name = dict(changes)
            for row in rows:
                if tell is not None:
                    tell(f"solving again: {row['change']}")
                row |= _resolved(priced, choice, by_name[row["change"]], time_limit)
    if as_json:
        typer.echo(json.dumps({"objective_s": priced.objective_s, "changes": rows}, allow_nan=False))
        return
    columns = {
        "change": "change",
        "at_most_s": "saves at most, s",
        "by_change_s": "of that by the change, s",
        "saves_s": "saves, s",
        "moved": "users move",
    }
    shown = [name for name in columns if name in rows[0]]
    from mecpfm.plan import ROUNDING

    nothing = ROUNDING * abs(priced.objective_s)
    table([columns[name] for name in shown], [[_cell(row[name], nothing) for name in shown] for row in rows])


def _cell(value: Any, nothing: float) -> Any:
    """A number for the eye: what only rounding makes is 0."""
    if not isinstance(value, float):
        return value
    return "0" if abs(value) <= nothing else f"{value:.6g}"


def _wanted(priced: Priced, change: list[str] | None, every: tuple[str, str] | None) -> list[tuple[str, Changes]]:
    """Changes by name: all of --set as one, --every as one a row."""
    from mecpfm.network.change import names_of, parse

    if bool(change) == bool(every):
        raise InputError("what-if needs --set or --every, one of them")
    if every:
        name, cell = GROUPS.get(every[0], every[0]), every[1]
        texts = [f"{name}.{row}.{cell}" for row in names_of(priced.network, name)]
        return [(text, parse(text)) for text in texts]
    together: dict[str, dict[str, dict[str, Any]]] = {}
    for text in change or []:
        for name, rows in parse(text).items():
            for row, cells in rows.items():
                together.setdefault(name, {}).setdefault(row, {}).update(cells)
    return [(", ".join(change or []), together)]


def _resolved(priced: Priced, choice: Any, change: Changes, time_limit: float | None) -> dict[str, Any]:
    """What the changed network does save, s, with a gap no larger than the plan's, and how many users move."""
    from mecpfm.network.change import changed

    return priced.resolved(changed(priced.network, change), choice, time_limit=time_limit)._asdict()


def _priced(plan: Path, folder: Path | None) -> tuple[Priced, Any]:
    """The network of a plan file as it was when the plan was made, its plan, cost and certificate."""
    import numpy as np
    from pydantic import ValidationError

    from mecpfm.coupled.certificate import Certificate
    from mecpfm.files import read_json
    from mecpfm.network.build import build
    from mecpfm.network.network import read
    from mecpfm.network.prices import Priced
    from mecpfm.plan import instance_sha256
    from mecpfm.records import explain

    content = read_json(plan)
    try:
        proof = Certificate.model_validate(content["certificate"])
        objective, source = float(content["objective"]), str(content["summary"]["network"])
        choice = np.array(content["decisions"]["option"], dtype=np.int64)
    except ValidationError as error:
        raise InputError(f"{plan}: certificate: {explain(error)}") from None
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{plan}: holds no certificate; mecpfm solve FOLDER -o {plan.name} writes one") from None
    network = read(folder or Path(source))
    built = build(network)
    if instance_sha256(built.instance) != content.get("instance_sha256"):
        raise InputError(f"{network.source}: has changed since {plan} was made; solve it again")
    return Priced.of(network, built, objective, proof), choice
