"""A network's real bits on a design's bit-serial array: cycles as played beside those of the closed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from archsim.api.bit_operands import (
    DRAWN_TILES,
    drawn_operand,
    known_bits,
    occurrences,
    outer_bandwidth,
    own_weights,
    played_integers,
    played_magnitudes,
    serial_tensors,
    stored_integers,
)
from archsim.api.bit_records import PlayedDesign, PlayedLayer
from archsim.api.design import Design, design_from_dict, load_design
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.bit_skipping import takes
from archsim.arch.engines.pairs import PairSkipping
from archsim.arch.engines.tactical import MovingWeights
from archsim.arch.formats import Arithmetic
from archsim.core.errors import InputError, Problem
from archsim.sim.bits.network import LayerPlay, constant_layer, expected_layer, play_layer
from archsim.sim.bits.paired import BothOperands, expected_paired, play_paired
from archsim.workloads.op import Op, OperandName
from archsim.workloads.operand_data import operand_data
from archsim.workloads.statistics.sources import Drawing, Tensor, products

INPUTS, INPUT_SEED = "gaussian", 1
"""How inputs are drawn beside weights, which are of seed 0 unless stated."""
LISTED = 3
"""Products that a note names."""


def play(
    design: Design | Mapping[str, Any] | str | Path,
    *,
    weights: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> PlayedDesign:
    """Every product of a design's workload on its bit-serial array, with the bits that its operands have.

    `weights` is a file (`.onnx`, safetensors, `.npz` with an array per layer) or ``synthetic:DISTRIBUTION[:SEED]``;
    without it, an ONNX model's own are taken, and normal ones drawn for other workloads. Where inputs count they are
    drawn. Raises InputError for a design that is not bit-serial, or for operands that are not integers.
    """
    chosen = _chosen(design, overrides)
    engine = chosen.accelerator.engine
    if not isinstance(engine, SerialEngine):
        message = f'needs kind = "bit-serial" (got kind {chosen.accelerator.kind!r})'
        raise InputError(Problem(key="hardware.kind", message=message))
    serial: OperandName = "inputs" if engine.serial == "inputs" and not _of_both(engine) else "weights"
    if weights is None and serial == "weights":
        weights = own_weights(chosen, overrides)
    found = products(chosen.trace)
    layers = list(_layers(chosen, found, serial, weights))
    missing = sorted(set(found) - {layer.name for layer in layers})
    some = ", ".join(missing[:LISTED]) + (", ..." if len(missing) > LISTED else "")
    if not layers:
        message = f"nothing to play: {'no product has' if weights is None else 'it has none of the'} {serial}"
        raise InputError(Problem(key=str(weights or ""), message=message, hint=f"products here: {some}"))
    why = f"they have no {serial} of their own" if weights is None else f"{weights} has no {serial} for them"
    notes = (f"{len(missing)} products are not played, for {why}: {some}",)
    return PlayedDesign(design=chosen.name, layers=tuple(layers), notes=notes if missing else ())


def _layers(
    design: Design, found: Mapping[str, Op], serial: OperandName, weights: str | Path | None
) -> Iterator[PlayedLayer]:
    """Layers as they are played; equal ones with the same drawn tensor once."""
    before: dict[tuple[object, ...], PlayedLayer] = {}
    for tensor in serial_tensors(design, serial, weights):
        op = found[tensor.layer]
        stated = [(op.operand(name).format, op.operand(name).sparsity) for name in ("weights", "inputs")]
        key = (op.kind, tuple(op.dims.items()), *stated)
        if not tensor.drawn:
            yield _played(design, op, tensor, serial)
            continue
        if key not in before:
            before[key] = _played(design, op, tensor, serial)
        yield replace(before[key], name=tensor.layer, count=occurrences(design, op))


def _chosen(design: Design | Mapping[str, Any] | str | Path, overrides: Sequence[str]) -> Design:
    if isinstance(design, Design):
        return design
    if isinstance(design, Mapping):
        return design_from_dict(design, overrides)
    return load_design(design, overrides)


def _of_both(engine: SerialEngine) -> bool:
    """Whether steps depend on both operands."""
    return engine.serial == "both" or isinstance(engine.skipping, MovingWeights)


def _played(design: Design, op: Op, tensor: Tensor, serial: OperandName) -> PlayedLayer:
    engine = design.accelerator.engine
    assert isinstance(engine, SerialEngine)
    played, closed = _found(engine, op, tensor, serial)
    weights = operand_data(op, "weights")
    bits = engine.stored_bits("weights", weights) * op.elements("weights")
    return PlayedLayer(
        name=tensor.layer,
        count=occurrences(design, op),
        source=tensor.source,
        played=played,
        closed_form_cycles=closed,
        memory_cycles=bits / outer_bandwidth(design),
    )


def _found(engine: SerialEngine, op: Op, tensor: Tensor, serial: OperandName) -> tuple[LayerPlay, float]:
    """A layer as played and in closed form; where no bits can be skipped both are the steps that `evaluate` counts."""
    weights, inputs = (_arithmetic(op, name, tensor) for name in ("weights", "inputs"))
    skipping = engine.skipping
    if skipping is None or (isinstance(skipping, PairSkipping) and not (takes(weights) and takes(inputs))):
        constant = constant_layer(op, engine, engine.steps(weights, inputs))
        return constant, constant.cycles
    return (_both if _of_both(engine) else _one)(engine, op, tensor, serial)


def _arithmetic(op: Op, operand: OperandName, tensor: Tensor) -> Arithmetic:
    """Of an operand, as the design states it or as the tensor holds it."""
    fmt = op.operand(operand).format
    assert fmt is not None
    stored = stored_integers(op, tensor) if operand == tensor.operand else None
    return fmt.arithmetic if stored is None else stored


def _one(engine: SerialEngine, op: Op, tensor: Tensor, serial: OperandName) -> tuple[LayerPlay, float]:
    """A layer as played and in closed form, where one operand counts."""
    integers, width, signed = played_magnitudes(op, tensor, serial)
    played = play_layer(op, engine, integers, width, signed=signed)
    known = known_bits(operand_data(op, serial), width, signed=signed)
    return played, expected_layer(op, engine, known, played.shape)


def _both(engine: SerialEngine, op: Op, tensor: Tensor, serial: OperandName) -> tuple[LayerPlay, float]:
    """A layer as played and in closed form, where both operands count; inputs are drawn."""
    weights, weight_bits, signed = played_integers(op, tensor, serial)
    if not signed:
        raise InputError(Problem(key="quantization.weights", message=f"{op.name}: signed weights are played"))
    drawing = Drawing(distribution=INPUTS, seed=INPUT_SEED)
    drawn = drawn_operand(op, "inputs", drawing, engine.columns)
    inputs, input_bits, inputs_signed = played_integers(op, drawn, "inputs")
    operands = BothOperands(
        weights=weights[: op.size(op.columns)][: DRAWN_TILES * engine.rows],
        weight_bits=weight_bits,
        inputs=inputs[: op.size(op.rows)][: DRAWN_TILES * engine.columns],
        input_bits=input_bits,
        inputs_signed=inputs_signed,
    )
    data = operand_data(op, "weights"), operand_data(op, "inputs")
    return play_paired(op, engine, operands, data), expected_paired(op, engine, data)
