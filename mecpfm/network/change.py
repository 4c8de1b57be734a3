"""A network with some cells changed, and what a change can save at most: the old prices bound the new cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.instance import Instance
from mecpfm.errors import InputError
from mecpfm.network.build import build, memory_gb
from mecpfm.network.contract import KEYS, TABLES, nearest
from mecpfm.network.network import Network

Changes = Mapping[str, Mapping[str, Mapping[str, float | str]]]


class Saving(NamedTuple):
    """What a change can save at most, s of the plan's period, proved; negative: what it costs at least."""

    change: str
    at_most_s: float
    """Against the plan: its own gap, which a longer search may close, counts too."""
    by_change_s: float
    """By how much the change moves the proved bound."""


def changed(network: Network, changes: Changes) -> Network:
    """A validated copy: ``changed(net, {"sites": {"Grenoble": {"memory_gb": "+8"}}})``.

    A number replaces the cell; text with a sign is added to it. InputError for an unknown table, row, column or value.
    """
    tables = {}
    for table, rows in changes.items():
        if table not in KEYS or getattr(network, table) is None:
            raise InputError(f"{table!r} is no table with names; {nearest(table, KEYS)}")
        frame = getattr(network, table).copy()
        if table == "sites":
            frame["memory_gb"] = memory_gb(network)
        for name, cells in rows.items():
            for column, value in cells.items():
                _set(frame, table, name, column, value)
        tables[table] = frame
    return replace(network, source="", **tables)


def _set(frame: pd.DataFrame, table: str, name: str, column: str, value: float | str) -> None:
    key = KEYS[table][0]
    row = np.flatnonzero((frame[key] == name).to_numpy())
    if not len(row):
        raise InputError(f"{table}: {key} {name!r} is unknown; {nearest(name, frame[key])}")
    if column not in TABLES[table] or column == key:
        raise InputError(f"{table}: column {column!r} is unknown; {nearest(column, TABLES[table])}")
    if isinstance(value, str) and value[:1] in "+-":
        try:
            value = float(frame[column].iloc[row[0]]) + float(value)
        except ValueError:
            raise InputError(f"{table}: {column} of {name!r}: {value!r} cannot be added") from None
    cells = frame[column].astype(object).tolist()
    cells[int(row[0])] = value  # the contract checks it
    frame[column] = cells


def saves_at_most(objective_s: float, instance: Instance, proof: Certificate) -> float:
    """What any plan of ``instance`` saves at most against a plan of cost ``objective_s``, s.

    ``proof`` may be a certificate of another instance with as many models, sites and users: by weak duality its
    multipliers bound this one's cost as well.
    """
    bound = verify(instance, proof)
    return objective_s - bound if math.isfinite(bound) else math.inf


def parse(text: str) -> Changes:
    """``sites.Grenoble.memory_gb=+8`` as changes; a name may hold dots."""
    path, equals, value = text.partition("=")
    table, _, rest = path.partition(".")
    name, dot, column = rest.rpartition(".")
    if not (equals and dot and value):
        raise InputError(f"{text!r}: must be TABLE.NAME.COLUMN=VALUE, such as sites.Lyon.memory_gb=+8")
    return {table: {name: {column: value}}}


def ranked(
    network: Network, objective_s: float, proof: Certificate, changes: list[tuple[str, Changes]]
) -> list[Saving]:
    """Named changes by what each can save at most, the largest first."""
    found, before = [], saves_at_most(objective_s, build(network).instance, proof)
    for text, one in changes:
        saving = saves_at_most(objective_s, build(changed(network, one)).instance, proof)
        found.append(Saving(text, saving, saving - before))
    return sorted(found, key=lambda saving: -saving.at_most_s)
