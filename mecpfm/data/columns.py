"""Strict reading of CSV columns: every cell obeys its column's rule, or the error names file, column and row.

Extra columns are ignored, so that a newer release of a file stays readable.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from mecpfm.errors import InputError, closest
from mecpfm.files import readable
from mecpfm.typing import Bools, Floats

_DAY_AND_MONTH = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{4}")
_COMMA = re.compile(r"[+-]?\d[\d.]*,\d")


class Column(NamedTuple):
    """What the cells of a column must be; bounds apply to numbers, ``missing`` permits empty cells."""

    kind: Literal["number", "whole number", "time", "text"] = "number"
    ge: float = -math.inf
    le: float = math.inf
    missing: bool = False

    @property
    def rule(self) -> str:
        """The rule in words, for an error message."""
        low, high = math.isfinite(self.ge), math.isfinite(self.le)
        if low and high:
            return f"must be a {self.kind} from {self.ge:g} to {self.le:g}"
        return f"must be a {self.kind}" + f" >= {self.ge:g}" * low + f" <= {self.le:g}" * high

    def convert(self, cells: pd.Series[str]) -> tuple[Any, Bools]:
        """Values of the cells and a mask of those that break the rule."""
        empty = (cells == "").to_numpy()
        if self.kind == "text":
            return cells, empty & (not self.missing)
        if self.kind == "time":
            times = stamps(cells.where(~empty))
            return times, times.isna().to_numpy() & ~(empty & self.missing)
        values = pd.to_numeric(cells.where(~empty), errors="coerce").to_numpy(dtype=float)
        return values, ~self.allows(values) & ~(empty & self.missing)

    def allows(self, values: Floats) -> Bools:
        """Which numbers keep the rule of a column of numbers."""
        good = np.isfinite(values) & (values >= self.ge) & (values <= self.le)
        if self.kind == "whole number":
            good &= (values == np.floor(values)) & (np.abs(values) <= 2.0**53)
        return np.asarray(good)


class TextTable(NamedTuple):
    """Cells of a file as text: names of the columns, then a list a record."""

    header: list[str]
    rows: list[list[str]]
    decimal_comma: bool = False
    """Whether the file separates cells by something else, so that 2,5 is a number."""


Unit = Literal["s", "ms", "us", "ns"]
EPOCH: tuple[tuple[float, Unit], ...] = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (-math.inf, "s"))
"""From which number on a stamp counts in which unit: 1e11 s are 3,169 years, 1e11 ms are 3."""


def stamps(cells: pd.Series[str]) -> pd.Series[Any]:
    """Points in time from ISO 8601 text or from numbers since 1970 (s, ms, us or ns); NaT where a cell is neither."""
    numbers = pd.to_numeric(cells, errors="coerce")
    if not len(numbers) or not math.isfinite(first := float(numbers.iloc[0])):
        return pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    unit = next(unit for least, unit in EPOCH if first >= least)  # a column has one unit
    times: pd.Series[Any] = pd.to_datetime(numbers.where(np.isfinite(numbers)), unit=unit, errors="coerce", utc=True)
    return times


def read_table(path: Path, columns: Mapping[str, Column], content: TextTable | None = None) -> pd.DataFrame:
    """Read the named columns of a CSV file with a header line.

    Parameters
    ----------
    path
        UTF-8 text, comma separated.
    columns
        Rule of each column that must be there.
    content
        The file's cells where they have been read already; ``path`` then only serves messages.

    Returns
    -------
    One row a record and the columns in the order asked for; whole numbers come as floats where cells may be missing.

    Raises
    ------
    InputError
        Names the file and, where it applies, the column and the row (1 is the first one after the header).
    """
    if content is None:
        first, *others = text_rows(path)
        require_even(path, first, others)
        content = TextTable(first, others)
    header, rows, decimal_comma = content
    frame = {}
    for name, column in columns.items():
        if header.count(name) != 1:
            raise InputError(f"{path}: column {name} {'stands twice' if name in header else _missing(name, header)}")
        place = header.index(name)
        cells = pd.Series([row[place] for row in rows], dtype=str)
        if decimal_comma and "number" in column.kind:
            cells = _with_points(path, name, cells)
        values, bad = column.convert(cells)
        if bad.any():
            row = int(bad.argmax())
            raise InputError(
                f"{path}: column {name}, row {row + 1}: {cells[row][:40]!r} {column.rule}{remedy(cells[row], column)}"
            )
        whole = column.kind == "whole number" and not column.missing
        frame[name] = values.astype(np.int64) if whole else values
    return pd.DataFrame(frame)


def _missing(name: str, header: list[str]) -> str:
    shown = ", ".join(map(repr, header[:12])) + (", ..." if len(header) > 12 else "")
    near = closest(name, header)
    return f"is missing{f' (is it {near!r}?)' if near else ''}; found {shown}"


def remedy(cell: str, column: Column) -> str:
    """Hint for an error message: how to write what such a cell may mean; mostly empty."""
    if column.kind == "time" and _DAY_AND_MONTH.match(cell):
        return "; day and month may be swapped: write dates as 2024-05-31 12:00:00"
    if column.kind != "text" and _COMMA.match(cell):
        return "; write 1200 for a thousand two hundred, 1.2 for a decimal"
    return "; write it as 2024-05-31 12:00:00, or as seconds" if column.kind == "time" else ""


def _with_points(path: Path, name: str, cells: pd.Series[str]) -> pd.Series[str]:
    """Numbers with decimal points; refuses a column in which commas may as well separate thousands."""
    commas = cells[cells.str.contains(",", regex=False)]
    if len(commas) and commas.str.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+").all():
        row, cell = int(commas.index[0]) + 1, commas.iloc[0]
        raise InputError(
            f"{path}: column {name}, row {row}: {cell[:40]!r} may be a thousand or a decimal; write a point"
        )
    return cells.str.replace(r"^([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)$", r"\1.\2", regex=True)


def text_rows(path: Path) -> list[list[str]]:
    """Rows of a CSV file that have a cell, the header first; InputError when it is no UTF-8, no CSV or empty."""
    try:
        with readable(path), path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream, strict=True) if row]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}: is not valid CSV ({error})") from None
    if not rows:
        raise InputError(f"{path}: is empty")
    return rows


def require_even(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """InputError for the first row that has another number of cells than the header."""
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise InputError(f"{path}: row {number} has {len(row)} cells; the header has {len(header)}")
