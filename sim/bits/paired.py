"""Layers on arrays that look at both operands: both taken apart (Loom, Laconic), or weights that move (Bit-Tactical).

Some rows of each operand are played in the order in which they lie; the layer's other tiles take as long on average.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.bit_skipping import takes
from archsim.arch.engines.data import OperandData
from archsim.arch.engines.pairs import PairSkipping
from archsim.arch.engines.skips import Skip
from archsim.arch.engines.tactical import MovingWeights
from archsim.sim.bits.network import LayerPlay, engine_of_rule
from archsim.sim.bits.pairs import Laconic, Loom, PairGrid, play_pairs
from archsim.sim.bits.tactical import Tactical, TacticalGrid
from archsim.workloads.op import Op

Integers = NDArray[np.integer[Any]]
ALONE = 8
"""Rows of each operand that are played PE by PE, for the steps of a group without waiting."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BothOperands:
    """Rows of a layer's integers [rows, reduction]; weights are signed."""

    weights: Integers
    weight_bits: int
    inputs: Integers
    input_bits: int
    inputs_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """What of an array a layer fills."""

    rows: int
    columns: int
    lanes: int


def slots_of(op: Op, engine: SerialEngine) -> int:
    """Groups of lanes that the array goes through: cycles if each took one."""
    tiles = -(-op.size(op.columns) // engine.rows) * -(-op.size(op.rows) // engine.columns)
    return tiles * op.size(op.batch) * -(-op.size(op.reduction) // engine.unit.lanes)


def play_paired(
    op: Op, engine: SerialEngine, operands: BothOperands, data: tuple[OperandData, OperandData]
) -> LayerPlay:
    """The cycles of `op` with these operands; `data` is what is stated of weights and inputs."""
    dense = engine.steps(data[0].arithmetic, data[1].arithmetic)
    size = _filled(op, engine)
    waited = _steps(engine, operands, data, size, dense)
    few = replace(operands, weights=operands.weights[:ALONE], inputs=operands.inputs[:ALONE])
    alone = _steps(engine, few, data, _Size(rows=1, columns=1, lanes=size.lanes), dense)
    slots = slots_of(op, engine)
    return LayerPlay(
        cycles=slots * waited,
        slots=slots,
        dense_steps=round(dense),
        steps_per_group=alone,
        waiting=max(0.0, 1.0 - alone / waited),
        shape=(engine.rows, engine.columns, engine.unit.lanes),
    )


def expected_paired(op: Op, engine: SerialEngine, data: tuple[OperandData, OperandData]) -> float:
    """The closed form of `play_paired`, from what is known of the operands' bits."""
    weights, inputs = data
    dense = engine.steps(weights.arithmetic, inputs.arithmetic)
    size = _filled(op, engine)
    match engine.skipping:
        case MovingWeights() as moving:
            own = replace(moving, rows=size.rows, columns=size.columns, lanes=size.lanes)
            steps = own.steps(weights, inputs, dense).waited
        case PairSkipping() as pairs:
            own_pairs = replace(pairs, rows=size.rows, columns=size.columns, lanes=size.lanes)
            steps = own_pairs.steps(weights, inputs).waited
        case _:
            steps = dense
    return slots_of(op, engine) * steps


def _filled(op: Op, engine: SerialEngine) -> _Size:
    """Rows and columns that wait for each other and have work, lanes that have some."""
    skipping = engine.skipping
    waiting = skipping if isinstance(skipping, PairSkipping | MovingWeights) else None
    return _Size(
        rows=min(1 if waiting is None else waiting.rows, op.size(op.columns)),
        columns=min(1 if waiting is None else waiting.columns, op.size(op.rows)),
        lanes=min(engine.unit.lanes, op.size(op.reduction)),
    )


def _steps(
    engine: SerialEngine, operands: BothOperands, data: tuple[OperandData, OperandData], size: _Size, dense: float
) -> float:
    """Cycles of a group of lanes that all of `size` wait for, on average."""
    weights, inputs = operands.weights, operands.inputs
    match engine.skipping:
        case MovingWeights() as moving:
            own = moving if takes(data[1].arithmetic) else replace(moving, rule=None)
            cycles = _play_moved(own, operands, data[0], size) * (dense if own.rule is None else 1.0)
        case PairSkipping() as pairs:
            grid = PairGrid(rows=size.rows, columns=size.columns, lanes=size.lanes)
            player = _player(pairs, max(operands.weight_bits, operands.input_bits))
            cycles = float(play_pairs(player, inputs, weights, grid, signed=operands.inputs_signed))
        case _:
            return dense
    tiles = -(-weights.shape[0] // size.rows) * -(-inputs.shape[0] // size.columns)
    return cycles / (tiles * -(-weights.shape[1] // size.lanes))


def _player(skipping: PairSkipping, width: int) -> Loom | Laconic:
    if skipping.rule.skip is Skip.PRECISION:
        return Loom(per_step=skipping.per_step, width=width)
    return Laconic(words=skipping.rule.lane_words, width=width)


def _play_moved(moving: MovingWeights, operands: BothOperands, weights: OperandData, size: _Size) -> float:
    """Cycles where an input that skips nothing takes one."""
    bits = None
    if moving.rule is not None:
        bits = engine_of_rule(moving.rule, operands.input_bits, signed=operands.inputs_signed)
    moves = moving.schedule(weights) is not None
    player = Tactical(
        inputs=bits,
        lookahead=moving.reach.lookahead if moves else 0,
        lookaside=moving.reach.lookaside if moves else 0,
    )
    grid = TacticalGrid(rows=size.rows, columns=size.columns, lanes=size.lanes)
    return float(player.play(operands.weights, operands.inputs, grid))
