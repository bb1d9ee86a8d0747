"""Stored tensors of an ONNX file: their declared sizes are checked against the bytes there are before any is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief, printable

LARGEST_RANK = 64
LARGEST_ELEMENTS = 2**40
"""Elements of one tensor at most: beyond any network's, and far from the end of 64-bit integers."""
SPARSE_LIMIT = 2**27
"""Elements of a sparse tensor that are written out at most."""

BITS = {
    TensorProto.BOOL: 8,
    TensorProto.FLOAT: 32,
    TensorProto.DOUBLE: 64,
    TensorProto.FLOAT16: 16,
    TensorProto.BFLOAT16: 16,
    TensorProto.COMPLEX64: 64,
    TensorProto.COMPLEX128: 128,
    TensorProto.INT8: 8,
    TensorProto.UINT8: 8,
    TensorProto.INT16: 16,
    TensorProto.UINT16: 16,
    TensorProto.INT32: 32,
    TensorProto.UINT32: 32,
    TensorProto.INT64: 64,
    TensorProto.UINT64: 64,
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.FLOAT8E4M3FN: 8,
    TensorProto.FLOAT8E4M3FNUZ: 8,
    TensorProto.FLOAT8E5M2: 8,
    TensorProto.FLOAT8E5M2FNUZ: 8,
    TensorProto.FLOAT4E2M1: 4,
} | {
    number: bits
    for name, bits in (("FLOAT8E8M0", 8), ("INT2", 2), ("UINT2", 2))
    if (number := getattr(TensorProto, name, None))
}
"""Stored bits of one element by ONNX's number of its type. Source: onnx.proto, TensorProto.DataType."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A stored tensor: what it declares, and where its bytes lie. `array` reads them."""

    name: str
    shape: tuple[int, ...]
    element_type: int
    proto: TensorProto
    external: External | None = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    def array(self) -> Array:
        """The values in their stored type (sub-byte types one element a byte, as ml_dtypes has them)."""
        if self.external is None:
            return numpy_helper.to_array(self.proto)
        stored = TensorProto(name=self.name, data_type=self.element_type, dims=self.shape)
        stored.raw_data = self.external.read()
        return numpy_helper.to_array(stored)


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """A run of bytes in a file beside the model."""

    path: Path
    offset: int
    length: int

    def read(self) -> bytes:
        """The bytes. Raises InputError where the file can no longer give them."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                content = file.read(self.length)
        except OSError as error:
            raise InputError(Problem(file=str(self.path), message=f"cannot be read: {error.strerror}")) from None
        if len(content) != self.length:
            raise InputError(Problem(file=str(self.path), message=f"ends {self.length - len(content)} bytes early"))
        return content


def read_tensor(proto: TensorProto, folder: Path) -> tuple[Tensor | None, list[Problem]]:
    """The tensor of `proto` with external data in `folder`, or what is wrong with it. Reads no values."""
    problems = list(_shape_problems(proto))
    key = f"tensor {brief(printable(proto.name))!r}"
    external = None
    if not problems and proto.data_location == TensorProto.EXTERNAL:
        found = _external(proto, folder)
        external, problems = (found, []) if isinstance(found, External) else (None, [found])
    elif not problems:
        problems = list(_length_problems(proto))
    if problems:
        return None, [Problem(key=key, message=problem.message, hint=problem.hint) for problem in problems]
    shape = tuple(proto.dims)
    return Tensor(name=proto.name, shape=shape, element_type=proto.data_type, proto=proto, external=external), []


def _shape_problems(proto: TensorProto) -> Iterator[Problem]:
    dims = list(proto.dims)
    if len(dims) > LARGEST_RANK:
        yield Problem(message=f"has {len(dims)} dimensions (at most {LARGEST_RANK})")
    elif any(dim < 0 for dim in dims):
        yield Problem(message=f"has a negative dimension (got {dims})")
    elif math.prod(dims) > LARGEST_ELEMENTS:
        yield Problem(message=f"declares {float(math.prod(dims)):.3g} elements (at most {LARGEST_ELEMENTS})")
    if proto.data_type not in BITS and proto.data_type != TensorProto.STRING:
        yield Problem(message=f"has an unknown element type (got {proto.data_type})")


def stored_bytes(element_type: int, elements: int) -> int:
    """Bytes that `elements` values of a type take in a file; sub-byte types are packed.

    >>> stored_bytes(TensorProto.FLOAT, 3), stored_bytes(TensorProto.INT4, 3)
    (12, 2)
    """
    return -(-elements * int(BITS[element_type]) // 8)


def _length_problems(proto: TensorProto) -> Iterator[Problem]:
    """Whether the file holds as many values as the dimensions say."""
    elements = math.prod(proto.dims)
    if proto.data_type == TensorProto.STRING:
        return
    if proto.HasField("raw_data"):
        wanted, got, unit = stored_bytes(proto.data_type, elements), len(proto.raw_data), "bytes"
    else:
        wanted, got, unit = _field_length(proto, elements), _values_in(proto), "values"
    if wanted != got:
        yield Problem(message=f"declares {list(proto.dims)}, that is {wanted} {unit}, but holds {got}")


def _values_in(proto: TensorProto) -> int:
    return len(getattr(proto, helper.tensor_dtype_to_field(proto.data_type)))


def _field_length(proto: TensorProto, elements: int) -> int:
    """Entries of the typed field: complex numbers take two, bytes of packed types several elements."""
    bits = BITS[proto.data_type]
    if proto.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        return 2 * elements
    return -(-elements * bits // 8) if bits < 8 else elements


def _external(proto: TensorProto, folder: Path) -> External | Problem:
    """Where the bytes lie: in a regular file below `folder`, links followed."""
    entries = {entry.key: entry.value for entry in proto.external_data}
    location = entries.get("location", "")
    try:
        root = folder.resolve()
        path = (root / location).resolve()
        inside = bool(location) and path.is_relative_to(root) and not Path(location).is_absolute()
        size = path.stat().st_size if inside and path.is_file() else None
        offset = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(stored_bytes(proto.data_type, math.prod(proto.dims)))))
    except (OSError, ValueError, KeyError):
        return Problem(message="has external data whose place cannot be understood")
    shown = brief(printable(location))
    if not inside:
        hint = "external data must lie in the folder of the model"
        return Problem(message=f"has external data outside the model's folder (got '{shown}')", hint=hint)
    if size is None:
        return Problem(message=f"has external data in '{shown}', which is no file")
    wanted = stored_bytes(proto.data_type, math.prod(proto.dims))
    if length != wanted:
        return Problem(
            message=f"declares {list(proto.dims)}, that is {wanted} bytes, but its external data has {length}"
        )
    if offset < 0 or offset + length > size:
        return Problem(message=f"has external data past the end of '{shown}' ({size} bytes)")
    return External(path=path, offset=offset, length=length)


def densified(values: Tensor, indices: Tensor, shape: tuple[int, ...]) -> Array:
    """A sparse tensor written out. Raises InputError above `SPARSE_LIMIT` elements and for indices outside."""
    key = f"tensor {brief(printable(values.name))!r}"
    elements = math.prod(shape)
    if elements > SPARSE_LIMIT:
        raise InputError(Problem(key=key, message=f"is sparse with {elements} elements (at most {SPARSE_LIMIT})"))
    stored, places = values.array().reshape(-1), indices.array().astype(np.int64)
    if places.ndim == 2 and places.shape[1:] == (len(shape),):
        inside = bool(((places >= 0) & (places < np.array(shape))).all())
        places = places @ np.array([math.prod(shape[axis + 1 :]) for axis in range(len(shape))], dtype=np.int64)
    else:
        inside = places.ndim == 1 and bool(((places >= 0) & (places < elements)).all())
    if not inside or len(places) != len(stored):
        raise InputError(Problem(key=key, message="has sparse indices that do not fit its shape"))
    dense = np.zeros(elements, dtype=stored.dtype)
    dense[places] = stored
    return dense.reshape(shape)
