"""Tiles that are too large for their level: by how much, and the nearest mapping that fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from archsim.core.spelling import size_text
from archsim.mappers.legality import outermost
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.occupancy import Occupancy, occupancy
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

Cuts = dict[int | str, int]
"""Factors of loops by position, and sizes of an array tile by dimension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflow:
    """A level that cannot hold its tiles, and the nearest change with which it could."""

    occupancy: Occupancy
    hint: str | None

    @property
    def message(self) -> str:
        held = self.occupancy
        parts = ", ".join(
            f"{item.operand} {size_text(item.bits / 8)}{' in 2 copies' if item.copies > 1 else ''}"
            for item in held.held
        )
        room = f"holds {size_text(held.capacity_bits / 8)}"
        if held.reserved_bits:
            room += f", {size_text(held.reserved_bits / 8)} of it taken"
        need = size_text(held.bits / 8)
        return f"{held.level} {room} and needs {need} ({parts}): {size_text(held.excess_bits / 8)} too much"


def overflows(problem: Problem, mapping: Mapping, *, reserved_bits: float = 0.0) -> tuple[Overflow, ...]:
    """The levels that cannot hold their tiles, outermost first; empty for a mapping that fits."""
    return tuple(
        Overflow(occupancy=held, hint=_remedy(problem, mapping, held, reserved_bits))
        for held in occupancy(problem, mapping, reserved_bits=reserved_bits)
        if held.excess_bits > 0
    )


def _remedy(problem: Problem, mapping: Mapping, held: Occupancy, reserved_bits: float) -> str | None:
    """The one loop (or array tile dimension) to shorten, as little as makes the level fit; None when none does."""
    best: tuple[float, str] | None = None
    positions = mapping.tiles[held.level].values()
    first = min(positions, default=0)
    for index, loop in enumerate(mapping.loops):
        if index < first or loop.axis is not None:
            continue
        for factor in _shorter(loop.factor):
            trial = _moved_out(problem, mapping, index, factor, held.level)
            use = _use(problem, trial, held.level, reserved_bits)
            if use is not None:
                where = "" if factor > 1 else ", that is without it"
                text = f"for {loop.dim} in 0..{factor} instead of 0..{loop.factor} below {held.level} would fit{where}"
                best = max(best or (0.0, ""), (use, text))
                break
    for dim, size in mapping.array_tile.items():
        for smaller in _shorter(size):
            trial = replace(mapping, array_tile={**mapping.array_tile, dim: smaller})
            around = Loop(dim, -(-size // smaller))
            use = _use(problem, _with_loop(problem, trial, 0, around, held.level), held.level, reserved_bits)
            if use is not None:
                text = f"an array tile with {dim}={smaller} instead of {size} would fit"
                best = max(best or (0.0, ""), (use, text))
                break
    return _several(problem, mapping, held.level, reserved_bits) if best is None else best[1]


def _several(problem: Problem, mapping: Mapping, level: str, reserved_bits: float) -> str | None:
    """Several loops below a level (or sizes of the array tile) halved, the longest first, until its tiles fit; None if
    they never do.
    """
    at = max(mapping.tiles[level].values(), default=0)
    whole: Cuts = {i: loop.factor for i, loop in enumerate(mapping.loops) if i >= at and loop.axis is None}
    whole.update(mapping.array_tile.items())
    cuts = dict(whole)
    while True:
        changed = _cut(problem, mapping, whole, cuts, at, level)
        if _use(problem, changed, level, reserved_bits) is not None:
            return _cut_text(mapping, whole, cuts, level)
        trials = []
        for key in (key for key, size in cuts.items() if size > 1):
            halved = cuts | {key: -(-cuts[key] // 2)}
            held = occupancy(problem, _cut(problem, mapping, whole, halved, at, level))
            bits = next(item.bits for item in held if item.level == level)
            trials.append((-cuts[key], bits, str(key), halved))
        if not trials:
            return None
        cuts = min(trials, key=lambda trial: trial[:3])[3]


def _cut(problem: Problem, mapping: Mapping, whole: Cuts, cuts: Cuts, at: int, level: str) -> Mapping:
    """The mapping with shorter loops and array tile, and what they lose as loops just above the level's tiles."""
    loops = tuple(replace(loop, factor=cuts.get(i, loop.factor)) for i, loop in enumerate(mapping.loops))
    tile = {dim: cuts[dim] for dim in mapping.array_tile}
    changed = replace(mapping, loops=loops, array_tile=tile)
    for key, size in cuts.items():
        if size < whole[key]:
            dim = key if isinstance(key, str) else mapping.loops[key].dim
            changed = _with_loop(problem, changed, at, Loop(dim, -(-whole[key] // size)), level)
    return changed


def _cut_text(mapping: Mapping, whole: Cuts, cuts: Cuts, level: str) -> str:
    shorter = {key: size for key, size in cuts.items() if size < whole[key]}
    loops = [f"for {mapping.loops[key].dim} in 0..{size}" for key, size in shorter.items() if isinstance(key, int)]
    tile = " ".join(f"{key}={size}" for key, size in shorter.items() if isinstance(key, str))
    texts = [f"{' and '.join(loops)} below {level}"] if loops else []
    texts += [f"an array tile with {tile}"] if tile else []
    return f"{' and '.join(texts)} would fit"


def _shorter(factor: int) -> Iterator[int]:
    """Factors below this one, the largest first: all of a short loop, of a long one some 64."""
    step = max(1, factor // 64)
    yield from range(factor - 1, 0, -step)
    if factor > 1 and (factor - 2) % step:
        yield 1


def _moved_out(problem: Problem, mapping: Mapping, index: int, factor: int, level: str) -> Mapping:
    """The mapping with loop `index` cut to `factor`, what it loses as a new loop just above the tiles of `level`."""
    loop = mapping.loops[index]
    loops = list(mapping.loops)
    loops[index] = replace(loop, factor=factor)
    at = min(max(mapping.tiles[level].values()), index)
    around = Loop(loop.dim, -(-loop.factor // factor))
    return _with_loop(problem, replace(mapping, loops=tuple(loops)), at, around, level)


def _with_loop(problem: Problem, mapping: Mapping, at: int, loop: Loop, level: str) -> Mapping:
    """The mapping with one more loop at a position: above the tiles that stand there of `level` and those inside it."""
    inside = [memory.name for memory in problem.levels_used]
    inside = inside[inside.index(level) :]
    tiles: dict[str, dict[str, int]] = {}
    for name, held in mapping.tiles.items():
        tiles[name] = {}
        for operand in OPERANDS:
            if operand in held:
                here = held[operand] == at and name in inside and outermost(problem, operand) != name
                tiles[name][operand] = held[operand] + (held[operand] > at or here)
    return replace(mapping, loops=(*mapping.loops[:at], loop, *mapping.loops[at:]), tiles=tiles)


def _use(problem: Problem, mapping: Mapping, level: str, reserved_bits: float) -> float | None:
    """Bits that the level would hold; None when they do not fit."""
    held = next(item for item in occupancy(problem, mapping, reserved_bits=reserved_bits) if item.level == level)
    return None if held.excess_bits > 0 else held.bits
