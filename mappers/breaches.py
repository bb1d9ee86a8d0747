"""What of `[mapper.constraints]` a mapping does not keep to."""

from __future__ import annotations

import math
from collections.abc import Iterator

from archsim.mappers.constraints import Constraints
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS


def breaches(problem: Problem, mapping: Mapping, constraints: Constraints, utilization: float) -> tuple[str, ...]:
    """Each constraint that a mapping breaks, as text; `utilization` is its `mapping_utilization`."""
    said = constraints.of(problem.op)
    told = []
    if utilization < said.min_utilization * (1 - 1e-9):
        told.append(f"mapper.constraints.min_utilization: {utilization:.3g}, {said.min_utilization:g} is wanted")
    told += _axes(mapping, said)
    told += _sizes(problem, mapping, said)
    told += [text for level in problem.levels_used for text in _order(problem, mapping, said, level.name)]
    for level in problem.levels_used:
        for operand in said.bypassed(level.name) & set(mapping.tiles.get(level.name, {})):
            told.append(f"mapper.constraints.bypass.{level.name}: holds {operand}")
    return tuple(told)


def keeps_order(problem: Problem, mapping: Mapping, constraints: Constraints) -> bool:
    """Whether loops come as `order` says; the constraints are those of the op (`Constraints.of`)."""
    return not any(True for item in constraints.order for _ in _order(problem, mapping, constraints, item.level))


def regions(problem: Problem, mapping: Mapping, level: str) -> Iterator[tuple[str, int, int]]:
    """(operand, from, to): the loops between a level's tile of each operand and its next tile further in."""
    names = [memory.name for memory in problem.levels_used]
    for operand, begin in mapping.tiles.get(level, {}).items():
        inner = [name for name in names[names.index(level) + 1 :] if operand in mapping.tiles.get(name, {})]
        yield operand, begin, mapping.tiles[inner[0]][operand] if inner else len(mapping.loops)


def _order(problem: Problem, mapping: Mapping, said: Constraints, level: str) -> Iterator[str]:
    order = said.order_at(level)
    for operand, begin, end in regions(problem, mapping, level) if order else ():
        here = [loop.dim for loop in mapping.loops[begin:end] if loop.axis is None and loop.dim in order]
        if here != sorted(here, key=order.index):
            yield f"mapper.constraints.order.{level}: below the tile of {operand} come {', '.join(here)}"


def _axes(mapping: Mapping, said: Constraints) -> Iterator[str]:
    for wanted in said.spatial:
        here: dict[str, int] = {}
        for loop in mapping.loops:
            if loop.axis == wanted.axis and loop.factor > 1:
                here[loop.dim] = here.get(loop.dim, 1) * loop.factor
        text = ", ".join(f"{dim} {factor}" for dim, factor in here.items()) or "nothing"
        if wanted.exact is not None:
            if here != {dim: factor for dim, factor in wanted.exact if factor > 1}:
                yield f"mapper.constraints.spatial.{wanted.axis}: unrolls {text}"
        elif not set(here) <= set(wanted.dims):
            yield f"mapper.constraints.spatial.{wanted.axis}: unrolls {text}"


def _sizes(problem: Problem, mapping: Mapping, said: Constraints) -> Iterator[str]:
    for i, level in enumerate(problem.levels_used):
        for j, operand in enumerate(OPERANDS):
            position = mapping.tiles.get(level.name, {}).get(operand)
            outer = any(operand in mapping.tiles.get(memory.name, {}) for memory in problem.levels_used[:i])
            if position is None or not outer:
                continue
            for dim, size in said.tile_sizes(level.name, operand).items():
                d = problem.dims.index(dim)
                tile = min(_inside(mapping.loops[position:], dim, mapping), int(problem.sizes[d]))
                if problem.shape.relevant[j, d] and tile != size:
                    yield f"mapper.constraints.tiles.{level.name}: the tile of {operand} has {dim} = {tile}, not {size}"


def _inside(loops: tuple[Loop, ...], dim: str, mapping: Mapping) -> int:
    return mapping.array_tile.get(dim, 1) * math.prod(loop.factor for loop in loops if loop.dim == dim)
