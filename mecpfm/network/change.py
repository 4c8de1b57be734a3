"""A network with some cells changed, and what a change can save at most: the old prices bound the new cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mecpfm.coupled.baselines import first_fit
from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.check import REMOTE, assess
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.pins import Keep, used
from mecpfm.errors import InputError
from mecpfm.network.build import Built, build, memory_gb
from mecpfm.network.contract import KEYS, TABLES, nearest
from mecpfm.network.network import Network

Ints = NDArray[np.int64]
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


def carry(old: Built, choice: Ints, new: Built) -> Ints:
    """A plan ``choice`` (R,) of one network as a plan of another, by the names of users, models and sites.

    A user whose option is gone is served remotely; where the plan breaks a row of the new network, what fits of it, in
    order of users, stays. It is made to begin a search: ``methods.solve(new.instance, "polish", start=carry(...))``.
    """
    instance = new.instance
    start = _translated(old, choice, new)
    if assess(instance, "start", start).feasible:
        return start
    return first_fit(instance, start[start != REMOTE])


def keep_of(built: Built, choice: Ints, names: Iterable[str], new: Built | None = None) -> Keep:
    """Pins for ``methods.solve``: sites keep the blocks that the plan ``choice`` uses there, users their option.

    Parameters
    ----------
    names
        Names of sites and users; a name of both pins both.
    new
        The network to be solved, where it is another one than the plan's.

    Raises
    ------
    InputError
        An unknown name, or a user whose option the new network does not have.
    """
    to, old = new or built, built.instance
    keep = Keep.nothing(to.instance)
    sites, users = (_places(record.name) for record in (to.instance.cloudlets, to.instance.requests))
    known = {**_places(old.cloudlets.name), **_places(old.requests.name)}
    moved = _translated(built, choice, to)
    at_edge = dict(zip(old.requests.name or (), (choice != REMOTE).tolist(), strict=True))
    cache, blocks = used(old, choice), to.instance.blocks.name or ()
    for name in sorted(names):
        if name not in known or not (name in sites or name in users):
            raise InputError(f"keep: {name!r} is no site or user; {nearest(name, [*sites, *users])}")
        if name in users:
            keep.option[users[name]] = moved[users[name]]
            if at_edge.get(name, False) and moved[users[name]] == REMOTE:
                raise InputError(f"keep: {name!r} cannot stay: the option it has in the plan is gone")
        if name in sites:
            column = cache[:, (old.cloudlets.name or ()).index(name)]
            held = {b for b, here in zip(old.blocks.name or (), column.tolist(), strict=True) if here}
            keep.blocks[:, sites[name]] = [b in held for b in blocks]
    return keep


def _places(names: tuple[str, ...] | None) -> dict[str, int]:
    return {name: i for i, name in enumerate(names or ())}


def _translated(old: Built, choice: Ints, new: Built) -> Ints:
    """Options of the same user, model and site in another network, (R,); -1 where there is none."""
    target, source = new.instance, old.instance
    users, models, sites = (_places(getattr(target, part).name) for part in ("requests", "models", "cloudlets"))
    where = (target.options.request, target.options.model, target.options.cloudlet)
    place = {key: i for i, key in enumerate(zip(*(column.tolist() for column in where), strict=True))}
    found = np.full(target.sizes[3], REMOTE)
    for name, option in zip(source.requests.name or (), np.asarray(choice).tolist(), strict=True):
        if option != REMOTE and name in users:
            model = (source.models.name or ())[int(source.options.model[option])]
            site = (source.cloudlets.name or ())[int(source.options.cloudlet[option])]
            found[users[name]] = place.get((users[name], models.get(model), sites.get(site)), REMOTE)
    return found


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
