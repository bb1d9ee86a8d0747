"""What an enumeration walks through, as flat arrays: where tiles may stand, and how the axes are filled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from archsim.core.errors import InfeasibleError
from archsim.mappers.constraints import Constraints
from archsim.mappers.enumerate_row_kernels import Hierarchy
from archsim.mappers.factors import divisors_of
from archsim.mappers.starts import Choices
from archsim.sim.frame import CHIP_AXES, COARSE, GROUPS
from archsim.sim.kernels import NESTED_REUSE, TRANSFERRED, WORDS, Ints
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

_MOST_ROWS = 200_000


class _Place(NamedTuple):
    level: int
    operand: int


def hierarchy_of(problem: Problem, skipped: frozenset[tuple[str, str]], said: Constraints, *, even: bool) -> Hierarchy:
    n_levels, n_dims = len(problem.levels_used), len(problem.dims)
    names = [level.name for level in problem.levels_used]
    chains = np.full((3, n_levels), -1, np.int64)
    for j, operand in enumerate(OPERANDS):
        held = [
            i
            for i in range(n_levels)
            if (problem.level_stage[i, j] >= 0 or problem.resident[i, j]) and (names[i], operand) not in skipped
        ]
        chains[j, : len(held)] = held
    own = [_multiplied(problem, i) for i in range(n_levels)]
    stage = problem.level_stage.max(axis=1)
    above = np.array(
        [_either(own[k] for k in range(n_levels) if stage[k] <= stage[i]) for i in range(n_levels)], np.int64
    )
    fixed = np.zeros((n_levels, 3, n_dims), np.int64)
    order = np.full((n_levels, n_dims), -1, np.int64)
    for i, name in enumerate(names):
        for rank, dim in enumerate(said.order_at(name)):
            order[i, problem.dims.index(dim)] = rank
        for j, operand in enumerate(OPERANDS):
            for dim, size in said.tile_sizes(name, operand).items():
                d = problem.dims.index(dim)
                if problem.shape.relevant[j, d]:
                    fixed[i, j, d] = size
    nodes = [_Place(int(i), j) for j in range(3) for i in chains[j, 1:] if i >= 0]
    depth = [
        len({node.level if even else node for node in nodes if above[node.level] >> axis & 1})
        for axis in range(len(problem.axis_names))
    ]
    return Hierarchy(
        chains=chains,
        above=above,
        ranks=_ranks(problem, above),
        fixed=fixed,
        order=order,
        stated=bool((fixed > 0).any() or (order >= 0).any()),
        depth=np.array(depth, np.int64),
        n_nodes=len({node.level if even else node for node in nodes}),
    )


def _either(values: Iterator[int]) -> int:
    """
    >>> _either(iter([1, 4, 5]))
    5
    """
    total = 0
    for value in values:
        total |= value
    return total


def _multiplied(problem: Problem, level: int) -> int:
    """Bits of the spatial axes along which a level has several instances: their units lie outside it."""
    per = problem.levels_used[level].per
    first = len(CHIP_AXES)
    own = {axis.name: first + i for i, axis in enumerate(problem.dataflow.axes)}
    chip = {"chip": 0, "core": 1}.get(per, 3)
    if per in COARSE:
        return chip
    if per == "pe":
        return chip | _either(1 << axis for axis in own.values())
    default = first + ("row", "column").index(per) if per not in own else own[per]
    return chip | 1 << default


def _ranks(problem: Problem, above: Ints) -> Ints:
    """Ranks of levels by the axes whose units lie outside, used or not, under the conventions where that counts.

    Where a tile is kept only while the level above stands still, or whole words move with each tile, what lies between
    the tiles of two levels costs something even where no units are used: units of an axis stand at one height.
    """
    ranks = np.full(len(above), -1, np.int64)
    counting = problem.machine.counting
    if not counting[NESTED_REUSE] and counting[WORDS] != TRANSFERRED:
        return ranks
    axes = {axis for axis in range(len(problem.axis_names)) if _unrolls(problem, axis)} or {0}
    counted = np.array([sum(int(bits) >> axis & 1 for axis in axes) for bits in above], np.int64)
    return ranks if (counted == counted[0]).all() else counted


def _unrolls(problem: Problem, axis: int) -> bool:
    """Whether an axis may hold a loop of the op."""
    if axis < len(CHIP_AXES):
        return problem.axis_sizes[axis] > 1 and bool((problem.shape.relevant[2] & (problem.sizes > 1)).any())
    if problem.flow[0]:
        return False
    names: set[str] = set()
    for entry in problem.dataflow.axes[axis - len(CHIP_AXES)].dims(problem.op.kind):
        names |= set(getattr(problem.op, entry)) if entry in GROUPS else {entry}
    return any(problem.op.loops.get(name, 1) > 1 for name in names)


def units_of(chosen: Choices) -> tuple[Ints, Ints]:
    """(ways, most, 3) loops over units (dim, factor, axis) in the order of their axes, and how many each way has."""
    units = np.zeros((len(chosen.dims), chosen.dims.shape[1], 3), np.int64)
    counts = np.zeros(len(chosen.dims), np.int64)
    for way, (dims, factors) in enumerate(zip(chosen.dims, chosen.factors, strict=True)):
        rows = [
            (int(axis), int(dim), int(factor))
            for dim, factor, axis in zip(dims, factors, chosen.slot_axis, strict=True)
            if dim >= 0 and factor > 1
        ]
        counts[way] = len(rows)
        for i, (axis, dim, factor) in enumerate(sorted(rows)):
            units[way, i] = dim, factor, axis
    return units, counts


def most_rows(problem: Problem, hierarchy: Hierarchy, perfect: bool) -> int:
    """Choices of heights of one operand in the longest nest, at most."""
    loops = min(sum(_longest_chain(int(size), perfect) for size in problem.sizes) + len(problem.axis_names) + 4, 62)
    tiles = max(int((chain >= 0).sum()) - 1 for chain in hierarchy.chains)
    rows = math.comb(loops + max(tiles, 0), max(tiles, 0))
    if rows > _MOST_ROWS:
        raise InfeasibleError(
            f"nests of {loops} loops leave {rows:,} choices of heights for the tiles of one operand, "
            f"more than the {_MOST_ROWS:,} that an enumeration keeps"
        )
    return rows


def _longest_chain(size: int, perfect: bool) -> int:
    """Loops that a dimension can be cut into: its prime factors, or as often as it can be halved.

    >>> _longest_chain(12, True), _longest_chain(13, True), _longest_chain(13, False)
    (3, 1, 4)
    """
    if not perfect:
        return max(0, (size - 1).bit_length())
    count, rest = 0, size
    while rest > 1:
        rest //= divisors_of(rest)[1]
        count += 1
    return count
