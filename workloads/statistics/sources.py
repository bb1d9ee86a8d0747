"""Where tensors come from: ONNX models, safetensors checkpoints, `.npz` and `.npy` files, or a generator.

Every source gives tensors one at a time with the reduction as the last axis. Convolutions' reductions are ordered
(r, s, c) here, so that neighbouring lanes are channels, as engines have them.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.core.errors import InputError, Problem, unknown_name
from archsim.core.provenance import ESTIMATE
from archsim.core.spelling import brief
from archsim.workloads.arrays import stored_array
from archsim.workloads.layers import layer_name
from archsim.workloads.masks import mask_shape
from archsim.workloads.op import Op, OperandName, Role
from archsim.workloads.samples import DISTRIBUTIONS, sample
from archsim.workloads.trace import Trace

SYNTHETIC = "synthetic"
LARGEST_DRAWING = 1 << 22
"""Elements drawn for an operand at most, in whole rows: the shares of 4 million elements are within 0.1 %."""
ONNX_SUFFIX = ".onnx"
ARRAY_SUFFIXES = (".npz", ".npy")

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One operand of one layer, the reduction last."""

    layer: str
    operand: OperandName
    array: Array
    source: str
    drawn: bool = False
    """Whether the source and the shape say all of it: equal ones hold equal arrays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How synthetic tensors are drawn."""

    distribution: str
    seed: int = 0

    @classmethod
    def parse(cls, spec: str) -> Drawing | None:
        """Of ``synthetic:<distribution>[:<seed>]``; None for other spellings, InputError for a bad one."""
        kind, _, rest = spec.partition(":")
        if kind != SYNTHETIC:
            return None
        name, _, seed = rest.partition(":")
        if name not in DISTRIBUTIONS:
            raise InputError(unknown_name("distribution", name or "(none)", DISTRIBUTIONS))
        if seed and not (seed.isascii() and seed.isdecimal() and len(seed) < 10):
            raise InputError(Problem(message=f"{brief(spec)!r}: the seed is a number from 0 to 999999999"))
        return cls(distribution=name, seed=int(seed or 0))

    @property
    def source(self) -> str:
        return f"{ESTIMATE} drawn, {DISTRIBUTIONS[self.distribution].about}; seed {self.seed}"

    def draw(self, rows: int, length: int) -> Array:
        """A tensor [rows, length], or of it as much as is drawn at most: whole rows, or a part of one."""
        length = min(length, LARGEST_DRAWING)
        rows = max(1, min(rows, LARGEST_DRAWING // length))
        drawn = sample(self.distribution, rows * length, self.seed).reshape(-1)[: rows * length]
        return drawn.reshape(rows, length).astype(np.float32)


def products(trace: Trace) -> dict[str, Op]:
    """The ops of a trace that multiply, by layer, each layer once."""
    found: dict[str, Op] = {}
    for op in trace.ops:
        if isinstance(op, Op):
            found.setdefault(layer_name(op.name), op)
    return found


def weights_of(source: str | os.PathLike[str]) -> Iterator[tuple[str, Array]]:
    """Name of the op and array for each tensor in a file of weights. Raises InputError for what cannot be read."""
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix == ONNX_SUFFIX:
        from archsim.workloads.onnx.weights import iter_weights

        return iter_weights(path)
    if suffix in ARRAY_SUFFIXES:
        return _arrays(path)
    from archsim.workloads.weights import iter_weights as iter_safetensors

    return iter_safetensors(path)


def weight_tensors(source: str | os.PathLike[str], trace: Trace | None) -> Iterator[Tensor]:
    """The weights of a file as tensors; with a trace only those that one of its products reads."""
    known = None if trace is None else products(trace)
    place = Path(source).name
    for name, array in weights_of(source):
        if known is None:
            yield Tensor(layer=name, operand="weights", array=array, source=place)
        elif (op := known.get(layer_name(name))) is not None:
            if Path(source).suffix.lower() in ARRAY_SUFFIXES:
                _check_shape(name, array, op, place)
            yield Tensor(layer=layer_name(name), operand="weights", array=channels_last(array, op), source=place)


def _check_shape(name: str, array: Array, op: Op, place: str) -> None:
    """Raise InputError for an array that cannot be the op's weights; how many matrices a batch has is left open."""
    shape = mask_shape(op)
    fits = array.shape[-2:] == shape[-2:] if op.kind == "gemm" else array.shape in (shape, (shape[0], prod(shape[1:])))
    if not fits:
        message = f"array {brief(name)!r} has shape {array.shape}; the layer's weights are {shape}"
        raise InputError(Problem(file=place, message=message))


def channels_last(array: Array, op: Op) -> Array:
    """A convolution's weights with the reduction as (t, r, s, c) in the last axis; others as they are."""
    if op.kind != "conv" or array.shape[0] != op.dims["k"]:
        return array
    window = op.dims.get("t", 1) * op.dims["r"] * op.dims["s"]
    if array.size % (array.shape[0] * window):
        return array
    return array.reshape(array.shape[0], -1, window).swapaxes(1, 2).reshape(array.shape[0], -1)


def drawn_weights(trace: Trace, drawing: Drawing) -> Iterator[Tensor]:
    """A drawing for every product whose weights are parameters."""
    arrays: dict[tuple[int, int], Array] = {}
    for layer, op in products(trace).items():
        if op.weights.role is Role.PARAMETER:
            shape = (op.size((*op.batch, *op.columns)), op.size(op.reduction))
            yield _drawn(layer, "weights", shape, drawing, arrays)


def drawn_inputs(trace: Trace, drawing: Drawing) -> Iterator[Tensor]:
    """A drawing for the inputs of every product."""
    arrays: dict[tuple[int, int], Array] = {}
    for layer, op in products(trace).items():
        length = op.size(op.reduction)
        yield _drawn(layer, "inputs", (max(op.elements("inputs") // length, 1), length), drawing, arrays)


def _drawn(
    layer: str, operand: OperandName, shape: tuple[int, int], drawing: Drawing, arrays: dict[tuple[int, int], Array]
) -> Tensor:
    """A tensor of a shape, drawn unless `arrays` has one."""
    if shape not in arrays:
        arrays.clear()
        arrays[shape] = drawing.draw(*shape)
    return Tensor(layer=layer, operand=operand, array=arrays[shape], source=drawing.source, drawn=True)


def _arrays(path: Path) -> Iterator[tuple[str, Array]]:
    """The arrays of an `.npz` by name, or the one of an `.npy` by the file's name."""
    if path.suffix.lower() == ".npy":
        yield path.stem, stored_array(path)
        return
    for name in array_names(path):
        yield name, stored_array(f"{path}:{name}")


def array_names(path: Path) -> list[str]:
    """Names of the arrays in an `.npz`. Raises InputError for what is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
    except FileNotFoundError:
        raise InputError(Problem(file=str(path), message="no such file")) from None
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise InputError(Problem(file=str(path), message=f"cannot be read: {error}")) from None
