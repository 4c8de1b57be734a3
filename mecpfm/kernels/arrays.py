"""What NumPy, BLAS and the C library compute differently from machine to machine, computed the same everywhere.

Used in place of ``np.exp`` and the like, ``**``, ``np.interp``, ``@`` and ``Generator.uniform`` wherever a value
reaches an instance, a world, a trace, a decision or a table; a test refuses those (tests/test_same.py). NumPy's own
``+ - * /``, ``sqrt``, ``sum`` (in one fixed order) and ``cumsum`` are the same on every machine.
"""

from __future__ import annotations

import functools
import math
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mecpfm.kernels import elementary
from mecpfm.typing import Floats

FEW = 4096
"""So many numbers of a process Python computes in the time in which the kernel is loaded."""
_spent = 0


@functools.cache
def _plain() -> dict[str, Any]:
    """The functions of ``elementary`` as Python runs them: not even IEEE's rounding knows a difference."""
    names = dict(vars(elementary))
    for name, kernel in vars(elementary).items():
        function = getattr(kernel, "py_func", kernel)
        if isinstance(function, FunctionType) and function.__module__ == elementary.__name__:
            names[name] = FunctionType(function.__code__, names, name)
    return names


def _each(which: int, x: ArrayLike) -> Any:
    global _spent
    values = np.array(x, dtype=np.float64, order="C")  # a copy: Numba would compile anew for one that is read-only
    out = np.empty(values.size)
    _spent += values.size
    compute = elementary.each if _spent > FEW else _plain()["each"]
    compute(which, values.reshape(-1), out)
    return out.reshape(values.shape) if np.ndim(x) else float(out[0])


exp = functools.partial(_each, elementary.EXP)
"""``np.exp``; a float for a number."""
expm1 = functools.partial(_each, elementary.EXPM1)
"""``np.expm1``; a float for a number."""
log = functools.partial(_each, elementary.LOG)
"""``np.log``; a float for a number."""
log1p = functools.partial(_each, elementary.LOG1P)
"""``np.log1p``; a float for a number."""
sin = functools.partial(_each, elementary.SIN)
"""``np.sin``; a float for a number."""
cos = functools.partial(_each, elementary.COS)
"""``np.cos``; a float for a number."""


def power(x: ArrayLike, y: ArrayLike) -> Any:
    """``np.power`` for ``x`` >= 0; a float for two numbers."""
    left, right = (np.array(one, dtype=np.float64) for one in np.broadcast_arrays(x, y))
    out = np.empty(left.size)
    elementary.powers(left.reshape(-1), right.reshape(-1), out)
    return out.reshape(left.shape) if left.ndim else float(out[0])


def spaced(low: float, high: float, count: int) -> Floats:
    """``np.geomspace``: numbers at equal ratios from ``low`` to ``high``, both exact."""
    out = np.asarray(exp(np.linspace(log(low), log(high), count)))
    out[:1], out[-1:] = low, high
    return out


def settled(x: ArrayLike) -> Any:
    """Numbers rounded to single precision, a float for a number; for drawn quantities and what is made of them.

    NumPy's generators take logarithms and exponentials of the C library, so that their normal, exponential and beta
    variates may differ in the last bit; rounding off 29 bits keeps that, and whatever else may come, from the results.
    """
    found = np.asarray(x, dtype=np.float32).astype(np.float64)
    return found if np.ndim(x) else float(found)


def normal(random: np.random.Generator, size: int | tuple[int, ...]) -> Floats:
    """Settled standard normal numbers."""
    return np.asarray(settled(random.standard_normal(size)))


def uniform(random: np.random.Generator, low: ArrayLike, high: ArrayLike, size: int | tuple[int, ...] = ()) -> Any:
    """``Generator.uniform``, whose compiler may fuse multiplication and addition."""
    start, width = np.asarray(low, dtype=np.float64), np.subtract(high, low)
    return start + width * random.random(size if size != () else width.shape)


def interpolated(x: ArrayLike, at: ArrayLike, values: ArrayLike) -> Floats:
    """``np.interp``, whose compiler may fuse multiplication and addition."""
    points, level, known = (np.asarray(one, dtype=np.float64) for one in (x, at, values))
    i = np.clip(np.searchsorted(level, points, side="right") - 1, 0, len(level) - 2)
    inside = known[i] + (known[i + 1] - known[i]) / (level[i + 1] - level[i]) * (points - level[i])
    return np.where(points <= level[0], known[0], np.where(points >= level[-1], known[-1], inside))


def dot(x: ArrayLike, y: ArrayLike) -> float:
    """``x @ y`` of two vectors, rounded once: in no order that BLAS could choose."""
    return math.fsum(np.multiply(x, y))


def products(x: NDArray[Any], y: NDArray[Any]) -> Floats:
    """``x.T @ y`` of two matrices, rows added one after another."""
    return np.stack([(x * y[:, [j]]).sum(axis=0) for j in range(y.shape[1])], axis=1)


def solved(matrix: NDArray[Any], right: NDArray[Any]) -> Floats:
    """Solution of a small system with a positive definite matrix, by elimination in the given order."""
    rows = np.column_stack([matrix, right])
    for i in range(len(rows)):
        rows[i] /= rows[i, i]
        others = np.arange(len(rows)) != i
        rows[others] -= rows[others, i, None] * rows[i]
    return rows[:, -1].copy()


def fitted(x: NDArray[Any], target: NDArray[Any]) -> Floats:
    """Least-squares coefficients of few independent columns ``x`` (n, N): the normal equations."""
    return solved(products(x, x), products(x, target[:, None])[:, 0])
