"""What the tables of a network hold: one rule a column, for CSV files and DataFrames alike.

A cell that breaks its rule is an InputError with table, column, row (1 is the first after the header) and reason; an
unknown column or name comes with the nearest known one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mecpfm.data.columns import Column, remedy, require_even, text_rows
from mecpfm.data.tables import gpus as committed_gpus
from mecpfm.errors import InputError, nearest
from mecpfm.files import require_fits, require_regular

HUGE = 1e9
TEXT, OPTIONAL_TEXT = Column("text"), Column("text", missing=True)
POSITIVE, AMOUNT = Column(ge=1e-9, le=HUGE), Column(ge=0, le=HUGE)
OPTIONAL = Column(ge=0, le=HUGE, missing=True)
LATITUDE, LONGITUDE = Column(ge=-90, le=90), Column(ge=-180, le=180)


class Field(NamedTuple):
    """One column: its rule, and what an empty cell or an absent column means; None: it must be there."""

    rule: Column
    default: float | str | None = None


TABLES: Mapping[str, Mapping[str, Field]] = {
    "sites": {
        "site": Field(TEXT),
        "latitude_deg": Field(LATITUDE),
        "longitude_deg": Field(LONGITUDE),
        "gpu": Field(TEXT),
        "gpus": Field(Column("whole number", ge=1, le=HUGE), 1.0),
        "memory_gb": Field(OPTIONAL, np.nan),
    },
    "links": {
        "from": Field(TEXT),
        "to": Field(TEXT),
        "gbit_s": Field(POSITIVE),
        "latency_ms": Field(OPTIONAL, np.nan),
    },
    "models": {
        "model": Field(TEXT),
        "task": Field(TEXT),
        "accuracy": Field(Column(ge=0, le=1)),
        "parameters_b": Field(POSITIVE),
        "backbone": Field(OPTIONAL_TEXT, ""),
        "backbone_gb": Field(AMOUNT, 0.0),
        "own_gb": Field(AMOUNT, 0.0),
    },
    "blocks": {"model": Field(TEXT), "block": Field(TEXT), "size_gb": Field(POSITIVE)},
    "routers": {
        "router": Field(TEXT),
        "latitude_deg": Field(LATITUDE, np.nan),
        "longitude_deg": Field(LONGITUDE, np.nan),
    },
    "users": {
        "user": Field(TEXT),
        "site": Field(OPTIONAL_TEXT, ""),
        "latitude_deg": Field(LATITUDE, np.nan),
        "longitude_deg": Field(LONGITUDE, np.nan),
        "task": Field(TEXT),
        "tokens_in": Field(AMOUNT),
        "tokens_out": Field(AMOUNT),
        "per_hour": Field(POSITIVE, 1.0),
        "min_accuracy": Field(Column(ge=0, le=1), 0.0),
        "deadline_s": Field(POSITIVE, np.inf),
    },
    "holds": {"site": Field(TEXT), "block": Field(OPTIONAL_TEXT, ""), "model": Field(OPTIONAL_TEXT, "")},
    "gpus": {
        "gpu": Field(TEXT),
        "fp16_tflops": Field(POSITIVE),
        "bandwidth_gb_s": Field(POSITIVE),
        "memory_gb": Field(POSITIVE),
    },
    "speeds": {
        "gpu": Field(TEXT),
        "model": Field(TEXT),
        "prefill_tokens_s": Field(POSITIVE),
        "decode_tokens_s": Field(POSITIVE),
    },
}
KEYS = {
    "sites": ["site"], "routers": ["router"], "models": ["model"], "blocks": ["model", "block"], "users": ["user"],
    "gpus": ["gpu"], "speeds": ["gpu", "model"],
}  # fmt: skip
"""Columns that tell the rows of a table apart."""


def checked(table: str, given: pd.DataFrame, where: str) -> pd.DataFrame:
    """A table by its contract, columns in the contract's order, defaults filled in.

    Parameters
    ----------
    table
        A key of ``TABLES``.
    given
        Cells as text, or the values themselves.
    where
        What an error calls the table: a file, or ``users`` for a DataFrame.

    Raises
    ------
    InputError
        Unknown, missing or doubled columns, cells that break their rule, an empty table, rows of one key.
    """
    fields = TABLES[table]
    for name in given.columns:
        if name not in fields:
            raise InputError(f"{where}: column {name!r} is unknown; {nearest(str(name), fields)}")
    if given.columns.has_duplicates:
        raise InputError(f"{where}: column {given.columns[given.columns.duplicated()][0]!r} stands twice")
    if not len(given):
        raise InputError(f"{where}: holds no rows")
    frame = pd.DataFrame({name: _column(name, field, given, where) for name, field in fields.items()})
    if table in KEYS and (twice := frame.duplicated(KEYS[table])).any():
        row = int(twice.to_numpy().argmax())
        named = ", ".join(repr(frame[key].iloc[row]) for key in KEYS[table])
        raise InputError(f"{where}: row {row + 1}: {' and '.join(KEYS[table])} {named} stands twice")
    return frame


@functools.cache
def known_gpus() -> pd.DataFrame:
    """The committed accelerators as a table of a network."""
    return checked("gpus", committed_gpus()[[*TABLES["gpus"]]], "gpus")


def _column(name: str, field: Field, given: pd.DataFrame, where: str) -> pd.Series[Any]:
    if name not in given:
        if field.default is None:
            raise InputError(f"{where}: column {name} is missing")
        return pd.Series([field.default] * len(given), dtype=object if isinstance(field.default, str) else float)
    if (numbers := _numbers(field, given[name])) is not None:
        return numbers
    if lists := [row for row, cell in enumerate(given[name], start=1) if not pd.api.types.is_scalar(cell)]:
        raise InputError(f"{where}: column {name}, row {lists[0]}: must hold one value a cell")
    cells = _text(given[name], field.default)
    rule = field.rule if field.default is None else field.rule._replace(missing=True)
    values, bad = rule.convert(cells)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{where}: column {name}, row {row + 1}: {cells[row][:40]!r} {rule.rule}{remedy(cells[row], rule)}"
        )
    if rule.kind == "text":
        return pd.Series(cells.where(cells != "", field.default or ""), dtype=object)
    return pd.Series(np.where(cells == "", np.nan if field.default is None else field.default, values), dtype=float)


def _numbers(field: Field, cells: pd.Series[Any]) -> pd.Series[Any] | None:
    """Cells that are numbers already and keep the rule, which need not become text: most tables were checked before."""
    if field.rule.kind != "number" or cells.dtype not in (np.dtype(np.float64), np.dtype(np.int64)):
        return None
    values, default = cells.to_numpy(dtype=float), field.default
    absent = np.zeros(len(values), dtype=bool) if default is None else np.isnan(values) | (values == default)
    if not (absent | field.rule.allows(values)).all():
        return None
    return pd.Series(np.where(absent, np.nan if default is None else default, values), dtype=float)


def _text(values: pd.Series[Any], default: float | str | None) -> pd.Series[str]:
    """Cells as text without blanks around; missing values, and those that stand for them, are empty."""
    cells = ["" if pd.isna(value) or value == default else str(value).strip() for value in values.tolist()]
    return pd.Series(cells, dtype=object)


def read_csv(path: Path) -> pd.DataFrame:
    """All cells of a CSV file as text; InputError when it cannot be read, is no UTF-8 or has ragged rows."""
    require_fits(path, require_regular(path))
    rows = [row for row in text_rows(path) if any(cell.strip() for cell in row)]
    if not rows:
        raise InputError(f"{path}: is empty")
    header = [cell.strip() for cell in rows[0]]
    for other in (";", "\t"):
        if len(header) == 1 and other in header[0]:
            raise InputError(f"{path}: separates cells by {other!r}; save it with commas, and numbers with points")
    require_even(path, header, rows[1:])
    return pd.DataFrame(rows[1:], columns=header, dtype=object)
