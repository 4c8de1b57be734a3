"""Lists of unequal length as two arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mecpfm.typing import Bools, Ints


@dataclass(frozen=True, eq=False)
class Ragged:
    """Lists of unequal length in two flat arrays: list ``i`` is ``indices[indptr[i]:indptr[i + 1]]``, ascending."""

    indptr: Ints
    indices: Ints

    @classmethod
    def from_lists(cls, lists: list[Any]) -> Ragged:
        """Build from one sequence of indices a row; each is sorted."""
        rows = [np.sort(np.asarray(row, dtype=np.int64)) for row in lists]
        indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        return cls(indptr, np.concatenate([np.zeros(0, np.int64), *rows]))

    def __len__(self) -> int:
        """Count the lists."""
        return len(self.indptr) - 1

    def __getitem__(self, row: int) -> Ints:
        """One list, as a view."""
        return self.indices[self.indptr[row] : self.indptr[row + 1]]

    def __iter__(self) -> Iterator[Ints]:
        """Iterate over the lists."""
        return (self[row] for row in range(len(self)))

    @property
    def rows(self) -> Ints:
        """List that each of ``indices`` stands in."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def mask(self, columns: int) -> Bools:
        """Whether a list holds an index, shape (lists, columns)."""
        held = np.zeros((len(self), columns), dtype=bool)
        held[self.rows, self.indices] = True
        return held

    def tolist(self) -> list[list[int]]:
        """Nested Python lists, as in a file."""
        return [row.tolist() for row in self]
