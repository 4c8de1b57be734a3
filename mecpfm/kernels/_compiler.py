"""Kernels that other kernels call are parts: typed, translated and optimised, but machine code only inside those.

Numba makes of every function a library that can be called from Python and from C, turns it into machine code and loads
it. Of a tree of kernels Python calls the root only. So a kernel has two dispatchers: itself, for calls from Python, and
a part, for calls from kernels. Results are the same bits, speed is the same, and compiling takes a third less. What
Numba itself compiles for a kernel, as it does for ``np.empty``, is a part too.

Parts of the coupled problem are optimised lightly, since their callers optimise all that they take in: a quarter less
again at the same speed. The simulator on a trace would take three times as long: Numba's reference counts of its many
arrays are removed function by function, before callers take their code in.
"""

from __future__ import annotations

import inspect
import pkgutil
from typing import Any

import numpy as np
from numba.core import types
from numba.core.codegen import JITCodeLibrary, ll  # type: ignore[attr-defined]
from numba.core.compiler import Compiler, CompilerBase, CompileResult, DefaultPassBuilder, compile_result
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import register_pass
from numba.core.environment import lookup_environment as lookup
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

from mecpfm.kernels import _records
from mecpfm.kernels._cache import KernelCache, Located
from mecpfm.kernels._thrift import thrifty

ENVIRONMENT = "_ZN08NumbaEnv"
"""How the names of the variables begin that point to what a function raises."""

LIGHT = "mecpfm.kernels.coupled_"
"""How the names of the modules begin whose parts are optimised lightly."""

GENERATORS: dict[type, Any] = {}
"""Numba's types of random generators, by the type of the source of their bits."""


class PartLibrary(JITCodeLibrary):
    """Code of a part: linked with what it calls and optimised, not loaded."""

    light = False

    def _optimize_final_module(self) -> None:
        if not self.light:
            super()._optimize_final_module()  # type: ignore[no-untyped-call]
            return
        cheap = {"loop_vectorize": False, "slp_vectorize": False, "opt": 0, "cost": "cheap"}
        passes, builder = self._codegen._module_pass_manager(**cheap)  # type: ignore[no-untyped-call]
        passes.run(self._final_module, builder)

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()  # type: ignore[no-untyped-call]
        self._verify_declare_only_symbols()  # type: ignore[no-untyped-call]
        self._finalized = True

    def serialize_using_object_code(self) -> tuple[str, bytes]:
        """What the cache keeps: the code that callers take in."""
        return self.name, self._get_module_for_linking().as_bitcode()  # type: ignore[no-untyped-call]

    @classmethod
    def loaded(cls, codegen: Any, kept: tuple[str, bytes]) -> PartLibrary:
        """The library that was kept."""
        name, code = kept
        library = cls(codegen, name)
        library._shared_module = library._final_module = ll.parse_bitcode(code)
        library._finalized = True
        return library


@register_pass(mutates_CFG=True, analysis_only=False)  # type: ignore[no-untyped-call]
class RootLowering(NativeLowering):
    """Numba's last pass, for what Python calls."""

    _name = "root_lowering"

    def run_pass(self, state: Any) -> bool:
        """Translate and load one function."""
        super().run_pass(state)  # type: ignore[no-untyped-call]
        _point_to_environments(state.library)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)  # type: ignore[no-untyped-call]
class PartLowering(NativeLowering):
    """The same for what Python does not call: it ends before machine code."""

    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        """Translate one function."""
        state.flags.no_compile = state.flags.no_cpython_wrapper = state.flags.no_cfunc_wrapper = True
        state.library = PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)  # type: ignore[no-untyped-call]
        state.library.light = state.func_id.modname.startswith(LIGHT)
        super().run_pass(state)  # type: ignore[no-untyped-call]
        state.library.finalize()
        entry = object()  # callers find the code by it; nothing calls it
        state.targetctx.insert_user_function(entry, state.cr.fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=entry)
        return True


def _point_to_environments(library: Any) -> None:
    """Numba does so for each library that it loads; parts came along with this one."""
    for variable in library._final_module.global_variables:
        if variable.name.startswith(ENVIRONMENT):
            environment = lookup(variable.name)  # type: ignore[no-untyped-call]
            if environment is not None:
                library.codegen.set_env(variable.name, environment)


def _passes(state: Any, lowering: type[NativeLowering]) -> list[Any]:
    manager = DefaultPassBuilder.define_nopython_pipeline(state)  # type: ignore[no-untyped-call]
    manager.passes = [(lowering if made is NativeLowering else made, why) for made, why in manager.passes]
    return [manager]


class RootCompiler(CompilerBase):
    """Numba's compiler, whose last pass is replaced."""

    def define_pipelines(self) -> list[Any]:
        """Its passes."""
        return _passes(self.state, RootLowering)


class PartCompiler(CompilerBase):
    """The same for parts. Flags are those of a root, so that both share what Numba knows of its own functions."""

    def define_pipelines(self) -> list[Any]:
        """Its passes."""
        return _passes(self.state, PartLowering)


class _PartImpl(Located):
    def get_filename_base(self, fullname: Any, abiflags: Any) -> str:
        """Files beside the kernel's own, wherever those lie."""
        base = super().get_filename_base(fullname, abiflags)  # type: ignore[no-untyped-call]
        return f"{base}-part"

    def rebuild(self, target_context: Any, payload: Any) -> CompileResult:
        """Numba's CompileResult._rebuild, without loading code for calls from Python."""
        library, fndesc, environment, signature, _, _, annotation, reload_init, environments = payload
        for begin in reload_init:
            begin()
        return compile_result(  # type: ignore[no-untyped-call]
            target_context=target_context, typing_context=target_context.typing_context, entry_point=object(),
            library=PartLibrary.loaded(target_context.codegen(), library), environment=environment, fndesc=fndesc,
            signature=signature, type_annotation=annotation, objectmode=False, lifted=(), reload_init=reload_init,
            referenced_envs=environments,
        )  # fmt: skip


class PartCache(KernelCache):
    """Code of one part on the disk."""

    _impl_class = _PartImpl


class Part(CPUDispatcher):
    """A kernel as other kernels call it."""

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        super().__init__(function, {}, options, PartCompiler)
        self._cache = PartCache(function)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Numba's, to which a constant is not a type of its own, for which the part would be compiled once more."""
        plain = {name: types.unliteral(kind) for name, kind in kws.items()}  # type: ignore[no-untyped-call]
        return super().get_call_template(tuple(map(types.unliteral, args)), plain)

    def add_overload(self, cres: Any) -> None:
        """Numba's would make it callable from Python."""
        self.overloads[tuple(cres.signature.args)] = cres


INNER = (
    (Compiler, "define_pipelines", PartCompiler.define_pipelines),
    (CPUDispatcher, "add_overload", Part.add_overload),
)
"""While a kernel compiles: class, method, and what stands in for it where Numba compiles a function of its own."""


class Kernel(CPUDispatcher):
    """A kernel as Python calls it."""

    def __init__(self, function: Any, options: dict[str, Any], counting: bool) -> None:
        options = {"nopython": True, "no_cfunc_wrapper": True, **options}
        super().__init__(function, {}, options, RootCompiler)
        self._cache = KernelCache(function)
        self._counting = counting
        self._outlives = inspect.isgeneratorfunction(function)  # the stack that a record by pointer lies on
        self._part: Part | None = None  # most kernels are never called from both

    add_overload = CPUDispatcher.add_overload  # also while it stands aside for parts

    def compile(self, sig: Any) -> Any:
        """Numba's, in less time."""
        with global_compiler_lock, thrifty(INNER):
            return super().compile(sig)

    def __reduce__(self) -> tuple[Any, ...]:
        """By name: stored code of a generator holds its function, and with that the kernels that it calls."""
        return pkgutil.resolve_name, (f"{self.py_func.__module__}:{self.py_func.__qualname__}",)

    @property
    def part(self) -> Any:
        """The same for calls from kernels; references to arrays are counted there if they have to be."""
        self._part = self._part or Part(self.py_func, {**self.targetoptions, "_nrt": self._counting})
        return self._part

    def typeof_pyval(self, val: Any) -> Any:
        """Numba builds the type of a random generator anew at every call, which takes longer than many a kernel."""
        if type(val) is not np.random.Generator:
            found = super().typeof_pyval(val)
            return found if self._outlives else _records.of(found)
        kind = type(val.bit_generator)
        if kind not in GENERATORS:
            GENERATORS[kind] = super().typeof_pyval(val)
        return GENERATORS[kind]

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What a calling kernel gets to know."""
        return self.part.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        """The same once more: what it calls."""
        return self.part.get_overload(sig)
