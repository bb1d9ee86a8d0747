"""A design in parts, each read once for every combination of the values that axes give it.

Points of a sweep differ in a few keys. The keys that say how one memory, the array, the workload, ... is made are a
part; what axes set in one part does not change how another part is read. Keys that do (what a memory is called, which
operands it holds, the base) are no part's: each combination of their values is a design of its own, a `Frame`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from archsim.api.design import check_tables, merged_design, resolved_hardware
from archsim.api.evaluate import mapper_settings_of
from archsim.api.options import read_options
from archsim.api.overrides import Override, apply_override
from archsim.api.places import Merged
from archsim.api.work import quantized, read_trace
from archsim.arch.build import places_of
from archsim.arch.formats import Format
from archsim.arch.options import HardwareOptions
from archsim.core import units
from archsim.core.options import Options
from archsim.core.toml import KeyPath, TomlDocument
from archsim.explore.identity import canonical
from archsim.explore.lru import Recent
from archsim.mappers.options import MapperOptions
from archsim.mappers.settings import MapperSettings
from archsim.sim.conventions import PUBLISHED, Counting
from archsim.sim.options import SimulationOptions
from archsim.workloads.options import QuantizationOptions, SparsityOptions, WorkloadOptions
from archsim.workloads.trace import Trace

CHIP, ARRAY, VECTOR, MEMORY = "chip", "array", "vector", "memory"
TABLES = ("workload", "quantization", "sparsity", "mapper", "simulation")
CHIP_KEYS = frozenset({"clock", "node", "cores"})
OTHER_MEMORY_KEYS = frozenset({"name", "operands", "per", "bypass", "remove", "before"})
MOST_STATES = 4096

Part = str | tuple[str, str | int]
"""One of the names above, or a memory by its name or its position."""
Setting = tuple[tuple[str, Hashable], ...]
"""Keys with what axes give them, as something to remember by."""


class UnreadableError(Exception):
    """A point that this way of reading cannot take; the plain way says what is wrong with it, if anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One part under one setting: a number of its own, its options, and its resolved values as canonical JSON."""

    number: int
    options: Any
    text: str
    files: tuple[tuple[str, str], ...] = ()
    """Files that its values name, with their hashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayState(State):
    """The array, and what other parts take from it."""

    lanes: int
    """Vector lanes where the design states none: one for each result that leaves side by side."""
    axes: Mapping[str, int]
    phases: tuple[str, ...]
    """Phases in which it is set up differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipState(State):
    """Clock, node and cores."""

    texts: Mapping[str, str]
    """Canonical JSON of each of its keys."""
    clock_hz: float
    node_nm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MapperState(State):
    settings: MapperSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationState(State):
    counting: Counting


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationState(State):
    accumulator: Format


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One point as states of its parts."""

    frame: Frame
    chip: ChipState
    array: ArrayState
    memories: tuple[State, ...]
    vector: State
    workload: State
    quantization: QuantizationState
    sparsity: State
    mapper: MapperState
    simulation: SimulationState

    def hardware(self) -> HardwareOptions:
        """The `[hardware]` table of the point."""
        update = {
            "clock": self.chip.options.clock,
            "node": self.chip.options.node,
            "cores": self.chip.options.cores,
            "array": self.array.options,
            "memory": tuple(state.options for state in self.memories),
            "vector": self.vector.options,
        }
        return self.frame.hardware.model_copy(update=update)


_NUMBERS = itertools.count()


def part_of(key: KeyPath) -> Part | None:
    """The part that a key belongs to; None for one that decides more than that."""
    match key:
        case ("hardware", str(name)) if name in CHIP_KEYS:
            return CHIP
        case ("hardware", "array", "axes", _, "size"):
            return ARRAY
        case ("hardware", "array", str(name), *_):
            return None if name in ("axes", "phase") else ARRAY
        case ("hardware", "memory", str(name), str(leaf), *_):
            return None if leaf in OTHER_MEMORY_KEYS else (MEMORY, name)
        case ("hardware", "vector", *_):
            return VECTOR
        case (str(table), *_) if table in TABLES:
            return table
        case _:
            return None


class Frame:
    """A design with everything but its parts' settings fixed, and the states of its parts that have come up."""

    def __init__(
        self,
        document: TomlDocument,
        path: Path | None,
        fixed: Sequence[Override],
        first: Sequence[Override],
        digest: Callable[[object], tuple[tuple[str, str], ...]],
    ) -> None:
        """`first` are the settings of a point that can be read: the other parts while one is read.

        Raises InputError where it cannot, and UnreadableError for what only the plain way evaluates.
        """
        self.number = next(_NUMBERS)
        self.folder = None if path is None else path.parent
        self._digest = digest
        self._base = merged_design(document, fixed, path)
        self._names = [memory.get("name") for memory in self._base.values["hardware"].get("memory", ())]
        self._first = [(self.place(part), override) for override in first if (part := part_of(override.key))]
        merged = self._merged(None, ())
        read = read_options(merged, workload_required=True)
        check_tables(read, merged)
        merged.reject()
        self.hardware = cast(HardwareOptions, read["hardware"])
        self._states: Recent[State] = Recent(MOST_STATES)
        self._traces: Recent[Trace] = Recent(64)
        self._texts = self._hardware_texts()

    def place(self, part: Part) -> Part:
        """The part with a memory by its position. Raises UnreadableError for one that is not there."""
        if not isinstance(part, tuple):
            return part
        name = part[1]
        if name in self._names:
            return MEMORY, self._names.index(name)
        raise UnreadableError

    @property
    def memories(self) -> int:
        """How many there are."""
        return len(self._names)

    def state(self, part: Part, setting: Setting, overrides: Callable[[], Sequence[Override]]) -> State:
        """One part under one setting. Raises UnreadableError where something is wrong with it."""
        return self._states.get((part, setting), lambda: self._read(part, overrides()))

    def _merged(self, part: Part | None, overrides: Sequence[Override]) -> Merged:
        """The design's values with `part` set by `overrides` and the others as in the first point."""
        merged = Merged(values=deepcopy(self._base.values), origins=dict(self._base.origins))
        for other, override in self._first:
            if part is None or other != part:
                apply_override(merged, override)
        for override in overrides:
            apply_override(merged, override)
        return merged

    def _read(self, part: Part, overrides: Sequence[Override]) -> State:
        merged = self._merged(part, overrides)
        read = read_options(merged, workload_required=True)
        check_tables(read, merged)
        if merged.problems:
            raise UnreadableError
        number = next(_NUMBERS)
        hardware = cast(HardwareOptions, read["hardware"])
        if part == CHIP:
            return ChipState(
                number=number,
                options=hardware,
                text="",
                texts={key: canonical(getattr(hardware, key)) for key in sorted(CHIP_KEYS)},
                files=self._digest([hardware.clock, hardware.node]),
                clock_hz=units.clock_hz(hardware.clock),
                node_nm=units.length_nm(hardware.node),
            )
        if part == ARRAY:
            return self._array(number, hardware)
        if part == VECTOR:
            table = hardware.vector.written()
            return State(number=number, options=hardware.vector, text=canonical(table), files=self._digest(table))
        if isinstance(part, tuple):
            memory = hardware.memory[int(part[1])]
            table = memory.written()
            return State(number=number, options=memory, text=canonical(table), files=self._digest(table))
        return self._table(number, part, read[part])

    def _array(self, number: int, hardware: HardwareOptions) -> ArrayState:
        table = resolved_hardware(hardware)["array"]
        return ArrayState(
            number=number,
            options=hardware.array,
            text=canonical(table),
            files=self._digest(table),
            lanes=hardware.array.output_width * hardware.array.count,
            axes=places_of(hardware).axes,
            phases=tuple(hardware.array.phase),
        )

    def _table(self, number: int, name: str, options: Options) -> State:
        table = options.resolved() if isinstance(options, QuantizationOptions) else options.written()
        text, files = canonical(table), self._digest(table)
        match options:
            case MapperOptions():
                if options.fusion != "none":
                    raise UnreadableError("chains run as one")
                settings = mapper_settings_of(options)
                return MapperState(number=number, options=options, text=text, files=files, settings=settings)
            case SimulationOptions():
                if options.fidelity != "analytic":
                    raise UnreadableError("cycles are simulated")
                if options.convention in PUBLISHED:
                    raise UnreadableError("a published simulator's cost model has no mappings")
                return SimulationState(
                    number=number, options=options, text=text, files=files, counting=options.switches
                )
            case QuantizationOptions():
                accumulator = options.policy().accumulator
                return QuantizationState(
                    number=number, options=options, text=text, files=files, accumulator=accumulator
                )
            case _:
                return State(number=number, options=options, text=text, files=files)

    def trace(self, point: Resolved, overrides: Sequence[Override]) -> Trace:
        """The trace with its formats. Raises UnreadableError where there is none."""
        merged = Merged(values=deepcopy(self._base.values), origins=dict(self._base.origins))
        for override in overrides:
            apply_override(merged, override)
        workload = cast(WorkloadOptions, point.workload.options)
        raw = self._traces.get(point.workload.number, lambda: self._raw(workload, merged))
        sparsity = cast(SparsityOptions, point.sparsity.options)
        quantization = cast(QuantizationOptions, point.quantization.options)
        work = quantized(raw, workload, quantization, sparsity, merged, self.folder)
        if merged.problems:
            raise UnreadableError
        return work.trace

    def _raw(self, workload: WorkloadOptions, merged: Merged) -> Trace:
        trace = read_trace(workload, merged, self.folder)
        if trace is None:
            raise UnreadableError
        return trace

    def _hardware_texts(self) -> dict[str, str]:
        """Canonical JSON of the hardware keys that are no part's."""
        parts = {"array", "memory", "vector", *CHIP_KEYS}
        return {key: canonical(value) for key, value in self.hardware.written().items() if key not in parts}

    def text(self, point: Resolved) -> str:
        """Canonical JSON of the resolved design without its `[design]` table."""
        vector = point.vector.text
        if point.vector.options.lanes is None:
            table = point.vector.options.written() | {"lanes": point.array.lanes}
            vector = canonical(table)
        keys = {
            **self._texts,
            **point.chip.texts,
            "array": point.array.text,
            "memory": f"[{','.join([state.text for state in point.memories])}]",
            "vector": vector,
        }
        hardware = ",".join([f'"{key}":{keys[key]}' for key in sorted(keys)])
        return (
            f'{{"hardware":{{{hardware}}},"mapper":{point.mapper.text},"quantization":{point.quantization.text},'
            f'"simulation":{point.simulation.text},"sparsity":{point.sparsity.text},"workload":{point.workload.text}}}'
        )
