"""Safetensors files: their headers, checked before a byte of data is touched, and their tensors as memory maps.

A file is the length of its header (8 bytes, little-endian), the header (JSON: name to element type, shape and byte
range) and the data. Nothing is executed, and nothing outside the folder of an index is opened.
Source: the safetensors format description (github.com/huggingface/safetensors, README, "Format").
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief, spelled
from archsim.workloads.table_trace import raise_all

SUFFIX = ".safetensors"
INDEX_SUFFIX = ".safetensors.index.json"

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
"""Source: the format's own limit, `MAX_HEADER_SIZE` of its reference reader."""
MAX_INDEX_BYTES = 100_000_000
"""Source: estimate: as the header; an index names the same tensors."""
MAX_AXES = 64
"""Source: numpy's limit."""
METADATA = "__metadata__"

BITS = MappingProxyType(
    {
        **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
        **dict.fromkeys(("F32", "I32", "U32"), 32),
        **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
        **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8", "U8", "BOOL"), 8),
        **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
        "F4": 4,
    }
)
"""Element types and their bits. Source: `Dtype` of the format's reference reader."""

_NUMPY = MappingProxyType(
    {
        "F64": "<f8",
        "F32": "<f4",
        "F16": "<f2",
        "C64": "<c8",
        **{f"{letter}{bits}": f"<{letter.lower()}{bits // 8}" for letter in "IU" for bits in (8, 16, 32, 64)},
        "BOOL": "?",
    }
)
_ML_DTYPES = MappingProxyType(
    {
        "BF16": "bfloat16",
        "F8_E4M3": "float8_e4m3fn",
        "F8_E5M2": "float8_e5m2",
        "F8_E8M0": "float8_e8m0fnu",
        "F8_E4M3FNUZ": "float8_e4m3fnuz",
        "F8_E5M2FNUZ": "float8_e5m2fnuz",
        "F4": "float4_e2m1fn",
    }
)
"""Element types that numpy lacks, by their class in ml_dtypes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """One tensor of a file: where its bytes lie, and what they mean."""

    name: str
    dtype: str
    """As the file spells it, such as BF16."""
    shape: tuple[int, ...]
    file: Path
    start: int
    """First byte in the file."""
    end: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.end - self.start

    def load(self) -> NDArray[Any]:
        """The values, mapped from the file, read-only; four-bit floats (two a byte, the low half first) are unpacked.

        Raises InputError for element types that no array type holds.
        """
        if self.dtype not in _NUMPY and self.dtype not in _ML_DTYPES:
            message = f"has elements of type {self.dtype}, which cannot be read as an array"
            raise InputError(Problem(file=str(self.file), key=self.name, message=message))
        dtype = np.dtype(_NUMPY[self.dtype]) if self.dtype in _NUMPY else _ml_dtype(_ML_DTYPES[self.dtype])
        if not self.elements:
            return np.empty(self.shape, dtype)
        raw = np.memmap(self.file, dtype=np.uint8, mode="r", offset=self.start, shape=(self.bytes,))
        if BITS[self.dtype] < 8:
            raw = cast("np.memmap[Any, Any]", np.stack([raw & 15, raw >> 4], axis=-1).reshape(-1))
        return raw.view(dtype).reshape(self.shape)


def stored_tensors(path: str | os.PathLike[str]) -> tuple[StoredTensor, ...]:
    """The tensors of a safetensors file, of an index's shards, or of all such files of a folder, by name.

    Raises InputError with every problem: what is missing, damaged, of another kind, or claims bytes it has not.
    """
    place = Path(path)
    if place.name.lower().endswith(INDEX_SUFFIX):
        return _indexed(place)
    if not place.is_dir():
        return read_header(place)
    indices = sorted(entry for entry in place.iterdir() if entry.name.lower().endswith(INDEX_SUFFIX))
    if len(indices) == 1:
        return _indexed(indices[0])
    files = sorted(entry for entry in place.iterdir() if entry.suffix.lower() == SUFFIX)
    if not files:
        raise InputError(Problem(file=str(place), message=f"is a folder without {SUFFIX} files"))
    return _distinct([tensor for file in files for tensor in read_header(file)], place)


def read_header(file: Path) -> tuple[StoredTensor, ...]:
    """The tensors of one file, in the order of their bytes. Raises InputError as `stored_tensors`."""
    text, data_start, size = _header_bytes(file)
    table = _json_table(text, file, "header")
    problems: list[Problem] = []
    tensors: list[StoredTensor] = []
    for name, entry in table.items():
        if name == METADATA:
            continue
        tensor = _tensor(name, entry, file, data_start)
        if isinstance(tensor, Problem):
            problems.append(tensor)
        else:
            tensors.append(tensor)
    tensors.sort(key=lambda tensor: (tensor.start, tensor.end))
    raise_all(problems or _layout_problems(tensors, data_start, size), file)
    return tuple(tensors)


def _header_bytes(file: Path) -> tuple[bytes, int, int]:
    """The header, the position of the first data byte, and the file's size."""
    try:
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
            room = min(MAX_HEADER_BYTES, size - LENGTH_BYTES)
            if size < LENGTH_BYTES or length > room:
                raise InputError(Problem(file=str(file), message=_length_message(length, size)))
            return stream.read(length), LENGTH_BYTES + length, size
    except FileNotFoundError:
        raise InputError(Problem(file=str(file), message="no such file")) from None
    except OSError as error:
        raise InputError(Problem(file=str(file), message=f"cannot be read: {error.strerror}")) from None


def _length_message(length: int, size: int) -> str:
    if size < LENGTH_BYTES:
        return f"is not a safetensors file: it has {size} bytes, its header's length alone takes {LENGTH_BYTES}"
    limit = f"at most {MAX_HEADER_BYTES:,} are allowed" if length <= size else f"the file has {size:,}"
    return f"is not a safetensors file, or truncated: it promises a header of {length:,} bytes, {limit}"


def _json_table(text: bytes, file: Path, what: str) -> dict[str, Any]:
    """The object of a JSON text; a name that stands twice is refused, as one of the two would be lost."""
    try:
        table = json.loads(text.decode("utf-8"), object_pairs_hook=_unique_pairs)
    except UnicodeDecodeError as error:
        message = f"{what} is not UTF-8 (byte {error.start})"
    except RecursionError:
        message = f"{what} is not JSON that can be read: nested too deeply"
    except json.JSONDecodeError as error:
        message = f"{what} is not JSON: {error.msg} (character {error.pos})"
    except ValueError as error:
        message = f"{what} cannot be read: {error}"
    else:
        if isinstance(table, dict):
            return table
        message = f"{what} must hold one JSON object (got {spelled(table)})"
    raise InputError(Problem(file=str(file), message=message, hint="the file is damaged: download or write it again"))


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{brief(twice)!r} stands twice")
    return table


def _tensor(name: str, entry: object, file: Path, data_start: int) -> StoredTensor | Problem:
    key = brief(name)
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        return Problem(key=key, message=f"must state dtype, shape and data_offsets (got {spelled(entry)})")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        return Problem(key=key, message=f"unknown dtype {spelled(dtype)}", hint=f"known: {', '.join(BITS)}")
    if not _counts(shape) or len(shape) > MAX_AXES:
        return Problem(key=key, message=f"shape must be a list of at most {MAX_AXES} sizes (got {spelled(shape)})")
    if not _counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        return Problem(key=key, message=f"data_offsets must be two places, first and last (got {spelled(offsets)})")
    wanted_bits = math.prod(shape) * BITS[dtype]
    if wanted_bits != 8 * (offsets[1] - offsets[0]):
        wanted = f"{dtype} of shape {spelled(shape)} takes {wanted_bits / 8:,.0f} bytes"
        return Problem(key=key, message=f"{wanted}, data_offsets span {offsets[1] - offsets[0]:,}")
    place = {"start": data_start + offsets[0], "end": data_start + offsets[1]}
    return StoredTensor(name=name, dtype=dtype, shape=tuple(shape), file=file, **place)


def _counts(values: object) -> bool:
    """Whether `values` is a list of integers from 0 to 2^63."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _layout_problems(tensors: list[StoredTensor], data_start: int, size: int) -> list[Problem]:
    """Tensors that share bytes, bytes of no tensor, and tensors behind the end of the file."""
    problems = []
    for before, tensor in pairwise(tensors):
        if tensor.start < before.end:
            message = f"shares bytes with {brief(before.name)!r} ({tensor.start - data_start:,} lies before its end)"
            problems.append(Problem(key=brief(tensor.name), message=message))
        elif tensor.start > before.end:
            message = f"leaves {tensor.start - before.end:,} bytes of no tensor behind {brief(before.name)!r}"
            problems.append(Problem(key=brief(tensor.name), message=message))
    if tensors and tensors[0].start > data_start:
        message = f"starts at byte {tensors[0].start - data_start:,} of the data: those before it are of no tensor"
        problems.append(Problem(key=brief(tensors[0].name), message=message))
    end = max((tensor.end for tensor in tensors), default=data_start)
    if end > size:
        problems.append(Problem(message=f"is truncated: its tensors take {end:,} bytes, the file has {size:,}"))
    elif end < size:
        problems.append(Problem(message=f"has {size - end:,} bytes behind its last tensor"))
    return problems


def _indexed(index: Path) -> tuple[StoredTensor, ...]:
    """The tensors that an index names, each from the shard it names. Shards lie beside the index."""
    weight_map = _weight_map(index)
    shards = sorted(set(weight_map.values()))
    raise_all([problem for shard in shards if (problem := _shard_problem(shard, index))], index)
    found = {(shard, tensor.name): tensor for shard in shards for tensor in read_header(index.with_name(shard))}
    missing = [
        Problem(key=brief(name), message=f"is not in {brief(shard)}")
        for name, shard in weight_map.items()
        if (shard, name) not in found
    ]
    raise_all(missing, index)
    return tuple(found[shard, name] for name, shard in weight_map.items())


def _weight_map(index: Path) -> dict[str, str]:
    try:
        if index.stat().st_size > MAX_INDEX_BYTES:
            raise InputError(Problem(file=str(index), message=f"is larger than {MAX_INDEX_BYTES:,} bytes"))
        table = _json_table(index.read_bytes(), index, "index")
    except FileNotFoundError:
        raise InputError(Problem(file=str(index), message="no such file")) from None
    except OSError as error:
        raise InputError(Problem(file=str(index), message=f"cannot be read: {error.strerror}")) from None
    weights = table.get("weight_map")
    if not isinstance(weights, dict) or not all(isinstance(shard, str) for shard in weights.values()):
        message = f"must be an object of tensor names and file names (got {spelled(weights)})"
        raise InputError(Problem(file=str(index), key="weight_map", message=message))
    return weights


def _shard_problem(shard: str, index: Path) -> Problem | None:
    """Why a shard is not opened: it is no plain file name, has another suffix, or is not there."""
    if not shard.isprintable() or PurePosixPath(shard).name != shard or PureWindowsPath(shard).name != shard:
        message = f"names a shard outside its folder: {spelled(shard)}"
        return Problem(key="weight_map", message=message, hint="shards must lie beside the index")
    if not shard.lower().endswith(SUFFIX):
        return Problem(key="weight_map", message=f"names a shard that is no {SUFFIX} file: {spelled(shard)}")
    if not index.with_name(shard).is_file():
        return Problem(key="weight_map", message=f"names a shard that is not there: {spelled(shard)}")
    return None


def _distinct(tensors: Iterable[StoredTensor], place: Path) -> tuple[StoredTensor, ...]:
    seen: dict[str, StoredTensor] = {}
    problems = []
    for tensor in tensors:
        if tensor.name in seen:
            message = f"stands in {seen[tensor.name].file.name} and in {tensor.file.name}"
            hint = "name one of the files, or their index"
            problems.append(Problem(key=brief(tensor.name), message=message, hint=hint))
        seen.setdefault(tensor.name, tensor)
    raise_all(problems, place)
    return tuple(seen.values())


def _ml_dtype(name: str) -> np.dtype[Any]:
    import ml_dtypes

    dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    return dtype
