"""The one place where numba's options are set.

numba's own cache notices an edit of the file a function stands in, but not of the functions it calls or of the
constants it imports, and would go on giving yesterday's numbers. So all kernels share one cache folder whose name is a
hash of every `kernels.py` in the package: any edit of any kernel starts a new folder.
"""

from __future__ import annotations

import hashlib
import importlib
import os
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

Function = TypeVar("Function", bound=Callable[..., Any])


def _roots() -> list[Path]:
    import archsim

    return sorted({Path(entry).resolve() for entry in archsim.__path__})


@cache
def source_hash() -> str:
    """SHA-256 (16 hex digits) over every kernel source and the versions of Python and numba."""
    digest = hashlib.sha256(f"{sys.version} {numba.__version__}".encode())
    rooms = ("core", "arch", "sim", "mappers", "workloads")
    for root in _roots():
        for room in rooms:
            for path in sorted((root / room).rglob("*kernels.py")):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path:
    """The folder that holds compiled kernels: under the user's cache, or a temporary one where that is read-only."""
    base = os.environ.get("ARCHSIM_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "archsim" / f"kernels-{source_hash()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = tempfile.NamedTemporaryFile(dir=folder)  # noqa: SIM115
        probe.close()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="archsim-kernels-"))
    return folder


def compiled_before() -> bool:
    """Whether this version's kernels lie compiled in the cache; the first run of a version takes seconds longer."""
    return any(cache_folder().rglob("*.nbc"))


def kernel(function: Function) -> Function:
    """Compile a pure function of arrays and scalars with numba, cached on disk by the hash of all kernel sources.

    Division follows numpy (no exception inside a kernel): whoever calls a kernel has validated its arguments.
    """
    return _compiled(function)


def inner_kernel(function: Function) -> Function:
    """A `kernel` that makes no arrays: numba leaves out the counting of references, which costs more than short loops.

    What it calls must be an `inner_kernel` too.
    """
    return _compiled(function, _nrt=False)


def _compiled(function: Function, **options: Any) -> Function:
    before = config.CACHE_DIR  # type: ignore[attr-defined]
    config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]
    try:
        return cast(Function, numba.njit(cache=True, error_model="numpy", nogil=True, **options)(function))
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]


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
