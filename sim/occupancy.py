"""How full each memory is under a mapping: elements, copies and bits of every operand's tile, against the capacity.

The rules are those of the kernel that decides whether a mapping fits (docs/cost-model.md, Capacity), written out for
one mapping so that it can say which operand takes how much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from archsim.sim.kernels import ALL_RESERVE, CAPACITY, DOUBLE_BUFFER, NO_RESERVE, RESERVE
from archsim.sim.mapping import Mapping
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS, OperandName


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One operand's tile in one instance of a level."""

    operand: str
    elements: int
    bits_per_element: float
    """With what a packed word leaves empty; the accumulator's for outputs whose sums come before they are complete."""
    copies: int
    """2 where the next tile is loaded while this one is used."""

    @property
    def bits(self) -> float:
        return self.elements * self.bits_per_element * self.copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """What one instance of a level holds, and how much it could."""

    level: str
    held: tuple[Held, ...]
    capacity_bits: float
    reserved_bits: float = 0.0
    """Taken by tensors of other ops."""
    instances: int = 1
    """Instances in use."""

    @property
    def bits(self) -> float:
        return sum(item.bits for item in self.held)

    @property
    def fraction(self) -> float | None:
        """Share of the capacity in use, other ops' tensors included; None where there is no limit."""
        return (self.bits + self.reserved_bits) / self.capacity_bits if math.isfinite(self.capacity_bits) else None

    @property
    def excess_bits(self) -> float:
        """Bits that do not fit; 0 when all does."""
        return max(0.0, self.bits + self.reserved_bits - self.capacity_bits)


def occupancy(problem: Problem, mapping: Mapping, *, reserved_bits: float = 0.0) -> tuple[Occupancy, ...]:
    """Occupancy of every level that serves the op, outermost first; `reserved_bits` are of the first one on chip."""
    home = next((x.name for x in problem.levels_used if not x.off_chip and x.serves("inputs", "activation")), None)
    return tuple(
        Occupancy(
            level=level.name,
            held=tuple(
                _held(problem, mapping, i, operand)
                for operand in OPERANDS
                if operand in mapping.tiles.get(level.name, {})
            ),
            capacity_bits=float(problem.machine.levels[i, CAPACITY]),
            reserved_bits=reserved_bits if level.name == home else 0.0,
            instances=_instances(mapping, level.name),
        )
        for i, level in enumerate(problem.levels_used)
    )


def _instances(mapping: Mapping, level: str) -> int:
    position = max(mapping.tiles.get(level, {}).values(), default=0)
    return math.prod(loop.factor for loop in mapping.loops[:position] if loop.axis is not None)


def _held(problem: Problem, mapping: Mapping, index: int, operand: OperandName) -> Held:
    level, machine = problem.levels_used[index], problem.machine
    position = mapping.tiles[level.name][operand]
    dims = problem.op.operand(operand).dims
    changes = any(loop.axis is None and loop.factor > 1 and loop.dim in dims for loop in mapping.loops[:position])
    reserve = machine.counting[RESERVE]
    twice = reserve == ALL_RESERVE or (reserve != NO_RESERVE and machine.levels[index, DOUBLE_BUFFER] > 0)
    partial = operand == "outputs" and holds_partial_sums(problem, mapping, level.name)
    return Held(
        operand=operand,
        elements=tile_elements(problem, mapping, operand, position),
        bits_per_element=float(machine.stored_bits[index, 3 if partial else OPERANDS.index(operand)]),
        copies=2 if twice and changes else 1,
    )


def tile_dims(problem: Problem, mapping: Mapping, position: int) -> dict[str, int]:
    """Size of each dimension inside the loops above `position`, at most the dimension itself."""
    sizes = {dim: mapping.array_tile.get(dim, 1) for dim in problem.dims}
    for loop in mapping.loops[position:]:
        sizes[loop.dim] *= loop.factor
    return {dim: min(size, problem.op.loops[dim]) for dim, size in sizes.items()}


def tile_elements(problem: Problem, mapping: Mapping, operand: OperandName, position: int) -> int:
    """Elements of one full tile of an operand; a sliding window counts its span, at most what it touches."""
    return box_elements(problem, operand, tile_dims(problem, mapping, position))


def box_elements(problem: Problem, operand: OperandName, sizes: MappingOf[str, int]) -> int:
    """Elements of an operand that index ranges of these sizes touch."""
    product = 1
    for axis in problem.op.operand(operand).axes:
        span = 1 + sum(term.coefficient * (sizes[term.dim] - 1) for term in axis)
        product *= min(span, math.prod(sizes[term.dim] for term in axis))
    return product


def holds_partial_sums(problem: Problem, mapping: Mapping, level: str) -> bool:
    """Whether sums come to a level before their reduction is complete."""
    position = mapping.tiles[level]["outputs"]
    own = {axis.name for axis in problem.dataflow.axes if "outputs" in axis.reduce}
    free = [loop.factor > 1 and loop.dim not in problem.op.outputs.dims for loop in mapping.loops]
    if any(free[i] and loop.axis in own for i, loop in enumerate(mapping.loops[:position])):
        return True
    names = [other.name for other in problem.levels_used]
    inner = [
        mapping.tiles[name]["outputs"]
        for name in names[names.index(level) + 1 :]
        if "outputs" in mapping.tiles.get(name, {})
    ]
    if not inner:
        summed = {i for i, loop in enumerate(mapping.loops) if i >= position and loop.axis in own}
        return any(free[i] and i not in summed for i in range(len(free))) or _folded(problem, mapping)
    return _revisited(problem, mapping, position, inner[0], own, free)


def _revisited(problem: Problem, mapping: Mapping, position: int, inner: int, own: set[str], free: list[bool]) -> bool:
    """Whether a tile at `inner` is handed up to `position` more than once."""
    between = {loop.axis for loop in mapping.loops[position:inner]} - {loop.axis for loop in mapping.loops[inner:]}
    summed = between & own
    first = inner
    while first > 0 and not _indexes(problem, mapping, first - 1):
        first -= 1
    busy = _busy(problem, mapping)
    return any(
        free[i]
        and (busy[i] if i < first else mapping.loops[i].axis is not None)
        and mapping.loops[i].axis not in summed
        for i in range(inner)
    )


def _busy(problem: Problem, mapping: Mapping) -> list[bool]:
    """Whether a loop has work for more than its first iteration."""
    inside = {dim: mapping.array_tile.get(dim, 1) for dim in problem.dims}
    busy: list[bool] = []
    for loop in reversed(mapping.loops):
        busy.append(inside[loop.dim] < problem.op.loops[loop.dim])
        inside[loop.dim] *= loop.factor
    return busy[::-1]


def _indexes(problem: Problem, mapping: Mapping, i: int) -> bool:
    loop = mapping.loops[i]
    return loop.axis is None and loop.factor > 1 and loop.dim in problem.op.outputs.dims


def _folded(problem: Problem, mapping: Mapping) -> bool:
    """Whether an array hands out sums of one fold of its tile's reduction."""
    if not problem.dataflow.stream or problem.dataflow.stationary == "outputs":
        return False
    return math.prod(mapping.array_tile.get(dim, 1) for dim in problem.op.reduction) > problem.dataflow.axes[0].size
