"""A network with some cells, rows or settings changed: a validated copy, or one line that says why there is none."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mecpfm.errors import InputError, nearest
from mecpfm.network.build import memory_gb
from mecpfm.network.contract import KEYS, TABLES, checked, read_csv
from mecpfm.network.network import Network
from mecpfm.network.settings import changed_settings

Changes = Mapping[str, Any]
"""``{table: {row: {column: value}}}`` or ``{table: DataFrame}``; ``settings: {field: value}``."""
Frames = dict[str, pd.DataFrame | None]
LINK = ["from", "to"]
HANGING = {"sites": ("holds",), "models": ("holds", "speeds", "blocks"), "gpus": ("speeds",)}
"""Tables whose rows go with a row of another one."""


def changed(
    network: Network,
    changes: Changes,
    add: Mapping[str, Any] = {},
    remove: Mapping[str, str | Collection[str]] = {},
) -> Network:
    """A validated copy, as ``Network.change`` says: cells first, then rows that go, then rows that come.

    Raises
    ------
    InputError
        An unknown table, row, column or value.
    """
    frames: Frames = {name: getattr(network, name) for name in TABLES}
    settings = changed_settings(network.settings, changes.get("settings", {}))
    for table, rows in changes.items():
        if table != "settings":
            _require(table, frames if isinstance(rows, Mapping) else TABLES)
            whole = None if isinstance(rows, Mapping) else checked(table, pd.DataFrame(rows), table)
            frames[table] = _with_cells(network, table, rows) if whole is None else whole
    for table, names in remove.items():
        _remove(frames, table, [names] if isinstance(names, str) else names)
    for table, rows in add.items():
        _require(table, TABLES)
        held, more = frames[table], pd.DataFrame(rows)
        both = None if held is None else pd.concat([held.astype(object), more.astype(object)], ignore_index=True)
        frames[table] = more if both is None else both
    return network.revised({name: new for name, new in frames.items() if new is not getattr(network, name)}, settings)


def _require(table: str, known: Mapping[str, Any]) -> None:
    if known.get(table) is None:
        raise InputError(f"{table!r} is no table of the network; {nearest(table, [*TABLES, 'settings'])}")


def _with_cells(network: Network, table: str, rows: Mapping[str, Mapping[str, float | str]]) -> pd.DataFrame:
    frame: pd.DataFrame = getattr(network, table).copy()
    for name, cells in rows.items():
        for column, value in cells.items():
            _set(network, frame, table, name, column, value)
    return frame


def _set(network: Network, frame: pd.DataFrame, table: str, name: str, column: str, value: float | str) -> None:
    row = _row(frame, table, name)
    if column not in TABLES[table] or column in KEYS.get(table, LINK):
        raise InputError(f"{table}: column {column!r} is unknown; {nearest(column, TABLES[table])}")
    if isinstance(value, str) and value[:1] in ("+", "-"):
        before = frame[column].iloc[row]
        try:
            if column == "memory_gb" and table == "sites" and math.isnan(float(before)):
                before = memory_gb(network)[row]  # that of the accelerators
            value = float(before) + float(value)
        except ValueError:
            raise InputError(f"{table}: {column} of {name!r}: {value!r} cannot be added") from None
    cells = frame[column].astype(object).tolist()
    cells[row] = value  # the contract checks it
    frame[column] = cells


def _remove(frames: Frames, table: str, names: Collection[str]) -> None:
    """Take rows out of a table by name, and out of the others what hangs on them."""
    _require(table, frames)
    frame, known = frames[table], _blocks(frames)
    assert frame is not None
    gone = frame.iloc[[_row(frame, table, name) for name in names]]
    frames[table] = frame.drop(index=gone.index).reset_index(drop=True)
    if table == "sites":
        frames["users"] = _homeless(frames["users"], gone)
    if table in ("sites", "routers"):
        for end in LINK:
            _drop(frames, "links", end, set(gone[KEYS[table][0]]))
    for other in HANGING.get(table, ()):
        _drop(frames, other, KEYS[table][0], set(gone[KEYS[table][0]]))
    _drop(frames, "holds", "block", known - _blocks(frames))


def _drop(frames: Frames, table: str, column: str, names: set[str]) -> None:
    """Leave out rows that name what is gone; a table that nothing is left of goes where it may."""
    frame = frames[table]
    if frame is not None and names and (lost := frame[column].isin(list(names))).any():
        left = frame[~lost].reset_index(drop=True)
        frames[table] = left if len(left) or table == "links" else None


def _homeless(users: pd.DataFrame | None, sites: pd.DataFrame) -> pd.DataFrame | None:
    """Users of sites that go, at the positions of these where they state none."""
    assert users is not None
    at = sites.set_index("site")
    lost = users["site"].isin(list(at.index))
    if not lost.any():
        return users
    moved = users.copy()
    for column in ("latitude_deg", "longitude_deg"):
        moved[column] = users[column].where(~lost | users[column].notna(), users["site"].map(at[column]))
    moved["site"] = users["site"].where(~lost, "")
    return moved


def _blocks(frames: Frames) -> set[str]:
    """Names that ``holds`` may use: backbones, models, blocks."""
    used = ((frames["models"], "backbone"), (frames["models"], "model"), (frames["blocks"], "block"))
    return {str(name) for frame, column in used if frame is not None and column in frame for name in frame[column]}


def names_of(network: Network, table: str) -> list[str]:
    """Names of a table's rows, as changes use them; InputError for a table without."""
    return _names(getattr(network, table, None) if table in TABLES else None, table)


def _names(frame: pd.DataFrame | None, table: str) -> list[str]:
    keys = LINK if table == "links" else KEYS.get(table, [])
    if frame is None or not keys:
        raise InputError(f"{table!r} is no table of the network with names; {nearest(table, [*KEYS, 'links'])}")
    return list(frame[keys].agg("-".join, axis=1)) if len(frame) else []


def _row(frame: pd.DataFrame, table: str, name: str) -> int:
    """Row of a name; InputError when there is none, or more than one."""
    names = _names(frame, table)
    back = frame[LINK[::-1]].agg("-".join, axis=1).tolist() if table == "links" else names
    found = [i for i, both in enumerate(zip(names, back, strict=True)) if name in both]
    if len(found) != 1:
        reason = "stands more than once" if found else f"is unknown; {nearest(name, names)}"
        raise InputError(f"{table}: {name!r} {reason}")
    return found[0]


def parse(text: str) -> Changes:
    """``sites.Grenoble.memory_gb=+8``, ``settings.reach=3`` or ``settings.remote.congestion=9`` as changes.

    A name may hold dots.
    """
    path, equals, value = text.partition("=")
    table, _, rest = path.partition(".")
    name, dot, column = rest.rpartition(".")
    if not (equals and column and value and (dot or table == "settings")):
        raise InputError(f"{text!r}: must be TABLE.NAME.COLUMN=VALUE, such as sites.Lyon.memory_gb=+8")
    return {table: {name: {column: value}} if name else {column: value}}


def parse_rows(text: str) -> tuple[str, pd.DataFrame]:
    """Table and rows of ``users=FILE.csv`` or ``users:user=u9,site=Lyon,task=chat``.

    InputError for what is neither; the table's contract comes later.
    """
    table, colon, cells = text.partition(":")
    if "=" in table or not colon:
        table, equals, file = text.partition("=")
        if not (equals and file):
            raise InputError(f"{text!r}: must be TABLE:COLUMN=VALUE,COLUMN=VALUE or TABLE=FILE.csv")
        return table, read_csv(Path(file))
    row = dict(cell.partition("=")[::2] for cell in next(csv.reader([cells]), []))
    return table, pd.DataFrame([{name.strip(): value.strip() for name, value in row.items()}])


def parse_name(text: str) -> tuple[str, str]:
    """Table and row of ``sites.Lyon``; a name may hold dots."""
    table, _, name = text.partition(".")
    if not name:
        raise InputError(f"{text!r}: must be TABLE.NAME, such as sites.Lyon")
    return table, name
