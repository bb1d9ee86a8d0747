"""The `[hardware]` tables of a design file, as they are written: kind, array, memories, vector unit.

Models keep the text of a quantity; `archsim.arch.build` turns them into numbers. What one key alone cannot decide
(a systolic array without rows, a design without memories) is found by `hardware_conflicts` on the plain values, so that
it is reported beside the errors of single keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from archsim.core import units
from archsim.core.errors import Problem, nearest
from archsim.core.options import (
    LARGEST_FACTOR,
    SMALLEST_FACTOR,
    AccessEnergyText,
    AreaText,
    BandwidthText,
    CapacityText,
    ClockText,
    Count,
    CycleEnergyText,
    EnergyText,
    Factor,
    Flag,
    Fraction01,
    LengthText,
    Options,
    PowerText,
    WidthText,
    checked,
    refusal,
)
from archsim.core.spelling import listed, spelled
from archsim.core.toml import KeyPath

KINDS = (
    "systolic",
    "spatial",
    "bit-serial",
    "bit-composable",
    "lookup",
    "sparse",
    "dsp-chain",
    "tensor-core",
    "simd",
)
AVAILABLE_KINDS = ("spatial", "systolic")
OPERAND_NAMES = ("inputs", "weights", "outputs")
ROLES = ("parameter", "activation", "kv")
GEMM_DIMS = frozenset({"b", "m", "n", "k", "rows", "columns", "reduction", "batch"})
CONV_DIMS = frozenset({"n", "g", "k", "c", "d", "p", "q", "t", "r", "s", "rows", "columns", "reduction", "batch"})
COMPONENT_NAMES = frozenset({"mac", "vector", "network", "leakage", "idle"})
"""Names of the other components in a result; a memory cannot have them."""
FIXED_PLACES = ("chip", "core", "array", "row", "column", "pe")
DEFAULT_NODE = "28 nm"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_CLASS = re.compile(r"(int|fp)([1-9][0-9]{0,2})")

OperandText = Literal["inputs", "weights", "outputs"]
DataflowText = Literal["os", "ws", "is", "any"]
PhaseText = Literal["prefill", "decode", "forward", "training"]


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise refusal(f"must be a name of letters, digits, '_' and '-', starting with a letter (got {spelled(value)})")
    return value


def _check_kind(value: object) -> object:
    if not isinstance(value, str) or value not in KINDS:
        near = nearest(value, KINDS) if isinstance(value, str) else None
        hint = f"did you mean '{near}'?" if near else f"available: {', '.join(AVAILABLE_KINDS)}"
        raise refusal(f"unknown kind {spelled(value)}", hint)
    if value not in AVAILABLE_KINDS:
        raise refusal(f"kind '{value}' is not available yet (available: {', '.join(AVAILABLE_KINDS)})")
    return value


def _check_node(value: object) -> None:
    from archsim.arch.technology import check_node

    check_node(units.length_nm(value))


def _check_technology(value: object) -> object:
    from archsim.arch.components.dram import memory_technologies

    names = memory_technologies()
    if not isinstance(value, str) or value not in names:
        near = nearest(value, names) if isinstance(value, str) else None
        hint = f"did you mean '{near}'?" if near else f"known technologies: {listed(names)}"
        raise refusal(f"unknown technology {spelled(value)}", hint)
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

    name: Annotated[str, AfterValidator(_check_name)] | None = None
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
    from archsim.core.errors import InputError

    try:
        return arithmetic_class(format(name).arithmetic)
    except InputError as error:
        raise refusal(error.problems[0].message, error.problems[0].hint) from None


class ArrayKeys(Options):
    """Keys of `[hardware.array]`, also allowed in its overrides by phase."""

    rows: Count | None = None
    cols: Count | None = None
    axes: tuple[AxisOptions, ...] = ()
    dataflow: DataflowText | None = None
    """Short for one entry of `dataflows`."""
    dataflows: tuple[DataflowText, ...] | None = None
    fold_overlap: Flag = False
    weight_double_buffer: Flag = False
    mac_energy: EnergyText | None = None
    pe_area: AreaText | None = None
    pe_energy: CycleEnergyText | None = None
    """Energy of one PE and cycle besides its MAC."""
    leakage: PowerText | None = None
    """Leakage of one PE."""
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


class ArrayOptions(ArrayKeys):
    """`[hardware.array]`: the compute array of one core."""

    phase: dict[PhaseText, ArrayKeys] = Field(default_factory=dict)
    """Keys that hold in one phase of the workload only."""

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes, defaults filled in."""
        return _named([axis.name for axis in self.axes])

    @property
    def output_width(self) -> int:
        """Results that leave one array side by side: its columns, or its PEs along axes that do not sum outputs."""
        if not self.axes:
            return self.cols or 1
        return math.prod(axis.size for axis in self.axes if "outputs" not in axis.reduce)


def _named(given: Sequence[object]) -> tuple[str, ...]:
    """Axis names: as given, else row, column, axis3, ... by position."""
    defaults = ("row", "column")
    fallback = [*defaults[: len(given)], *(f"axis{index + 1}" for index in range(len(defaults), len(given)))]
    return tuple(name if isinstance(name, str) else other for name, other in zip(given, fallback, strict=True))


def _check_operands(value: tuple[str, ...]) -> tuple[str, ...]:
    known = OPERAND_NAMES + ROLES
    for name in value:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean '{near}'?" if near else f"known: {', '.join(known)}"
            raise refusal(f"unknown operand {spelled(name)}", hint)
    if not value:
        raise refusal("serves no operand: list at least one", f"known: {', '.join(known)}")
    return value


def _table_by(value: object, read_key: Any, read: Any, what: str, *, example: str) -> object:
    """Check a table of quantities entry by entry."""
    if not isinstance(value, Mapping) or not value:
        raise refusal(f"must be {what} (got {spelled(value)})", f"such as {example}")
    for key, entry in value.items():
        try:
            read_key(key)
            read(entry)
        except ValueError as error:
            raise refusal(f"entry {spelled(str(key))}: {error}") from None
    return value


def _check_operand_key(name: str) -> str:
    if name not in OPERAND_NAMES:
        raise ValueError(f"must be an operand: {', '.join(OPERAND_NAMES)}")
    return name


def _check_bandwidth(value: object) -> object:
    if isinstance(value, Mapping):
        return _table_by(
            value,
            _check_operand_key,
            units.bandwidth,
            "a bandwidth or a table of them by operand",
            example='{weights = "32 B/cycle"}',
        )
    return checked(units.bandwidth)(value)


def _check_energy(value: object) -> object:
    if isinstance(value, Mapping):
        return _table_by(
            value,
            units.width_bits,
            units.energy_pj,
            "an energy or a table of them by port width",
            example='{"256 bit" = "70.1 pJ"}',
        )
    return checked(units.access_energy)(value)


Bandwidths = Annotated[
    str | dict[str, str],
    PlainValidator(_check_bandwidth, json_schema_input_type=BandwidthText | dict[OperandText, BandwidthText]),
]
Energies = Annotated[
    str | dict[str, str],
    PlainValidator(_check_energy, json_schema_input_type=AccessEnergyText | dict[str, EnergyText]),
]


def _check_memory_name(value: str) -> str:
    if value in COMPONENT_NAMES:
        raise refusal(f"'{value}' names another component of the results; choose another name")
    return _check_name(value)


class MemoryOptions(Options):
    """One `[[hardware.memory]]`; capacity, bandwidth and ports are those of one instance."""

    reserved: ClassVar[frozenset[str]] = frozenset({"channels", "efficiency"})

    name: Annotated[str, AfterValidator(_check_memory_name)]
    technology: Annotated[str, PlainValidator(_check_technology), WithJsonSchema({"type": "string"})]
    capacity: CapacityText | None = None
    operands: Annotated[tuple[str, ...], AfterValidator(_check_operands)] | None = None
    """Operands or roles it serves; all when absent."""
    per: str = "chip"
    """Where its instances sit: chip, core, array, row, column, pe or the name of an axis."""
    bandwidth: Bandwidths | None = None
    read_bandwidth: BandwidthText | None = None
    write_bandwidth: BandwidthText | None = None
    ports: Literal["separate", "shared"] = "separate"
    read_ports: Count | None = None
    write_ports: Count | None = None
    banks: Count | None = None
    width: WidthText | None = None
    read_width: WidthText | None = None
    write_width: WidthText | None = None
    double_buffer: Flag = False
    bypass: tuple[OperandText, ...] = ()
    """Operands that the mapper may let pass by."""
    read_energy: Energies | None = None
    write_energy: Energies | None = None
    area: AreaText | None = None
    leakage: PowerText | None = None
    remove: Flag | None = Field(default=None, exclude=True)
    before: str | None = Field(default=None, exclude=True)


class VectorOptions(Options):
    """`[hardware.vector]`: the unit for softmax, norms, activations and element-wise operations."""

    lanes: Count | None = None
    energy: EnergyText | None = None
    """Energy of one operation."""
    rates: dict[str, Factor] = Field(default_factory=dict)
    """Operations per lane and cycle, by kind of operation."""


class HardwareOptions(Options):
    """`[hardware]`: a whole accelerator."""

    reserved: ClassVar[frozenset[str]] = frozenset({"core", "device", "resources", "power"})

    name: str | None = None
    base: str | None = Field(default=None, exclude=True)
    """A catalog entry, or another design file beside this one, whose keys hold where this one has none."""
    kind: Annotated[
        Literal["systolic", "spatial"],
        PlainValidator(_check_kind, json_schema_input_type=Literal["systolic", "spatial"]),
    ]
    clock: ClockText
    node: Annotated[LengthText, PlainValidator(checked(_check_node))] = DEFAULT_NODE
    cores: Count = 1
    array: ArrayOptions
    memory: tuple[MemoryOptions, ...] = ()
    vector: VectorOptions = VectorOptions()
    source: tuple[str, ...] = ()
    """Where the figures come from; one that begins with ``estimate:`` is listed in every result."""

    def for_phase(self, phase: str) -> Self:
        """The hardware with the array keys that hold in one phase."""
        override = next((keys for name, keys in self.array.phase.items() if name == phase), None)
        if override is None:
            return self
        given = {name: getattr(override, name) for name in override.model_fields_set}
        if "dataflow" in given or "dataflows" in given:
            given = {"dataflow": None, "dataflows": None} | given
        return self.model_copy(update={"array": self.array.model_copy(update=given)})


def hardware_conflicts(hardware: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Problem]]:
    """What contradicts itself in a `[hardware]` table's plain values, with the path below `hardware`.

    Values of a wrong type are passed over: they are the options models' to report.
    """
    array = _table(hardware.get("array"))
    if array or hardware.get("array") == {}:
        yield from _array_conflicts(hardware.get("kind"), array, ("array",))
    for phase, keys in _table(array.get("phase")).items():
        yield from _phase_conflicts(hardware.get("kind"), array, _table(keys), ("array", "phase", phase))
    memories = hardware.get("memory")
    if memories is None or memories == []:
        message = "no memory: give at least one [[hardware.memory]], outermost first"
        yield (), Problem(message=message)
    places = (*FIXED_PLACES, *axis_names(array))
    for index, memory in enumerate(_tables(memories)):
        yield from _memory_conflicts(memory, places, ("memory", index))
    names = [memory.get("name") for memory in _tables(memories)]
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            yield ("memory", index, "name"), Problem(message=f"memory '{name}' is named twice")
    yield from _unserved(_tables(memories))


def idle_hardware_keys(hardware: HardwareOptions) -> Iterator[str]:
    """A warning for each stated key that changes nothing on this hardware."""
    array = hardware.array
    if hardware.kind == "spatial":
        stated = [key for key in ("fold_overlap", "weight_double_buffer") if getattr(array, key)]
        yield from (f"hardware.array.{key} says nothing for kind 'spatial', which has no passes" for key in stated)
        flows = ("dataflow",) if array.dataflow else ("dataflows",) if array.dataflows else ()
        if array.axes:
            yield from (f"hardware.array.{key} says nothing beside axes" for key in flows)
        elif array.dataflows and len(array.dataflows) > 1 and not array.dataflow:
            yield f"hardware.array.dataflows: a spatial array has one, the first is taken ({array.dataflows[0]})"
    for memory in hardware.memory:
        if isinstance(memory.bandwidth, Mapping):
            yield from _unnamed_bandwidths(memory, memory.bandwidth)


def _unnamed_bandwidths(memory: MemoryOptions, table: Mapping[str, str]) -> Iterator[str]:
    """A warning for the operands that a level serves and its bandwidth table does not name."""
    served = [name for name in OPERAND_NAMES if memory.operands is None or name in memory.operands]
    if names := ", ".join(name for name in served or OPERAND_NAMES if name not in table):
        plain = [key for key in ("read_bandwidth", "write_bandwidth") if getattr(memory, key) is not None]
        share = f"they share {' and '.join(plain)}" if plain else "theirs is unlimited"
        yield f"hardware.memory.{memory.name}.bandwidth does not name {names}: {share}"


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(value: object) -> Sequence[Mapping[str, Any]]:
    return [_table(entry) for entry in value] if isinstance(value, list | tuple) else []


def axis_names(array: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the axes of an array's plain values, defaults filled in."""
    return _named([axis.get("name") for axis in _tables(array.get("axes"))])


def _array_conflicts(kind: object, array: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Problem]]:
    if array.get("dataflow") is not None and array.get("dataflows") is not None:
        yield (*path, "dataflow"), Problem(message="is short for one entry of dataflows: give one of the two")
    if array.get("dataflows") == []:
        yield (*path, "dataflows"), Problem(message="permits no dataflow: list at least one of os, ws, is, any")
    axes = array.get("axes")
    if kind == "systolic":
        if axes:
            yield (*path, "axes"), Problem(message="belongs to kind 'spatial'; a systolic array has rows and cols")
        missing = Problem(message="is missing: kind 'systolic' needs it")
        yield from (((*path, key), missing) for key in ("rows", "cols") if key not in array)
    elif kind == "spatial":
        if axes:
            given = [key for key in ("rows", "cols") if array.get(key) is not None]
            yield from (((*path, key), Problem(message="contradicts axes: give one of the two")) for key in given)
        elif "rows" not in array or "cols" not in array:
            yield path, Problem(message="a spatial array needs axes, or rows and cols with a dataflow")
    names = axis_names(array)
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*path, "axes", index), Problem(message=f"axis '{name}' is named twice")
        elif name in ("chip", "core", "array", "pe"):
            yield (*path, "axes", index), Problem(message=f"an axis cannot be named '{name}'")


def _phase_conflicts(
    kind: object, array: Mapping[str, Any], keys: Mapping[str, Any], path: KeyPath
) -> Iterator[tuple[KeyPath, Problem]]:
    """Conflicts that a phase's override adds to the array's own."""
    base = {key: value for key, value in array.items() if key not in ("dataflow", "dataflows", "phase")}
    own = {problem.message for _, problem in _array_conflicts(kind, base, path)}
    for place, problem in _array_conflicts(kind, {**base, **keys}, path):
        if problem.message not in own:
            yield place, problem


def _memory_conflicts(
    memory: Mapping[str, Any], places: Sequence[str], path: KeyPath
) -> Iterator[tuple[KeyPath, Problem]]:
    for key in ("remove", "before"):
        if memory.get(key) is True or (key == "before" and isinstance(memory.get(key), str)):
            hint = "write it in the design file, beside its base"
            yield (*path, key), Problem(message="cannot be set from the command line", hint=hint)
    per = memory.get("per")
    if isinstance(per, str) and per not in places:
        near = nearest(per, places)
        hint = f"did you mean '{near}'?" if near else f"known: {', '.join(dict.fromkeys(places))}"
        yield (*path, "per"), Problem(message=f"unknown place {spelled(per)}", hint=hint)
    for side in ("read", "write"):
        energy = memory.get(f"{side}_energy")
        if isinstance(energy, str) and _per_access(energy) and not (memory.get("width") or memory.get(f"{side}_width")):
            message = f"an energy per access needs a width (got {spelled(energy)})"
            hint = 'add width = "64 bit", or write pJ/element or pJ/bit'
            yield (*path, f"{side}_energy"), Problem(message=message, hint=hint)


def _per_access(energy: str) -> bool:
    try:
        return units.access_energy(energy).basis == "access"
    except ValueError:
        return False


def _unserved(memories: Sequence[Mapping[str, Any]]) -> Iterator[tuple[KeyPath, Problem]]:
    """Operands that no memory holds."""
    served: set[str] = set()
    for memory in memories:
        operands = memory.get("operands")
        names = operands if isinstance(operands, list | tuple) else OPERAND_NAMES
        chosen = [name for name in names if name in OPERAND_NAMES]
        served.update(chosen or OPERAND_NAMES)
    if memories:
        for name in OPERAND_NAMES:
            if name not in served:
                yield ("memory",), Problem(message=f"no memory holds {name}")
