"""A network's real bits on a design's bit-serial array: cycles as played beside those of the closed form."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.api.design import Design, design_from_dict, load_design
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.bit_skipping import OperandBits
from archsim.arch.engines.bit_words import WIDEST
from archsim.arch.engines.data import OperandData
from archsim.core.errors import InputError, Problem
from archsim.sim.bits.network import LayerPlay, expected_layer, play_layer, shapes_of
from archsim.workloads.op import Op, OperandName, Role
from archsim.workloads.operand_data import operand_data
from archsim.workloads.samples import sample
from archsim.workloads.statistics.operands import Operands, operands
from archsim.workloads.statistics.sources import (
    Drawing,
    Tensor,
    products,
    weight_tensors,
)
from archsim.workloads.statistics.tensor import integer_width

DRAWN = "synthetic:gaussian"
DRAWN_ELEMENTS = 1 << 19
"""Elements of a drawn operand at most; with its thousands of groups, cycles are within half a percent of the whole."""
LISTED = 3
"""Products that a note names."""
DRAWN_TILES = 4
"""Tiles of the array's rows that are drawn at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedLayer:
    """One product of the network, in cycles of one occurrence."""

    name: str
    count: int
    source: str
    """Where the serial operand came from; begins with ``estimate:`` where it was drawn."""
    played: LayerPlay
    closed_form_cycles: float
    memory_cycles: float
    """That the outermost memory takes at least, to hand over the weights once as they are stored."""

    @property
    def cycles(self) -> float:
        """Of the array or of the outermost memory, whichever takes longer."""
        return max(self.played.cycles, self.memory_cycles)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedDesign:
    """A network's products on an array."""

    design: str
    layers: tuple[PlayedLayer, ...]
    notes: tuple[str, ...]

    @property
    def cycles(self) -> float:
        return sum(layer.count * layer.cycles for layer in self.layers)

    @property
    def array_cycles(self) -> float:
        return sum(layer.count * layer.played.cycles for layer in self.layers)

    @property
    def closed_form_cycles(self) -> float:
        return sum(layer.count * layer.closed_form_cycles for layer in self.layers)

    @property
    def dense_cycles(self) -> int:
        return sum(layer.count * layer.played.dense_cycles for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The document `archsim.bits/1`."""
        totals = {
            "cycles": self.cycles,
            "array_cycles": self.array_cycles,
            "closed_form_cycles": self.closed_form_cycles,
            "dense_cycles": self.dense_cycles,
            "speedup": self.dense_cycles / self.array_cycles,
        }
        layers = [_layer_dict(layer) for layer in self.layers]
        return {
            "schema": "archsim.bits/1",
            "design": self.design,
            "totals": totals,
            "layers": layers,
            "warnings": list(self.notes),
            "estimates": sorted({layer.source for layer in self.layers if layer.source.startswith("estimate:")}),
        }


def _layer_dict(layer: PlayedLayer) -> dict[str, Any]:
    played = layer.played
    return {
        "name": layer.name,
        "count": layer.count,
        "source": layer.source,
        "cycles": layer.cycles,
        "array_cycles": played.cycles,
        "closed_form_cycles": layer.closed_form_cycles,
        "dense_cycles": played.dense_cycles,
        "memory_cycles": layer.memory_cycles,
        "steps_per_group": played.steps_per_group,
        "waiting": played.waiting,
        "shape": dict(zip(("rows", "cols", "lanes"), played.shape, strict=True)),
    }


def play(
    design: Design | Mapping[str, Any] | str | Path,
    *,
    weights: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> PlayedDesign:
    """Every product of a design's workload on its bit-serial array, with the bits that its operands have.

    `weights` is a file (`.onnx`, safetensors, `.npz` with an array per layer) or ``synthetic:DISTRIBUTION[:SEED]``;
    without it, an ONNX model's own are taken, and normal ones drawn for other workloads. Where inputs are serial they
    are drawn. Raises InputError for a design that is not bit-serial, or for operands that are not integers.
    """
    chosen = _chosen(design, overrides)
    engine = chosen.accelerator.engine
    if not isinstance(engine, SerialEngine):
        message = f'needs kind = "bit-serial" with one serial operand (got kind {chosen.accelerator.kind!r})'
        raise InputError(Problem(key="hardware.kind", message=message))
    if engine.serial == "both":
        message = "bits are played of one serial operand, weights or inputs (got 'both')"
        raise InputError(Problem(key="hardware.array.serial", message=message))
    serial: OperandName = "inputs" if engine.serial == "inputs" else "weights"
    if weights is None and serial == "weights":
        weights = _own_weights(chosen, overrides)
    found = products(chosen.trace)
    layers = list(_layers(chosen, found, serial, weights))
    missing = sorted(set(found) - {layer.name for layer in layers})
    some = ", ".join(missing[:LISTED]) + (", ..." if len(missing) > LISTED else "")
    why = f"they have no {serial} of their own" if weights is None else f"{weights} has no {serial} for them"
    notes = (f"{len(missing)} products are not played, for {why}: {some}",)
    return PlayedDesign(design=chosen.name, layers=tuple(layers), notes=notes if missing else ())


def _own_weights(design: Design, overrides: Sequence[str]) -> Path | None:
    """The ONNX model of the workload: in the design's folder, unless an override names it."""
    name = design.resolved.get("workload", {}).get("onnx")
    if name is None:
        return None
    named_here = any(text.partition("=")[0].strip() == "workload.onnx" for text in overrides)
    return Path(name) if design.path is None or named_here else design.path.parent / name


def _layers(
    design: Design, found: Mapping[str, Op], serial: OperandName, weights: str | Path | None
) -> Iterator[PlayedLayer]:
    """Layers as they are played; equal ones with the same drawn tensor once."""
    before: dict[tuple[object, ...], PlayedLayer] = {}
    for tensor in _tensors(design, serial, weights):
        op = found[tensor.layer]
        key = (op.kind, tuple(op.dims.items()), op.operand(serial).format, op.operand(serial).sparsity)
        if not tensor.drawn:
            yield _played(design, op, tensor, serial)
            continue
        if key not in before:
            before[key] = _played(design, op, tensor, serial)
        yield replace(before[key], name=tensor.layer, count=_count(design, op))


def _count(design: Design, op: Op) -> int:
    return sum(other.count for other in design.trace.ops if isinstance(other, Op) and other.name == op.name)


def _chosen(design: Design | Mapping[str, Any] | str | Path, overrides: Sequence[str]) -> Design:
    if isinstance(design, Design):
        return design
    if isinstance(design, Mapping):
        return design_from_dict(design, overrides)
    return load_design(design, overrides)


def _tensors(design: Design, serial: OperandName, weights: str | Path | None) -> Iterator[Tensor]:
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
    drawn: dict[tuple[int, int], NDArray[Any]] = {}
    for layer, op in products(design.trace).items():
        if serial == "weights" and op.weights.role is not Role.PARAMETER:
            continue
        length = op.size(op.reduction)
        rows = op.elements("weights") // length if serial == "weights" else op.size((*op.batch, *op.rows))
        rows = min(rows, max(DRAWN_TILES * side, DRAWN_ELEMENTS // length // side * side))
        if (rows, length) not in drawn:
            numbers = sample(drawing.distribution, rows * length, drawing.seed).reshape(-1)[: rows * length]
            drawn[rows, length] = numbers.reshape(rows, length).astype(np.float32)
        yield Tensor(layer=layer, operand=serial, array=drawn[rows, length], source=drawing.source, drawn=True)


def _played(design: Design, op: Op, tensor: Tensor, serial: OperandName) -> PlayedLayer:
    engine = design.accelerator.engine
    assert isinstance(engine, SerialEngine)
    data = operand_data(op, serial)
    integers, width, signed = _integers(op, tensor, serial)
    played = play_layer(op, engine, integers, width, signed=signed)
    weights = operand_data(op, "weights")
    bits = engine.stored_bits("weights", weights) * op.elements("weights")
    return PlayedLayer(
        name=tensor.layer,
        count=_count(design, op),
        source=tensor.source,
        played=played,
        closed_form_cycles=expected_layer(op, engine, _known(data, width, signed=signed), played.shape),
        memory_cycles=bits / _bandwidth(design),
    )


def _known(data: OperandData, width: int, *, signed: bool) -> OperandBits:
    """What `evaluate` knows of the operand's bits, at the width that was played."""
    return OperandBits(data, width, signed)


def _bandwidth(design: Design) -> float:
    """Bits that the outermost memory hands over in a cycle."""
    level = design.accelerator.memories[0]
    return level.read_bits_per_cycle if level.read_bits_per_cycle else math.inf


def _integers(op: Op, tensor: Tensor, serial: OperandName) -> tuple[NDArray[Any], int, bool]:
    """The operands [rows, reduction] that a multiplier gets, their width and whether they are signed."""
    rows = np.ascontiguousarray(tensor.array.reshape(-1, op.size(op.reduction)))
    width = integer_width(rows.dtype)
    if width is not None:
        return rows, width, np.issubdtype(rows.dtype, np.signedinteger)
    fmt = op.operand(serial).format
    assert fmt is not None
    found = operands(fmt, rows)
    _check_bits(op, serial, found)
    return _narrow(found.integers, found.width, signed=found.signed), found.width, found.signed


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


def _narrow(integers: NDArray[np.int64], width: int, *, signed: bool) -> NDArray[Any]:
    """In the least type that holds the width."""
    return integers.astype(np.dtype(f"{'i' if signed else 'u'}{1 if width <= 8 else 2 if width <= 16 else 4}"))
