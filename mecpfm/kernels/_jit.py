"""The only place with Numba options.

No fastmath and no parallel reductions: results are bitwise the same on every machine and for any number of workers.
Compiled code of a file is cached in a folder named after :func:`~mecpfm.kernels._cache.key` of it, because Numba's own
cache does not notice an edit in a file that a kernel imports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar, cast

import numba
from numba.core import event

from mecpfm import clock
from mecpfm.kernels._compiler import Kernel
from mecpfm.kernels._records import pointed

__all__ = ["borrowing", "inlined", "kernel", "pointed"]

P = ParamSpec("P")
R = TypeVar("R")


class _Pausing(event.Listener):
    """Compiling and loading take Numba's lock; meanwhile the clock of time limits stands still."""

    def on_start(self, event: event.Event) -> None:
        clock.pause()

    def on_end(self, event: event.Event) -> None:
        clock.resume()


event.register("numba:compiler_lock", _Pausing())  # type: ignore[no-untyped-call]


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call, cache on disk, release the GIL; division by zero follows NumPy."""
    return _compiled(function, "never")


def borrowing(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a kernel that makes no array: where a kernel calls it, it counts no references.

    The caller holds every array while the kernel runs, so that counts change nothing. Numba counts an array wherever
    it is taken out of a record, which in a short loop may take longer than the loop's own work.
    """
    return _compiled(function, "never", counting=False)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a small helper: kernels that call it take it in, so that it is not compiled on its own.

    A function of its own takes longer to compile than a few lines.
    """
    return _compiled(function, "always")


def _compiled(function: Callable[P, R], inline: Literal["never", "always"], counting: bool = True) -> Callable[P, R]:
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return function
    return cast(Callable[P, R], Kernel(function, {"error_model": "numpy", "nogil": True, "inline": inline}, counting))
