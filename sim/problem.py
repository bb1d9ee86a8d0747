"""One op on one accelerator as the flat arrays the cost kernels take."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Dataflow, Engine
from archsim.arch.engines.data import DataRate
from archsim.arch.formats import Format
from archsim.arch.memory import MemoryLevel
from archsim.core.memo import ByIdentity, Memo
from archsim.sim.conventions import Counting
from archsim.sim.frame import Frame, frame_of
from archsim.sim.kernels import Bools, Floats, Ints, Machine, Shape
from archsim.sim.machine import machine_of, with_accesses, with_shared_levels
from archsim.workloads.op import OPERANDS, Op, OperandName
from archsim.workloads.operand_data import operand_data


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


def stored_bits(op: Op, operand: OperandName, engine: Engine) -> float:
    """Bits that memories hold for one element of the dense operand, with metadata and as the engine compresses it."""
    return engine.stored_bits(operand, operand_data(op, operand))


def data_rate(op: Op, engine: Engine) -> DataRate:
    """What a PE of `engine` does with the data of `op`."""
    return engine.data_rate(operand_data(op, "weights"), operand_data(op, "inputs"))


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
    return problem_of(
        op, fit_of(op, accelerator, dataflow, counting, accumulator, resident=resident, reserved_bits=reserved_bits)
    )


def fit_of(
    op: Op,
    accelerator: Accelerator,
    dataflow: Dataflow,
    counting: Counting,
    accumulator: Format,
    *,
    resident: frozenset[str] = frozenset(),
    reserved_bits: float = 0.0,
) -> Fit:
    """What the problem of `op` shares with those of all ops that differ in their sizes alone: made once for them."""
    return _FITS.get(
        (accelerator, alike(op, accelerator.engine)),
        (dataflow, counting, accumulator, resident, reserved_bits),
        lambda: _fit(op, accelerator, dataflow, counting, accumulator, resident, reserved_bits),
    )


def problem_of(op: Op, fit: Fit) -> Problem:
    """The problem of `op`, whose `fit` this is."""
    return Problem(
        op=op,
        frame=fit.frame,
        levels_used=fit.levels_used,
        shape=_shape(fit.frame, tuple(op.loops.values())),
        machine=fit.machine,
        peak_macs_per_cycle=fit.peak_macs_per_cycle,
    )


@lru_cache(maxsize=4096)
def _shape(frame: Frame, sizes: tuple[int, ...]) -> Shape:
    return Shape(np.array(sizes, np.int64), frame.relevant, frame.windows, frame.groups)


def alike(op: Op, engine: Engine) -> object:
    """The same object for all ops that differ, to this engine, in their sizes alone."""
    by_format = engine.by_format
    return _ALIKE.get((op,) if by_format else (op, engine), None, lambda: _FIRST.get(_structure(op, by_format), object))


def _structure(op: Op, by_format: bool) -> Hashable:
    data = () if by_format else tuple([operand_data(op, name) for name in OPERANDS])
    loops = (op.kind, tuple(op.loops), op.rows, op.columns, op.reduction, op.batch)
    return loops, (op.inputs, op.weights, op.outputs), data


_ALIKE: ByIdentity[object] = ByIdentity(4096)
_FIRST: Memo[object] = Memo(most_bytes=4096, size_of=lambda _: 1)


class Fit(NamedTuple):
    """What all problems on one accelerator share whose ops differ in sizes alone."""

    frame: Frame
    levels_used: tuple[MemoryLevel, ...]
    machine: Machine
    peak_macs_per_cycle: float


_FITS: ByIdentity[Fit] = ByIdentity(512)


def _fit(
    op: Op,
    accelerator: Accelerator,
    dataflow: Dataflow,
    counting: Counting,
    accumulator: Format,
    resident: frozenset[str],
    reserved_bits: float,
) -> Fit:
    engine = accelerator.engine
    weights, inputs, outputs = (operand_data(op, name) for name in ("weights", "inputs", "outputs"))
    # A sum takes at least the room of the result that it becomes.
    results = engine.stored_bits("outputs", outputs)
    bits = (
        engine.stored_bits("inputs", inputs),
        engine.stored_bits("weights", weights),
        results,
        max(element_bits(accumulator), results),
    )
    whole = element_bits(outputs.format)
    dense = (
        element_bits(inputs.format),
        element_bits(weights.format),
        whole,
        max(element_bits(accumulator), whole),
    )
    found = engine.data_rate(weights, inputs)
    rate = found.macs_per_unit_cycle
    fitted = engine.fitted_to(dataflow, weights, inputs)
    step_rate = rate * _places(dataflow) / _places(fitted)
    frame = frame_of(op, accelerator, fitted, counting, resident)
    levels = tuple([accelerator.memories[i] for i in frame.used])
    machine = machine_of(frame, levels, counting, bits, step_rate, reserved_bits, None if dense == bits else dense)
    if fitted is not dataflow and engine.changes_levels:
        machine = with_shared_levels(machine, levels, dataflow, fitted)
    if found.accesses:
        machine = with_accesses(machine, frame, found.accesses, in_time=found.gated == 0)
    peak = accelerator.units // engine.arrays // accelerator.cores * engine.arrays * accelerator.cores * rate
    return Fit(frame, levels, machine, peak)


def _places(dataflow: Dataflow) -> int:
    """Units in one array, as a dataflow counts them."""
    return math.prod(axis.size for axis in dataflow.axes)
