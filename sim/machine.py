"""A machine's numbers as the kernels take them: capacities, bandwidths, widths and energies of its levels."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from archsim.arch.engines.base import PassTiming
from archsim.arch.memory import AccessEnergy, MemoryLevel
from archsim.sim.conventions import Counting
from archsim.sim.frame import COARSE, Frame
from archsim.sim.kernels import Floats, Machine
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
) -> Machine:
    """The kernels' machine; `levels` are the frame's, `macs_per_cycle` is one unit's rate at these formats.

    `reserved_bits` of the level that holds other tensors are taken by them. The arrays are shared: not to be written.
    """
    flow = frame.dataflow
    stored = [[stored_bits(b, level.read_word_bits, counting) for b in bits] for level in levels]
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
