"""What an op and a machine are to each other before any size, capacity or energy: built once for all that are alike.

Frames are remembered: the same structure gives the same object, and what is derived from one can be kept by identity.
Their arrays are shared and must not be written to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Dataflow
from archsim.arch.memory import MemoryLevel
from archsim.sim.conventions import Counting
from archsim.sim.kernels import Bools, Floats, Ints
from archsim.workloads.op import OPERANDS, Axis, Op

GROUPS = ("rows", "columns", "reduction", "batch")
CHIP_AXES = ("core", "array")
"""Axes that every engine has besides its own: cores of the chip and arrays of a core."""
COARSE = ("chip", "core", "array")
"""Where a memory may sit outside an array."""


class OpPattern(NamedTuple):
    """The loops of an op and what they index, without their sizes."""

    kind: str
    dims: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    """Dimensions of GEMM rows, columns, reduction and batch, innermost first."""
    axes: tuple[tuple[Axis, ...], ...]
    """Index expressions of inputs, weights, outputs."""
    roles: tuple[str, ...]
    """Of inputs, weights, outputs."""


class Place(NamedTuple):
    """A memory without its numbers."""

    name: str
    operands: frozenset[str]
    roles: frozenset[str]
    per: str
    off_chip: bool
    double_buffer: bool
    bypass: frozenset[str]

    def serves(self, operand: str, role: str) -> bool:
        """Whether data of this operand and role may live here."""
        return operand in self.operands and (not self.roles or role in self.roles)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Arrays as the kernels take them (D dimensions, L levels, A axes), with the names they stand for.

    Levels are the memories that serve some operand of the op and stand outside the PEs of an engine with passes.
    """

    pattern: OpPattern
    dataflow: Dataflow
    used: tuple[int, ...]
    """Which of the accelerator's memories are the levels."""
    places: tuple[Place, ...]
    """The levels."""
    axis_names: tuple[str, ...]
    axis_sizes: tuple[int, ...]
    relevant: Bools
    windows: Ints
    groups: Ints
    flow: Ints
    array: Ints
    """Rows and columns of an array with passes."""
    counting: Floats
    multicast: Bools
    level_stage: Ints
    """(L, 3): stage of each operand's tiles, -1 where there are none. The outermost stage holds everything."""
    resident: Bools
    """(L, 3): which level is home to each operand that stays on chip."""
    n_stages: int
    home: int
    """The level that holds other tensors too: the outermost on-chip one that serves inputs; -1: none."""


def frame_of(
    op: Op, accelerator: Accelerator, dataflow: Dataflow, counting: Counting, resident: frozenset[str]
) -> Frame:
    """The frame of `op` on one dataflow, with the operands in `resident` kept whole on chip."""
    inputs, weights, outputs = op.inputs, op.weights, op.outputs
    pattern = OpPattern(
        op.kind,
        tuple(op.loops),
        (op.rows, op.columns, op.reduction, op.batch),
        (inputs.axes, weights.axes, outputs.axes),
        (inputs.role.value, weights.role.value, outputs.role.value),
    )
    places = tuple([_place(level) for level in accelerator.memories])
    return _frame(pattern, places, dataflow, counting, resident, (accelerator.cores, accelerator.engine.arrays))


def _place(level: MemoryLevel) -> Place:
    return Place(level.name, level.operands, level.roles, level.per, level.off_chip, level.double_buffer, level.bypass)


@lru_cache(maxsize=1024)
def _frame(
    pattern: OpPattern,
    memories: tuple[Place, ...],
    dataflow: Dataflow,
    counting: Counting,
    resident: frozenset[str],
    chip: tuple[int, int],
) -> Frame:
    passes = bool(dataflow.stream)
    used = tuple(
        i
        for i, place in enumerate(memories)
        if any(place.serves(*pair) for pair in zip(OPERANDS, pattern.roles, strict=True))
        and not (passes and place.per == "pe")
    )
    places = tuple(memories[i] for i in used)
    index = {dim: i for i, dim in enumerate(pattern.dims)}
    own = [axis.size for axis in dataflow.axes]
    stages, n_stages = _level_stages(places, pattern.roles)
    homes = _resident_levels(places, pattern.roles, resident)
    outside = np.logical_or.accumulate(homes, axis=0)
    return Frame(
        pattern=pattern,
        dataflow=dataflow,
        used=used,
        places=places,
        axis_names=(*CHIP_AXES, *(axis.name for axis in dataflow.axes)),
        axis_sizes=(*chip, *own),
        relevant=_relevant(pattern),
        windows=_windows(pattern, index),
        groups=_groups(pattern, index),
        flow=_flow(dataflow),
        array=np.array(own[:2] + [1] * (2 - len(own[:2])), np.int64),
        counting=_count(counting),
        multicast=_multicast(dataflow),
        level_stage=np.where(homes.any(axis=0, keepdims=True) & ~outside, -1, stages),
        resident=homes,
        n_stages=n_stages,
        home=next((i for i, place in enumerate(places) if _may_hold_others(place)), -1),
    )


def _may_hold_others(place: Place) -> bool:
    return not place.off_chip and place.serves("inputs", "activation")


def _relevant(pattern: OpPattern) -> Bools:
    indexed = [{term.dim for axis in axes for term in axis} for axes in pattern.axes]
    return np.array([[dim in dims for dim in pattern.dims] for dims in indexed], np.bool_)


def _level_stages(places: tuple[Place, ...], roles: tuple[str, ...]) -> tuple[Ints, int]:
    """Stage of each level and operand (-1: not served), and the number of stages.

    Adjacent levels with disjoint operands are siblings and share a stage, where as many units share each of them:
    spatial loops stand between stages.
    """
    stages = np.full((len(places), 3), -1, np.int64)
    stage, taken = 0, set[int]()
    for i, place in enumerate(places):
        served = {j for j, name in enumerate(OPERANDS) if place.serves(name, roles[j])}
        if served & taken or (taken and place.per != places[i - 1].per):
            stage, taken = stage + 1, set()
        taken |= served
        stages[i, sorted(served)] = stage
    return stages, stage + 1


def _resident_levels(places: tuple[Place, ...], roles: tuple[str, ...], resident: frozenset[str]) -> Bools:
    """Which level is home to each resident operand: the outermost on-chip one."""
    homes = np.zeros((len(places), 3), np.bool_)
    for j, name in enumerate(OPERANDS):
        if name in resident:
            found = (i for i, place in enumerate(places) if not place.off_chip and place.serves(name, roles[j]))
            first = next(found, -1)
            if first >= 0:
                homes[first, j] = True
    return homes


def _windows(pattern: OpPattern, index: dict[str, int]) -> Ints:
    sliding = [axis for axis in pattern.axes[0] if len(axis) == 2]
    windows = np.full((max(2, len(sliding)), 4), -1, np.int64)
    for i, (first, second) in enumerate(sliding):
        windows[i] = (index[first.dim], first.coefficient, index[second.dim], second.coefficient)
    return windows


def _groups(pattern: OpPattern, index: dict[str, int]) -> Ints:
    groups = np.full((4, max(3, *map(len, pattern.groups))), -1, np.int64)
    for i, members in enumerate(pattern.groups):
        groups[i, : len(members)] = [index[dim] for dim in members]
    return groups


def _flow(dataflow: Dataflow) -> Ints:
    if not dataflow.stream:
        return np.array([0, 0, 1, 2, -1], np.int64)
    row, column = (GROUPS.index(axis.gemm_dims[0]) for axis in dataflow.axes[:2])
    return np.array(
        [1, row, column, GROUPS.index(dataflow.stream), OPERANDS.index(dataflow.stationary)],
        np.int64,
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
