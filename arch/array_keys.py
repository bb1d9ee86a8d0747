"""Keys of `[hardware.array]` that every kind of engine takes: size, axes, dataflows, energy and area of a PE."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from archsim.core.errors import InputError
from archsim.core.options import (
    LARGEST_FACTOR,
    SMALLEST_FACTOR,
    AreaText,
    Count,
    CycleEnergyText,
    EnergyText,
    Factor,
    Fraction01,
    Options,
    PowerText,
    refusal,
)
from archsim.core.spelling import listed, spelled

GEMM_DIMS = frozenset({"b", "m", "n", "k", "rows", "columns", "reduction", "batch"})
CONV_DIMS = frozenset({"n", "g", "k", "c", "d", "p", "q", "t", "r", "s", "rows", "columns", "reduction", "batch"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_CLASS = re.compile(r"(int|fp)([1-9][0-9]{0,2})")

OperandText = Literal["inputs", "weights", "outputs"]
DataflowText = Literal["os", "ws", "is", "any"]


def check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise refusal(f"must be a name of letters, digits, '_' and '-', starting with a letter (got {spelled(value)})")
    return value


def _check_dims(value: tuple[str, ...], known: frozenset[str]) -> tuple[str, ...]:
    for dim in value:
        if dim not in known:
            raise refusal(f"unknown dimension {spelled(dim)}", f"known: {listed(known)}")
    return value


def _spread_dims(value: object) -> object:
    """A plain list holds for both kinds of op; each takes the dimensions it has."""
    if not isinstance(value, list | tuple):
        return value
    for dim in value:
        if dim not in GEMM_DIMS | CONV_DIMS:
            raise refusal(f"unknown dimension {spelled(dim)}", f"known: {listed(GEMM_DIMS | CONV_DIMS)}")
    return {"gemm": [d for d in value if d in GEMM_DIMS], "conv": [d for d in value if d in CONV_DIMS]}


class DimsOptions(Options):
    """Dimensions that one axis may unroll, by kind of op."""

    gemm: Annotated[tuple[str, ...], AfterValidator(lambda dims: _check_dims(dims, GEMM_DIMS))] = ()
    conv: Annotated[tuple[str, ...], AfterValidator(lambda dims: _check_dims(dims, CONV_DIMS))] = ()


class AxisOptions(Options):
    """One axis of a spatial array: `size` PEs side by side on an unrolled loop."""

    name: Annotated[str, AfterValidator(check_name)] | None = None
    size: Count
    dims: Annotated[DimsOptions, BeforeValidator(_spread_dims, json_schema_input_type=DimsOptions | list[str])]
    multicast: tuple[Literal["inputs", "weights"], ...] = ()
    """Operands that are broadcast along the axis; an unlisted one is sent to each PE."""
    reduce: tuple[Literal["outputs"], ...] = ()
    """Operands that are summed over the axis; an unlisted one is collected from each PE."""


_RATE_SCHEMA = {"type": "number", "minimum": SMALLEST_FACTOR, "maximum": LARGEST_FACTOR}


def _check_rates(value: object) -> dict[str, float]:
    """MACs per PE and cycle by arithmetic class (``int8``, ``fp16``); a format's name stands for its class."""
    if not isinstance(value, Mapping):
        raise refusal(f"must be a table such as {{int8 = 2}} (got {spelled(value)})")
    for rate in value.values():
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise refusal(f"rates must be numbers (got {spelled(rate)})")
        if not SMALLEST_FACTOR <= rate <= LARGEST_FACTOR:
            bounds = f"{SMALLEST_FACTOR:.15g} to {LARGEST_FACTOR:.15g}"
            raise refusal(f"rates must be from {bounds} (got {spelled(rate)})")
    return {_arithmetic_class(str(name)): float(rate) for name, rate in value.items()}


def _arithmetic_class(name: str) -> str:
    if _CLASS.fullmatch(name):
        return name
    from archsim.arch.engines.units import arithmetic_class
    from archsim.arch.formats import format

    try:
        return arithmetic_class(format(name).arithmetic)
    except InputError as error:
        raise refusal(error.problems[0].message, error.problems[0].hint) from None


class DecoderOptions(Options):
    """One entry of `decoders`: what turns a stored code into the operand that the PEs multiply."""

    operand: Literal["weights", "inputs"]
    place: Literal["rows", "columns", "pe"]
    """At the array's edge, one for each row or column, or in every PE."""
    serves: Count | None = None
    """PEs that one decoder feeds; absent: the whole row or column."""
    area: AreaText | None = None
    """Of one decoder."""
    energy: CycleEnergyText | None = None
    """Of one decoder in a cycle at work."""


class CommonKeys(Options):
    """Keys of every kind."""

    rows: Count | None = None
    cols: Count | None = None
    axes: tuple[AxisOptions, ...] = ()
    dataflow: DataflowText | None = None
    """Short for one entry of `dataflows`."""
    dataflows: tuple[DataflowText, ...] | None = None
    mac_energy: EnergyText | None = None
    pe_area: AreaText | None = None
    pe_energy: CycleEnergyText | None = None
    """Energy of one PE and cycle besides its MAC."""
    leakage: PowerText | None = None
    """Leakage of one PE."""
    stated_for: Literal["any", "integers"] = "any"
    """Operands that the stated area and energies of a PE are for; others run at them with a warning."""
    idle_energy_fraction: Fraction01 = 0.0
    energy_factor: Factor = 1.0
    count: Count = 1
    """Arrays per core."""
    lanes: Count = 1
    """MACs of one PE and step."""
    rates: Annotated[
        dict[str, float],
        PlainValidator(_check_rates),
        WithJsonSchema({"type": "object", "additionalProperties": _RATE_SCHEMA}),
    ] = Field(default_factory=dict)

    decoders: tuple[DecoderOptions, ...] = ()
    """Decoders between the buffers and the multipliers."""


def default_names(given: Sequence[object]) -> tuple[str, ...]:
    """Axis names: as given, else row, column, axis3, ... by position."""
    defaults = ("row", "column")
    fallback = [*defaults[: len(given)], *(f"axis{index + 1}" for index in range(len(defaults), len(given)))]
    return tuple(name if isinstance(name, str) else other for name, other in zip(given, fallback, strict=True))
