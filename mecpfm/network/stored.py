"""Plans in files: what is read is checked before it is believed to be a plan."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from mecpfm.coupled.certificate import Certificate
from mecpfm.errors import InputError
from mecpfm.files import read_json
from mecpfm.network.named import TABLES, NamedPlan
from mecpfm.network.network import Network
from mecpfm.network.tables import AT_CENTRE, ENDS, PRICES, PULLS, Tables
from mecpfm.plan import Plan
from mecpfm.records import explain
from mecpfm.statements import NAMED, number, typed

NEEDED = {
    "sites": ["site", "users", "requests", "pulled_gb"],
    "users": ["user", "served_at", "model", "requests", "delay_s"],
    "pulls": list(PULLS),
    "prices": ["site", *PRICES],
}
"""Columns without which there is nothing to show."""
TEXTS = {"site", "user", "home", "served_at", "model", "block", "from", "models", "deadline", "second_choice"}
COUNTED = ("users", "requests", "pulled_gb", "gb", *PRICES)
"""Columns of numbers that always exist."""
BESIDE = ("feasible", "gap", *NAMED)
"""What a file holds beside the plan by index, or what follows from it."""


def load(path: Path | str) -> NamedPlan:
    """Plan of a file that ``NamedPlan.save`` or ``mecpfm solve -o`` wrote.

    Parameters
    ----------
    path
        A JSON file.

    Returns
    -------
    NamedPlan
        Tables, summary, certificate and network as they were.

    Raises
    ------
    InputError
        One line: file, field and reason; also for the output of ``solve --json``, which has no tables.

    Examples
    --------
    >>> import tempfile, mecpfm as mp
    >>> plan = mp.solve(mp.example(users=12), iterations=200)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plan.save(f"{folder}/plan.json")
    ...     again = mp.load(f"{folder}/plan.json")
    >>> again.users.equals(plan.users)
    True
    """
    path = Path(path)
    content = read_json(path)
    if not all(isinstance(content.get(name), dict) for name in ("summary", "tables", "map")):
        raise InputError(f"{path}: holds no plan by name; mecpfm solve FOLDER|INSTANCE -o PLAN.json writes one")
    tables = {name: _table(name, content["tables"], path) for name in TABLES}
    plan = _plan(content, path)
    summary, certificate = _summary(content["summary"], plan, path), _certificate(content, path)
    _require_sites(tables, path)
    links = _links(content["map"], set(tables["sites"]["site"]), path)
    shown = Tables(*(tables[name] for name in Tables._fields))
    network = Network.from_object(content["network"], f"{path}: network") if "network" in content else None
    return NamedPlan(
        plan, summary, *shown, links, certificate, stored_prices=tables["prices"], stored_network=network
    )  # fmt: skip


def _plan(content: dict[str, Any], path: Path) -> Plan:
    """The plan by index."""
    own = {field.name for field in dataclasses.fields(Plan)}
    metrics = [name for name in content if name not in own and name not in BESIDE]
    stated = typed({name: value for name, value in content.items() if name not in BESIDE}, metrics, path)
    given = {name: value for name, value in stated.items() if name in own}
    given["violations"] = tuple(given.get("violations", ()))
    given.setdefault("objective", math.nan)
    for name in ("setting", "method", "status"):
        if name not in given:
            raise InputError(f"{path}: {name} is missing")
    if not isinstance(given.get("decisions"), dict):
        raise InputError(f"{path}: decisions is missing")
    return Plan(**given, metrics={name: stated[name] for name in metrics if name in stated})


def _table(name: str, tables: dict[str, Any], path: Path) -> pd.DataFrame:
    """One table: columns of text or of numbers, names that the sites have."""
    where, rows = f"{path}: tables.{name}", tables.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        raise InputError(f"{where} must be a list of rows with equal columns")
    if not rows:
        if name in ("sites", "users"):
            raise InputError(f"{where} holds no rows")
        return pd.DataFrame(columns=list(PULLS)).astype(PULLS) if name == "pulls" else pd.DataFrame()
    if lacking := [column for column in NEEDED[name] if column not in rows[0]]:
        raise InputError(f"{where}: column {lacking[0]} is missing")
    columns = {column: _cells(f"{where}: column {column}", column, rows) for column in rows[0]}
    return pd.DataFrame(columns)


def _cells(where: str, column: str, rows: list[dict[str, Any]]) -> pd.Series[Any]:
    cells = [row[column] for row in rows]
    if column in TEXTS:
        if not all(isinstance(cell, str) for cell in cells):
            raise InputError(f"{where} must hold texts")
        return pd.Series(cells, dtype="str")
    if column in COUNTED and None in cells:
        raise InputError(f"{where}, row {cells.index(None) + 1} must be a number")
    whole = all(isinstance(cell, int) for cell in cells)
    absent = math.inf if column.endswith(f"_{ENDS[1]}") else math.nan
    numbers = [absent if cell is None else number(cell, f"{where}, row {i}") for i, cell in enumerate(cells, 1)]
    return pd.Series(numbers).astype("int64" if whole and max(map(abs, numbers)) < 2**53 else "float64")


def _require_sites(tables: dict[str, pd.DataFrame], path: Path) -> None:
    """Each site stands once, and whoever names one names one of them, or the data centre."""
    sites = tables["sites"]["site"]
    if sites.duplicated().any():
        raise InputError(f"{path}: tables.sites: {sites[sites.duplicated()].iloc[0]!r} stands twice")
    for name, column, known in (
        ("users", "served_at", {*sites, AT_CENTRE}), ("users", "home", {*sites, AT_CENTRE}),
        ("pulls", "from", {*sites, AT_CENTRE}), ("pulls", "site", set(sites)), ("prices", "site", set(sites)),
    ):  # fmt: skip
        named = tables[name].get(column, pd.Series(dtype="str"))
        if lost := set(named) - known:
            raise InputError(f"{path}: tables.{name}: column {column}: {min(lost)!r} is no site")


def _links(content: dict[str, Any], sites: set[str], path: Path) -> tuple[tuple[str, str], ...]:
    links = content.get("links", [])
    good = isinstance(links, list) and all(
        isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, str) and end in sites for end in ends)
        for ends in links
    )
    if not good:
        raise InputError(f"{path}: map.links must be pairs of sites")
    return tuple((a, b) for a, b in links)


def _summary(given: dict[str, Any], plan: Plan, path: Path) -> dict[str, Any]:
    """The summary; what follows from the plan is the plan's."""
    field = f"{path}: summary"
    for name in ("users", "users_at_edge", "pulled_gb"):
        number(given.get(name), f"{field}.{name}")
    for name in ("period_s", "deadlines_missed"):
        number(given.get(name, 0), f"{field}.{name}")
    parts, broken = given.get("parts_s"), given.get("violations")
    if not isinstance(parts, dict):
        raise InputError(f"{field}.parts_s is missing")
    for name, part in parts.items():
        number(0 if part is None else part, f"{field}.parts_s.{name}")
    if not isinstance(broken, list) or len(broken) != len(plan.violations):
        raise InputError(f"{field}.violations must list {len(plan.violations)} rows")
    status = "infeasible" if plan.violations else plan.status
    return {**given, "network": str(given.get("network", AT_CENTRE)), "method": plan.method, "status": status}


def _certificate(content: dict[str, Any], path: Path) -> Certificate | None:
    if content.get("certificate") is None:
        return None
    try:
        return Certificate.model_validate(content["certificate"])
    except ValidationError as error:
        raise InputError(f"{path}: certificate: {explain(error)}") from None
