"""A network with some cells changed, and what a change can save at most: the old prices bound the new cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mecpfm.coupled.baselines import first_fit
from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.check import REMOTE, assess
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.pins import Keep, used
from mecpfm.errors import InputError, nearest
from mecpfm.network.build import Built, memory_gb
from mecpfm.network.contract import KEYS, TABLES
from mecpfm.network.network import Network
from mecpfm.network.tables import Names
from mecpfm.typing import Ints

Changes = Mapping[str, Mapping[str, Mapping[str, float | str]]]
LINK = ["from", "to"]


def changed(network: Network, changes: Mapping[str, Any]) -> Network:
    """A validated copy: ``changed(net, {"sites": {"Grenoble": {"memory_gb": "+8"}}})``.

    A number replaces the cell; text with a sign is added to it. A row of ``links`` or ``speeds`` goes by both its
    names, ``Lyon-Grenoble``, of links in either order. A DataFrame replaces the table.

    Raises
    ------
    InputError
        An unknown table, row, column or value.
    """
    tables: dict[str, pd.DataFrame] = {}
    for table, rows in changes.items():
        if table not in TABLES or (getattr(network, table) is None and isinstance(rows, Mapping)):
            raise InputError(f"{table!r} is no table of the network; {nearest(table, TABLES)}")
        if not isinstance(rows, Mapping):
            tables[table] = pd.DataFrame(rows)
            continue
        frame = getattr(network, table).copy()
        for name, cells in rows.items():
            for column, value in cells.items():
                _set(network, frame, table, name, column, value)
        tables[table] = frame
    return network.with_tables(tables)


def _set(network: Network, frame: pd.DataFrame, table: str, name: str, column: str, value: float | str) -> None:
    row = _row(network, table, name)
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


def names_of(network: Network, table: str) -> list[str]:
    """Names of a table's rows, as changes use them; InputError for a table without."""
    frame = getattr(network, table, None) if table in TABLES else None
    keys = LINK if table == "links" else KEYS.get(table, [])
    if frame is None or not keys:
        named = [name for name in (*KEYS, "links") if getattr(network, name) is not None]
        raise InputError(f"{table!r} is no table of the network with names; {nearest(table, named)}")
    return list(frame[keys].agg("-".join, axis=1))


def _row(network: Network, table: str, name: str) -> int:
    """Row of a name; InputError when there is none, or more than one."""
    names = names_of(network, table)
    back = network.links[LINK[::-1]].agg("-".join, axis=1).tolist() if table == "links" else names
    found = [i for i, both in enumerate(zip(names, back, strict=True)) if name in both]
    if len(found) != 1:
        reason = "stands more than once" if found else f"is unknown; {nearest(name, names)}"
        raise InputError(f"{table}: {name!r} {reason}")
    return found[0]


def saves_at_most(objective_s: float, instance: Instance, proof: Certificate) -> float:
    """What any plan of ``instance`` saves at most against a plan of cost ``objective_s``, s.

    ``proof`` may be a certificate of another instance with as many models, sites and users: by weak duality its
    multipliers bound this one's cost as well.
    """
    bound = verify(instance, proof)
    return objective_s - bound if math.isfinite(bound) else math.inf


def carry(old: Built | Instance, choice: Ints, new: Built | Instance) -> Ints:
    """A plan ``choice`` (R,) of one network as a plan of another, by the names of users, models and sites.

    A user whose option is gone is served remotely; where the plan breaks a row of the new network, what fits of it, in
    order of users, stays. It is made to begin a search: ``methods.solve(new.instance, "polish", start=carry(...))``.
    """
    instance = _instance(new)
    start = _translated(old, choice, new)
    if assess(instance, "start", start).feasible:
        return start
    return first_fit(instance, start[start != REMOTE])


def keep_of(built: Built | Instance, choice: Ints, names: Iterable[str], new: Built | Instance | None = None) -> Keep:
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
    to, old = _instance(new or built), _instance(built)
    keep, before = Keep.nothing(to), _places(old)
    users, sites, _, blocks = _places(to)
    moved, cache = _translated(built, choice, to), used(old, choice)
    for name in sorted(names):
        if not (name in users or name in sites) or not (name in before[0] or name in before[1]):
            raise InputError(f"keep: {name!r} is no site or user; {nearest(name, [*sites, *users])}")
        if name in users and name in before[0]:
            keep.option[users[name]] = moved[users[name]]
            if choice[before[0][name]] != REMOTE and moved[users[name]] == REMOTE:
                raise InputError(f"keep: {name!r} cannot stay: the option it has in the plan is gone")
        if name in sites and name in before[1]:
            column = cache[:, before[1][name]]
            held = {block for block, b in before[3].items() if column[b]}
            keep.blocks[:, sites[name]] = [block in held for block in blocks]
    return keep


def _places(instance: Instance) -> list[dict[str, int]]:
    """Place of each name, of users, sites, models and blocks."""
    return [{name: i for i, name in enumerate(names)} for names in Names.of(instance)]


def _instance(given: Built | Instance) -> Instance:
    return given if isinstance(given, Instance) else given.instance


def _translated(old: Built | Instance, choice: Ints, new: Built | Instance) -> Ints:
    """Options of the same user, model and site in another network, (R,); -1 where there is none."""
    target, source = _instance(new).options, _instance(old).options
    found = np.full(_instance(new).sizes[3], REMOTE)
    names = Names.of(_instance(old))
    users, sites, models, _ = _places(_instance(new))
    where = (target.request, target.cloudlet, target.model)
    place = {key: i for i, key in enumerate(zip(*(column.tolist() for column in where), strict=True))}
    for user, option in zip(names.users, np.asarray(choice).tolist(), strict=True):
        if option != REMOTE and user in users:
            site, model = names.sites[int(source.cloudlet[option])], names.models[int(source.model[option])]
            found[users[user]] = place.get((users[user], sites.get(site), models.get(model)), REMOTE)
    return found


def parse(text: str) -> Changes:
    """``sites.Grenoble.memory_gb=+8`` as changes; a name may hold dots."""
    path, equals, value = text.partition("=")
    table, _, rest = path.partition(".")
    name, dot, column = rest.rpartition(".")
    if not (equals and dot and value):
        raise InputError(f"{text!r}: must be TABLE.NAME.COLUMN=VALUE, such as sites.Lyon.memory_gb=+8")
    return {table: {name: {column: value}}}
