"""Rows of points that were evaluated together: totals from the sums over their ops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from archsim.arch.memory import MemoryLevel
from archsim.explore.batch_arrays import Batch, Item
from archsim.explore.machines import with_vector
from archsim.explore.op_costs import component_names
from archsim.reports.values import known_sum, ratio
from archsim.sim import batch_kernels as kernels
from archsim.sim.totals import area_mm2

Totals = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One point: its resolved design as text, the files that it names, and its totals or why it has none."""

    text: str
    files: tuple[tuple[str, str], ...]
    values: Totals
    reason: str | None = None


def row_of(item: Item, values: Totals, reason: str | None = None) -> Row:
    point = item.point
    states = (point.array, point.chip, point.vector, point.workload, point.quantization, point.sparsity, point.mapper)
    files = {file for state in (*states, point.simulation, *point.memories) for file in state.files}
    return Row(
        text=point.frame.text(point),
        files=tuple(sorted(files)) if files else (),
        values=values,
        reason=reason,
    )


def values_of(item: Item, batch: Batch, p: int) -> Totals:
    """The totals of a point, as `sim.totals` and `reports.document` make them from the sums over its ops."""
    cycles, sums = int(batch.progress.cycles[p]), batch.progress.sums[p].tolist()
    table, accelerator = item.fitting.table, with_vector(item.machine.accelerator, item.vector)
    latency_s = cycles / accelerator.clock_hz
    energy = _energy(accelerator.memories, sums)
    area = area_mm2(accelerator, item.fitting.units)
    energy_j = known_sum(energy)
    power_w = ratio(energy_j, latency_s)
    tops = ratio(2 * table.macs / 1e12, latency_s)
    peak, prefill = sums[kernels.PEAK], sums[kernels.PREFILL_S]
    steps = table.decode_steps
    per_sequence = table.output_tokens if table.output_tokens and prefill else max(1, steps)
    values: Totals = {
        "latency_s": latency_s,
        "cycles": float(cycles),
        "energy_j": energy_j,
        "area_mm2": known_sum(area),
        "power_w": power_w,
        "edp_js": None if energy_j is None else energy_j * latency_s,
        "macs": float(table.macs),
        "utilization": table.macs / peak if table.macs and peak else None,
        "dram_bytes": sums[kernels.DRAM_BYTES],
        "peak_memory_bytes": item.fitting.peak_memory_bytes,
        "throughput_per_s": table.batch * per_sequence / latency_s if latency_s else None,
        "tops": tops,
        "tops_per_w": ratio(tops, power_w),
        "ttft_s": prefill or None,
        "tpot_s": sums[kernels.DECODE_S] / steps if steps else None,
        "accuracy": None,
    }
    values.update(zip(columns_of("energy_j", tuple(energy)), energy.values(), strict=True))
    values.update(zip(columns_of("area_mm2", tuple(area)), area.values(), strict=True))
    for name, value in values.items():
        if value is not None and not math.isfinite(value):
            values[name] = None
    return values


def _energy(memories: Sequence[MemoryLevel], sums: list[float]) -> Totals:
    names = component_names(memories)
    energy: Totals = dict(zip(names, sums[kernels.COMPONENTS :], strict=True))
    present = int(sums[kernels.PRESENT])
    if not present & kernels.HAS_NETWORK:
        energy["network"] = None
    if not present & kernels.HAS_DECODER:
        del energy["decoder"]
    return energy


@lru_cache(maxsize=256)
def columns_of(table: str, components: tuple[str, ...]) -> tuple[str, ...]:
    """Names of a table's columns."""
    return tuple(f"{table}.{name}" for name in components)
