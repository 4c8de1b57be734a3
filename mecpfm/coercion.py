"""Arrays, names and ragged lists out of what JSON and Python hand over."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecpfm.ragged import Ragged
from mecpfm.typing import Array, Ints


def as_array(value: Any, dtype: str) -> Array:
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
    if array.dtype == np.uint64 and dtype == "int64" and array.size and array.max() >= 2**63:
        raise ValueError("must hold integers below 2^63")
    if array.dtype == dtype and array.flags.c_contiguous and array.base is None and not array.flags.writeable:
        return array  # frozen already: large files are held once
    array = np.array(array, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def read_only(value: Any) -> Any:
    """An array or ragged list as a frozen view; anything else as it is."""
    if isinstance(value, Ragged):
        return Ragged(read_only(value.indptr), read_only(value.indices))
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return value


def as_names(value: Any) -> tuple[str, ...]:
    """Names as a tuple; ValueError unless they are a list of text."""
    names = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be a list of names")
    return tuple(names)


def _flat_ragged(indptr: Ints, indices: Ints) -> Ragged:
    if indptr.ndim != 1 or indices.ndim != 1 or not indptr.size:
        raise ValueError("must hold indptr and indices, one dimension each")
    if indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
        raise ValueError(f".indptr must rise from 0 to {len(indices)}, the length of indices")
    starts = np.zeros(len(indices) + 1, dtype=bool)
    starts[indptr] = True
    if (bad := np.flatnonzero((np.diff(indices) <= 0) & ~starts[1 : len(indices)])).size:
        row = int(np.searchsorted(indptr, bad[0], side="right")) - 1
        raise ValueError(f"[{row}] must be strictly ascending")
    return Ragged(indptr, indices)


def as_ragged(value: Any) -> Ragged:
    """A list of lists of integers; ValueError unless it is one, flat or nested."""
    if isinstance(value, Ragged):
        return _flat_ragged(as_array(value.indptr, "int64"), as_array(value.indices, "int64"))
    if isinstance(value, dict):
        if value.keys() != {"indptr", "indices"}:
            raise ValueError("must hold indptr and indices, nothing else")
        return _flat_ragged(as_array(value["indptr"], "int64"), as_array(value["indices"], "int64"))
    if not isinstance(value, list):
        raise ValueError("must be a list of lists")
    return as_ragged(Ragged.from_lists([_indices(i, row) for i, row in enumerate(value)]))


def _indices(i: int, row: Any) -> Ints:
    """One list of a ragged field."""
    if not isinstance(row, (list, np.ndarray)):
        raise ValueError(f"[{i}] must be a list")
    try:
        array = as_array(row, "int64")
    except ValueError as error:
        raise ValueError(f"[{i}] {error}") from None
    if array.ndim != 1:
        raise ValueError(f"[{i}] must be a flat list")
    if len(np.unique(array)) != len(array):
        raise ValueError(f"[{i}] holds an index twice")
    return array
