"""The loop nest of a mapping as text that people read and that parses back.

Each level is a heading with the tiles that stand there; the loops below it are indented by their depth::

    dram: inputs 4,096 (4.00 KiB) | weights 4,096 (4.00 KiB) | outputs 4,096 (4.00 KiB)
      for m in 0..4
    glb: inputs 1,024 (2.00 KiB, 2 copies) | weights 4,096 (4.00 KiB) | outputs 1,024 (2.00 KiB, 2 copies)
        parallel-for n in 16 on column

Ranges exclude their end. Sizes after an operand are for the reader; ``#`` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from archsim.arch.engines.spatial import ONLY_DATAFLOW
from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import size_text, spelled
from archsim.core.toml import KeyPath
from archsim.mappers.given import LARGEST, MOST_LOOPS, Given
from archsim.sim.frame import GROUPS
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.occupancy import Held, occupancy
from archsim.sim.problem import Problem as OpProblem
from archsim.workloads.op import OPERANDS

_FOR = re.compile(r"for\s+(\w+)\s+in\s+0\s*\.\.\s*(\d{1,12})")
_PARALLEL = re.compile(r"parallel-for\s+(\w+)\s+in\s+(\d{1,12})\s+on\s+([\w-]+)")
_DATAFLOW = re.compile(r"dataflow\s+([\w-]+)")
_ARRAY = re.compile(r"array\s+tile\s*:(.*)")
_SIZE = re.compile(r"(\w+)=(\d{1,12})")
_LEVEL = re.compile(r"([A-Za-z_][\w-]*)\s*:(.*)")
INDENT = "  "


def loop_nest(problem: OpProblem, mapping: Mapping) -> str:
    """The loop nest of `mapping`, one loop a line, with the tiles of each level in elements and bytes."""
    lines = [] if mapping.dataflow == ONLY_DATAFLOW else [f"dataflow {mapping.dataflow}"]
    headings = _headings(problem, mapping)
    for position, loop in enumerate(mapping.loops):
        lines += headings.get(position, [])
        lines.append(INDENT * (position + 1) + _loop_text(loop))
    lines += headings.get(len(mapping.loops), [])
    if mapping.array_tile:
        depth = len(mapping.loops) + 1
        lines.append(INDENT * depth + "array tile: " + " ".join(f"{d}={n}" for d, n in mapping.array_tile.items()))
        for below, (loop, remark) in enumerate(zip(mapping.passes, _pass_remarks(problem), strict=True), start=1):
            lines.append(f"{INDENT * (depth + below)}{_loop_text(loop)}{remark}")
    return "\n".join(lines) + "\n"


def _loop_text(loop: Loop) -> str:
    if loop.axis is None:
        return f"for {loop.dim} in 0..{loop.factor}"
    return f"parallel-for {loop.dim} in {loop.factor} on {loop.axis}"


def _pass_remarks(problem: OpProblem) -> tuple[str, ...]:
    stream = GROUPS[int(problem.flow[3])]
    return ("  # column folds", "  # row folds", f"  # streamed ({stream})", "", "")


def _headings(problem: OpProblem, mapping: Mapping) -> dict[int, list[str]]:
    """Headings by the number of loops above them; operands with uneven tiles give a level several."""
    headings: dict[int, list[str]] = {}
    for level in occupancy(problem, mapping):
        places: dict[int, list[str]] = {}
        for held in level.held:
            places.setdefault(mapping.tiles[level.level][held.operand], []).append(_held_text(held))
        for position, texts in places.items():
            headings.setdefault(position, []).append(f"{level.level}: {' | '.join(texts)}")
    return headings


def _held_text(held: Held) -> str:
    copies = f", {held.copies} copies" if held.copies > 1 else ""
    return f"{held.operand} {held.elements:,} ({size_text(held.bits / 8)}{copies})"


def parse_loop_nest(text: str, file: str) -> Given:
    """The mapping that a loop nest spells.

    Raises:
        InputError: with every line that is none of a loop nest's.
    """
    nest = _Nest(file=file)
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if content:
            nest.read(content, number)
    if not nest.problems and not nest.loops and not nest.tiles:
        nest.note(1, "holds no loops", "such as 'for k in 0..4'; levels are headings such as 'glb: inputs | weights'")
    if nest.problems:
        raise InputError(nest.problems[:20])
    return Given(
        file=file,
        loops=tuple(nest.loops),
        tiles=nest.tiles,
        dataflow=nest.dataflow,
        array_tile=nest.array_tile,
        lines=nest.lines,
    )


@dataclass(slots=True)
class _Nest:
    """What was read so far."""

    file: str
    loops: list[Loop] = field(default_factory=list)
    tiles: dict[str, dict[str, int]] = field(default_factory=dict)
    dataflow: str | None = None
    array_tile: dict[str, int] | None = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def note(self, line: int, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(file=self.file, line=line, message=message, hint=hint))

    def read(self, content: str, line: int) -> None:
        """One line without its comment."""
        if match := _FOR.fullmatch(content):
            self._loop(match[1], match[2], None, line)
        elif match := _PARALLEL.fullmatch(content):
            self._loop(match[1], match[2], match[3], line)
        elif match := _DATAFLOW.fullmatch(content):
            self.dataflow = match[1]
            self.lines["dataflow",] = line
        elif match := _ARRAY.fullmatch(content):
            self._array(match[1], line)
        elif match := _LEVEL.fullmatch(content):
            self._level(match[1], match[2], line)
        else:
            hint = "'for k in 0..4', 'parallel-for n in 16 on column', or 'glb: inputs | weights'"
            self.note(line, f"is no line of a loop nest (got {spelled(content)})", hint)

    def _loop(self, dim: str, factor: str, axis: str | None, line: int) -> None:
        if not 1 <= int(factor) <= LARGEST:
            self.note(line, f"a loop must have from 1 to {LARGEST} iterations (got {factor})")
        if len(self.loops) == MOST_LOOPS:
            self.note(line, f"has more than {MOST_LOOPS} loops")
        if len(self.loops) <= MOST_LOOPS:
            self.lines.setdefault(("loops",), line)
            self.lines["loops", len(self.loops)] = line
            self.loops.append(Loop(dim, int(factor), axis))

    def _array(self, text: str, line: int) -> None:
        self.lines["array_tile",] = line
        self.array_tile = {}
        for word in text.split():
            match = _SIZE.fullmatch(word)
            if match is None or int(match[2]) < 1:
                self.note(line, f"sizes of an array tile are such as m=64 (got {spelled(word)})")
            else:
                self.array_tile[match[1]] = int(match[2])

    def _level(self, level: str, text: str, line: int) -> None:
        held = self.tiles.setdefault(level, {})
        self.lines.setdefault(("tiles", level), line)
        for operand in _operand_names(text):
            if operand not in OPERANDS:
                near = nearest(operand, OPERANDS)
                hint = f"did you mean '{near}'?" if near else f"known: {', '.join(OPERANDS)}"
                self.note(line, f"unknown operand {spelled(operand)}", hint)
            elif operand in held:
                self.note(line, f"{level} holds {operand} already")
            else:
                held[operand] = len(self.loops)
                self.lines["tiles", level, operand] = line


def _operand_names(text: str) -> Iterator[str]:
    for part in text.split("|"):
        if words := part.split():
            yield words[0]
