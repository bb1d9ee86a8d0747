"""One op on one accelerator as the flat arrays the cost kernels take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Dataflow
from archsim.arch.formats import Format
from archsim.arch.memory import MemoryLevel
from archsim.sim.conventions import Counting
from archsim.sim.frame import Frame, frame_of
from archsim.sim.kernels import Bools, Floats, Ints, Machine, Shape
from archsim.sim.machine import machine_of
from archsim.workloads.op import Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Arrays for the kernels (shapes: D dimensions, L levels, A axes), with the names they stand for.

    Levels are the memories that serve some operand of the op and stand outside the PEs of an engine with passes. Equal
    problems share arrays: they must not be written to.
    """

    op: Op
    frame: Frame
    levels_used: tuple[MemoryLevel, ...]
    shape: Shape
    machine: Machine
    peak_macs_per_cycle: float

    @property
    def dataflow(self) -> Dataflow:
        return self.frame.dataflow

    @property
    def dims(self) -> tuple[str, ...]:
        return self.frame.pattern.dims

    @property
    def axis_names(self) -> tuple[str, ...]:
        return self.frame.axis_names

    @property
    def axis_sizes(self) -> tuple[int, ...]:
        return self.frame.axis_sizes

    @property
    def level_stage(self) -> Ints:
        """(L, 3): stage of each operand's tiles, -1 where there are none."""
        return self.frame.level_stage

    @property
    def resident(self) -> Bools:
        """(L, 3): which level is home to each operand that stays on chip."""
        return self.frame.resident

    @property
    def n_stages(self) -> int:
        return self.frame.n_stages

    @property
    def sizes(self) -> Ints:
        """Size of each of `dims`."""
        return self.shape.sizes

    @property
    def flow(self) -> Ints:
        return self.frame.flow

    @property
    def array(self) -> Ints:
        """Rows and columns of an array with passes."""
        return self.frame.array

    @property
    def bits(self) -> Floats:
        """Bits of an element of each operand, then of a partial sum."""
        return self.machine.bits


def element_bits(fmt: Format | None) -> float:
    """Stored bits of one element with its share of metadata; a format must have been assigned."""
    if fmt is None:
        raise ValueError("an operand has no format: apply a quantization policy first")
    return float(fmt.bits_per_element)


def build_problem(
    op: Op,
    accelerator: Accelerator,
    dataflow: Dataflow,
    counting: Counting,
    accumulator: Format,
    *,
    resident: frozenset[str] = frozenset(),
    reserved_bits: float = 0.0,
) -> Problem:
    """The arrays for `op`, with the operands in `resident` kept whole in the outermost on-chip level that serves them.

    `reserved_bits` of that level are taken by other tensors.
    """
    inputs, weights, outputs = op.inputs.format, op.weights.format, op.outputs.format
    bits = (element_bits(inputs), element_bits(weights), element_bits(outputs), element_bits(accumulator))
    assert weights is not None
    assert inputs is not None
    engine = accelerator.engine
    rate = engine.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic)
    frame = frame_of(op, accelerator, dataflow, counting, resident)
    levels = tuple([accelerator.memories[i] for i in frame.used])
    return Problem(
        op=op,
        frame=frame,
        levels_used=levels,
        shape=Shape(
            sizes=np.array([*op.loops.values()], np.int64),
            relevant=frame.relevant,
            windows=frame.windows,
            groups=frame.groups,
        ),
        machine=machine_of(frame, levels, counting, bits, rate, reserved_bits),
        peak_macs_per_cycle=accelerator.units
        // engine.arrays
        // accelerator.cores
        * engine.arrays
        * accelerator.cores
        * rate,
    )
