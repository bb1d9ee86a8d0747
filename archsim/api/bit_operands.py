"""The operands that `archsim bits` plays: a network's own, or drawn ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.api.design import Design
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.bit_skipping import OperandBits
from archsim.arch.engines.bit_words import WIDEST
from archsim.arch.engines.data import OperandData
from archsim.arch.engines.skips import BitStatistics
from archsim.arch.formats import Arithmetic, ArithmeticKind
from archsim.core.errors import InputError, Problem
from archsim.sim.bits.network import shapes_of
from archsim.workloads.drawn_masks import drawn_mask
from archsim.workloads.op import Op, OperandName, Role
from archsim.workloads.samples import sample
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.statistics.operands import Operands, operands
from archsim.workloads.statistics.sources import Drawing, Tensor, products, weight_tensors
from archsim.workloads.statistics.tensor import integer_width

DRAWN = "synthetic:gaussian"
DRAWN_ELEMENTS = 1 << 19
"""Elements of a drawn operand at most; with its thousands of groups, cycles are within half a percent of the whole."""
DRAWN_TILES = 4
"""Tiles of the array's rows that are drawn at least."""


def own_weights(design: Design, overrides: Sequence[str]) -> Path | None:
    """The ONNX model of the workload: in the design's folder, unless an override names it."""
    name = design.resolved.get("workload", {}).get("onnx")
    if name is None:
        return None
    named_here = any(text.partition("=")[0].strip() == "workload.onnx" for text in overrides)
    return Path(name) if design.path is None or named_here else design.path.parent / name


def occurrences(design: Design, op: Op) -> int:
    """Times that a product of this name runs."""
    return sum(other.count for other in design.trace.ops if isinstance(other, Op) and other.name == op.name)


def serial_tensors(design: Design, serial: OperandName, weights: str | Path | None) -> Iterator[Tensor]:
    """The serial operands, a layer's tensors as one."""
    drawing = Drawing.parse(DRAWN if weights is None else str(weights))
    if drawing is not None:
        yield from _drawn(design, serial, drawing)
        return
    if serial == "inputs" or weights is None:
        raise InputError(Problem(key="--weights", message="inputs are serial here, and drawn: synthetic:..."))
    for _, group in groupby(weight_tensors(weights, design.trace), key=lambda tensor: tensor.layer):
        first, *others = group
        whole = [tensor.array.reshape(-1, tensor.array.shape[-1]) for tensor in (first, *others)]
        yield replace(first, array=np.concatenate(whole)) if others else first


def _drawn(design: Design, serial: OperandName, drawing: Drawing) -> Iterator[Tensor]:
    """A drawing for every product; large ones of some rows, which stand for the others."""
    engine = design.accelerator.engine
    assert isinstance(engine, SerialEngine)
    side = max(max(shape[:2]) for shape in shapes_of(engine))
    for op in products(design.trace).values():
        if serial == "inputs" or op.weights.role is Role.PARAMETER:
            yield drawn_operand(op, serial, drawing, side)


def drawn_operand(op: Op, operand: OperandName, drawing: Drawing, side: int) -> Tensor:
    """Rows of an operand, drawn; zeros of a stated pattern are drawn too. At least some tiles of `side` rows."""
    length = op.size(op.reduction)
    rows = op.elements("weights") // length if operand == "weights" else op.size((*op.batch, *op.rows))
    rows = min(rows, max(DRAWN_TILES * side, DRAWN_ELEMENTS // length // side * side))
    values = _values(drawing, rows, length, op.operand(operand).sparsity)
    return Tensor(layer=op.name, operand=operand, array=values, source=drawing.source, drawn=True)


@lru_cache(maxsize=4)
def _values(drawing: Drawing, rows: int, length: int, pattern: str | None) -> NDArray[np.float32]:
    """Kept: neighbouring layers are often alike."""
    numbers = sample(drawing.distribution, rows * length, drawing.seed).reshape(-1)[: rows * length]
    values = numbers.reshape(rows, length).astype(np.float32)
    if pattern is not None:
        values *= drawn_mask(parse_sparsity(pattern), rows, length, np.random.default_rng(drawing.seed))
    return values


def outer_bandwidth(design: Design) -> float:
    """Bits that the outermost memory hands over in a cycle."""
    level = design.accelerator.memories[0]
    return level.read_bits_per_cycle if level.read_bits_per_cycle else math.inf


def played_integers(op: Op, tensor: Tensor, serial: OperandName) -> tuple[NDArray[Any], int, bool]:
    """The operands [rows, reduction] that a multiplier gets, their width and whether they are signed."""
    rows = np.ascontiguousarray(tensor.array.reshape(-1, op.size(op.reduction)))
    stored = stored_integers(op, tensor)
    if stored is not None:
        return _narrow(rows, stored.integer_bits, signed=stored.signed), stored.integer_bits, stored.signed
    fmt = op.operand(serial).format
    assert fmt is not None
    try:
        found = operands(fmt, rows)
    except InputError as error:
        raise InputError([replace(problem, key=f"op {op.name!r}: {serial}") for problem in error.problems]) from error
    _check_bits(op, serial, found)
    return _narrow(found.integers, found.width, signed=found.signed), found.width, found.signed


def stored_integers(op: Op, tensor: Tensor) -> Arithmetic | None:
    """What a tensor of integers is: as wide as its type, or wider types as the design's format; None for others.

    Raises InputError for integers of wide types that the format does not hold.
    """
    kind, width = tensor.array.dtype, integer_width(tensor.array.dtype)
    if width is None:
        return None
    fmt = op.operand(tensor.operand).format
    assert fmt is not None
    own, signed = fmt.arithmetic, np.issubdtype(kind, np.signedinteger) or kind.name.startswith("int")
    if width <= WIDEST:
        return replace(_integer(width, signed=signed), scale=own.scale)
    lowest, highest = int(tensor.array.min()), int(tensor.array.max())
    if own.kind is ArithmeticKind.INTEGER and own.integer_bits <= WIDEST:
        most = (1 << (own.integer_bits - int(own.signed))) - 1
        if highest <= most and lowest >= (-most - 1 if own.signed else 0):
            return own
    message = f"op {op.name!r}: {tensor.operand} of {tensor.source} are {kind} from {lowest} to {highest}"
    hint = f"{fmt.name} does not hold them; up to {WIDEST} bits are played: store them as int8 or int16"
    raise InputError(Problem(message=message, hint=hint))


def _integer(width: int, *, signed: bool) -> Arithmetic:
    return Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=width, signed=signed)


def played_magnitudes(op: Op, tensor: Tensor, serial: OperandName) -> tuple[NDArray[Any], int, bool]:
    """The same where the multiplier gets significands or fixed-point numbers: signs go beside, as exponents do."""
    integers, width, signed = played_integers(op, tensor, serial)
    fmt = op.operand(serial).format
    assert fmt is not None
    if not signed or fmt.arithmetic.kind is ArithmeticKind.INTEGER or integer_width(tensor.array.dtype) is not None:
        return integers, width, signed
    return _narrow(np.abs(integers.astype(np.int64)), width - 1, signed=False), width - 1, False


@dataclass(frozen=True, slots=True, eq=False)
class _Magnitudes:
    """The bits of an operand's magnitudes: numbers with a sign of their own, folded."""

    signed_bits: OperandBits

    @property
    def width(self) -> int:
        return self.signed_bits.width - 1

    @property
    def signed(self) -> bool:
        return False

    def histogram(self, statistic: str, lanes: int) -> NDArray[np.int64] | None:
        """None: groups that were counted have their signs."""
        return None

    @property
    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        found = self.signed_bits.codes
        if found is None:
            return None
        values, shares = found
        folded = np.bincount(np.abs(values), weights=shares).astype(np.float64)
        return np.arange(folded.size, dtype=np.int64), folded


def known_bits(data: OperandData, width: int, *, signed: bool) -> BitStatistics:
    """What `evaluate` knows of an operand's bits, at the width that was played."""
    if signed or data.arithmetic.kind is ArithmeticKind.INTEGER or not data.arithmetic.signed:
        return OperandBits(data, width, signed)
    return _Magnitudes(OperandBits(data, width + 1, True))


def _check_bits(op: Op, serial: OperandName, found: Operands) -> None:
    """Refuse operands that have no bits to step through, or more than are played."""
    fmt = op.operand(serial).format
    assert fmt is not None
    if found.view == "index":
        message = f"op {op.name!r}: {serial} of {fmt.name} are looked up: their codes have no bits to step through"
        raise InputError(Problem(message=message, hint="archsim evaluate takes the values that they stand for"))
    if found.width > WIDEST:
        message = f"op {op.name!r}: {serial} of {fmt.name} have {found.width} bits; {WIDEST} at most are played"
        raise InputError(Problem(message=message))


def _narrow(integers: NDArray[Any], width: int, *, signed: bool) -> NDArray[Any]:
    """In the least type that holds the width."""
    return integers.astype(np.dtype(f"{'i' if signed else 'u'}{1 if width <= 8 else 2 if width <= 16 else 4}"))
