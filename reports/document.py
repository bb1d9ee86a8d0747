"""The JSON document of an evaluation, `archsim.evaluation/1`: keys and meaning are a contract."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from archsim.reports.values import known_sum, plain, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from archsim.sim.records import ChainRow, FusedTiles, LayerCost, OpCost, TraceCost

SCHEMA = "archsim.evaluation/1"
FUSION_SCHEMA = "archsim.fusion/1"
OPERATIONS_PER_MAC = 2
"""One multiplication and one addition: the convention behind every TOPS figure."""


def evaluation_document(*, design_name: str, archsim_version: str, cost: TraceCost) -> dict[str, Any]:
    """The whole document: totals of the trace, then each layer with the values of one occurrence."""
    document = {
        "schema": SCHEMA,
        "design": design_name,
        "archsim": archsim_version,
        "totals": totals(cost),
        "energy_j": dict(cost.energy_j),
        "area_mm2": dict(cost.area_mm2),
        "layers": [_layer(layer) for layer in cost.layers],
        "warnings": list(cost.warnings),
        "estimates": list(cost.estimates),
    }
    if cost.chains:
        document["fusion"] = [chain_document(chain) for chain in cost.chains]
    cleaned: dict[str, Any] = plain(document)
    return cleaned


def totals(cost: TraceCost) -> dict[str, Any]:
    """Totals of the trace. Energy and area sum the components that have figures; without any they are None.

    power_w = energy / latency; edp_js = energy x latency; tops = 2 x MACs / latency / 1e12; tops_per_w = tops / power.
    """
    energy_j = known_sum(cost.energy_j)
    latency_s = cost.latency_s
    power_w = ratio(energy_j, latency_s)
    tops = ratio(OPERATIONS_PER_MAC * cost.macs / 1e12, latency_s)
    values = {
        "latency_s": latency_s,
        "cycles": cost.cycles,
        "energy_j": energy_j,
        "area_mm2": known_sum(cost.area_mm2),
        "power_w": power_w,
        "edp_js": None if energy_j is None else energy_j * latency_s,
        "macs": cost.macs,
        "utilization": cost.utilization,
        "dram_bytes": cost.dram_bytes,
        "peak_memory_bytes": cost.peak_memory_bytes,
        "throughput_per_s": cost.throughput_per_s,
        "tops": tops,
        "tops_per_w": ratio(tops, power_w),
        "ttft_s": cost.ttft_s,
        "tpot_s": cost.tpot_s,
        "accuracy": None,
        "resources": dict(cost.resources),
    }
    cleaned: dict[str, Any] = plain(values)
    return cleaned


def _layer(layer: LayerCost) -> dict[str, Any]:
    cost = layer.cost
    return {
        "name": layer.name,
        "kind": layer.kind,
        "phase": layer.phase,
        "count": layer.count,
        "dims": dict(layer.dims),
        "formats": {operand: layer.formats.get(operand) for operand in ("weights", "inputs", "outputs")},
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
        "traffic": _traffic(cost),
        "stalls": [
            {"cause": stall.cause, "level": stall.level, "operand": stall.operand, "cycles": stall.cycles}
            for stall in cost.stalls
        ],
        "mapping": None if cost.mapping is None else cost.mapping.as_dict(),
    } | ({} if cost.fused is None else {"fused": tiles_document(cost.fused)})


def tiles_document(tiles: FusedTiles) -> dict[str, Any]:
    """How a chain is cut: its loops, outermost first, with the size of a tile."""
    loops = [{"dim": dim, "size": size, "tile": tile} for dim, size, tile in tiles.loops]
    return {"kind": tiles.kind, "loops": loops, "choice": tiles.choice}


def chains_document(chains: Iterable[ChainRow]) -> dict[str, Any]:
    """The chains of a workload by themselves, `archsim.fusion/1`."""
    document: dict[str, Any] = plain({"schema": FUSION_SCHEMA, "chains": [chain_document(chain) for chain in chains]})
    return document


def chain_document(chain: ChainRow) -> dict[str, Any]:
    """One chain: whether it runs as one or why not, both costs, how it is cut, and what every level holds."""

    def cost(prefix: str) -> dict[str, Any] | None:
        values = {key: getattr(chain, f"{prefix}_{key}") for key in ("cycles", "energy_j", "dram_bytes")}
        return None if values["cycles"] is None else values

    return {
        "name": chain.name,
        "kind": chain.kind,
        "ops": list(chain.ops),
        "count": chain.count,
        "fused": chain.taken,
        "why_not": chain.why_not,
        "separate": cost("separate"),
        "together": cost("fused"),
        "tiles": None if chain.tiles is None else tiles_document(chain.tiles),
        "held": [
            {
                "level": item.level,
                "tensor": item.tensor,
                "bytes": item.bytes,
                "copies": item.copies,
                "capacity_bytes": item.capacity_bytes if math.isfinite(item.capacity_bytes) else None,
            }
            for item in chain.held
        ],
        "value": chain.value,
        "bound": chain.bound,
        "optimal": chain.optimal,
        "evaluated": chain.evaluated,
        "space": chain.space,
    }


def _traffic(cost: OpCost) -> list[dict[str, Any]]:
    return [
        {
            "level": record.level,
            "operand": record.operand,
            "reads": record.reads,
            "fills": record.fills,
            "updates": record.updates,
            "instances": record.instances,
            "energy_j": record.energy_j,
        }
        for record in cost.traffic
    ]
