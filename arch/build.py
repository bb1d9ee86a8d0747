"""From the `[hardware]` options of a design to an `Accelerator`: units to numbers, defaults to component costs."""

from __future__ import annotations

from collections.abc import Iterator

from archsim.arch.accelerator import Accelerator, VectorUnit
from archsim.arch.array_options import ArrayOptions
from archsim.arch.components.arithmetic import vector_cost
from archsim.arch.kinds import KINDS
from archsim.arch.kinds.base import stated
from archsim.arch.levels import Places, memory_level
from archsim.arch.options import HardwareOptions, VectorOptions
from archsim.core import units
from archsim.core.provenance import ESTIMATE


def build_accelerator(options: HardwareOptions, *, name: str) -> Accelerator:
    """The accelerator that validated options describe; `name` where they state none.

    Bandwidths become bits per cycle at the design's clock; a memory's absent figures come from its technology.
    Raises InputError when a figure cannot be had (no entry for a port's width in a table of energies).
    """
    node_nm = units.length_nm(options.node)
    clock_hz = units.clock_hz(options.clock)
    engine = KINDS[options.kind].build(options.array, node_nm)
    places = places_of(options)
    return Accelerator(
        name=options.name or name,
        kind=options.kind,
        clock_hz=clock_hz,
        node_nm=node_nm,
        cores=options.cores,
        engine=engine,
        memories=tuple(
            memory_level(memory, index=index, places=places, clock_hz=clock_hz, node_nm=node_nm)
            for index, memory in enumerate(options.memory)
        ),
        vector=build_vector_unit(options.vector, options.array, node_nm),
        idle_energy_fraction=options.array.idle_energy_fraction,
        integer_figures=options.array.stated_for == "integers",
        sources=tuple(source for source in options.source if not source.startswith(ESTIMATE)),
        estimates=tuple(_estimates(options)),
    )


def _estimates(options: HardwareOptions) -> Iterator[str]:
    yield from (source for source in options.source if source.startswith(ESTIMATE))
    if "node" not in options.model_fields_set:
        yield f"{ESTIMATE} the design states no node; {options.node} assumed"


def places_of(options: HardwareOptions) -> Places:
    """How many there are of each place where a memory may sit."""
    array = options.array
    if array.axes:
        sizes = {name: axis.size for name, axis in zip(array.axis_names, array.axes, strict=True)}
    else:
        sizes = {"row": stated(array.rows), "column": stated(array.cols)}
    return Places(cores=options.cores, arrays=array.count, axes=sizes)


def build_vector_unit(options: VectorOptions, array: ArrayOptions, node_nm: float) -> VectorUnit:
    """The vector unit of one core."""
    cost = vector_cost(node_nm)
    lanes, estimates = options.lanes, list(cost.estimates)
    if lanes is None:
        lanes = array.output_width * array.count
        estimates.append(f"{ESTIMATE} the design states no vector lanes; {lanes}, one per array column, assumed")
    return VectorUnit(
        lanes=lanes,
        energy_pj=cost.energy_pj if options.energy is None else units.energy_pj(options.energy),
        area_um2=cost.area_um2,
        rates=options.rates,
        estimates=tuple(estimates),
    )
