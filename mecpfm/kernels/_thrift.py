"""Numba's own work, made cheaper while kernels compile; what they compile to stays the same.

A quarter of the time went to what is done over and over: the garbage collector walks all that Numba keeps and finds
next to nothing; each ``a[i]`` asks some thirty candidates anew what it means; each of those compares fifty flags.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from numba.core import types
from numba.core.targetconfig import ConfigStack, TargetConfig

_resolve: Any = types.Function.get_call_type
_resolved: dict[tuple[Any, ...], tuple[Any, Any]] = {}
"""Signature of a call and key of its code, by function, types of the arguments and flags."""
_busy = False


@contextlib.contextmanager
def thrifty() -> Iterator[None]:
    """To be entered by who holds the compiler's lock; may be nested."""
    global _busy
    if _busy:
        yield
        return
    collects, kept, _busy = gc.isenabled(), [getattr(owner, name) for owner, name, _ in CHANGES], True
    try:
        gc.disable()
        for owner, name, ours in CHANGES:
            setattr(owner, name, ours)
        yield
    finally:
        for (owner, name, _), theirs in zip(CHANGES, kept, strict=True):
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


CHANGES: tuple[tuple[Any, str, Any], ...] = (
    (types.Function, "get_call_type", _called),
    (TargetConfig, "__eq__", _equal),
    (TargetConfig, "__hash__", _hash),
)
"""Class, method, and what stands in for it."""
