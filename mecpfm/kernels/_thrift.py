"""Numba's own work, made cheaper while kernels compile; what they compile to stays the same.

A quarter of the time went to what is done over and over: the garbage collector walks all that Numba keeps and finds
next to nothing; each ``a[i]`` asks some thirty candidates anew what it means; each of those compares fifty flags. A
helper that kernels take in is read anew for each of them, and every call of LLVM is announced to nobody.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any, TypeAlias

from numba.core import event, types
from numba.core.inline_closurecall import InlineWorker
from numba.core.targetconfig import ConfigStack, TargetConfig

Change: TypeAlias = tuple[Any, str, Any]
"""Class or module, name in it, and what stands in for that."""

_read: Any = InlineWorker.run_untyped_passes
_readings: dict[tuple[Any, bool], Any] = {}
"""What Numba reads from a function's bytecode; who takes it in copies it."""
_start: Any = event.start_event
_end: Any = event.end_event
_resolve: Any = types.Function.get_call_type
_resolved: dict[tuple[Any, ...], tuple[Any, Any]] = {}
"""Signature of a call and key of its code, by function, types of the arguments and flags."""
LLVM = "numba:llvm_lock"
"""The event of each call of LLVM."""
_busy = False


@contextlib.contextmanager
def thrifty(more: tuple[Change, ...] = ()) -> Iterator[None]:
    """To be entered by who holds the compiler's lock, with changes of its own; may be nested."""
    global _busy
    if _busy:
        yield
        return
    changes = CHANGES + more
    collects, kept, _busy = gc.isenabled(), [getattr(owner, name) for owner, name, _ in changes], True
    try:
        gc.disable()
        for owner, name, ours in changes:
            setattr(owner, name, ours)
        yield
    finally:
        for (owner, name, _), theirs in zip(changes, kept, strict=True):
            setattr(owner, name, theirs)
        if collects:
            gc.enable()
        _busy = False


def _called(self: Any, context: Any, args: Any, kws: Any) -> Any:
    """What a call of one of Numba's functions means; its code may depend on the flags."""
    if kws:
        return _resolve(self, context, args, kws)
    key = self, context, args, ConfigStack.top_or_none()  # type: ignore[no-untyped-call]
    if key not in _resolved:
        found = _resolve(self, context, args, kws)
        _resolved[key] = found, self.get_impl_key(found)
    found, self._impl_keys[found.args] = _resolved[key]
    return found


def _equal(self: Any, other: Any) -> Any:
    if self is other:
        return True
    if not isinstance(other, TargetConfig):
        return NotImplemented
    return self._values == other._values or self.values() == other.values()  # type: ignore[no-untyped-call]


def _hash(self: Any) -> int:
    """Numba's own, which is that of the names alone: ``_equal`` tells flags apart."""
    return hash(tuple(sorted(self.options)))


def _reading(self: Any, func: Any, enable_ssa: bool = False) -> Any:
    self.flags.enable_ssa = enable_ssa
    if (func, enable_ssa) not in _readings:
        _readings[func, enable_ssa] = _read(self, func, enable_ssa)
    return _readings[func, enable_ssa]


def _started(kind: str, data: Any = None) -> None:
    if kind != LLVM:
        _start(kind, data)


def _ended(kind: str, data: Any = None, exc_details: Any = None) -> None:
    if kind != LLVM:
        _end(kind, data, exc_details)


CHANGES: tuple[Change, ...] = (
    (InlineWorker, "run_untyped_passes", _reading),
    (event, "start_event", _started),
    (event, "end_event", _ended),
    (types.Function, "get_call_type", _called),
    (TargetConfig, "__eq__", _equal),
    (TargetConfig, "__hash__", _hash),
)
