"""The `[mapper.constraints]` table of a design file, and what of it contradicts the hardware."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from archsim.core.errors import Problem, nearest
from archsim.core.options import LARGEST_SIZE, Fraction01, Options, refusal
from archsim.core.spelling import listed, spelled
from archsim.core.toml import KeyPath
from archsim.mappers.constraints import (
    BypassConstraint,
    Constraints,
    OrderConstraint,
    Sizes,
    SpatialConstraint,
    TileConstraint,
)
from archsim.workloads.op import OPERANDS

DIMS: Mapping[str, tuple[str, ...]] = {"gemm": tuple("bmnk"), "conv": tuple("ngkcpqrs")}
"""Dimensions of each kind of op."""
GROUPS = ("rows", "columns", "reduction", "batch")
CHIP_AXES = ("core", "array")
OperandText = Literal["inputs", "weights", "outputs"]

Entry = tuple[str, Any]
"""The kind of op ("" for both) with what is said of it."""


def _known_dims(kind: str) -> tuple[str, ...]:
    return DIMS[kind] if kind else tuple(dict.fromkeys(dim for dims in DIMS.values() for dim in dims))


def _check_dim(name: object, kind: str, *, groups: bool = False) -> str:
    known = _known_dims(kind) + (GROUPS if groups else ())
    if not isinstance(name, str) or name not in known:
        raise refusal(f"unknown dimension {spelled(name)}", f"known: {listed(known)}")
    return name


def _check_sizes(value: Mapping[Any, Any], kind: str) -> Sizes:
    for dim, size in value.items():
        _check_dim(dim, kind)
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST_SIZE:
            raise refusal(f"{dim} must be a whole number from 1 to {LARGEST_SIZE} (got {spelled(size)})")
    return tuple((str(dim), int(size)) for dim, size in value.items())


def _check_dims(value: object, kind: str, *, groups: bool) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise refusal(f"must be a list of dimensions (got {spelled(value)})", 'such as ["n", "k"]')
    dims = tuple(_check_dim(dim, kind, groups=groups) for dim in value)
    if len(set(dims)) < len(dims):
        raise refusal(f"names a dimension twice (got {spelled(value)})")
    return dims


def _by_kind(value: object) -> Iterator[Entry]:
    """The parts of an entry that is written by kind of op, else the entry itself for both."""
    if not isinstance(value, Mapping) or not set(value) & set(DIMS):
        yield "", value
        return
    if others := [key for key in value if key not in DIMS]:
        raise refusal(f"has {spelled(others[0])} beside gemm and conv", "write all of it by kind of op, or none")
    yield from value.items()


def _spatial_parts(value: object) -> Iterator[tuple[str, tuple[str, ...], Sizes | None]]:
    for kind, part in _by_kind(value):
        if isinstance(part, Mapping):
            yield kind, (), _check_sizes(part, kind)
        else:
            yield kind, _check_dims(part, kind, groups=True), None


def _tile_parts(value: object) -> Iterator[tuple[str, str, Sizes]]:
    for kind, part in _by_kind(value):
        if not isinstance(part, Mapping):
            raise refusal(f"must be a table of sizes (got {spelled(part)})", "such as {n = 64} or {weights = {n = 64}}")
        for key, sizes in part.items():
            if key in OPERANDS:
                if not isinstance(sizes, Mapping):
                    raise refusal(f"{key} must be a table of sizes (got {spelled(sizes)})", f"{key} = {{n = 64}}")
                yield kind, str(key), _check_sizes(sizes, kind)
        if plain := {key: size for key, size in part.items() if key not in OPERANDS}:
            yield kind, "", _check_sizes(plain, kind)


def _order_parts(value: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    for kind, part in _by_kind(value):
        yield kind, _check_dims(part, kind, groups=False)


def _keeping(parts: Callable[[object], Iterable[object]]) -> PlainValidator:
    """A validator that walks through `parts`, which raises, and keeps the value as written."""

    def check(value: object) -> object:
        for _ in parts(value):
            pass
        return value

    return PlainValidator(check)


_SIZES_SCHEMA = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}
_NAMES_SCHEMA = {"type": "array", "items": {"type": "string"}}
SpatialText = Annotated[Any, _keeping(_spatial_parts), WithJsonSchema({"type": ["array", "object"]})]
TileText = Annotated[Any, _keeping(_tile_parts), WithJsonSchema({"type": "object"})]
OrderText = Annotated[Any, _keeping(_order_parts), WithJsonSchema({"type": ["array", "object"]})]


class ConstraintOptions(Options):
    """`[mapper.constraints]`: what a mapping must look like. Entries may be given by kind of op (gemm, conv)."""

    min_utilization: Fraction01 = 0.0
    """Least `mapping_utilization` of a mapping."""
    spatial: dict[str, SpatialText] = Field(default_factory=dict)
    """By axis: dimensions that may be unrolled on it, or the exact unrolling."""
    tiles: dict[str, TileText] = Field(default_factory=dict)
    """By memory: sizes of its tiles, for all operands or for one."""
    order: dict[str, OrderText] = Field(default_factory=dict)
    """By memory: the order of the loops just below its tiles, outermost first."""
    bypass: dict[str, tuple[OperandText, ...]] = Field(default_factory=dict)
    """By memory: operands that must not stay in it."""

    def written(self) -> dict[str, Any]:
        """The table without what constrains nothing."""
        table = super().written()
        return {key: value for key, value in table.items() if value}

    def record(self) -> Constraints:
        """The table as the search takes it."""
        return Constraints(
            min_utilization=self.min_utilization,
            spatial=tuple(
                SpatialConstraint(axis=axis, kind=kind, dims=dims, exact=exact)
                for axis, value in self.spatial.items()
                for kind, dims, exact in _spatial_parts(value)
            ),
            tiles=tuple(
                TileConstraint(level=level, kind=kind, operand=operand, sizes=sizes)
                for level, value in self.tiles.items()
                for kind, operand, sizes in _tile_parts(value)
            ),
            order=tuple(
                OrderConstraint(level=level, kind=kind, dims=dims)
                for level, value in self.order.items()
                for kind, dims in _order_parts(value)
            ),
            bypass=tuple(
                BypassConstraint(level=level, operands=frozenset(operands)) for level, operands in self.bypass.items()
            ),
        )


def constraint_conflicts(
    options: ConstraintOptions,
    axes: Mapping[str, int],
    memories: Mapping[str, Iterable[str]],
    skippable: Mapping[str, Iterable[str]],
    *,
    passes: bool,
) -> Iterator[tuple[KeyPath, Problem]]:
    """What the hardware cannot meet, with the path below `mapper.constraints`.

    `axes` are the names and sizes of the array's own axes, `memories` the names and operands of the memories,
    `skippable` the operands that may pass each by; `passes` says that the dataflow decides what lies on the axes.
    """
    yield from _spatial_conflicts(options, axes, passes)
    for table in ("tiles", "order", "bypass"):
        for level in getattr(options, table):
            if level not in memories:
                yield (table, level), _unknown("memory", level, memories)
    yield from _bypass_conflicts(options, memories, skippable)


def _bypass_conflicts(
    options: ConstraintOptions, memories: Mapping[str, Iterable[str]], skippable: Mapping[str, Iterable[str]]
) -> Iterator[tuple[KeyPath, Problem]]:
    """A constraint takes mappings away: what the hardware must hold it cannot let pass."""
    for level, operands in options.bypass.items():
        for operand in operands:
            serving = [name for name, served in memories.items() if operand in served]
            if level in memories and level not in serving:
                yield ("bypass", level), Problem(message=f"{level} does not serve {operand} anyway")
            elif serving[:1] == [level]:
                yield ("bypass", level), Problem(message=f"{level} is where {operand} come from: it cannot be bypassed")
            elif level in memories and operand not in skippable[level]:
                message = f"{operand} cannot pass {level} by: its bypass does not list them"
                hint = f'hardware.memory.{level}.bypass = ["{operand}"] lets them'
                yield ("bypass", level), Problem(message=message, hint=hint)


def _spatial_conflicts(
    options: ConstraintOptions, axes: Mapping[str, int], passes: bool
) -> Iterator[tuple[KeyPath, Problem]]:
    for axis, value in options.spatial.items():
        if axis not in axes and axis not in CHIP_AXES:
            yield ("spatial", axis), _unknown("axis", axis, [*axes, *CHIP_AXES])
        elif passes and axis in axes:
            hint = "mapper.dataflows chooses among them"
            yield ("spatial", axis), Problem(message="is unrolled by the dataflow of a systolic array", hint=hint)
        else:
            for _, _, exact in _spatial_parts(value):
                product = 1
                for _, factor in exact or ():
                    product *= factor
                if axis in axes and product > axes[axis]:
                    yield ("spatial", axis), Problem(message=f"unrolls {product} over an axis of {axes[axis]} units")


def _unknown(kind: str, name: str, known: Iterable[str]) -> Problem:
    near = nearest(name, known)
    return Problem(message=f"unknown {kind}", hint=f"did you mean '{near}'?" if near else f"known: {listed(known)}")
