"""The one place where numba's options are set.

numba's own cache notices an edit of the file a function stands in, but not of the functions it calls or of the
constants it imports, and would go on giving yesterday's numbers. So the compiled kernels of a file lie in a folder
whose name is a hash of that file and of everything of ours that it imports, directly or not: an edit starts a new
folder for the files that can see it, and leaves the others compiled.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import config, types
from numba.extending import intrinsic

from archsim.core.kernel_parts import part_compiler

Function = TypeVar("Function", bound=Callable[..., Any])


def _roots() -> list[Path]:
    import archsim

    return sorted({Path(entry).resolve() for entry in archsim.__path__})


_IMPORT = re.compile(r"^(?:from|import) (archsim(?:\.\w+)+)", re.MULTILINE)


def _source(module: str) -> Path | None:
    """The file of one of our modules, found without importing it; None for a package or an unknown name."""
    if not module.startswith("archsim."):
        file = getattr(sys.modules.get(module), "__file__", None)
        return None if file is None else Path(file)
    relative = Path(*module.split(".")[1:]).with_suffix(".py")
    return next((root / relative for root in _roots() if (root / relative).is_file()), None)


@cache
def _imports(module: str) -> tuple[bytes, frozenset[str]]:
    """The text of a module and which of ours it imports at its top level."""
    path = _source(module)
    text = b"" if path is None else path.read_bytes()
    return text, frozenset(_IMPORT.findall(text.decode()))


@cache
def source_hash(module: str) -> str:
    """SHA-256 (16 hex digits) over a kernel file, all of ours that it imports, and the versions of Python and numba."""
    seen: set[str] = set()
    open_names = {module}
    while open_names:
        name = open_names.pop()
        seen.add(name)
        open_names |= _imports(name)[1] - seen
    digest = hashlib.sha256(f"{sys.version} {numba.__version__}".encode())
    for name in sorted(seen):
        digest.update(name.encode())
        digest.update(_imports(name)[0])
    return digest.hexdigest()[:16]


@cache
def _cache_base() -> Path:
    """Where compiled kernels lie: under the user's cache, or in a temporary folder where that is read-only."""
    base = os.environ.get("ARCHSIM_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "archsim"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = tempfile.NamedTemporaryFile(dir=folder)  # noqa: SIM115
        probe.close()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="archsim-kernels-"))
    return folder


def cache_folder(module: str) -> Path:
    """The folder that holds the compiled kernels of a module."""
    return _cache_base() / f"kernels-{source_hash(module)}"


def compiled_before(module: str) -> bool:
    """Whether a module's kernels lie compiled in the cache; the first run of a version takes much longer."""
    return any(cache_folder(module).rglob("*.nbc"))


def kernel(function: Function) -> Function:
    """Compile a pure function of arrays and scalars with numba, cached on disk by the hash of its sources.

    Division follows numpy (no exception inside a kernel): whoever calls a kernel has validated its arguments.
    """
    return _compiled(function)


def plain_kernel(function: Function) -> Function:
    """A `kernel` that makes no arrays: numba leaves out the counting of references, which costs more than short loops.

    What it calls must be an `inner_kernel`.
    """
    return _compiled(function, _nrt=False)


def inner_kernel(function: Function) -> Function:
    """A `plain_kernel` that only kernels call: it becomes machine code as a part of each that it ends up in."""
    return _part(function)


def inlined_kernel(function: Function) -> Function:
    """An `inner_kernel` that becomes part of each of its callers.

    A call hands over every field of every tuple of arrays, hundreds of values: for a short function that takes several
    of them, most of its time. For functions with few callers, since each gets a copy.
    """
    return _part(function, forceinline=True)


def _part(function: Function, **options: Any) -> Function:
    compiler = part_compiler()
    return _compiled(
        function,
        cache=compiler is None,
        _nrt=False,
        **(_AS_PART | {"pipeline_class": compiler} if compiler else {}),
        **options,
    )


_AS_PART = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _compiled(function: Function, *, cache: bool = True, **options: Any) -> Function:
    before = config.CACHE_DIR  # type: ignore[attr-defined]
    config.CACHE_DIR = str(cache_folder(function.__module__))  # type: ignore[attr-defined]
    try:
        return cast(
            Function,
            _for_any_number(numba.njit(cache=cache, error_model="numpy", nogil=True, **options)(function)),
        )
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]


def _for_any_number(compiled: Any) -> Any:
    """Let kernels that call this one with a constant share the version for numbers: numba would make one for each."""
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return compiled
    template = compiled.get_call_template

    plain: Any = types.unliteral

    def shared(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        return template(tuple(plain(kind) for kind in args), {name: plain(kind) for name, kind in kws.items()})

    compiled.get_call_template = shared
    return compiled


_SAME_SIZE: dict[Any, tuple[Any, Any]] = {
    types.float64: (types.int64, ir.IntType(64)),
    types.float32: (types.int32, ir.IntType(32)),
    types.int64: (types.float64, ir.DoubleType()),
    types.int32: (types.float32, ir.FloatType()),
}


def _reinterpreted(typing_context: object, value: Any) -> Any:
    """The same bits, read as the integer or float of the same width."""
    if value not in _SAME_SIZE:
        return None
    result, llvm_type = _SAME_SIZE[value]

    def generate(context: object, builder: Any, signature: object, arguments: Any) -> object:
        return builder.bitcast(arguments[0], llvm_type)

    return result(value), generate


bits_of = cast(Callable[[Any], Any], intrinsic(_reinterpreted))
"""The bits of a float32 or float64 as an integer of its width. For kernels only."""

float_of = cast(Callable[[Any], Any], intrinsic(_reinterpreted))
"""The float32 or float64 whose bits are an int32 or int64. For kernels only."""


def _viewed(typing_context: object, values: Any, begin: Any, shape: Any) -> Any:
    """An array of this shape from place `begin` of a contiguous one of one dimension on."""
    result: Any = types.Array(values.dtype, len(shape), "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> object:
        from numba.core import cgutils
        from numba.np import arrayobj

        arrays: Any = arrayobj  # numba has no types
        tuples: Any = cgutils
        source = arrays.make_array(values)(context, builder, arguments[0])
        target = arrays.make_array(result)(context, builder)
        sizes = tuples.unpack_tuple(builder, arguments[2])
        item = ir.Constant(arguments[1].type, context.get_abi_sizeof(context.get_data_type(values.dtype)))
        strides = [item]
        for size in sizes[:0:-1]:
            strides.insert(0, builder.mul(strides[0], size))
        data = builder.gep(source.data, [arguments[1]])
        arrays.populate_array(target, data=data, shape=sizes, strides=strides, itemsize=item, meminfo=None, parent=None)
        return target._getvalue()

    return result(values, types.int64, shape), generate


def _plainly_viewed(values: Any, begin: int, shape: tuple[int, ...]) -> Any:
    return values[begin : begin + math.prod(shape)].reshape(shape)


_compiling = not config.DISABLE_JIT  # type: ignore[attr-defined]
view_of = cast(Callable[[Any, int, Any], Any], intrinsic(_viewed) if _compiling else _plainly_viewed)
"""``view_of(values, begin, shape)``: a part of a contiguous array of one dimension as a table. For kernels only.

Unlike a slice it does not keep the array alive: that must be an argument of the outermost kernel.
"""


def start_without_linear_algebra() -> None:
    """Let numba load without scipy's linear algebra (a quarter of a second), which no kernel of ours uses.

    For processes that are ours alone, like a command: numba functions of others could not call `numpy.dot` afterwards.
    """
    blocked = "scipy.linalg.cython_blas"
    if blocked in sys.modules or "numba.np.arraymath" in sys.modules:
        return
    sys.modules[blocked] = None  # type: ignore[assignment]
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        del sys.modules[blocked]
