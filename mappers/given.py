"""A mapping as somebody wrote it (TOML, JSON, loop nest as text, Timeloop YAML), with the place of every part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import brief, listed, spelled
from archsim.core.toml import KeyPath
from archsim.sim.mapping import Loop
from archsim.workloads.op import OPERANDS, Op

KEYS = ("dataflow", "loops", "tiles", "array_tile")
LARGEST = 10**9
MOST_LOOPS = 48
"""Loops of a mapping that is read; one that a search finds has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a file says of a mapping; whether it suits an op and an accelerator is asked later."""

    file: str
    loops: tuple[Loop, ...]
    tiles: Mapping[str, Mapping[str, int]]
    dataflow: str | None = None
    array_tile: Mapping[str, int] | None = None
    op: Op | None = None
    """The op that the file brings along (Timeloop), without formats."""
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def problem(self, path: KeyPath, message: str, hint: str | None = None) -> Problem:
        """A problem at a part of the mapping, with the line of what encloses it."""
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
        return Problem(file=self.file, line=line, key=key_name(path), message=message, hint=hint)


def key_name(path: KeyPath) -> str | None:
    """
    >>> key_name(("loops", 3, "factor"))
    'loops[3].factor'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{brief(part)}"
    return text.lstrip(".") or None


def given_from_values(values: Mapping[str, Any], file: str, line: Callable[[KeyPath], int | None]) -> Given:
    """The mapping that plain values spell; of a document of archsim's with a `mapping` in it, that one.

    Raises:
        InputError: with every problem.
    """
    root: KeyPath = ()
    if "loops" not in values and isinstance(values.get("mapping"), Mapping):
        values, root = values["mapping"], ("mapping",)
    problems: list[Problem] = []
    lines: dict[KeyPath, int] = {}

    def note(path: KeyPath, message: str, hint: str | None = None) -> None:
        problems.append(Problem(file=file, line=line((*root, *path)), key=key_name(path), message=message, hint=hint))

    for key in values:
        if key not in KEYS:
            near = nearest(key, KEYS)
            note((key,), "unknown key", f"did you mean '{near}'?" if near else f"known keys: {listed(KEYS)}")
    reader = _Values(note=note)
    loops = reader.loops(values.get("loops"))
    tiles = reader.tiles(values.get("tiles"))
    array_tile = None if values.get("array_tile") is None else reader.sizes(values["array_tile"])
    dataflow = values.get("dataflow")
    if dataflow is not None and not isinstance(dataflow, str):
        note(("dataflow",), f"must be text (got {spelled(dataflow)})")
    if problems:
        raise InputError(problems)
    for path in _paths(loops, tiles):
        if (place := line((*root, *path))) is not None:
            lines[path] = place
    return Given(file=file, loops=loops, tiles=tiles, dataflow=dataflow, array_tile=array_tile, lines=lines)


def _paths(loops: tuple[Loop, ...], tiles: Mapping[str, Mapping[str, int]]) -> Iterator[KeyPath]:
    yield from (("dataflow",), ("loops",), ("tiles",), ("array_tile",))
    yield from (("loops", index) for index in range(len(loops)))
    for level, held in tiles.items():
        yield ("tiles", level)
        yield from (("tiles", level, operand) for operand in held)


@dataclass(frozen=True, slots=True)
class _Values:
    """Readers of a mapping's parts; what is wrong goes to `note` and is left out."""

    note: Callable[..., None]

    def whole(self, value: object, path: KeyPath, least: int, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.note(path, f"must be a whole number from {least} to {most} (got {spelled(value)})")
            return least
        return value

    def loops(self, value: object) -> tuple[Loop, ...]:
        if value is None:
            self.note((), "has no loops", 'such as loops = [{dim = "k", factor = 4}], outermost first')
            return ()
        if not isinstance(value, list) or len(value) > MOST_LOOPS:
            got = f"{len(value)} of them" if isinstance(value, list) else f"got {spelled(value)}"
            self.note(("loops",), f"must be a list of at most {MOST_LOOPS} loops ({got})")
            return ()
        return tuple(self._loop(item, ("loops", index)) for index, item in enumerate(value))

    def _loop(self, item: object, path: KeyPath) -> Loop:
        if not isinstance(item, Mapping):
            self.note(path, f"must be a table (got {spelled(item)})", 'such as {dim = "k", factor = 4}')
            return Loop("", 1)
        for key in item:
            if key not in ("dim", "factor", "axis"):
                self.note((*path, str(key)), "unknown key", "known keys: axis, dim, factor")
        dim, axis = item.get("dim"), item.get("axis")
        if not isinstance(dim, str) or not dim:
            self.note((*path, "dim"), f"must be a dimension's letter (got {spelled(dim)})")
            dim = ""
        if axis is not None and not isinstance(axis, str):
            self.note((*path, "axis"), f"must be an axis' name, or absent for a loop in time (got {spelled(axis)})")
            axis = None
        return Loop(dim, self.whole(item.get("factor"), (*path, "factor"), 1, LARGEST), axis or None)

    def tiles(self, value: object) -> dict[str, dict[str, int]]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.note(("tiles",), f"must be a table by memory (got {spelled(value)})")
            return {}
        return {str(level): self._held(held, ("tiles", str(level))) for level, held in value.items()}

    def _held(self, value: object, path: KeyPath) -> dict[str, int]:
        if not isinstance(value, Mapping):
            self.note(path, f"must be a table by operand (got {spelled(value)})", "such as {weights = 2}")
            return {}
        held: dict[str, int] = {}
        for operand, position in value.items():
            if operand not in OPERANDS:
                near = nearest(str(operand), OPERANDS)
                hint = f"did you mean '{near}'?" if near else f"known: {listed(OPERANDS)}"
                self.note((*path, str(operand)), "unknown operand", hint)
            elif position is not None:
                held[operand] = self.whole(position, (*path, operand), 0, MOST_LOOPS)
        return held

    def sizes(self, value: object) -> dict[str, int]:
        if not isinstance(value, Mapping):
            self.note(("array_tile",), f"must be a table of sizes (got {spelled(value)})", "such as {m = 64, n = 32}")
            return {}
        path = ("array_tile",)
        return {str(dim): self.whole(size, (*path, str(dim)), 1, LARGEST) for dim, size in value.items()}
