"""The keys of one `[[hardware.memory]]`, and what contradicts itself among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from archsim.arch.array_keys import OperandText, check_name
from archsim.core import units
from archsim.core.errors import Problem, nearest
from archsim.core.options import (
    AccessEnergyText,
    AreaText,
    BandwidthText,
    CapacityText,
    Count,
    EnergyText,
    Flag,
    Options,
    PowerText,
    WidthText,
    checked,
    refusal,
)
from archsim.core.spelling import listed, spelled
from archsim.core.toml import KeyPath

OPERAND_NAMES = ("inputs", "weights", "outputs")
ROLES = ("parameter", "activation", "kv")
COMPONENT_NAMES = frozenset({"mac", "decoder", "vector", "network", "leakage", "idle"})
"""Names of the other components in a result; a memory cannot have them."""


def _check_technology(value: object) -> object:
    from archsim.arch.components.dram import memory_technologies

    names = memory_technologies()
    if not isinstance(value, str) or value not in names:
        near = nearest(value, names) if isinstance(value, str) else None
        hint = f"did you mean '{near}'?" if near else f"known technologies: {listed(names)}"
        raise refusal(f"unknown technology {spelled(value)}", hint)
    return value


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
    return check_name(value)


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
    expanded: tuple[OperandText, ...] = ()
    """Operands that are kept with their zeros here, though the engine packs them (kind sparse)."""
    bypass: tuple[OperandText, ...] = ()
    """Operands that the mapper may let pass by."""
    read_energy: Energies | None = None
    write_energy: Energies | None = None
    area: AreaText | None = None
    leakage: PowerText | None = None
    remove: Flag | None = Field(default=None, exclude=True)
    before: str | None = Field(default=None, exclude=True)


def unnamed_bandwidths(memory: MemoryOptions, table: Mapping[str, str]) -> Iterator[str]:
    """A warning for the operands that a level serves and its bandwidth table does not name."""
    served = [name for name in OPERAND_NAMES if memory.operands is None or name in memory.operands]
    if names := ", ".join(name for name in served or OPERAND_NAMES if name not in table):
        plain = [key for key in ("read_bandwidth", "write_bandwidth") if getattr(memory, key) is not None]
        share = f"they share {' and '.join(plain)}" if plain else "theirs is unlimited"
        yield f"hardware.memory.{memory.name}.bandwidth does not name {names}: {share}"


def memory_conflicts(
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


def unserved(memories: Sequence[Mapping[str, Any]]) -> Iterator[tuple[KeyPath, Problem]]:
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
