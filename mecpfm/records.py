"""Validated records of arrays: one annotation states dtype, shape and range, for files and for memory alike.

A field such as ``capacity_gb: Annotated[FloatArray, Shape("C"), Range(ge=0)]`` is checked when the record is made
and frozen afterwards. Dimension letters are bound across the whole record, so a wrong length is reported with both
fields' names. Errors of a file come out as one :class:`~mecpfm.errors.InputError` line: file, field[index], reason.
Files are JSON, or .npz archives with dotted keys (``options.delay_s``, a ragged ``X`` as ``X.indptr``, ``X.indices``).
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, model_validator

from mecpfm.archives import read_npz
from mecpfm.coercion import as_array, as_names, as_ragged, read_only
from mecpfm.errors import InputError
from mecpfm.files import read_json as read_json  # modules that keep other files take these from here
from mecpfm.files import write_atomic as write_atomic
from mecpfm.ragged import Ragged as Ragged
from mecpfm.typing import Array, Floats, Ints


class Shape(tuple[str, ...]):
    """Dimension letters of an array field, e.g. ``Shape("J", "K")``; ``"C+1"`` is one more than ``"C"``."""

    def __new__(cls, *letters: str) -> Self:
        """Make the tuple from the letters."""
        return super().__new__(cls, letters)


class Either(tuple[Shape, ...]):
    """Shapes of which an array field has one; the number of dimensions says which."""

    def __new__(cls, *shapes: Shape) -> Self:
        """Make the tuple from the shapes."""
        return super().__new__(cls, shapes)

    def of(self, dimensions: int) -> Shape:
        """Shape of an array of so many dimensions, the first one where none fits."""
        return next((shape for shape in self if len(shape) == dimensions), self[0])


class Range(NamedTuple):
    """Bounds that every entry of an array field keeps."""

    ge: float = -math.inf
    gt: float = -math.inf
    le: float = math.inf
    least: float = 0.0
    """Least positive entry."""

    def violation(self, values: Array) -> tuple[tuple[int, ...], str] | None:
        """Index and rule of the first entry out of bounds (NaN and infinity always are)."""
        bad = ~np.isfinite(values) | (values < self.ge) | (values <= self.gt) | (values > self.le)
        bad |= (values > 0) & (values < self.least)
        if not bad.any():
            return None
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        if not np.isfinite(values[where]):
            return where, "must be finite"
        if values[where] > self.le:
            return where, f"must be <= {self.le:g}"
        if 0 < values[where] < self.least:
            return where, f"must be 0 or >= {self.least:g}"
        return where, f"must be > {self.gt:g}" if math.isfinite(self.gt) else f"must be >= {self.ge:g}"


FloatArray = Annotated[Floats, PlainValidator(lambda value: as_array(value, "float64"))]
IntArray = Annotated[Ints, PlainValidator(lambda value: as_array(value, "int64"))]
RaggedArray = Annotated[Ragged, PlainValidator(as_ragged)]
OptionalFloatArray = FloatArray | None
OptionalIntArray = IntArray | None
OptionalNames = Annotated[tuple[str, ...], PlainValidator(as_names)] | None


class Record(BaseModel):
    """A frozen group of array fields; nested records share their dimension letters with the outermost one."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Pydantic's; new arrays are frozen like the others, since kernels are compiled anew for any that are not.

        Pydantic takes over what cached properties hold, which is made of the old fields.
        """
        new = {name: read_only(value) for name, value in (update or {}).items()}
        made = super().model_copy(update=new, deep=deep)
        stale = vars(made).keys() - type(self).model_fields.keys() if new else set()
        for name in stale:
            del made.__dict__[name]
        return made

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
    """The outermost record: binds dimension letters to sizes and checks every shape and range against them.

    A subclass that names its ``file_schema`` can be read from, and written to, JSON and .npz files.
    """

    file_schema: ClassVar[str]
    newer_schema: ClassVar[str | None] = None
    """Schema of files that use fields ``file_schema`` does not know; both are read."""

    def _schema(self) -> str:
        """Schema to write: the oldest that knows every field in use."""
        return self.file_schema

    @classmethod
    def _expanded(cls, content: dict[str, Any]) -> dict[str, Any]:
        """Content of a file of the newer schema, ready for validation; ValueError for what cannot be made so."""
        return content

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes: dict[str, tuple[int, str]] = {}
        for name, value, notes in self.leaves():
            for note in notes:
                if isinstance(note, Either):
                    note = note.of(value.ndim)
                if isinstance(note, Shape):
                    _bind(name, value, note, sizes)
                elif isinstance(note, Range):
                    _check_range(name, value, note)
        return self

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read and validate a file, .npz or otherwise JSON.

        Parameters
        ----------
        path
            A file that :meth:`write` made, or one like it.

        Returns
        -------
        Self
            Validated.

        Raises
        ------
        InputError
            File, field and reason, in one line.
        """
        path = Path(path)
        try:
            content = read_npz(path) if path.suffix == ".npz" else read_json(path)
            found = content.pop("schema", None)
            found = found.tolist() if isinstance(found, np.ndarray) else found
            known = [schema for schema in (cls.file_schema, cls.newer_schema) if schema]
            if found not in known:
                raise InputError(f"{path}: schema is {found!r}; must be {' or '.join(map(repr, known))}")
            read = cls.model_validate(cls._expanded(content) if found == cls.newer_schema else content)
            if found == cls.file_schema != read._schema():
                raise InputError(f"{path}: uses fields of {read._schema()!r}; its schema is {found!r}")
            return read
        except ValidationError as error:
            raise InputError(f"{path}: {explain(error)}") from None
        except ValueError as error:
            raise InputError(f"{path}: {error}") from None
        except RecursionError:
            raise InputError(f"{path}: is not usable JSON (nested too deeply)") from None
        except MemoryError as error:
            raise InputError(f"{path}: does not fit into memory ({error})") from None

    def write(self, path: Path | str) -> None:
        """Write as .npz or JSON, by the suffix, atomically."""
        path = Path(path)
        if path.suffix != ".npz":
            content = json.dumps({"schema": self._schema(), **self.to_object()}) + "\n"
            write_atomic(path, content.encode(), parents=False)
            return
        flat: dict[str, Any] = {"schema": np.array(self._schema())}
        for name, value, _ in self.leaves():
            parts = {".indptr": value.indptr, ".indices": value.indices} if isinstance(value, Ragged) else {"": value}
            flat |= {name + suffix: np.asarray(part) for suffix, part in parts.items()}
        buffer = io.BytesIO()
        np.savez(buffer, **flat)
        write_atomic(path, buffer.getvalue(), parents=False)


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
    row = int(value.rows[where[0]])
    return (row, where[0] - int(value.indptr[row]))


def _bind(name: str, value: Any, letters: Shape, sizes: dict[str, tuple[int, str]]) -> None:
    shape = value.shape if isinstance(value, np.ndarray) else (len(value),)
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
        "model_type": "must be a group of fields",
    }.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{place}{'' if reason.startswith(('[', '.')) or not place else ' '}{reason}"
