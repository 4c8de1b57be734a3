"""Kernels take records by a pointer, and what Numba compiles for a kernel serves others too."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from typing import NamedTuple

import numba
import numpy as np

from mecpfm.kernels._jit import kernel, pointed
from mecpfm.kernels._records import RecordPointer


class Pair(NamedTuple):
    left: np.ndarray
    right: float


class Outer(NamedTuple):
    pair: Pair
    open: bool
    rows: np.ndarray


@kernel
def inner(pair, i):
    pair.left[i] += pair.right
    return pair.left[i]


@kernel
def outer(record, other):
    scratch = np.zeros(3)
    for i in range(3):
        scratch[i] = inner(record.pair, i) + inner(other, i)
    return scratch.sum() + len(record.rows) if record.open else -1.0


@kernel
def steps(record, other):
    for i in range(3):
        yield inner(pointed(record.pair), i) + inner(pointed(other), i)


record = Outer(Pair(np.arange(3.0), 0.5), True, np.empty((4, 2)))
other = Pair(np.ones(3), 2.0)
counts = [sys.getrefcount(one) for one in (record.rows, record.pair.left, other.left)]
assert outer(record, other) == 0.5 + 1.5 + 2.5 + 3 * 3.0 + 4
assert outer(record._replace(open=False), other) == -1.0
assert record.pair.left.tolist() == [1.0, 2.0, 3.0] and other.left.tolist() == [5.0] * 3
assert [sys.getrefcount(one) for one in (record.rows, record.pair.left, other.left)] == counts
assert {type(kind) for kind in outer.signatures[0]} == {RecordPointer} and len(outer.signatures) == 1
later = steps(record, other)
outer(record._replace(open=False), other)  # which lies where the first call lay
assert len(inner.part.overloads) <= 1, "all records have one type"
assert list(later) == [2.0 + 9.0, 3.0 + 9.0, 4.0 + 9.0]
try:
    outer(record._replace(rows=None), other._replace(left=3))
except numba.TypingError:
    print("refused", end=" ")
print(numba.njit(lambda n: np.zeros(n).size)(3), end=" ")
print(sum(outer.stats.cache_hits.values()))
"""


def test_records_are_handed_over_by_pointer(tmp_path: Path) -> None:
    """A record in a record too; no array is kept, compiled or loaded; another's function may make an array as well."""
    script = tmp_path / "records.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_DISABLE_JIT": "0"}
    for hits in range(2):
        done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
        assert (done.stdout, done.returncode) == (f"refused 3 {hits}\n", 0), done.stderr
