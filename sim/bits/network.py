"""Layers of a network on a bit-serial array: which part of the serial operand meets which PE, and the cycles it takes.

Nothing here goes through the mapper: serial rows fill the array's rows, the other operand its columns, the reduction
its lanes, in the order in which they lie. Memories do not stall; what they would need at least is stated beside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.bit_skipping import Skipping
from archsim.arch.engines.serial_lanes import SerialLanesEngine, Shape
from archsim.arch.engines.skips import BitStatistics, Skip, SkipRule
from archsim.sim.bits.bitlet import Bitlet
from archsim.sim.bits.bitvert import BitVert
from archsim.sim.bits.bitwave import BitWave, flipped
from archsim.sim.bits.engine import BitEngine
from archsim.sim.bits.play import Grid, expected_cycles, play
from archsim.sim.bits.pragmatic import Pragmatic
from archsim.sim.bits.stripes import DynamicStripes, Stripes
from archsim.workloads.op import Op

Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlay:
    """One layer on an array, in cycles of one occurrence."""

    cycles: float
    """Played."""
    slots: int
    """Groups of lanes that the slowest row goes through: cycles if each took one step."""
    dense_steps: float
    """Steps of a group where nothing is skipped."""
    steps_per_group: float
    waiting: float
    """Share of the cycles of PE rows with nothing to do."""
    shape: Shape

    @property
    def dense_cycles(self) -> int:
        """Of an array that skips nothing."""
        return round(self.slots * self.dense_steps)

    @property
    def speedup(self) -> float:
        """Over the same array without skipping."""
        return self.dense_cycles / self.cycles


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How an op lies on an array of some shape: the stretches of its reduction, and how often its serial rows pass."""

    rows: int
    """Serial rows of one group of a grouped conv, or of one matrix of a batch."""
    groups: int
    length: int
    run: int
    """Elements of the reduction that lanes take without a gap."""
    passes: int
    """Times that the serial operand goes through the array."""


def bit_engine(skipping: Skipping | None, width: int, *, signed: bool = True) -> BitEngine:
    """The datapath and steps of an engine, for serial operands of `width` bits."""
    return (
        Stripes(width=width, signed=signed) if skipping is None else engine_of_rule(skipping.rule, width, signed=signed)
    )


def engine_of_rule(rule: SkipRule, width: int, *, signed: bool = True) -> BitEngine:
    """The datapath and steps of an engine with that rule, for serial operands of `width` bits."""
    match rule.skip:
        case Skip.NONE:
            return Stripes(width=width, signed=signed)
        case Skip.PRECISION | Skip.SPAN:
            return DynamicStripes(width=width, signed=signed, trim_low=rule.skip is Skip.SPAN)
        case Skip.ESSENTIAL | Skip.BOOTH:
            return Pragmatic(width=width, signed=signed, words=rule.lane_words, shifter_bits=rule.shifter_bits)
        case Skip.COLUMN:
            return BitWave(width=width, signed=signed, columns=rule.columns)
        case Skip.INTERLEAVED:
            return Bitlet(width=width, signed=signed, words=rule.words)
        case Skip.BIDIRECTIONAL:
            return BitVert(width=width, signed=signed, columns=rule.columns)


def shapes_of(engine: SerialEngine) -> tuple[Shape, ...]:
    """The ways in which an array may be wired: rows, columns and lanes."""
    own = (engine.rows, engine.columns, engine.unit.lanes)
    return (own, *engine.shapes) if isinstance(engine, SerialLanesEngine) else (own,)


def layout_of(op: Op, engine: SerialEngine, shape: Shape) -> Layout:
    """How `op` lies on an array: weights or inputs are serial, conv windows of one row or of all side by side."""
    length, groups = op.size(op.reduction), op.size(op.batch)
    across, run = op.size(op.rows), length
    if isinstance(engine, SerialLanesEngine) and op.kind == "conv":
        taps = length // op.loops["c"]
        run = taps if taps > op.loops["c"] else op.loops["c"]
        passes = -(-op.loops["q"] // shape[1]) * (across // op.loops["q"])
        return Layout(rows=op.size(op.columns), groups=groups, length=length, run=run, passes=passes)
    if engine.serial == "inputs":
        passes = -(-op.size(op.columns) // shape[0])
        return Layout(rows=across, groups=groups, length=length, run=run, passes=passes)
    return Layout(rows=op.size(op.columns), groups=groups, length=length, run=run, passes=-(-across // shape[1]))


def play_layer(op: Op, engine: SerialEngine, serial: Integers, width: int, *, signed: bool = True) -> LayerPlay:
    """The cycles of `op` on `engine` with the serial operand [rows, reduction] as it is, in the best of its shapes.

    `serial` may be some of its rows; the others then take as long. Pruning is applied here: bits are flipped to
    `kept_columns` columns, and the first channels are those that are left dense.
    """
    found = [_in_shape(op, engine, serial, width, shape, signed=signed) for shape in shapes_of(engine)]
    return min(found, key=lambda layer: layer.cycles)


def _in_shape(op: Op, engine: SerialEngine, serial: Integers, width: int, shape: Shape, *, signed: bool) -> LayerPlay:
    layout = layout_of(op, engine, shape)
    side, lanes = shape[0 if engine.serial == "weights" else 1], shape[2]
    skipping = engine.skipping
    assert skipping is None or isinstance(skipping, Skipping)
    grid = Grid(rows=min(side, layout.rows), lanes=lanes, ahead=_ahead(skipping))
    bits = bit_engine(skipping, width, signed=signed)
    per_row = layout.length // layout.run * -(-layout.run // lanes)
    tiles = -(-layout.rows // side)
    dense = _dense_tiles(skipping, layout, side)
    steps = cycles = slots = idle = 0.0
    for rows in _parts(_in_stretches(serial, op, layout), layout):
        left = rows[dense * side :] if rows.shape[0] == layout.rows else rows
        if not left.shape[0]:
            continue
        played = play(bits, _pruned(left, skipping, layout, lanes, bits), grid, layout.run)
        scale = (tiles - dense) / -(-left.shape[0] // grid.rows)
        cycles, idle = cycles + played.cycles * scale, idle + played.idle_row_cycles
        steps, slots = steps + played.steps, slots + played.groups
    parts = 1 if layout.groups == 1 else -(-serial.shape[0] // layout.rows)
    whole = cycles * layout.groups / parts + dense * layout.groups * per_row * width
    return LayerPlay(
        cycles=whole * layout.passes * _per_step(engine, width),
        slots=tiles * layout.groups * per_row * layout.passes,
        dense_steps=lanes if isinstance(bits, Bitlet) else -(-width // engine.terms_per_cycle),
        steps_per_group=steps / slots if slots else width,
        waiting=idle / (idle + steps) if steps else 0.0,
        shape=shape,
    )


def constant_layer(op: Op, engine: SerialEngine, steps: float) -> LayerPlay:
    """The cycles of `op` where every group takes the same steps, in the best of the array's shapes."""
    slots, shape = min((_slots(layout_of(op, engine, shape), engine, shape), shape) for shape in shapes_of(engine))
    return LayerPlay(
        cycles=slots * steps, slots=slots, dense_steps=steps, steps_per_group=steps, waiting=0.0, shape=shape
    )


def _slots(layout: Layout, engine: SerialEngine, shape: Shape) -> int:
    """Groups of lanes that the slowest row of an array of this shape goes through."""
    side = shape[1 if engine.serial == "inputs" else 0]
    per_row = layout.length // layout.run * -(-layout.run // shape[2])
    return -(-layout.rows // side) * layout.groups * per_row * layout.passes


def expected_layer(op: Op, engine: SerialEngine, found: BitStatistics, shape: Shape) -> float:
    """The closed form of `play_layer` in one of the array's shapes, from what is known of the serial operand's bits."""
    layout = layout_of(op, engine, shape)
    side = shape[0 if engine.serial == "weights" else 1]
    skipping = engine.skipping
    assert skipping is None or isinstance(skipping, Skipping)
    grid = Grid(rows=min(side, layout.rows), lanes=min(shape[2], layout.run), ahead=_ahead(skipping))
    dense = _dense_tiles(skipping, layout, side)
    bits = bit_engine(skipping, found.width, signed=found.signed)
    left = max(layout.rows - dense * side, 0)
    cycles = float(dense * layout.length // layout.run * -(-layout.run // shape[2]) * found.width)
    if left:
        cycles += expected_cycles(bits, found, grid, left, layout.length, layout.run)
    return cycles * layout.groups * layout.passes * _per_step(engine, found.width)


def _ahead(skipping: Skipping | None) -> int | None:
    """Groups that a row may be ahead of the slowest; None where none waits."""
    if skipping is None:
        return 0
    return skipping.ahead if skipping.waiting > 1 else None


def _per_step(engine: SerialEngine, width: int) -> float:
    """Cycles of one step: of operands that take all their bits, several at once, the last cycle maybe not full."""
    return -(-width // engine.terms_per_cycle) / width


def _dense_tiles(skipping: Skipping | None, layout: Layout, side: int) -> int:
    """Tiles of rows that are not pruned: dense channels fill whole ones."""
    if skipping is None or skipping.rule.columns is None:
        return 0
    return math.ceil(round(skipping.dense_channels * layout.rows / side, 9))


def _in_stretches(serial: Integers, op: Op, layout: Layout) -> Integers:
    """Rows in the order in which lanes take them: channels of a tap, or taps of a channel where those are more."""
    if op.kind != "conv" or layout.run in (layout.length, op.loops["c"]):
        return serial
    channels = op.loops["c"]
    turned = serial.reshape(serial.shape[0], -1, channels).swapaxes(1, 2)
    return np.ascontiguousarray(turned).reshape(serial.shape[0], -1)


def _parts(values: Integers, layout: Layout) -> Iterator[Integers]:
    """Rows that may share the array: those of one group of a grouped conv."""
    if layout.groups == 1:
        yield values
        return
    for start in range(0, values.shape[0], layout.rows):
        yield values[start : start + layout.rows]


def _pruned(values: Integers, skipping: Skipping | None, layout: Layout, lanes: int, bits: BitEngine) -> Integers:
    """Rows as the array holds them; what pruning does to values that all take as many steps makes no difference."""
    if skipping is None or skipping.rule.columns is None or skipping.rule.skip is not Skip.COLUMN:
        return values
    return _flip(values, skipping.rule.columns, layout.run, lanes, bits)


def _flip(values: Integers, columns: int, run: int, lanes: int, bits: BitEngine) -> Integers:
    """Rows with bits flipped group by group; a stretch's last group is shorter."""
    stretches = values.reshape(-1, run)
    padded = np.zeros((stretches.shape[0], -(-run // lanes) * lanes), dtype=values.dtype)
    padded[:, :run] = stretches
    found = flipped(padded.reshape(-1, lanes), columns).reshape(padded.shape)[:, :run]
    highest = (1 << (bits.width - int(bits.signed))) - 1
    return np.clip(found, -highest - 1 if bits.signed else 0, highest).astype(values.dtype).reshape(values.shape)
