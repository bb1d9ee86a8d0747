"""One mapping through the closed form: its loops as the kernels take them, and their counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.sim.kernels import MAX_LOOPS, N_OUT, N_TRAFFIC, Floats, Ints, Machine, Nest, scratch
from archsim.sim.mapping import Mapping
from archsim.sim.problem import Problem
from archsim.sim.recost_kernels import Counts, Machines, recost_each
from archsim.workloads.op import OPERANDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """The cost kernel's results for one mapping, and whether every level holds its tiles."""

    traffic: Floats
    """(planes, L, 3)"""
    out: Floats
    used: Floats
    """(L,)"""
    tiles: Ints
    """(L, 3)"""
    fits: bool
    nest: Nest
    """The mapping's loops."""
    n_loops: int


def run_kernel(problem: Problem, mapping: Mapping) -> Raw:
    """Call the closed form on one mapping; shapes: traffic (planes, levels, operands), used (levels,)."""
    nest, tiles = placed(problem, mapping)
    counts = counted(problem, nest, len(mapping.loops), tiles, _alone(problem.machine))
    return Raw(
        traffic=counts.traffic[0],
        out=counts.out[0],
        used=counts.used[0],
        tiles=tiles,
        fits=bool(counts.fits[0]),
        nest=nest,
        n_loops=len(mapping.loops),
    )


def placed(problem: Problem, mapping: Mapping) -> tuple[Nest, Ints]:
    """A mapping's loops, and the number of them above each level's tile of each operand (L, 3)."""
    dims, axes = problem.dims, problem.axis_names
    columns = np.zeros((3, MAX_LOOPS), np.int64)
    columns[1:] = [[1], [-1]]
    if mapping.loops:
        columns[:, : len(mapping.loops)] = [
            [dims.index(loop.dim) for loop in mapping.loops],
            [loop.factor for loop in mapping.loops],
            [-1 if loop.axis is None else axes.index(loop.axis) for loop in mapping.loops],
        ]
    base = np.array([mapping.array_tile.get(dim, 1) for dim in dims], np.int64)
    levels = [mapping.tiles.get(level.name, {}) for level in problem.levels_used]
    tiles = [[tile.get(operand, -1) for operand in OPERANDS] for tile in levels]
    return Nest(columns[0], columns[1], columns[2], base), np.array(tiles, np.int64).reshape(len(levels), 3)


def counted(problem: Problem, nest: Nest, n_loops: int, tiles: Ints, machines: Machines) -> Counts:
    """The closed form of one mapping on each of P machines of the problem's structure."""
    n, n_levels = len(machines.levels), len(tiles)
    counts = Counts(
        np.empty((n, N_TRAFFIC, n_levels, 3)), np.empty((n, N_OUT)), np.empty((n, n_levels)), np.empty(n, np.bool_)
    )
    room = scratch(len(problem.dims), n_levels, len(problem.axis_names))
    recost_each(problem.shape, nest, n_loops, tiles, machines, room, counts)
    return counts


def _alone(machine: Machine) -> Machines:
    """A batch of one."""
    m = machine
    return Machines(
        m.flow, m.array[None], m.timing[None], m.counting, m.multicast, m.levels[None], m.bits[None],
        m.stored_bits[None], m.read_pj[None], m.write_pj[None], m.words[None], m.word_pj[None], m.operand_bw[None],
    )  # fmt: skip
