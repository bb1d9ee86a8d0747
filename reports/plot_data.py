"""What the plots show, as plain numbers: drawing is elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.reports.document import OPERATIONS_PER_MAC
from archsim.reports.groups import LayerGroup, grouped, pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from archsim.arch.accelerator import Accelerator
    from archsim.arch.memory import MemoryLevel
    from archsim.reports.evaluation import Evaluation
    from archsim.sim.records import LayerCost

BARS = 24
"""Bars of a per-layer plot; longer traces are folded, then cut to the largest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflinePoint:
    """One layer, or several that coincide: operations per DRAM byte (infinite without traffic) and per second."""

    name: str
    intensity_ops_per_byte: float
    performance_ops_per_s: float
    time_s: float
    bound: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthRoof:
    """The slope under which a memory keeps every layer."""

    label: str
    bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """Points and roofs. One compute roof for each peak that a combination of formats gives, highest first."""

    points: tuple[RooflinePoint, ...]
    compute_ops_per_s: tuple[float, ...]
    memory: BandwidthRoof | None
    """The bandwidth of reads, or of reads and writes where they share ports."""
    memory_both_ways: BandwidthRoof | None = None
    """Reads and writes at once, where they have ports of their own: only a layer that does both gets there."""

    @property
    def ridge_ops_per_byte(self) -> float | None:
        """Intensity at which the highest compute roof and the memory roof meet."""
        if self.memory is None or not self.compute_ops_per_s:
            return None
        return self.compute_ops_per_s[0] / self.memory.bytes_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Stacked bars: `series` gives each part's values in the order of `labels`."""

    title: str
    unit: str
    labels: tuple[str, ...]
    runs: tuple[int, ...]
    series: Mapping[str, tuple[float, ...]]
    rest: int | None = None
    """Index of the bar that stands for all layers not shown, if there is one."""

    @property
    def totals(self) -> tuple[float, ...]:
        """Length of each bar."""
        return tuple(math.fsum(values) for values in zip(*self.series.values(), strict=True))


def roofline(evaluation: Evaluation) -> Roofline:
    """The layers that do MACs under the roofs of the accelerator.

    A layer's peak is MACs / (cycles x utilization); the memory is the outermost off-chip level that has a bandwidth.
    """
    layers = [layer for layer in evaluation.cost.layers if layer.cost.macs and layer.cost.latency_s > 0]
    coinciding: dict[tuple[float, float, str], list[LayerCost]] = {}
    for layer in layers:
        coinciding.setdefault((_intensity(layer), _performance(layer), layer.cost.bound), []).append(layer)
    return Roofline(
        points=tuple(_point(members) for members in coinciding.values()),
        compute_ops_per_s=_peaks(layers, evaluation.accelerator.clock_hz),
        memory=_memory_roof(evaluation.accelerator),
        memory_both_ways=_both_ways(evaluation.accelerator),
    )


def latency_bars(evaluation: Evaluation, limit: int = BARS) -> Bars:
    """Time of each layer over all its runs, in seconds: computing, and waiting for each memory level."""
    return _bars(evaluation, "Time per layer", "s", _time_parts, limit)


def energy_bars(evaluation: Evaluation, limit: int = BARS) -> Bars:
    """Energy of each layer over all its runs, in joules, by component."""
    return _bars(evaluation, "Energy per layer", "J", lambda group: group.energy_j, limit)


def _intensity(layer: LayerCost) -> float:
    cost = layer.cost
    return OPERATIONS_PER_MAC * cost.macs / cost.dram_bytes if cost.dram_bytes else math.inf


def _performance(layer: LayerCost) -> float:
    return OPERATIONS_PER_MAC * layer.cost.macs / layer.cost.latency_s


def _point(layers: list[LayerCost]) -> RooflinePoint:
    first = layers[0]
    return RooflinePoint(
        name=_common_name(layers),
        intensity_ops_per_byte=_intensity(first),
        performance_ops_per_s=_performance(first),
        time_s=math.fsum(layer.cost.latency_s * layer.count for layer in layers),
        bound=first.cost.bound,
    )


def _common_name(layers: list[LayerCost]) -> str:
    """The name of one layer, or of the first kind of several with the number of other kinds."""
    if len(layers) == 1:
        return layers[0].name
    kinds = list(dict.fromkeys(pattern(layer.name) for layer in layers))
    return kinds[0] if len(kinds) == 1 else f"{kinds[0]} (+{len(kinds) - 1})"


def _peaks(layers: list[LayerCost], clock_hz: float) -> tuple[float, ...]:
    peaks = {
        float(f"{OPERATIONS_PER_MAC * layer.cost.macs / (layer.cost.cycles * layer.cost.utilization) * clock_hz:.6g}")
        for layer in layers
        if layer.cost.utilization and layer.cost.cycles
    }
    return tuple(sorted(peaks, reverse=True))


def _memory_roof(accelerator: Accelerator) -> BandwidthRoof | None:
    level = _outermost(accelerator)
    if level is None:
        return None
    label = level.name if level.shared_ports else f"{level.name} reads"
    return BandwidthRoof(label=label, bytes_per_s=_bytes_per_s(level, level.read_bits_per_cycle, accelerator))


def _both_ways(accelerator: Accelerator) -> BandwidthRoof | None:
    level = _outermost(accelerator)
    if level is None or level.shared_ports or not math.isfinite(level.write_bits_per_cycle):
        return None
    bits_per_cycle = level.read_bits_per_cycle + level.write_bits_per_cycle
    return BandwidthRoof(label="reads and writes", bytes_per_s=_bytes_per_s(level, bits_per_cycle, accelerator))


def _outermost(accelerator: Accelerator) -> MemoryLevel | None:
    """The first off-chip level whose bandwidth is limited."""
    limited = (level for level in accelerator.memories if level.off_chip and math.isfinite(level.read_bits_per_cycle))
    return next(limited, None)


def _bytes_per_s(level: MemoryLevel, bits_per_cycle: float, accelerator: Accelerator) -> float:
    return bits_per_cycle * level.instances * accelerator.clock_hz / 8


def _time_parts(group: LayerGroup) -> dict[str, float]:
    return {"compute": group.compute_s} | {f"waiting for {level}": time for level, time in group.stall_s.items()}


def _bars(
    evaluation: Evaluation, title: str, unit: str, parts: Callable[[LayerGroup], Mapping[str, float]], limit: int
) -> Bars:
    groups = grouped(evaluation.cost.layers, limit, by=lambda group: math.fsum(parts(group).values()))
    values = [parts(group) for group in groups]
    names = dict.fromkeys(name for row in values for name in row)
    series = {name: tuple(row.get(name, 0.0) for row in values) for name in names}
    return Bars(
        title=title,
        unit=unit,
        labels=tuple(group.name for group in groups),
        runs=tuple(group.occurrences for group in groups),
        series={name: column for name, column in series.items() if any(column)} or series,
        rest=next((index for index, group in enumerate(groups) if group.is_rest), None),
    )
