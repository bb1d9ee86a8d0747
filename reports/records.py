"""Flat rows of an evaluation, one fact a row, units in the column names: what DataFrames, CSV and Parquet hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from archsim.reports.values import plain

if TYPE_CHECKING:
    from archsim.sim.records import LayerCost, TraceCost

Row = dict[str, Any]

TEXT, INTEGER, NUMBER = "text", "integer", "number"

LAYER_COLUMNS: dict[str, str] = {
    "name": TEXT,
    "kind": TEXT,
    "phase": TEXT,
    "count": INTEGER,
    "dims": TEXT,
    "weights_format": TEXT,
    "inputs_format": TEXT,
    "outputs_format": TEXT,
    "macs": INTEGER,
    "cycles": INTEGER,
    "compute_cycles": INTEGER,
    "stall_cycles": INTEGER,
    "latency_s": NUMBER,
    "energy_j": NUMBER,
    "utilization": NUMBER,
    "compute_utilization": NUMBER,
    "mapping_utilization": NUMBER,
    "bound": TEXT,
    "dram_bytes": NUMBER,
    "total_macs": INTEGER,
    "total_cycles": INTEGER,
    "total_latency_s": NUMBER,
    "total_energy_j": NUMBER,
    "total_dram_bytes": NUMBER,
}
"""Columns of the layer table; `total_` columns are over all `count` occurrences, the others for one."""

TRAFFIC_COLUMNS: dict[str, str] = {
    "layer": TEXT,
    "count": INTEGER,
    "level": TEXT,
    "operand": TEXT,
    "reads": NUMBER,
    "fills": NUMBER,
    "updates": NUMBER,
    "instances": INTEGER,
    "energy_j": NUMBER,
}
STALL_COLUMNS: dict[str, str] = {
    "layer": TEXT,
    "count": INTEGER,
    "cause": TEXT,
    "level": TEXT,
    "operand": TEXT,
    "cycles": INTEGER,
}
ENERGY_COLUMNS: dict[str, str] = {
    "layer": TEXT,
    "count": INTEGER,
    "component": TEXT,
    "energy_j": NUMBER,
    "total_energy_j": NUMBER,
}


def energy_components(cost: TraceCost) -> list[str]:
    """Components that any layer or the trace charges energy to, in the order they first appear."""
    names = dict.fromkeys(cost.energy_j)
    for layer in cost.layers:
        names.update(dict.fromkeys(layer.cost.energy_j))
    return list(names)


def layer_columns(cost: TraceCost) -> dict[str, str]:
    """Columns of the layer table with one energy column per component of this trace."""
    return LAYER_COLUMNS | {f"energy_{name}_j": NUMBER for name in energy_components(cost)}


def dims_text(dims: Mapping[str, int]) -> str:
    """Dimensions as ``m=1 n=4096 k=4096``.

    >>> dims_text({"m": 1, "k": 4096})
    'm=1 k=4096'
    """
    return " ".join(f"{name}={size}" for name, size in dims.items())


def layer_rows(cost: TraceCost) -> list[Row]:
    """One row per layer, with the columns of `layer_columns`."""
    components = energy_components(cost)
    return [_layer_row(layer, components) for layer in cost.layers]


def _layer_row(layer: LayerCost, components: Iterable[str]) -> Row:
    cost, count = layer.cost, layer.count
    row = {
        "name": layer.name,
        "kind": layer.kind,
        "phase": layer.phase,
        "count": count,
        "dims": dims_text(layer.dims),
        "weights_format": layer.formats.get("weights"),
        "inputs_format": layer.formats.get("inputs"),
        "outputs_format": layer.formats.get("outputs"),
        "macs": cost.macs,
        "cycles": cost.cycles,
        "compute_cycles": cost.compute_cycles,
        "stall_cycles": cost.stall_cycles,
        "latency_s": cost.latency_s,
        "energy_j": cost.total_energy_j,
        "utilization": cost.utilization,
        "compute_utilization": cost.compute_utilization,
        "mapping_utilization": cost.mapping_utilization,
        "bound": cost.bound,
        "dram_bytes": cost.dram_bytes,
        "total_macs": cost.macs * count,
        "total_cycles": cost.cycles * count,
        "total_latency_s": cost.latency_s * count,
        "total_energy_j": cost.total_energy_j * count,
        "total_dram_bytes": cost.dram_bytes * count,
    }
    row |= {f"energy_{name}_j": cost.energy_j.get(name) for name in components}
    return {key: plain(value) for key, value in row.items()}


def traffic_rows(cost: TraceCost) -> list[Row]:
    """One row per layer, level and operand: elements per instance of one occurrence; energy over all instances."""
    return [
        {
            "layer": layer.name,
            "count": layer.count,
            "level": item.level,
            "operand": item.operand,
            "reads": plain(item.reads),
            "fills": plain(item.fills),
            "updates": plain(item.updates),
            "instances": plain(item.instances),
            "energy_j": plain(item.energy_j),
        }
        for layer in cost.layers
        for item in layer.cost.traffic
    ]


def stall_rows(cost: TraceCost) -> list[Row]:
    """One row per layer and cause of waiting: cycles of one occurrence."""
    return [
        {
            "layer": layer.name,
            "count": layer.count,
            "cause": item.cause,
            "level": item.level,
            "operand": item.operand,
            "cycles": plain(item.cycles),
        }
        for layer in cost.layers
        for item in layer.cost.stalls
    ]


def energy_rows(cost: TraceCost) -> list[Row]:
    """One row per layer and component: joules of one occurrence and of all."""
    return [
        {
            "layer": layer.name,
            "count": layer.count,
            "component": name,
            "energy_j": plain(joules),
            "total_energy_j": plain(joules * layer.count),
        }
        for layer in cost.layers
        for name, joules in layer.cost.energy_j.items()
    ]
