"""Whether a mapping that somebody wrote is one of an op on an accelerator.

What no hardware could run (a loop over a dimension that the op lacks, more units than an axis has, a tile outside of
the one it is taken from) is wrong input. Tiles that are too large are an answer: `mappers.remedies`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Dataflow
from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import listed
from archsim.mappers.given import Given
from archsim.sim.conventions import Counting
from archsim.sim.cost import pass_loops
from archsim.sim.frame import CHIP_AXES, GROUPS
from archsim.sim.kernels import NESTED_REUSE
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem as OpProblem
from archsim.sim.problem import build_problem
from archsim.workloads.op import OPERANDS, Op, OperandName

PASSES = 5
"""Loops inside an array tile: column folds, row folds, stream, rows, columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A mapping on its op and accelerator, every rule but capacity kept."""

    problem: OpProblem
    mapping: Mapping
    warnings: tuple[str, ...] = ()


def settle(given: Given, op: Op, accelerator: Accelerator, counting: Counting, accumulator: Format) -> Settled:
    """The mapping in `given` for an op with formats.

    Raises:
        InputError: every rule that it breaks, each with its place.
    """
    dataflow = _dataflow(given, accelerator)
    problem = build_problem(op, accelerator, dataflow, counting, accumulator)
    loops, trailing = _split_passes(given, bool(dataflow.stream))
    problems = [*_loop_problems(given, problem, loops), *_tile_problems(given, problem, loops)]
    if not problems:
        problems += [*_axis_problems(given, problem, loops), *_place_problems(given, problem, loops)]
    if problems:
        raise InputError(problems)
    mapping = Mapping(dataflow=dataflow.name, loops=loops, tiles=_all_tiles(given, problem))
    if dataflow.stream:
        mapping = _with_passes(given, problem, mapping, trailing)
    return Settled(problem=problem, mapping=mapping, warnings=tuple(_warnings(problem, mapping)))


def _dataflow(given: Given, accelerator: Accelerator) -> Dataflow:
    flows = {flow.name: flow for flow in accelerator.engine.dataflows}
    if given.dataflow is None:
        if len(flows) == 1:
            return next(iter(flows.values()))
        raise InputError(given.problem((), "states no dataflow", f"the hardware permits {listed(flows)}"))
    if given.dataflow not in flows:
        near = nearest(given.dataflow, flows)
        hint = f"did you mean '{near}'?" if near else f"the hardware permits {listed(flows)}"
        raise InputError(given.problem(("dataflow",), f"no dataflow '{given.dataflow}' on this hardware", hint))
    return flows[given.dataflow]


def _split_passes(given: Given, passes: bool) -> tuple[tuple[Loop, ...], tuple[Loop, ...]]:
    """Loops above the array tile, and those of the passes where the file lists them."""
    if passes and given.array_tile is not None and len(given.loops) >= PASSES:
        tail = given.loops[-PASSES:]
        if tail[-1].axis is not None and tail[-2].axis is not None and tail[-3].axis is None:
            return given.loops[:-PASSES], tail
    return given.loops, ()


def _loop_problems(given: Given, problem: OpProblem, loops: tuple[Loop, ...]) -> Iterator[Problem]:
    """Loops over dimensions that the op has, which together cover each."""
    inside = dict.fromkeys(problem.dims, 1)
    if given.array_tile is not None and problem.dataflow.stream:
        for dim in given.array_tile:
            if dim not in inside:
                yield given.problem(("array_tile", dim), f"the op has no dimension {dim}", _known(problem))
        inside |= {dim: size for dim, size in given.array_tile.items() if dim in inside}
    elif given.array_tile is not None:
        yield given.problem(("array_tile",), "belongs to systolic arrays", "list its loops")
    for index in reversed(range(len(loops))):
        loop = loops[index]
        if loop.dim not in inside:
            yield given.problem(("loops", index), f"the op has no dimension '{loop.dim}'", _known(problem))
            continue
        inside[loop.dim] *= loop.factor
    if problem.dataflow.stream and given.array_tile is None:
        return
    for dim, covered in inside.items():
        if covered < problem.op.loops[dim]:
            message = f"loops of {dim} make {covered} iterations, the op has {problem.op.loops[dim]}"
            yield given.problem(
                ("loops",), message, f"the factors of {dim} must multiply to {problem.op.loops[dim]} or more"
            )


def _known(problem: OpProblem) -> str:
    return f"its dimensions: {', '.join(f'{dim}={size}' for dim, size in problem.op.loops.items())}"


def _tile_problems(given: Given, problem: OpProblem, loops: tuple[Loop, ...]) -> Iterator[Problem]:
    """Tiles of operands that a memory serves, each inside of the one it is taken from."""
    names = [level.name for level in problem.levels_used]
    for level, held in given.tiles.items():
        if level not in names:
            near = nearest(level, names)
            hint = f"did you mean '{near}'?" if near else f"memories outside the PEs: {', '.join(names)}"
            yield given.problem(("tiles", level), f"no memory '{level}' to tile for", hint)
        for operand, position in held.items():
            if position > len(loops):
                message = f"there are {len(loops)} loops (got {position})"
                yield given.problem(("tiles", level, operand), message, "the number of loops above the tile")
    for operand in OPERANDS:
        yield from _chain_problems(given, problem, operand)


def _chain_problems(given: Given, problem: OpProblem, operand: OperandName) -> Iterator[Problem]:
    """Of one operand: only memories that serve it, with never fewer loops above than further out."""
    above, where = 0, ""
    for memory in problem.levels_used:
        position = given.tiles.get(memory.name, {}).get(operand)
        if position is None:
            continue
        path = ("tiles", memory.name, operand)
        if not memory.serves(operand, problem.op.operand(operand).role.value):
            yield given.problem(path, f"{memory.name} does not serve {operand}")
        elif position and outermost(problem, operand) == memory.name:
            yield given.problem(path, f"all {operand} are in {memory.name}: no loops lie above (got {position})")
        elif position < above:
            message = f"{position} loops lie above, fewer than the {above} above its tile in {where}"
            yield given.problem(path, message, "inner memories hold tiles of what outer ones hold")
        above, where = max(above, position), memory.name


def outermost(problem: OpProblem, operand: OperandName) -> str:
    """The memory that holds all of an operand."""
    role = problem.op.operand(operand).role.value
    return next((level.name for level in problem.levels_used if level.serves(operand, role)), "")


def _axis_problems(given: Given, problem: OpProblem, loops: tuple[Loop, ...]) -> Iterator[Problem]:
    """Spatial loops on axes that exist, over dimensions that they unroll, with no more units than they have."""
    passes = bool(problem.dataflow.stream)
    sizes = dict(zip(problem.axis_names, problem.axis_sizes, strict=True))
    names = list(CHIP_AXES) if passes else list(sizes)
    for index, loop in enumerate(loops):
        if loop.axis is None:
            continue
        if loop.axis not in names:
            near = nearest(loop.axis, names)
            hint = f"did you mean '{near}'?" if near else f"axes: {', '.join(names)}"
            yield given.problem(("loops", index), f"no axis '{loop.axis}' to unroll on", hint)
        elif loop.axis in CHIP_AXES and loop.dim in problem.op.reduction:
            yield given.problem(("loops", index), f"the reduction {loop.dim} is not shared out over {loop.axis}s")
        elif loop.axis not in CHIP_AXES and loop.dim not in (allowed := _allowed(problem, loop.axis)):
            message = f"axis {loop.axis} does not unroll {loop.dim}"
            yield given.problem(("loops", index), message, f"it unrolls {', '.join(allowed) or 'nothing of this op'}")
    for axis, size in sizes.items():
        used = math.prod(loop.factor for loop in loops if loop.axis == axis)
        if used > size and axis in names:
            index = next(i for i, loop in enumerate(loops) if loop.axis == axis)
            message = f"{used} units on axis {axis}, which has {size}"
            yield given.problem(("loops", index), message, "take the rest as a loop in time")


def _allowed(problem: OpProblem, axis: str) -> tuple[str, ...]:
    record = next(item for item in problem.dataflow.axes if item.name == axis)
    dims: list[str] = []
    for entry in record.dims(problem.op.kind):
        dims += getattr(problem.op, entry) if entry in GROUPS else (entry,)
    return tuple(dim for dim in dict.fromkeys(dims) if dim in problem.dims)


def _place_problems(given: Given, problem: OpProblem, loops: tuple[Loop, ...]) -> Iterator[Problem]:
    """Loops over units above the memories that each unit has, and below those that the units share."""
    for level in problem.levels_used:
        own = _own_axes(problem, level.per)
        for operand, position in given.tiles.get(level.name, {}).items():
            for index, loop in enumerate(loops):
                if loop.axis is None or loop.factor == 1:
                    continue
                path = ("tiles", level.name, operand)
                if loop.axis in own and index >= position:
                    message = f"each unit on {loop.axis} has its own {level.name}: loop {index} ({loop.dim}) lies below"
                    yield given.problem(path, message, f"at least {index + 1}, so that it lies above")
                elif loop.axis not in own and index < position:
                    message = f"units on {loop.axis} share one {level.name}: loop {index} ({loop.dim}) lies above"
                    yield given.problem(path, message, f"at most {index}, so that it lies below")


def _own_axes(problem: OpProblem, per: str) -> frozenset[str]:
    """Axes along which a memory has an instance at every unit."""
    own = [axis.name for axis in problem.dataflow.axes]
    if per == "chip":
        return frozenset()
    if per == "core":
        return frozenset({"core"})
    if per == "array":
        return frozenset(CHIP_AXES)
    if per == "pe":
        return frozenset({*CHIP_AXES, *own})
    default = {"row": own[:1], "column": own[1:2]}.get(per, [])
    return frozenset({*CHIP_AXES, per} if per in own else {*CHIP_AXES, *default})


def _all_tiles(given: Given, problem: OpProblem) -> dict[str, dict[str, int]]:
    """Tiles by level and operand in the hardware's order; the outermost memory of an operand holds all of it."""
    tiles: dict[str, dict[str, int]] = {}
    for level in problem.levels_used:
        held = dict(given.tiles.get(level.name, {}))
        for operand in OPERANDS:
            if outermost(problem, operand) == level.name:
                held[operand] = 0
        if held:
            tiles[level.name] = {str(operand): held[operand] for operand in OPERANDS if operand in held}
    return tiles


def _with_passes(given: Given, problem: OpProblem, mapping: Mapping, trailing: tuple[Loop, ...]) -> Mapping:
    tile = dict.fromkeys(problem.dims, 1) | dict(given.array_tile or _rest(problem, mapping))
    tile = {dim: min(size, problem.op.loops[dim]) for dim, size in tile.items()}
    passes = pass_loops(problem, tile)
    if trailing and trailing != passes:
        inside = ", ".join(f"{loop.dim} {loop.factor}" for loop in passes)
        message = f"the last {PASSES} loops are not the passes of the array tile, which are {inside}"
        raise InputError(given.problem(("array_tile",), message, "leave them out: they follow from the array tile"))
    batch = [dim for dim in problem.op.batch if tile[dim] > 1]
    if batch:
        raise InputError(given.problem(("array_tile",), f"an array takes one of the batch {batch[0]} at a time"))
    return replace(mapping, array_tile=tile, passes=passes)


def _rest(problem: OpProblem, mapping: Mapping) -> dict[str, int]:
    """The array tile that the loops leave: dimensions over their factors, rounded up."""
    factors = dict.fromkeys(problem.dims, 1)
    for loop in mapping.loops:
        factors[loop.dim] *= loop.factor
    return {dim: -(-problem.op.loops[dim] // factors[dim]) for dim in problem.dims}


def _warnings(problem: OpProblem, mapping: Mapping) -> Iterator[str]:
    inside = {dim: mapping.array_tile.get(dim, 1) for dim in problem.dims}
    for loop in reversed(mapping.loops):
        if loop.axis is None and loop.factor > 1 and (loop.factor - 1) * inside[loop.dim] >= problem.op.loops[loop.dim]:
            within = f"{inside[loop.dim]} of {problem.op.loops[loop.dim]} lie inside each"
            yield f"some of the {loop.factor} iterations of {loop.dim} are empty: {within}"
        inside[loop.dim] *= loop.factor
    for operand, level in unlisted_bypasses(problem, mapping):
        yield f"{operand} pass by {level}, whose `bypass` does not list them: no search would do this"
    for inner, outer in crossings(problem, mapping):
        yield f"the tile of {inner} lies outside that of {outer}: where reuse is nested no search would do this"


def unlisted_bypasses(problem: OpProblem, mapping: Mapping) -> Iterator[tuple[str, str]]:
    """Operands with the memories that they pass by though the design does not say that they may."""
    for level in problem.levels_used:
        held = mapping.tiles.get(level.name, {})
        for operand in OPERANDS:
            role = problem.op.operand(operand).role.value
            if operand not in held and level.serves(operand, role) and operand not in level.bypass:
                yield operand, level.name


def crossings(problem: OpProblem, mapping: Mapping) -> Iterator[tuple[str, str]]:
    """Tiles inside units that stand outside of a tile of a level that these units share, each with that one.

    Where tiles are kept only while those of the level above stand still, a mapper's tiles inside units lie inside all
    tiles outside of them, of any operand, also where one unit alone works.
    """
    if not problem.machine.counting[NESTED_REUSE]:
        return
    outside, held = frozenset[str](), list[tuple[int, int, str]]()
    for level in problem.levels_used:
        outside |= _own_axes(problem, level.per)
        units = sum(1 for axis in outside if _unrolls(problem, axis))
        tiles = mapping.tiles.get(level.name, {})
        held += [(units, position, f"{operand} in {level.name}") for operand, position in tiles.items()]
    for units, position, inner in held:
        for fewer, further, outer in held:
            if fewer < units and position < further:
                yield inner, outer


def _unrolls(problem: OpProblem, axis: str) -> bool:
    """Whether an axis has units for some dimension of the op."""
    sizes = dict(zip(problem.axis_names, problem.axis_sizes, strict=True))
    if sizes.get(axis, 1) == 1:
        return False
    return axis in CHIP_AXES or any(problem.op.loops[dim] > 1 for dim in _allowed(problem, axis))
