"""The `[hardware]` tables of a design file, as they are written: kind, array, memories, vector unit.

Models keep the text of a quantity; `archsim.arch.build` turns them into numbers. What one key alone cannot decide
(a systolic array without rows, a design without memories) is found by `hardware_conflicts` on the plain values, so that
it is reported beside the errors of single keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, PlainValidator, WithJsonSchema

from archsim.arch.array_options import ArrayOptions, array_conflicts, axis_names, foreign_keys, phase_conflicts
from archsim.arch.kinds import INSTEAD, KIND_NAMES, KINDS
from archsim.arch.memory_options import MemoryOptions, memory_conflicts, unnamed_bandwidths, unserved
from archsim.arch.plain import table, tables
from archsim.core import units
from archsim.core.errors import Problem, nearest
from archsim.core.options import ClockText, Count, EnergyText, Factor, LengthText, Options, checked, refusal
from archsim.core.spelling import spelled
from archsim.core.toml import KeyPath

FIXED_PLACES = ("chip", "core", "array", "row", "column", "pe")
DEFAULT_NODE = "28 nm"


def _check_kind(value: object) -> object:
    if not isinstance(value, str) or value not in KIND_NAMES:
        near = nearest(value, KIND_NAMES) if isinstance(value, str) else None
        hint = f"did you mean '{near}'?" if near else f"available: {', '.join(KINDS)}"
        raise refusal(f"unknown kind {spelled(value)}", hint)
    if value not in KINDS:
        raise refusal(f"kind '{value}' is not available yet (available: {', '.join(KINDS)})", INSTEAD.get(value))
    return value


def _check_node(value: object) -> None:
    from archsim.arch.technology import check_node

    check_node(units.length_nm(value))


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
        str,
        PlainValidator(_check_kind),
        WithJsonSchema({"enum": sorted(KINDS)}),
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
    array = table(hardware.get("array"))
    if array or hardware.get("array") == {}:
        yield from array_conflicts(hardware.get("kind"), array, ("array",))
    for phase, keys in table(array.get("phase")).items():
        yield from phase_conflicts(hardware.get("kind"), array, table(keys), ("array", "phase", phase))
    memories = hardware.get("memory")
    if memories is None or memories == []:
        message = "no memory: give at least one [[hardware.memory]], outermost first"
        yield (), Problem(message=message)
    places = (*FIXED_PLACES, *axis_names(array))
    for index, memory in enumerate(tables(memories)):
        yield from memory_conflicts(memory, places, ("memory", index))
    names = [memory.get("name") for memory in tables(memories)]
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            yield ("memory", index, "name"), Problem(message=f"memory '{name}' is named twice")
    yield from unserved(tables(memories))


def idle_hardware_keys(hardware: HardwareOptions) -> Iterator[str]:
    """A warning for each stated key that changes nothing on this hardware."""
    kind = KINDS[hardware.kind]
    yield from foreign_keys(hardware.array, kind)
    yield from kind.idle_keys(hardware.array)
    for memory in hardware.memory:
        if isinstance(memory.bandwidth, Mapping):
            yield from unnamed_bandwidths(memory, memory.bandwidth)
