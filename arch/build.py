"""From the `[hardware]` options of a design to an `Accelerator`: units to numbers, defaults to component costs."""

from __future__ import annotations

from collections.abc import Iterator

from archsim.arch.accelerator import Accelerator, VectorUnit
from archsim.arch.components.arithmetic import vector_cost
from archsim.arch.engines.base import Engine, SpatialAxis
from archsim.arch.engines.spatial import SpatialEngine
from archsim.arch.engines.systolic import DATAFLOWS, SystolicEngine
from archsim.arch.engines.units import UnitModel, UnitOverrides
from archsim.arch.levels import Places, memory_level
from archsim.arch.options import ArrayOptions, AxisOptions, HardwareOptions, VectorOptions
from archsim.core import units
from archsim.core.provenance import ESTIMATE

DEFAULT_DATAFLOWS = ("ws",)


def build_accelerator(options: HardwareOptions, *, name: str) -> Accelerator:
    """The accelerator that validated options describe; `name` where they state none.

    Bandwidths become bits per cycle at the design's clock; a memory's absent figures come from its technology.
    Raises InputError when a figure cannot be had (no entry for a port's width in a table of energies).
    """
    node_nm = units.length_nm(options.node)
    clock_hz = units.clock_hz(options.clock)
    engine = build_engine(options, node_nm)
    places = _places(options)
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
        vector=_vector_unit(options.vector, options.array, node_nm),
        idle_energy_fraction=options.array.idle_energy_fraction,
        sources=tuple(source for source in options.source if not source.startswith(ESTIMATE)),
        estimates=tuple(_estimates(options)),
    )


def _estimates(options: HardwareOptions) -> Iterator[str]:
    yield from (source for source in options.source if source.startswith(ESTIMATE))
    if "node" not in options.model_fields_set:
        yield f"{ESTIMATE} the design states no node; {options.node} assumed"


def build_engine(options: HardwareOptions, node_nm: float) -> Engine:
    """The compute engine of one core."""
    array = options.array
    unit = _unit_model(array, node_nm)
    if options.kind == "systolic":
        return SystolicEngine(
            rows=_stated(array.rows),
            columns=_stated(array.cols),
            permitted=permitted_dataflows(array),
            fold_overlap=array.fold_overlap,
            weight_double_buffer=array.weight_double_buffer,
            count=array.count,
            unit=unit,
        )
    return SpatialEngine(axes=_spatial_axes(array), count=array.count, unit=unit)


def permitted_dataflows(array: ArrayOptions) -> tuple[str, ...]:
    """The dataflows that an array's keys permit, ``any`` spelled out."""
    stated = (array.dataflow,) if array.dataflow else array.dataflows
    names = stated or DEFAULT_DATAFLOWS
    return DATAFLOWS if "any" in names else tuple(dict.fromkeys(names))


def _unit_model(array: ArrayOptions, node_nm: float) -> UnitModel:
    overrides = UnitOverrides(
        mac_energy_pj=None if array.mac_energy is None else units.energy_pj(array.mac_energy),
        pe_area_um2=None if array.pe_area is None else units.area_um2(array.pe_area),
        pe_leakage_w=None if array.leakage is None else units.power_w(array.leakage),
        pe_cycle_energy_pj=0.0 if array.pe_energy is None else units.cycle_energy_pj(array.pe_energy),
        energy_factor=array.energy_factor,
    )
    return UnitModel(node_nm=node_nm, lanes=array.lanes, overrides=overrides, rates=array.rates)


def _stated(value: int | None) -> int:
    if value is None:
        raise ValueError("rows and cols must be stated; hardware_conflicts reports their absence")
    return value


def _spatial_axes(array: ArrayOptions) -> tuple[SpatialAxis, ...]:
    if array.axes:
        return tuple(_axis(axis, name) for axis, name in zip(array.axes, array.axis_names, strict=True))
    return _dataflow_axes(_stated(array.rows), _stated(array.cols), permitted_dataflows(array)[0])


def _axis(axis: AxisOptions, name: str) -> SpatialAxis:
    return SpatialAxis(
        name=name,
        size=axis.size,
        gemm_dims=axis.dims.gemm,
        conv_dims=axis.dims.conv,
        multicast=frozenset(axis.multicast),
        reduce=frozenset(axis.reduce),
    )


def _dataflow_axes(rows: int, cols: int, dataflow: str) -> tuple[SpatialAxis, SpatialAxis]:
    """The two axes of an array that is given as rows and columns with a dataflow's unrolling."""
    match dataflow:
        case "os":
            return _group_axis("row", rows, "rows", multicast="weights"), _group_axis(
                "column", cols, "columns", multicast="inputs"
            )
        case "is":
            return _group_axis("row", rows, "reduction", reduce="outputs"), _group_axis(
                "column", cols, "rows", multicast="weights"
            )
        case _:
            return _group_axis("row", rows, "reduction", reduce="outputs"), _group_axis(
                "column", cols, "columns", multicast="inputs"
            )


def _group_axis(name: str, size: int, group: str, *, multicast: str = "", reduce: str = "") -> SpatialAxis:
    return SpatialAxis(
        name=name,
        size=size,
        gemm_dims=(group,),
        conv_dims=(group,),
        multicast=frozenset({multicast} if multicast else ()),
        reduce=frozenset({reduce} if reduce else ()),
    )


def _places(options: HardwareOptions) -> Places:
    array = options.array
    if array.axes:
        sizes = {name: axis.size for name, axis in zip(array.axis_names, array.axes, strict=True)}
    else:
        sizes = {"row": _stated(array.rows), "column": _stated(array.cols)}
    return Places(cores=options.cores, arrays=array.count, axes=sizes)


def _vector_unit(options: VectorOptions, array: ArrayOptions, node_nm: float) -> VectorUnit:
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
