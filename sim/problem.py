"""One op on one accelerator as the flat arrays the cost kernels take."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Dataflow, PassTiming
from archsim.arch.formats import Format
from archsim.arch.memory import AccessEnergy, MemoryLevel
from archsim.sim.conventions import Counting
from archsim.sim.kernels import Bools, Floats, Ints, Machine, Shape
from archsim.workloads.op import OPERANDS, Op

GROUPS = ("rows", "columns", "reduction", "batch")
CHIP_AXES = ("core", "array")
"""Axes that every engine has besides its own: cores of the chip and arrays of a core."""
COARSE = ("chip", "core", "array")
"""Where a memory may sit outside an array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Arrays for the kernels (shapes: D dimensions, L levels, A axes), with the names they stand for.

    Levels are the memories that serve some operand of the op and stand outside the PEs of an engine with passes.
    """

    op: Op
    dataflow: Dataflow
    dims: tuple[str, ...]
    levels_used: tuple[MemoryLevel, ...]
    axis_names: tuple[str, ...]
    axis_sizes: tuple[int, ...]
    shape: Shape
    machine: Machine
    level_stage: Ints
    resident: Bools
    n_stages: int
    peak_macs_per_cycle: float

    @property
    def sizes(self) -> Ints:
        """Size of each of `dims`."""
        return self.shape.sizes

    @property
    def flow(self) -> Ints:
        return self.machine.flow

    @property
    def array(self) -> Ints:
        """Rows and columns of an array with passes."""
        return self.machine.array

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
    dims = tuple(op.loops)
    index = {dim: i for i, dim in enumerate(dims)}
    passes = bool(dataflow.stream)
    used = tuple(level for level in accelerator.memories if _serves_some(level, op) and not (passes and _in_pe(level)))
    bits = _bits(op, accumulator)
    stored = np.array([[_stored_bits(float(b), level.read_word_bits, counting) for b in bits] for level in used])
    engine = accelerator.engine
    weights, inputs = op.weights.format, op.inputs.format
    assert weights is not None
    assert inputs is not None
    rate = engine.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic)
    physical = math.prod(axis.size for axis in dataflow.axes)
    dataflow = engine.fitted(dataflow, weights.arithmetic, inputs.arithmetic)
    axes = dataflow.axes
    step_rate = rate * physical / math.prod(axis.size for axis in axes)
    stages, n_stages = level_stages(used, op)
    home: Bools = _resident_levels(used, op, resident)
    level_stage = np.where(home.any(axis=0, keepdims=True) & ~_below(home), -1, stages)
    per_pe = accelerator.units // engine.arrays // accelerator.cores
    return Problem(
        op=op,
        dataflow=dataflow,
        dims=dims,
        levels_used=used,
        axis_names=(*CHIP_AXES, *(axis.name for axis in axes)),
        axis_sizes=(accelerator.cores, engine.arrays, *(axis.size for axis in axes)),
        shape=Shape(
            sizes=np.array([op.loops[dim] for dim in dims], np.int64),
            relevant=np.array([[dim in op.operand(name).dims for dim in dims] for name in OPERANDS], np.bool_),
            windows=_windows(op, index),
            groups=_groups(op, index),
        ),
        machine=Machine(
            flow=_flow(dataflow),
            array=np.array([axis.size for axis in axes[:2]] + [1] * (2 - len(axes[:2])), np.int64),
            timing=timing_array(
                dataflow.timing, counting, step_rate, output_stationary=dataflow.stationary == "outputs"
            ),
            counting=_count(counting),
            multicast=_multicast(dataflow),
            levels=_levels(used, reserved_bits, accelerator.cores * engine.arrays if passes else 0, counting),
            bits=bits,
            stored_bits=stored,
            read_pj=_per_element_pj([level.read_energy for level in used], stored),
            write_pj=_per_element_pj([level.write_energy for level in used], stored),
            words=np.array([[level.read_word_bits, level.write_word_bits] for level in used], np.float64),
            word_pj=np.array([[level.read_word_pj, level.write_word_pj] for level in used], np.float64),
            operand_bw=np.array([[dict(level.operand_bits_per_cycle).get(n, 0.0) for n in OPERANDS] for level in used]),
        ),
        level_stage=level_stage,
        resident=home,
        n_stages=n_stages,
        peak_macs_per_cycle=per_pe * engine.arrays * accelerator.cores * rate,
    )


def _in_pe(level: MemoryLevel) -> bool:
    return level.per == "pe"


def _serves_some(level: MemoryLevel, op: Op) -> bool:
    return any(level.serves(name, op.operand(name).role.value) for name in OPERANDS)


def _bits(op: Op, accumulator: Format) -> Floats:
    return np.array([*(element_bits(op.operand(name).format) for name in OPERANDS), element_bits(accumulator)])


def _stored_bits(bits: float, word_bits: int, counting: Counting) -> float:
    """Bits an element takes in words of `word_bits` (0: not known).

    >>> _stored_bits(6.0, 16, Counting()), _stored_bits(6.0, 16, Counting(packing="words"))
    (6.0, 8.0)
    >>> _stored_bits(20.0, 16, Counting(packing="words"))
    32.0
    """
    if counting.packing == "bits" or word_bits == 0:
        return bits
    if bits > word_bits:
        return float(math.ceil(bits / word_bits) * word_bits)
    return word_bits / (word_bits // bits)


def _per_element_pj(energies: list[AccessEnergy], stored: Floats) -> Floats:
    """Energy of one element of each width at each level: shape (levels, 4)."""
    rows = zip(energies, stored.tolist(), strict=True)
    return np.array([[energy.per_element_pj(bits) for bits in row] for energy, row in rows])


def level_stages(levels: tuple[MemoryLevel, ...], op: Op) -> tuple[Ints, int]:
    """Stage of each level and operand (-1: not served), and the number of stages.

    Adjacent levels with disjoint operands are siblings and share a stage. The outermost stage holds everything.
    """
    stages = np.full((len(levels), 3), -1, np.int64)
    stage, taken = 0, set[str]()
    for i, level in enumerate(levels):
        served = {name for name in OPERANDS if level.serves(name, op.operand(name).role.value)}
        if served & taken:
            stage, taken = stage + 1, set()
        taken |= served
        for j, name in enumerate(OPERANDS):
            if name in served:
                stages[i, j] = stage
    return stages, stage + 1


def _resident_levels(levels: tuple[MemoryLevel, ...], op: Op, resident: frozenset[str]) -> Bools:
    """Which level is home to each resident operand: the outermost on-chip one."""
    home = np.zeros((len(levels), 3), np.bool_)
    for j, name in enumerate(OPERANDS):
        if name not in resident:
            continue
        for i, level in enumerate(levels):
            if not level.off_chip and level.serves(name, op.operand(name).role.value):
                home[i, j] = True
                break
    return home


def _below(home: Bools) -> Bools:
    """True for levels at or inside an operand's home."""
    return np.asarray(np.logical_or.accumulate(home, axis=0))


def _levels(levels: tuple[MemoryLevel, ...], reserved_bits: float, arrays: int, counting: Counting) -> Floats:
    """Level table. With `arrays` above 0, banks per row or column of an array act as one memory of their sum."""
    rows = []
    home = next((level for level in levels if not level.off_chip and level.serves("inputs", "activation")), None)
    for level in levels:
        reserved = reserved_bits if level is home else 0.0
        banks = level.instances // arrays if arrays and level.per not in COARSE else 1
        rows.append(
            (
                level.capacity_bits * banks,
                level.read_bits_per_cycle * banks,
                level.write_bits_per_cycle * banks,
                float(counting.ports == "shared" or (counting.ports == "design" and level.shared_ports)),
                float(level.double_buffer),
                float(level.off_chip),
                reserved,
            )
        )
    return np.array(rows, np.float64)


def _windows(op: Op, index: dict[str, int]) -> Ints:
    sliding = [axis for axis in op.inputs.axes if len(axis) == 2]
    windows = np.full((max(2, len(sliding)), 4), -1, np.int64)
    for i, (first, second) in enumerate(sliding):
        windows[i] = (index[first.dim], first.coefficient, index[second.dim], second.coefficient)
    return windows


def _groups(op: Op, index: dict[str, int]) -> Ints:
    longest = max(3, *(len(getattr(op, name)) for name in GROUPS))
    groups = np.full((4, longest), -1, np.int64)
    for i, name in enumerate(GROUPS):
        members: tuple[str, ...] = getattr(op, name)
        for j, dim in enumerate(members):
            groups[i, j] = index[dim]
    return groups


def _flow(dataflow: Dataflow) -> Ints:
    if not dataflow.stream:
        return np.array([0, 0, 1, 2, -1], np.int64)
    row, column = (GROUPS.index(axis.gemm_dims[0]) for axis in dataflow.axes[:2])
    return np.array(
        [1, row, column, GROUPS.index(dataflow.stream), OPERANDS.index(dataflow.stationary)],
        np.int64,
    )


def timing_array(timing: PassTiming, counting: Counting, rate: float, *, output_stationary: bool) -> Floats:
    if not counting.os_drain and output_stationary:
        timing = replace(timing, skew_rows=0)
    design = counting.overlap == "design"
    return np.array(
        [
            timing.step_cycles / rate,
            timing.load_used_rows,
            timing.skew_rows,
            timing.skew_used_rows,
            timing.skew_used_columns,
            timing.skew_constant,
            timing.drain_interval_used_rows,
            float(timing.hide_load and design),
            float(timing.hide_skew and design),
        ]
    )


def _count(counting: Counting) -> Floats:
    return np.array(
        [
            float(counting.edge_folds == "full"),
            float(counting.last_cycle == "index"),
            float(counting.psum_rereads),
            float(counting.os_stray_writes),
            float(counting.memory_stalls),
            float((False, True, "returning").index(counting.first_partial_read)),
            float(counting.psum_refill == "all"),
            float(counting.write_back_read),
            float(counting.final_sums == "partial"),
            float(counting.mac_operands == "held"),
            float(counting.halo == "whole"),
            float(("none", "overlap", "equal").index(counting.halo_multicast)),
            float(("packed", "counted", "transferred").index(counting.words)),
            float(counting.port_time == "words"),
            float(("design", "none", "all").index(counting.reserve)),
            float(("pipeline", "throughput", "first-load").index(counting.latency)),
            float(counting.reuse == "nested"),
        ]
    )


def _multicast(dataflow: Dataflow) -> Bools:
    """[operand, axis]: one access serves every unit along the axis. Cores and arrays share reads, and never sums."""
    rows = []
    for name in OPERANDS:
        chip = [name != "outputs"] * len(CHIP_AXES)
        own = [name in (axis.reduce if name == "outputs" else axis.multicast) for axis in dataflow.axes]
        rows.append(chip + own)
    return np.array(rows, np.bool_)
