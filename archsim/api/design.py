"""A design file as the objects the simulator takes: accelerator, trace, mapper and simulation options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from archsim.api.columns import check_columns
from archsim.api.inherit import Layer, inherit
from archsim.api.options import DesignTable, read_options
from archsim.api.overrides import BASE_KEY, Override, apply_override, parse_overrides
from archsim.api.places import COMMAND_LINE, PYTHON, Merged, Origin
from archsim.api.stated import kept_figures
from archsim.api.work import NO_WORK, Work, expanded, quantized, read_trace
from archsim.arch.accelerator import Accelerator
from archsim.arch.array_options import foreign_names
from archsim.arch.build import build_accelerator
from archsim.arch.formats import Format
from archsim.arch.kinds import KINDS
from archsim.arch.options import HardwareOptions, idle_hardware_keys
from archsim.core.errors import InputError, Problem, nearest
from archsim.core.options import Options
from archsim.core.spelling import spelled
from archsim.core.toml import KeyPath, TomlDocument, read_toml
from archsim.mappers.constraint_options import constraint_conflicts
from archsim.mappers.options import MapperOptions, dataflow_conflict
from archsim.sim.options import SimulationOptions
from archsim.workloads.op import OPERANDS, VECTOR_KINDS
from archsim.workloads.options import QuantizationOptions, SparsityOptions, WorkloadOptions
from archsim.workloads.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One accelerator with one workload on it, ready to be evaluated."""

    name: str
    accelerator: Accelerator
    trace: Trace
    """Every operand has its format. Without a `[workload]` (where none is required) it has no ops."""
    accumulator: Format
    mapper: MapperOptions
    simulation: SimulationOptions
    resolved: dict[str, Any]
    """The whole design with its defaults, as plain JSON values; files have the names that were stated."""
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Where the files lie that it names."""
    path: Path | None = None
    warnings: tuple[str, ...] = ()
    phases: Mapping[str, Accelerator] = field(default_factory=lambda: MappingProxyType({}))
    """The accelerator in phases for which `[hardware.array.phase]` has keys of its own."""

    @property
    def rooted(self) -> dict[str, Any]:
        """`resolved` with files where they lie: `design_from_dict` reads it back in any folder."""
        return rooted(self.resolved, self.files)

    def accelerator_for(self, phase: str) -> Accelerator:
        """The accelerator as it is set up in a phase of the workload."""
        return self.phases.get(phase, self.accelerator)


def load_design(path: str | Path, overrides: Sequence[str] = (), *, workload_required: bool = True) -> Design:
    """The design in a TOML file, with ``dotted.key=value`` overrides over it.

    Files that the design names are relative to its folder and may not lie outside; those that an override names are
    relative to the working directory. Raises InputError with every problem found, each with its line.
    """
    if not isinstance(path, str | Path):
        message = f"a design is a path of a design.toml, a mapping of its values, or a Design (got {spelled(path)})"
        raise InputError(Problem(message=message))
    parsed = parse_overrides(overrides)
    document = read_toml(path)
    return design_from_document(document, parsed, Path(path), workload_required=workload_required)


def design_from_dict(
    values: Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    name: str = "design",
    workload_required: bool = True,
) -> Design:
    """The design that plain values describe, keyed as a design file; files it names may lie anywhere."""
    document = TomlDocument(name="", values={"design": {"name": name}} | dict(values))
    return design_from_document(document, parse_overrides(overrides), None, workload_required=workload_required)


def design_from_document(
    document: TomlDocument, overrides: Sequence[Override], path: Path | None, *, workload_required: bool = True
) -> Design:
    """The design in a document that was read before, with overrides over it.

    Files that it names lie in the folder of `path`, its file; without one, anywhere. Raises InputError with every
    problem found.
    """
    merged = merged_design(document, overrides, path)
    read = read_options(merged, workload_required=workload_required)
    work = _work(read, merged, None if path is None else path.parent)
    accelerators = _accelerators(read, merged, _name(read, path))
    check_tables(read, merged)
    warnings = check_columns(accelerators, work.trace, merged)
    merged.reject()
    quantization = cast(QuantizationOptions, read["quantization"])
    mapper = cast(MapperOptions, read["mapper"])
    name = _name(read, path)
    accelerator = accelerators.pop("")
    return Design(
        name=name,
        accelerator=accelerator,
        trace=expanded(work.trace, accelerator.engine),
        accumulator=quantization.policy().accumulator,
        mapper=mapper,
        simulation=cast(SimulationOptions, read["simulation"]),
        resolved=_resolved(read, name),
        path=path,
        warnings=(*work.warnings, *_idle_keys(read), *warnings),
        phases=MappingProxyType(accelerators),
        files=MappingProxyType(merged.files),
    )


_NAMING = frozenset({"workload", "quantization", "sparsity"})
"""Tables that name files."""
_MASKS = "file:"


def rooted(resolved: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """The values of a design in which the names of `files` stand for where these lie."""
    names = dict(files) | {f"{_MASKS}{n}": f"{_MASKS}{p}" for n, p in files.items()}

    def placed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: placed(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [placed(item) for item in value]
        return names.get(value, value) if isinstance(value, str) else value

    return {key: placed(table) if key in _NAMING else table for key, table in resolved.items()}


def check_tables(read: Mapping[str, Options], merged: Merged) -> None:
    """Note in `merged` what in one table contradicts another."""
    _check_dataflows(read, merged)
    _check_constraints(read, merged)
    _check_vector_rates(read, merged)
    _check_tiling(read, merged)


def merged_design(document: TomlDocument, overrides: Sequence[Override], path: Path | None) -> Merged:
    """The file's values with what they inherit and what the command line sets. Raises InputError for a bad base."""
    root = Origin(document if document.name else PYTHON, ())
    merged = Merged(values=deepcopy(document.values), origins={(): root})
    folder = Path.cwd() if path is None else path.parent
    base = next((item for item in reversed(overrides) if item.key == BASE_KEY), None)
    hardware = merged.values.setdefault("hardware", {}) if base is not None else merged.values.get("hardware")
    if isinstance(hardware, dict):
        layer = Layer(hardware, root.below("hardware"), folder)
        if base is not None:
            own = Layer({key: value for key, value in hardware.items() if key != "base"}, layer.origin, folder)
            over = Origin(COMMAND_LINE, ("hardware",)) if base.origin is None else base.origin
            stated = Layer({"base": base.value}, over, Path.cwd() if base.origin is None else folder)
            inherit(merged, own, stated)
        else:
            inherit(merged, layer)
    for override in overrides:
        if override.key != BASE_KEY:
            apply_override(merged, override)
    return merged


def _work(read: Mapping[str, Options], merged: Merged, folder: Path | None) -> Work:
    """The trace with its formats, as far as the tables that were read allow; problems are noted in `merged`."""
    workload = read.get("workload")
    if not isinstance(workload, WorkloadOptions):
        return Work(trace=NO_WORK)
    trace = read_trace(workload, merged, folder)
    quantization, sparsity = read.get("quantization"), read.get("sparsity")
    if trace is None or not isinstance(quantization, QuantizationOptions) or not isinstance(sparsity, SparsityOptions):
        return Work(trace=NO_WORK)
    work = quantized(trace, workload, quantization, sparsity, merged, folder)
    return replace(work, warnings=(*work.warnings, *kept_figures(merged)))


def _accelerators(read: Mapping[str, Options], merged: Merged, name: str) -> dict[str, Accelerator]:
    """The accelerator under the empty name, and those of phases with keys of their own under the phase's."""
    hardware = read.get("hardware")
    if not isinstance(hardware, HardwareOptions):
        return {}
    try:
        accelerators: dict[str, Accelerator] = {"": build_accelerator(hardware, name=name)}
        for phase in hardware.array.phase:
            accelerators[phase] = build_accelerator(hardware.for_phase(phase), name=name)
        return accelerators
    except InputError as error:
        for problem in error.problems:
            merged.report(_path(problem.key, hardware), problem)
        return {}


def _path(key: str | None, hardware: HardwareOptions) -> KeyPath:
    """The path of a dotted key that the hardware's builder names; memories by position."""
    parts: list[str | int] = list((key or "hardware").split("."))
    if parts[:2] == ["hardware", "memory"] and len(parts) > 2:
        parts[2] = [memory.name for memory in hardware.memory].index(str(parts[2]))
    return tuple(parts)


def _check_dataflows(read: Mapping[str, Options], merged: Merged) -> None:
    hardware, mapper = read.get("hardware"), read.get("mapper")
    if not isinstance(hardware, HardwareOptions) or not isinstance(mapper, MapperOptions) or hardware.array.axes:
        return
    problem = dataflow_conflict(mapper, KINDS[hardware.kind].dataflows(hardware.array))
    if problem is not None:
        merged.report(("mapper", "dataflows"), problem)


def _check_constraints(read: Mapping[str, Options], merged: Merged) -> None:
    hardware, mapper = read.get("hardware"), read.get("mapper")
    if not isinstance(hardware, HardwareOptions) or not isinstance(mapper, MapperOptions):
        return
    constraints, array = mapper.constraints, hardware.array
    if not constraints.record():
        return
    sizes = (axis.size for axis in array.axes) if array.axes else (array.rows or 1, array.cols or 1)
    axes = dict(zip(array.axis_names or ("row", "column"), sizes, strict=True))
    memories = {memory.name: _operands(memory.operands) for memory in hardware.memory}
    skippable = {memory.name: memory.bypass for memory in hardware.memory}
    passes = KINDS[hardware.kind].passes
    for path, problem in constraint_conflicts(constraints, axes, memories, skippable, passes=passes):
        merged.report(("mapper", "constraints", *path), problem)


def _operands(stated: tuple[str, ...] | None) -> tuple[str, ...]:
    """The operands that a memory's `operands` name; roles narrow them, and name none."""
    return tuple(name for name in OPERANDS if name in (stated or ())) or OPERANDS


def _check_vector_rates(read: Mapping[str, Options], merged: Merged) -> None:
    hardware = read.get("hardware")
    for kind in hardware.vector.rates if isinstance(hardware, HardwareOptions) else ():
        if kind not in VECTOR_KINDS:
            near = nearest(kind, VECTOR_KINDS)
            hint = f"did you mean '{near}'?" if near else f"known: {', '.join(VECTOR_KINDS)}"
            problem = Problem(message="unknown kind of operation", hint=hint)
            merged.report(("hardware", "vector", "rates", kind), problem)


def _check_tiling(read: Mapping[str, Options], merged: Merged) -> None:
    """A whole layer as one tile is what systolic simulators count; axes would have nothing to unroll it over."""
    hardware, simulation = read.get("hardware"), read.get("simulation")
    if not isinstance(hardware, HardwareOptions) or not isinstance(simulation, SimulationOptions):
        return
    if hardware.kind == "systolic" or simulation.switches.tiling != "whole-layer":
        return
    key = "tiling" if "tiling" in simulation.counting else "convention"
    path = ("simulation", "counting", key) if key == "tiling" else ("simulation", key)
    problem = Problem(message=f"counts whole layers on kind 'systolic' (got '{hardware.kind}')")
    merged.report(path, problem)


def _idle_keys(read: Mapping[str, Options]) -> Iterator[str]:
    """A warning for each stated key that changes nothing in this design."""
    hardware = cast(HardwareOptions, read["hardware"])
    mapper = cast(MapperOptions, read["mapper"])
    yield from idle_hardware_keys(hardware)
    if hardware.kind == "spatial" and mapper.dataflows:
        yield "mapper.dataflows says nothing for kind 'spatial', whose axes say what is unrolled"


def _name(read: Mapping[str, Options], path: Path | None) -> str:
    design = read.get("design")
    stated = design.name if isinstance(design, DesignTable) else None
    return stated or ("design" if path is None else path.stem)


def _resolved(read: Mapping[str, Options], name: str) -> dict[str, Any]:
    """Every table with its defaults, in the order of a design file."""
    resolved: dict[str, Any] = {table: options.written() for table, options in read.items()}
    resolved["design"]["name"] = name
    hardware = cast(HardwareOptions, read["hardware"])
    resolved["hardware"] = resolved_hardware(hardware)
    resolved["quantization"] = cast(QuantizationOptions, read["quantization"]).resolved()
    return resolved


def resolved_hardware(hardware: HardwareOptions) -> dict[str, Any]:
    """The `[hardware]` table with the defaults that depend on other keys."""
    table = hardware.written()
    array, kind = hardware.array, KINDS[hardware.kind]
    for name in foreign_names(kind):
        if name not in array.model_fields_set:
            table["array"].pop(name, None)
    for phase, keys in array.phase.items():
        stated = {
            name: value for name, value in table["array"]["phase"][phase].items() if name in keys.model_fields_set
        }
        table["array"]["phase"][phase] = stated
    if not array.axes:
        table["array"].pop("dataflow", None)
        table["array"]["dataflows"] = list(kind.dataflows(array))
    table["vector"].setdefault("lanes", array.output_width * array.count)
    return table
