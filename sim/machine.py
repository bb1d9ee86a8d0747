"""A machine's numbers as the kernels take them: capacities, bandwidths, widths and energies of its levels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from archsim.arch.engines.base import Dataflow, PassTiming
from archsim.arch.memory import AccessEnergy, MemoryLevel
from archsim.sim.conventions import Counting
from archsim.sim.frame import COARSE, Frame
from archsim.sim.kernels import CAPACITY, OUTPUTS, READ_BW, WRITE_BW, Floats, Machine
from archsim.workloads.op import OPERANDS

Widths = tuple[float, float, float, float]
"""Of an element of inputs, weights, outputs, and of a partial sum."""


@lru_cache(maxsize=1024)
def machine_of(
    frame: Frame,
    levels: tuple[MemoryLevel, ...],
    counting: Counting,
    bits: Widths,
    macs_per_cycle: float,
    reserved_bits: float,
    dense: Widths | None = None,
) -> Machine:
    """The kernels' machine; `levels` are the frame's, `macs_per_cycle` is one unit's rate at these formats.

    `reserved_bits` of the level that holds other tensors are taken by them. Levels that hold operands expanded take
    their `dense` bits. The arrays are shared: not to be written.
    """
    flow = frame.dataflow
    stored = [
        [stored_bits(b, level.read_word_bits, counting) for b in _held_bits(level, bits, dense)] for level in levels
    ]
    passes = bool(flow.stream)
    arrays = frame.axis_sizes[0] * frame.axis_sizes[1] if passes else 0
    read, write = ([level.read_energy for level in levels], [level.write_energy for level in levels])
    return Machine(
        flow=frame.flow,
        array=frame.array,
        timing=timing_array(flow.timing, counting, macs_per_cycle, output_stationary=flow.stationary == "outputs"),
        counting=frame.counting,
        multicast=frame.multicast,
        levels=np.array(
            [
                _level_row(level, reserved_bits if i == frame.home else 0.0, arrays, counting)
                for i, level in enumerate(levels)
            ]
        ),
        bits=np.array(bits),
        stored_bits=np.array(stored),
        read_pj=_per_element_pj(read, stored),
        write_pj=_per_element_pj(write, stored),
        words=np.array([(level.read_word_bits, level.write_word_bits) for level in levels], np.float64),
        word_pj=np.array([(level.read_word_pj, level.write_word_pj) for level in levels]),
        operand_bw=np.array([_own_ports(level) for level in levels]),
    )


def _held_bits(level: MemoryLevel, bits: Widths, dense: Widths | None) -> Widths:
    if dense is None or not level.expanded:
        return bits
    inputs, weights, outputs = (dense[j] if name in level.expanded else bits[j] for j, name in enumerate(OPERANDS))
    return inputs, weights, outputs, bits[3]


def with_accesses(machine: Machine, frame: Frame, accesses: Mapping[str, float], *, in_time: bool) -> Machine:
    """The machine where only a share of each operand's accesses to the level next to the PEs is made.

    Their energy falls; with `in_time` (skipped, not gated) so does their time. Operands that share a port are weighed
    by the bits of their elements, which is exact where PEs take as many elements of each.
    """
    if all(share == 1.0 for share in accesses.values()):
        return machine
    read_pj, write_pj, levels = machine.read_pj.copy(), machine.write_pj.copy(), machine.levels.copy()
    own_ports = machine.operand_bw.copy()
    near = frame.level_stage.argmax(axis=0)
    for i in range(len(levels)):
        served = [j for j in range(len(OPERANDS)) if frame.level_stage[i, j] >= 0]
        shares = {j: accesses.get(OPERANDS[j], 1.0) if near[j] == i else 1.0 for j in served}
        for j, share in shares.items():
            read_pj[i, j] *= share
            own_ports[i, j] /= share
        written = {j: share if j == OUTPUTS else 1.0 for j, share in shares.items()}
        if OUTPUTS in shares:
            read_pj[i, 3] *= shares[OUTPUTS]
            write_pj[i, [OUTPUTS, 3]] *= shares[OUTPUTS]
        if in_time and served:
            widths = machine.stored_bits[i]
            levels[i, READ_BW] /= _weighed(shares, widths)
            levels[i, WRITE_BW] /= _weighed(written, widths)
    return machine._replace(
        read_pj=read_pj, write_pj=write_pj, levels=levels, operand_bw=own_ports if in_time else machine.operand_bw
    )


def with_shared_levels(machine: Machine, levels: tuple[MemoryLevel, ...], plain: Dataflow, fitted: Dataflow) -> Machine:
    """The machine where axes reach over more elements than they have units: these share the levels inside the array.

    A unit's memory that serves several places of a longer axis gives each its part of capacity and bandwidth.
    """
    longer = {was.name: now.size / was.size for was, now in zip(plain.axes, fitted.axes, strict=True)}
    by_place = longer | dict(zip(("row", "column"), longer.values(), strict=False)) | {"pe": math.prod(longer.values())}
    table = machine.levels.copy()
    for i, level in enumerate(levels):
        table[i, [CAPACITY, READ_BW, WRITE_BW]] /= by_place.get(level.per, 1.0)
    return machine._replace(levels=table)


def _weighed(shares: Mapping[int, float], widths: Floats) -> float:
    """The mean share, each operand by the bits of its elements; partial sums stand for outputs."""
    bits = {j: float(widths[3 if j == OUTPUTS else j]) for j in shares}
    return sum(bits[j] * share for j, share in shares.items()) / sum(bits.values())


def _own_ports(level: MemoryLevel) -> list[float]:
    """Bits per cycle of each operand's own port; 0 where it has none."""
    if not level.operand_bits_per_cycle:
        return [0.0, 0.0, 0.0]
    own = dict(level.operand_bits_per_cycle)
    return [own.get(name, 0.0) for name in OPERANDS]


def stored_bits(bits: float, word_bits: int, counting: Counting) -> float:
    """Bits an element takes in words of `word_bits` (0: not known).

    >>> stored_bits(6.0, 16, Counting()), stored_bits(6.0, 16, Counting(packing="words"))
    (6.0, 8.0)
    >>> stored_bits(20.0, 16, Counting(packing="words"))
    32.0
    """
    if counting.packing == "bits" or word_bits == 0:
        return bits
    if bits > word_bits:
        return float(math.ceil(bits / word_bits) * word_bits)
    return word_bits / (word_bits // bits)


def _per_element_pj(energies: list[AccessEnergy], stored: list[list[float]]) -> Floats:
    """Energy of one element of each width at each level: shape (levels, 4)."""
    rows = zip(energies, stored, strict=True)
    return np.array([[energy.per_element_pj(bits) for bits in row] for energy, row in rows])


def _level_row(level: MemoryLevel, reserved_bits: float, arrays: int, counting: Counting) -> tuple[float, ...]:
    """A row of the level table. With `arrays` above 0, banks per row or column of an array act as one memory."""
    banks = level.instances // arrays if arrays and level.per not in COARSE else 1
    return (
        level.capacity_bits * banks,
        level.read_bits_per_cycle * banks,
        level.write_bits_per_cycle * banks,
        float(counting.ports == "shared" or (counting.ports == "design" and level.shared_ports)),
        float(level.double_buffer),
        float(level.off_chip),
        reserved_bits,
    )


def timing_array(timing: PassTiming, counting: Counting, rate: float, *, output_stationary: bool) -> Floats:
    """Coefficients of a pass in cycles, for units of `rate` MACs per cycle, as the kernels take them."""
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
