"""Strict reading of CSV columns: every cell obeys its column's rule, or the error names file, column and row.

Extra columns are ignored, so that a newer release of a file stays readable.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mecpfm.errors import InputError


class Column(NamedTuple):
    """What the cells of a column must be; bounds apply to numbers, ``missing`` permits empty cells."""

    kind: Literal["number", "whole number", "time", "text"] = "number"
    ge: float = -math.inf
    le: float = math.inf
    missing: bool = False

    @property
    def rule(self) -> str:
        """The rule in words, for an error message."""
        low = f" >= {self.ge:g}" if math.isfinite(self.ge) else ""
        high = f" <= {self.le:g}" if math.isfinite(self.le) else ""
        return f"must be a {self.kind}{low}{high}"

    def convert(self, cells: pd.Series[str]) -> tuple[Any, NDArray[np.bool_]]:
        """Values of the cells and a mask of those that break the rule."""
        empty = (cells == "").to_numpy()
        if self.kind == "text":
            return cells, empty & (not self.missing)
        if self.kind == "time":
            times = pd.to_datetime(cells.where(~empty), format="ISO8601", errors="coerce", utc=True)
            return times, times.isna().to_numpy() & ~(empty & self.missing)
        values = pd.to_numeric(cells.where(~empty), errors="coerce").to_numpy(dtype=float)
        good = np.isfinite(values) & (values >= self.ge) & (values <= self.le)
        if self.kind == "whole number":
            good &= (values == np.floor(values)) & (np.abs(values) <= 2.0**53)
        return values, ~good & ~(empty & self.missing)


def read_table(path: Path, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Read the named columns of a CSV file with a header line.

    Parameters
    ----------
    path
        UTF-8 text, comma separated.
    columns
        Rule of each column that must be there.

    Returns
    -------
    One row a record and the columns in the order asked for; whole numbers come as floats where cells may be missing.

    Raises
    ------
    InputError
        Names the file and, where it applies, the column and the row (1 is the first one after the header).
    """
    header, rows = _records(path)
    frame = {}
    for name, column in columns.items():
        if header.count(name) != 1:
            raise InputError(f"{path}: column {name} {'stands twice' if name in header else 'is missing'}")
        place = header.index(name)
        cells = pd.Series([row[place] for row in rows], dtype=str)
        values, bad = column.convert(cells)
        if bad.any():
            row = int(bad.argmax())
            raise InputError(f"{path}: column {name}, row {row + 1}: {cells[row][:40]!r} {column.rule}")
        whole = column.kind == "whole number" and not column.missing
        frame[name] = values.astype(np.int64) if whole else values
    return pd.DataFrame(frame)


def read_header(path: Path) -> list[str]:
    """Names of all columns in their order; InputError where the file cannot be read or is not valid CSV."""
    return _records(path)[0]


def _records(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header, *rows = [row for row in csv.reader(stream, strict=True) if row]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    except csv.Error as error:
        raise InputError(f"{path}: is not valid CSV ({error})") from None
    except ValueError:
        raise InputError(f"{path}: is empty") from None
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise InputError(f"{path}: row {number} has {len(row)} cells; the header has {len(header)}")
    return header, rows
