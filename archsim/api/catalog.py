"""What ships with archsim, as plain entries: accelerators, models, number formats, memories, components."""

from __future__ import annotations

from typing import Any

Entry = dict[str, Any]


def hardware_entries() -> list[Entry]:
    """Accelerators: name, kind, clock, node and memories as their files write them, with the sources."""
    from archsim.arch.catalog import hardware, hardware_names

    entries = []
    for name in hardware_names():
        table = hardware(name)
        array = table.get("array", {})
        entries.append(
            {
                "name": name,
                "kind": table.get("kind"),
                "array": _array(array),
                "cores": table.get("cores", 1),
                "clock": table.get("clock"),
                "node": table.get("node"),
                "memories": [memory["name"] for memory in table.get("memory", [])],
                "sources": _listed(table.get("source", [])),
            }
        )
    return entries


def model_entries() -> list[Entry]:
    """Models with parameters, and MACs of the default phase at batch 1."""
    from archsim.workloads.models import model, model_names

    entries = []
    for name in model_names():
        trace = model(name)
        entries.append(
            {
                "name": name,
                "parameters": trace.parameters,
                "macs": trace.macs,
                "phase": trace.ops[0].phase,
                "operations": sum(op.count for op in trace.ops),
                "source": trace.source,
            }
        )
    return entries


def format_entries() -> list[Entry]:
    """Number formats: stored bits per element with the share of group scales, and what a multiplier sees."""
    from archsim.arch.formats import format, format_names

    entries = []
    for name in format_names():
        chosen = format(name)
        arithmetic = chosen.arithmetic
        entries.append(
            {
                "name": chosen.name,
                "bits_per_element": float(chosen.bits_per_element),
                "arithmetic": str(arithmetic.kind),
                "scale": str(arithmetic.scale.granularity),
                "group_size": arithmetic.scale.group_size or None,
                "integer_bits": arithmetic.integer_bits or None,
                "significand_bits": arithmetic.significand_bits or None,
                "exponent_bits": arithmetic.exponent_bits or None,
            }
        )
    return entries


def memory_entries() -> list[Entry]:
    """Memory technologies: energy and bandwidth of one unit of an off-chip family; on-chip costs follow from size."""
    from archsim.arch.components.dram import dram_cost, dram_technologies, memory_technologies

    entries = []
    off_chip = dram_technologies()
    for name in memory_technologies():
        cost = dram_cost(name) if name in off_chip else None
        entries.append(
            {
                "name": name,
                "off_chip": cost is not None,
                "unit": None if cost is None else cost.unit,
                "bandwidth_bytes_per_s": None if cost is None else cost.bandwidth_bytes_per_s,
                "bandwidth_per_channel_bytes_per_s": None if cost is None else cost.bandwidth_per_channel_bytes_per_s,
                "data_rate_bits_per_s": None if cost is None else cost.data_rate_bits_per_s,
                "channels": None if cost is None else cost.channels,
                "pins": None if cost is None else cost.pins,
                "capacity_bytes": None if cost is None else cost.capacity_bytes,
                "read_pj_per_bit": None if cost is None else cost.read_pj_per_bit,
                "write_pj_per_bit": None if cost is None else cost.write_pj_per_bit,
                "source": "computed from capacity and node" if cost is None else cost.source,
            }
        )
    return entries


def component_entries() -> list[Entry]:
    """Components at common widths: area, energy of one use and leakage at one node, source and estimates."""
    from archsim.arch.components.library import CATALOG_NODE_NM, library

    return [
        {
            "name": entry.name,
            "bits": entry.bits,
            "what": entry.what,
            "node_nm": CATALOG_NODE_NM,
            "area_um2": entry.cost.area_um2,
            "energy_pj": entry.cost.energy_pj,
            "leakage_w": entry.cost.leakage_w,
            "source": entry.cost.source,
            "estimates": list(entry.cost.estimates),
        }
        for entry in library()
    ]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _array(array: dict[str, Any]) -> str | None:
    """Rows by columns, or the sizes of a spatial array's axes; with the number of arrays where a core has several."""
    if "rows" in array:
        text = f"{array['rows']}x{array.get('cols', array.get('columns', 1))}"
    else:
        text = "x".join(str(axis["size"]) for axis in array.get("axes", []) if "size" in axis)
    count = array.get("count", 1)
    return (f"{count} of {text}" if count != 1 else text) or None
