"""How numba compiles functions that only other kernels call.

As it is, numba optimizes every function and makes machine code of it, with wrappers that turn Python's arguments into
its own, hundreds of lines for each tuple of arrays; and all of it again in each function that calls it. What only ever
becomes part of others needs none of that but its intermediate code.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

# numba has no types.
_Library: Any = JITCodeLibrary
_Lowering: Any = NativeLowering
_Passes: Any = DefaultPassBuilder
_Compiler: Any = CompilerBase
_registered: Any = register_pass(mutates_CFG=True, analysis_only=False)  # type: ignore[no-untyped-call]

_USED = ("_optimize_final_module", "_finalize_final_module", "_finalize_dynamic_globals")
"""What of numba's library is replaced or called: it is no public interface."""


class _NoEnvironment:
    """A code generator for a function that does not lie in memory: it has no environment to set."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, env_name: str, env: object) -> None:
        """Nothing to do."""


class _Part(_Library):  # type: ignore[misc]
    """The intermediate code of a function that others take in; called from Python it raises TypeError."""

    @property
    def codegen(self) -> _NoEnvironment:
        return _NoEnvironment(self._codegen)

    def _optimize_final_module(self) -> None:
        """Whoever takes it in optimizes it."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        address = ctypes.cast(ctypes.pythonapi.PyErr_BadArgument, ctypes.c_void_p).value
        assert address is not None
        return address


@_registered
class _PartLowering(_Lowering):  # type: ignore[misc]
    """numba's lowering, into a `_Part`."""

    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return bool(super().run_pass(state))


class _PartCompiler(_Compiler):  # type: ignore[misc]
    def define_pipelines(self) -> list[Any]:
        passes = _Passes.define_nopython_pipeline(self.state, "part")
        at = [step for step, _ in passes.passes].index(NativeLowering)
        passes.passes[at] = (_PartLowering, "lower into a part")
        passes.finalize()
        return [passes]


@cache
def part_compiler() -> type[_PartCompiler] | None:
    """The compiler of parts; None where this version of numba lacks what it builds on."""
    return _PartCompiler if all(hasattr(_Library, name) for name in _USED) else None
