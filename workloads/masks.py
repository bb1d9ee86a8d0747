"""Bitmap masks from an .npz file: one array per layer, in which zero means pruned."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief
from archsim.workloads.op import Op
from archsim.workloads.sparsity_spelling import mask_text

GROUP_SIZES = (2, 4, 8, 16, 32, 64)
"""Neighbours along the reduction in which non-zeros are counted."""
LARGEST_ARRAYS = 100_000
LARGEST_BYTES = 1 << 31
"""Of one array, unpacked."""
LARGEST_SUM = 1 << 36
"""Bytes of all arrays, unpacked."""
_SUFFIX = ".npy"


def read_masks(path: Path, ops: Mapping[str, Op]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Spellings of the patterns that an .npz file holds for `ops` (by layer name), and its names that no op has.

    Arrays are read one after the other, and nothing in them is run. Raises InputError for every array of a layer that
    is not a whole array of numbers in that layer's shape or too large, and for other files.
    """
    found, surplus = read_each(path, ops)
    return {name: pattern for name, (pattern, _) in found.items()}, surplus


def read_each(path: Path, ops: Mapping[str, Op]) -> tuple[dict[str, tuple[str, NDArray[np.bool_]]], tuple[str, ...]]:
    """As `read_masks`, with each mask as rows of outputs along the reduction."""
    problems: list[Problem] = []
    found: dict[str, tuple[str, NDArray[np.bool_]]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename.removesuffix(_SUFFIX): member for member in archive.infolist()}
            _check_sizes(list(members.values()), path)
            for name in members.keys() & ops.keys():
                try:
                    array = _array(archive, members[name])
                    found[name] = mask_pattern(array, ops[name]), _rows(array, ops[name])
                except (ValueError, EOFError) as error:
                    problems.append(Problem(file=path.name, message=f"array {brief(name)!r} {brief(str(error))}"))
    except FileNotFoundError:
        raise InputError(Problem(file=path.name, message="no such file")) from None
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(Problem(file=path.name, message=f"cannot be read as an .npz file: {error}")) from None
    if problems:
        raise InputError(sorted(problems, key=str))
    return found, tuple(sorted(members.keys() - ops.keys()))


def mask_pattern(array: NDArray[np.generic], op: Op) -> str:
    """The spelling of density and non-zeros per group along the reduction, of a mask in the shape of an op's weights.

    A last, shorter group of a row counts as if the lanes it leaves empty held zeros. Raises ValueError for other
    shapes.
    """
    shape = mask_shape(op)
    if array.shape not in (shape, (1, *shape)):
        raise ValueError(f"has shape {array.shape}; the layer's weights are {shape}")
    kept = _rows(array, op)
    counts = tuple(tuple(int(number) for number in _grouped(kept, size)) for size in GROUP_SIZES)
    return mask_text(int(np.count_nonzero(kept)), array.size, counts)


def _rows(array: NDArray[np.generic], op: Op) -> NDArray[np.bool_]:
    """What is kept, in rows along the reduction."""
    return np.ascontiguousarray((array != 0).reshape(-1, op.size(op.reduction)))


def mask_shape(op: Op) -> tuple[int, ...]:
    """The shape of a mask of an op's weights: (batch,) outputs, reduction; conv: k, c / groups, (t,) r, s."""
    loops = op.loops
    if op.kind == "gemm":
        return ((loops["b"],) if loops["b"] > 1 else ()) + (loops["n"], loops["k"])
    window = (loops["t"],) if "t" in loops else ()
    return (loops["k"] * loops["g"], loops["c"], *window, loops["r"], loops["s"])


def _grouped(kept: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """How many groups of `size` along the rows hold 0, 1, ..., `size` non-zeros."""
    starts = np.arange(0, kept.shape[1], size)
    sums = np.add.reduceat(kept, starts, axis=1, dtype=np.int64)
    return np.bincount(sums.ravel(), minlength=size + 1)


def _check_sizes(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse what would not fit before anything is unpacked."""
    largest = max((member.file_size for member in members), default=0)
    total = sum(member.file_size for member in members)
    for got, limit, what in (
        (len(members), LARGEST_ARRAYS, "arrays"),
        (largest, LARGEST_BYTES, "bytes in one array"),
        (total, LARGEST_SUM, "bytes in all arrays"),
    ):
        if got > limit:
            raise InputError(Problem(file=path.name, message=f"holds {got} {what}, more than {limit}"))


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[np.generic]:
    """One array; its header must agree with the member's size before memory is taken for it."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if reader is None:
            raise ValueError(f"has version {version[0]}.{version[1]} of the .npy format, not 1.0 or 2.0")
        shape, _, dtype = reader(stream)
        if dtype.hasobject or dtype.kind not in "biufc":
            raise ValueError(f"holds {dtype}, not numbers")
        if prod(shape) * dtype.itemsize != member.file_size - stream.tell():
            raise ValueError(f"says shape {shape}, which its {member.file_size} bytes are not")
    with archive.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)
