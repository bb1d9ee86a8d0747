"""Sizes for the dimensions that a model leaves open, and values for the inputs that decide its branches."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, helper

from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import brief, listed, printable
from archsim.workloads.onnx.graph import Declared
from archsim.workloads.onnx.tensors import LARGEST_ELEMENTS
from archsim.workloads.onnx.values import Value

BATCH_NAMES = frozenset({"batch", "batch_size", "batchsize", "batch_dim", "n", "b", "bs"})
CONTEXT_NAMES = frozenset({"sequence", "sequence_length", "seq", "seq_len", "seq_length", "seqlen"})
_NAMELESS = re.compile(r"(unk__|unknown|unk|dynamic|\?|None|.*Dynamic(Dimension)?[._])?_*\d*(__\d+)?$", re.IGNORECASE)
"""Names that exporters make up for a dimension nobody named."""
_CACHE = re.compile(r"past|cache", re.IGNORECASE)
FEW = 64
"""Elements of an input that may decide something, at most."""
INTEGERS = (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.INT8, TensorProto.UINT8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a user says of a model's open ends.

    `dims` gives sizes to symbols by name, or to an axis as ``input[axis]``; `batch` and `context` fill the symbols that
    are called so; `values` are the elements of integer inputs, such as a sampling rate that chooses a branch.
    """

    dims: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    batch: int | None = None
    context: int | None = None


@dataclass(slots=True)
class Bound:
    """The graph's inputs with their shapes, and which symbol got which size."""

    inputs: dict[str, Value]
    symbols: dict[str, int]
    used: set[str] = field(default_factory=set)


def bind(inputs: tuple[Declared, ...], sizes: Sizes) -> Bound:
    """Shapes of a graph's inputs. Raises InputError that names every open dimension and key that fits nothing."""
    bound = Bound(inputs={}, symbols={})
    problems: list[Problem] = []
    for entry in inputs:
        shape = _shape(entry, sizes, bound, problems)
        bound.inputs[entry.name] = _input(entry, shape, sizes, problems)
    problems += _unused(inputs, sizes, bound)
    if problems:
        raise InputError(problems)
    return bound


def _shape(entry: Declared, sizes: Sizes, bound: Bound, problems: list[Problem]) -> tuple[int, ...] | None:
    if entry.dims is None:
        return None
    shape = []
    for axis, dim in enumerate(entry.dims):
        size = dim if isinstance(dim, int) else _size(entry, axis, dim, sizes, bound)
        if size is None:
            problems.append(_open(entry, axis, dim))
        shape.append(size or 0)
    if math.prod(shape) > LARGEST_ELEMENTS:
        problems.append(Problem(key=f"input {shown(entry.name)}", message=f"has more than {LARGEST_ELEMENTS} elements"))
    return tuple(shape)


def _size(entry: Declared, axis: int, symbol: int | str | None, sizes: Sizes, bound: Bound) -> int | None:
    """The size of an open dimension, if anything gives it one."""
    place = f"{entry.name}[{axis}]"
    for key in (place, symbol):
        if isinstance(key, str) and key in sizes.dims:
            bound.used.add(key)
            return _note(bound, symbol or place, sizes.dims[key])
    if is_batch(entry, axis, symbol):
        bound.used.add("batch")
        return _note(bound, symbol or place, 1 if sizes.batch is None else sizes.batch)
    if isinstance(symbol, str) and symbol.lower() in CONTEXT_NAMES and sizes.context is not None:
        bound.used.add("context")
        return _note(bound, symbol, sizes.context)
    return None


def is_batch(entry: Declared, axis: int, symbol: int | str | None) -> bool:
    """Whether an open dimension counts samples: it is called so, or it is a nameless first of several."""
    if isinstance(symbol, str) and symbol.lower() in BATCH_NAMES:
        return True
    nameless = symbol is None or (isinstance(symbol, str) and _NAMELESS.fullmatch(symbol) is not None)
    return nameless and axis == 0 and entry.dims is not None and len(entry.dims) > 1


def _note(bound: Bound, symbol: int | str, size: int) -> int:
    bound.symbols[str(symbol)] = size
    return size


def _open(entry: Declared, axis: int, symbol: int | str | None) -> Problem:
    name = symbol if isinstance(symbol, str) and symbol.replace("_", "").isalnum() else f"{entry.name}[{axis}]"
    dims = ", ".join("?" if dim is None else str(dim) for dim in entry.dims or ())
    key = f'dims."{name}"' if not name.replace("_", "").isalnum() else f"dims.{name}"
    message = f"input {shown(entry.name)} has the shape [{shown(dims, quote=False)}], and axis {axis} has no size"
    return Problem(key=shown(key, quote=False), message=message, hint=f"--set 'workload.{shown(key, quote=False)}=128'")


def shown(name: str, *, quote: bool = True) -> str:
    """A name of the file, fit for a message."""
    text = brief(printable(name))
    return f"'{text}'" if quote else text


def _input(entry: Declared, shape: tuple[int, ...] | None, sizes: Sizes, problems: list[Problem]) -> Value:
    cache = _CACHE.search(entry.name) is not None and shape is not None and len(shape) > 2
    data = None
    if entry.name in sizes.values:
        if entry.element_type in INTEGERS and shape is not None and math.prod(shape) <= FEW:
            data = np.full(shape, sizes.values[entry.name], helper.tensor_dtype_to_np_dtype(entry.element_type))
        else:
            message = "is no input of few integers: only those decide branches and shapes"
            problems.append(Problem(key=f"values.{shown(entry.name, quote=False)}", message=message))
    why = "" if shape is not None else f"input {shown(entry.name)} declares no shape"
    return Value(
        element_type=entry.element_type, shape=shape, cache=cache, data=data, constant=data is not None, why=why
    )


def is_decider(value: Value) -> bool:
    """Whether an input without a value may decide a branch: it is one integer."""
    return value.element_type in INTEGERS and value.shape is not None and value.elements == 1 and value.data is None


def _unused(inputs: tuple[Declared, ...], sizes: Sizes, bound: Bound) -> Iterator[Problem]:
    """Keys that name nothing of the model, or that fixed sizes contradict."""
    symbols = {str(dim) for entry in inputs for dim in entry.dims or () if isinstance(dim, str)}
    known = symbols | {f"{entry.name}[{axis}]" for entry in inputs for axis in range(len(entry.dims or ()))}
    for key, size in sizes.dims.items():
        if key not in bound.used and not ("[" in key and key not in known):
            yield _unknown("dims", key, size, inputs, symbols)
    names = [entry.name for entry in inputs]
    for key in sizes.values:
        if key not in names:
            hint = f"its inputs: {listed(names)}"
            yield Problem(key=f"values.{shown(key, quote=False)}", message="names no input of the model", hint=hint)
    fixed = [entry.dims[0] for entry in inputs if entry.dims and isinstance(entry.dims[0], int)]
    if sizes.batch not in (None, 1) and "batch" not in bound.used and sizes.batch not in fixed:
        message = f"the model's inputs have fixed sizes, it cannot run {sizes.batch} at once"
        yield Problem(key="batch", message=message, hint="leave it out, or export the model with an open batch")
    if sizes.context is not None and "context" not in bound.used:
        message = f"no open dimension of the inputs is called {', '.join(sorted(CONTEXT_NAMES))}"
        yield Problem(key="context", message=message, hint="give the size of a dimension as workload.dims.NAME")


def _unknown(table: str, key: str, size: int, inputs: tuple[Declared, ...], symbols: set[str]) -> Problem:
    for entry in inputs:
        for axis, dim in enumerate(entry.dims or ()):
            if key == f"{entry.name}[{axis}]" and isinstance(dim, int):
                message = f"is fixed at {dim} by the model (got {size})"
                return Problem(key=f"{table}.{shown(key, quote=False)}", message=message)
    near = nearest(key, symbols)
    hint = f"did you mean '{near}'?" if near else f"open dimensions: {listed(symbols) or 'none'}"
    return Problem(key=f"{table}.{shown(key, quote=False)}", message="names no open dimension of the model", hint=hint)
