"""The tables of a design file, each read by the room that owns it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError

from archsim.api.places import Merged, table
from archsim.arch.options import HardwareOptions, hardware_conflicts
from archsim.core.errors import Problem, nearest
from archsim.core.options import Options, validation_problems
from archsim.core.spelling import listed, spelled
from archsim.core.toml import KeyPath
from archsim.mappers.options import MapperOptions, mapper_conflicts
from archsim.sim.options import SimulationOptions, simulation_conflicts
from archsim.workloads.options import (
    QuantizationOptions,
    SparsityOptions,
    WorkloadOptions,
    quantization_conflicts,
    workload_conflicts,
)

Conflicts = Callable[[Mapping[str, Any]], Iterator[tuple[KeyPath, Problem]]]


class DesignTable(Options):
    """`[design]`: what the design is called."""

    name: Annotated[str, Field(min_length=1)] | None = None
    description: str | None = None


class DesignOptions(Options):
    """A design file."""

    reserved: ClassVar[frozenset[str]] = frozenset({"system", "placement"})

    design: DesignTable = DesignTable()
    hardware: HardwareOptions
    workload: WorkloadOptions | None = None
    quantization: QuantizationOptions = QuantizationOptions()
    sparsity: SparsityOptions = SparsityOptions()
    mapper: MapperOptions = MapperOptions()
    simulation: SimulationOptions = SimulationOptions()


_CONFLICTS: Mapping[str, Conflicts] = {
    "hardware": hardware_conflicts,
    "workload": workload_conflicts,
    "quantization": quantization_conflicts,
    "mapper": mapper_conflicts,
    "simulation": simulation_conflicts,
}


def read_options(merged: Merged, *, workload_required: bool) -> dict[str, Options]:
    """The tables that could be read, by name; what is wrong with any is noted in `merged`."""
    _note_unknown_tables(merged)
    if workload_required and "workload" not in merged.values:
        merged.report((), Problem(message="has no [workload] table", hint='such as model = "resnet-50"'))
    read: dict[str, Options] = {}
    for name, field in DesignOptions.model_fields.items():
        model = _model(field.annotation)
        if name == "hardware" and name not in merged.values:
            merged.report((), Problem(message="has no [hardware] table"))
        elif name == "workload" and name not in merged.values:
            continue
        elif (options := _read_table(merged, name, model)) is not None:
            read[name] = options
    return read


def _model(annotation: Any) -> type[Options]:
    """The options model of a table, also where it may be absent."""
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return next(item for item in candidates if isinstance(item, type) and issubclass(item, Options))


def _note_unknown_tables(merged: Merged) -> None:
    known = DesignOptions.model_fields
    for key in merged.values:
        if key in DesignOptions.reserved:
            merged.report((key,), Problem(message="is reserved and not available yet"))
        elif key not in known:
            near = nearest(key, known)
            hint = f"did you mean '{near}'?" if near else f"known tables: {listed(known)}"
            merged.report((key,), Problem(message="unknown table", hint=hint))


def _read_table(merged: Merged, name: str, model: type[Options]) -> Options | None:
    """One table's options; None when something in it is wrong, which is noted."""
    values = merged.values.get(name, {})
    if not isinstance(values, Mapping):
        merged.report((name,), Problem(message=f"must be a table (got {spelled(values)})"))
        return None
    before = len(merged.problems)
    options: Options | None = None
    try:
        options = model.model_validate(values)
    except ValidationError as error:
        for path, problem in validation_problems(error, model, values):
            merged.report((name, *path), problem)
    if name in _CONFLICTS:
        for path, problem in _CONFLICTS[name](table(values)):
            merged.report((name, *path), problem)
    return options if len(merged.problems) == before else None
