"""Validated records of arrays: one annotation states dtype, shape and range, for files and for memory alike.

A field such as ``capacity_gb: Annotated[FloatArray, Shape("C"), Range(ge=0)]`` is checked when the record is made
and frozen afterwards. Dimension letters are bound across the whole record, so a wrong length is reported with both
fields' names. Errors of a file come out as one :class:`~mecpfm.errors.InputError` line: file, field[index], reason.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, model_validator

from mecpfm.errors import InputError


class Shape(tuple[str, ...]):
    """Dimension letters of an array field, e.g. ``Shape("J", "K")``; ``"C+1"`` is one more than ``"C"``."""

    def __new__(cls, *letters: str) -> Self:
        """Make the tuple from the letters."""
        return super().__new__(cls, letters)


class Range(NamedTuple):
    """Bounds that every entry of an array field keeps."""

    ge: float = -math.inf
    gt: float = -math.inf
    le: float = math.inf

    def violation(self, values: NDArray[Any]) -> tuple[tuple[int, ...], str] | None:
        """Index and rule of the first entry out of bounds (NaN and infinity always are)."""
        bad = ~np.isfinite(values) | (values < self.ge) | (values <= self.gt) | (values > self.le)
        if not bad.any():
            return None
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        if not np.isfinite(values[where]):
            return where, "must be finite"
        if values[where] > self.le:
            return where, f"must be <= {self.le:g}"
        return where, f"must be > {self.gt:g}" if math.isfinite(self.gt) else f"must be >= {self.ge:g}"


@dataclass(frozen=True, eq=False)
class Ragged:
    """Lists of unequal length in two flat arrays: list ``i`` is ``indices[indptr[i]:indptr[i + 1]]``, ascending."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]

    @classmethod
    def from_lists(cls, lists: list[Any]) -> Ragged:
        """Build from one sequence of indices a row; each is sorted."""
        rows = [np.sort(np.asarray(row, dtype=np.int64)) for row in lists]
        indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        return cls(indptr, np.concatenate([np.zeros(0, np.int64), *rows]))

    def __len__(self) -> int:
        """Count the lists."""
        return len(self.indptr) - 1

    def __getitem__(self, row: int) -> NDArray[np.int64]:
        """One list, as a view."""
        return self.indices[self.indptr[row] : self.indptr[row + 1]]

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Iterate over the lists."""
        return (self[row] for row in range(len(self)))

    def tolist(self) -> list[list[int]]:
        """Nested Python lists, as in a file."""
        return [row.tolist() for row in self]


def _array(value: Any, dtype: str) -> NDArray[Any]:
    """A frozen copy; ValueError unless every entry is a number of that kind."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError("rows differ in length") from None
    wanted = "iu" if dtype == "int64" else "iuf"
    # NumPy reads True as 1 among numbers, so the kind of the array alone does not tell.
    plain = isinstance(value, np.ndarray) or bool not in map(type, np.asarray(value, dtype=object).flat)
    if array.size and not (array.dtype.kind in wanted and plain):
        raise ValueError("must hold integers only" if dtype == "int64" else "must hold numbers only")
    array = np.array(array, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def _ragged(value: Any) -> Ragged:
    if isinstance(value, Ragged):
        return value
    if not isinstance(value, list):
        raise ValueError("must be a list of lists")
    return Ragged.from_lists([_indices(i, row) for i, row in enumerate(value)])


def _indices(i: int, row: Any) -> NDArray[np.int64]:
    """One list of a ragged field."""
    if not isinstance(row, (list, np.ndarray)):
        raise ValueError(f"[{i}] must be a list")
    try:
        array = _array(row, "int64")
    except ValueError as error:
        raise ValueError(f"[{i}] {error}") from None
    if array.ndim != 1:
        raise ValueError(f"[{i}] must be a flat list")
    if len(np.unique(array)) != len(array):
        raise ValueError(f"[{i}] holds an index twice")
    return array


FloatArray = Annotated[NDArray[np.float64], PlainValidator(lambda value: _array(value, "float64"))]
IntArray = Annotated[NDArray[np.int64], PlainValidator(lambda value: _array(value, "int64"))]
RaggedArray = Annotated[Ragged, PlainValidator(_ragged)]


class Record(BaseModel):
    """A frozen group of array fields; nested records share their dimension letters with the outermost one."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, Any, list[Any]]]:
        """Every field as (dotted name, value, annotations), nested records opened."""
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Record):
                yield from value.leaves(f"{prefix}{name}.")
            elif value is not None:
                yield f"{prefix}{name}", value, info.metadata

    def to_object(self) -> dict[str, Any]:
        """Nested dictionaries and lists, ready for JSON."""
        out: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Record):
                value = value.to_object()
            elif isinstance(value, (np.ndarray, Ragged)):
                value = value.tolist()
            if value is not None:
                out[name] = value
        return out


class RootRecord(Record):
    """The outermost record: binds dimension letters to sizes and checks every shape and range against them."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes: dict[str, tuple[int, str]] = {}
        for name, value, notes in self.leaves():
            for note in notes:
                if isinstance(note, Shape):
                    _bind(name, value, note, sizes)
                elif isinstance(note, Range):
                    _check_range(name, value, note)
        return self


def _check_range(name: str, value: Any, bounds: Range) -> None:
    flat = value.indices if isinstance(value, Ragged) else value
    if found := bounds.violation(flat):
        where, rule = found
        index = "".join(f"[{i}]" for i in _row_of(value, where))
        raise ValueError(f"{name}{index} is {flat[where]:g}; {rule}")


def _row_of(value: Any, where: tuple[int, ...]) -> tuple[int, ...]:
    """Index of an entry as the file counts it (list and place in it for ragged fields)."""
    if not isinstance(value, Ragged):
        return where
    row = int(np.searchsorted(value.indptr, where[0], side="right")) - 1
    return (row, where[0] - int(value.indptr[row]))


def _bind(name: str, value: Any, letters: Shape, sizes: dict[str, tuple[int, str]]) -> None:
    shape = (len(value),) if isinstance(value, Ragged) else value.shape
    if len(shape) != len(letters):
        raise ValueError(f"{name} has {len(shape)} dimension(s); must have {len(letters)}")
    for letter, size in zip(letters, shape, strict=True):
        base, _, extra = letter.partition("+")
        size -= int(extra or 0)
        known, source = sizes.setdefault(base, (size, name))
        if known != size:
            raise ValueError(f"{name} has shape {shape}; {letter} is {known + int(extra or 0)} by {source}")


def explain(error: ValidationError) -> str:
    """First finding of a validation as ``field[index] reason``."""
    first = error.errors()[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    reason = {
        "extra_forbidden": "is not a known field",
        "missing": "is missing",
    }.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{place}{'' if reason.startswith('[') or not place else ' '}{reason}"


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object; InputError when the file is absent, truncated, not UTF-8 or not an object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    except RecursionError:
        raise InputError(f"{path}: is not usable JSON (nested too deeply)") from None
    except ValueError as error:
        raise InputError(f"{path}: is not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a JSON object")
    return content


def write_atomic(path: Path, content: bytes) -> None:
    """Write so that a reader, or an interrupted run, sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
