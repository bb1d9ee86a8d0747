"""Tensors from files: `.npy`, one of `.npz` or `.safetensors` (`FILE.npz:NAME`), and `.csv` of plain numbers.

Nothing in a file is run: object arrays are refused. Sizes are checked before memory is taken.
"""

from __future__ import annotations

import json
import math
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.core.errors import InputError, Problem, nearest, unknown_name
from archsim.workloads.samples import MAX_ELEMENTS

Array = NDArray[np.float64]

MAX_HEADER_BYTES = 100_000_000
"""Largest header of a safetensors file. Source: the safetensors format description."""
_DAMAGE = (
    ValueError, EOFError, MemoryError, KeyError, TypeError, RecursionError, NotImplementedError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What readers raise for a file that is not what its suffix says."""
_SAFETENSORS_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I16": "<i2", "I8": "<i1"}
_SPEC = re.compile(r"(?P<file>.+\.(?:npz|safetensors))(?::(?P<name>.+))?", re.IGNORECASE | re.DOTALL)


def read_array(spec: str | Path) -> Array:
    """The tensor that `spec` names, as float64: a file, or `FILE:NAME` for one of several in a file.

    Raises InputError for a file that is missing, damaged, too large, of another kind, or that holds no numbers.
    """
    return as_tensor(stored_array(spec), str(spec))


def stored_array(spec: str | Path) -> NDArray[Any]:
    """The tensor that `spec` names, as `read_array` does, in the type it is stored in and whatever it holds."""
    path, name = split_spec(spec)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        what = f"cannot read {path.suffix} files" if path.suffix else "has no suffix that says what it is"
        raise _wrong(path, what, f"known: {', '.join(_READERS)}")
    if not path.is_file():
        raise _wrong(path, "is a folder, not a file" if path.is_dir() else "no such file")
    try:
        return reader(path, name)
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _wrong(path, f"cannot be read: {reason}") from None


def as_tensor(data: ArrayLike, place: str) -> Array:
    """`data` as contiguous float64. Raises InputError, naming `place`, for what is not finite real numbers."""
    try:
        values = np.asarray(data)
    except ValueError as error:  # lists of different lengths
        raise _wrong(place, f"is not an array: {error}") from None
    if values.dtype.kind not in "fiub":
        raise _wrong(place, f"holds {values.dtype} elements, which are not real numbers")
    if not 1 <= values.size <= MAX_ELEMENTS:
        raise _wrong(place, f"must hold 1 to {MAX_ELEMENTS:,} elements (got {values.size:,})")
    numbers = np.ascontiguousarray(values, dtype=np.float64)
    unusable = numbers.size - int(np.count_nonzero(np.isfinite(numbers)))
    if unusable:
        raise _wrong(place, f"holds {unusable:,} elements that are NaN or infinite")
    return numbers


def names_a_file(spec: str | Path) -> bool:
    """Whether `spec` is written as a file: a path, or a name with a suffix."""
    path, _ = split_spec(spec)
    return isinstance(spec, Path) or bool(path.suffix) or len(path.parts) > 1 or path.exists()


def split_spec(spec: str | Path) -> tuple[Path, str | None]:
    """The file, and the name after it if there is one.

    >>> split_spec("weights.npz:layer.0")[1]
    'layer.0'
    """
    match = _SPEC.fullmatch(str(spec))
    return (Path(match["file"]), match["name"]) if match else (Path(spec), None)


def _read_npy(path: Path, _: str | None) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _read_npz(path: Path, name: str | None) -> NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        member = members[_chosen(path, name, members)]
        _check_size(path, member.file_size)
        with archive.open(member) as file:
            _check_header(path, file)
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)


def _check_header(path: Path, file: IO[bytes]) -> None:
    """Refuse an array whose header promises more than may be read, before memory is taken for it."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the array format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    _check_size(path, math.prod(shape) * dtype.itemsize)


def _check_size(path: Path, size_bytes: int) -> None:
    limit = MAX_ELEMENTS * np.dtype(np.float64).itemsize
    if size_bytes > limit:
        raise _wrong(path, f"holds a tensor of {size_bytes:,} bytes (at most {limit:,})")


def _read_safetensors(path: Path, name: str | None) -> NDArray[Any]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > min(MAX_HEADER_BYTES, path.stat().st_size):
            raise ValueError(f"a header of {size:,} bytes")
        header = json.loads(file.read(size))
        if not isinstance(header, dict):
            raise ValueError("a header that is no table")
        tensors = {key: entry for key, entry in header.items() if key != "__metadata__"}
        tensor = tensors[_chosen(path, name, tensors)]
        if tensor["dtype"] not in _SAFETENSORS_TYPES:
            raise ValueError(f"elements of type {tensor['dtype']!r} (known: {', '.join(_SAFETENSORS_TYPES)})")
        dtype, shape = np.dtype(_SAFETENSORS_TYPES[tensor["dtype"]]), tuple(tensor["shape"])
        start, end = tensor["data_offsets"]
        if start < 0 or end - start != math.prod(shape) * dtype.itemsize or 8 + size + end > path.stat().st_size:
            raise ValueError("its offsets do not fit its shape or its size")
        _check_size(path, end - start)
        file.seek(8 + size + start)
        values = np.frombuffer(file.read(end - start), dtype).reshape(shape)
    return _from_bf16(values) if tensor["dtype"] == "BF16" else values


def _from_bf16(halves: NDArray[np.uint16]) -> NDArray[np.float32]:
    """BF16 is the upper half of an FP32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _read_csv(path: Path, _: str | None) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input contained no data")
        return np.loadtxt(path, delimiter=",", dtype=np.float64, ndmin=2, encoding="utf-8")


def _chosen(path: Path, name: str | None, known: Iterable[str]) -> str:
    """`name` if the file has it, or the only tensor of a file."""
    names = list(known)
    if name is None and len(names) == 1:
        return names[0]
    if name is None:
        raise _wrong(path, f"holds {len(names)} tensors", f"choose one: {path}:{names[0]}" if names else None)
    if name not in names:
        problem = unknown_name("tensor", name, names, file=str(path))
        if nearest(name, names) is None:
            problem = Problem(message=problem.message, file=str(path), hint=_listing(names))
        raise InputError(problem)
    return name


def _listing(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return f"known: {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _wrong(place: str | Path, message: str, hint: str | None = None) -> InputError:
    return InputError(Problem(file=str(place), message=message, hint=hint))


_READERS: dict[str, Callable[[Path, str | None], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".csv": _read_csv,
}
SUFFIXES = tuple(_READERS)
