"""Records as kernels take them: by a pointer, where Numba hands over every array of a named tuple by its seven scalars.

Code of a call is as long as what it hands over, and a large kernel hands over hundreds of arrays: translating and
optimising that took longer than all the rest. A record that a kernel makes itself stays Numba's named tuple, and so
does what a generator takes: that outlives the call, and with it the stack that the record would lie on.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

from numba.core import cgutils, types
from numba.core.datamodel.models import PrimitiveModel
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_builtin,
    lower_getattr_generic,
    register_model,
    type_callable,
    unbox,
)

T = TypeVar("T")


class RecordPointer(types.Type):
    """A named tuple that Python made and keeps while kernels work on it; no kernel may return it."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain
        super().__init__(f"RecordPointer({plain.name})")

    @property
    def mangling_args(self) -> tuple[str, tuple[Any, ...]]:
        """Short, since the names of all functions hold it."""
        return f"{self.plain.instance_class.__name__}.{hashlib.sha256(self.name.encode()).hexdigest()[:8]}", ()

    def kind(self, field: str) -> Any:
        """Type of a field."""
        return of(self.plain[self.plain.fields.index(field)])


def of(kind: Any) -> Any:
    """The type by which kernels take a value of this type."""
    return RecordPointer(kind) if isinstance(kind, types.BaseNamedTuple) else kind


@register_model(RecordPointer)
class _Pointer(PrimitiveModel):
    def __init__(self, models: Any, record: Any) -> None:
        stored = models.lookup(record.plain).get_value_type()
        super().__init__(models, record, stored.as_pointer())  # type: ignore[no-untyped-call]


@infer_getattr
class _Fields(AttributeTemplate):
    key = RecordPointer

    def generic_resolve(self, record: Any, field: str) -> Any:  # type: ignore[override]
        return record.kind(field) if field in record.plain.fields else None


@lower_getattr_generic(RecordPointer)  # type: ignore[no-untyped-call, untyped-decorator]
def _field(context: Any, builder: Any, record: Any, pointer: Any, field: str) -> Any:
    place = cgutils.gep_inbounds(builder, pointer, 0, record.plain.fields.index(field))  # type: ignore[no-untyped-call]
    kind = record.kind(field)
    if isinstance(kind, RecordPointer):
        return place
    return impl_ret_borrowed(context, builder, kind, builder.load(place))  # type: ignore[no-untyped-call]


def pointed(record: T) -> T:
    """A generator's record by a pointer, for the kernels that it calls: they are compiled for no other kind."""
    return record


@type_callable(pointed)
def _type_pointed(context: Any) -> Any:
    return of


@lower_builtin(pointed, types.BaseNamedTuple)  # type: ignore[no-untyped-call, untyped-decorator]
def _pointed(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """On the stack of one step of the generator, which keeps the record itself elsewhere."""
    return cgutils.alloca_once_value(builder, arguments[0])  # type: ignore[no-untyped-call]


@unbox(RecordPointer)  # type: ignore[no-untyped-call, untyped-decorator]
def _unbox(record: Any, value: Any, c: Any) -> NativeValue:
    """On the stack of the code that calls the kernel from Python; that code gives its arrays back in the end."""
    found = c.unbox(record.plain, value)
    pointer = cgutils.alloca_once_value(c.builder, found.value)  # type: ignore[no-untyped-call]

    def release() -> None:
        if found.cleanup is not None:
            found.cleanup()
        c.context.nrt.decref(c.builder, record.plain, found.value)

    return NativeValue(pointer, cleanup=release, is_error=found.is_error)  # type: ignore[no-untyped-call]
