"""Rows that stand for many: hundreds of layers shown as the few kinds they are, or as the largest and the rest."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.reports.values import ratio

if TYPE_CHECKING:
    from archsim.sim.records import LayerCost

_INDEX = re.compile(r"(?<![^._/:\[])\d+(?:-\d+)?(?![^._/:\]])")
"""A number, or a range, that is a part of a name by itself: ``layers.12.up``, ``layers.0-31.up``, ``conv2_3``."""
SEGMENT_PATTERN = "decode*"
_SEGMENT = re.compile(r"^decode\d+(?:-\d+)?(?=\.)")
"""The part of a generation that an op stands in."""
_BLOCK = re.compile(r"(?<=block|layer)\d+(?=[._/:\-])")
"""A number stuck to the word: ``block12.up``."""


Dims = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGroup:
    """Totals over one or more layers: everything that happens in the trace under this name."""

    name: str
    phase: str
    layers: int
    """Rows of the evaluation in this group."""
    is_rest: bool = False
    """Whether these are all the layers that are not shown by themselves."""
    occurrences: int
    dims: Dims
    """Smallest and largest size of each dimension among the members."""
    latency_s: float
    stall_s: Mapping[str, float]
    """Time spent waiting, by the memory level waited for."""
    energy_j: Mapping[str, float]
    macs: int
    dram_bytes: float
    utilization: float | None
    """MACs done over MACs possible in the cycles of the members that do MACs."""
    bound: str
    """What bounds the members; the one with the largest share of time, with a `*` when they differ."""

    @property
    def total_energy_j(self) -> float:
        return math.fsum(self.energy_j.values())

    @property
    def total_stall_s(self) -> float:
        return math.fsum(self.stall_s.values())

    @property
    def compute_s(self) -> float:
        return max(0.0, self.latency_s - self.total_stall_s)


def pattern(name: str) -> str:
    """A layer's name without the index of the repeated block it stands in.

    >>> pattern("layers.12.attention.q_proj"), pattern("conv2_3"), pattern("layer1.0.conv1"), pattern("block7.up")
    ('layers.*.attention.q_proj', 'conv2_*', 'layer1.*.conv1', 'block*.up')
    """
    folded = _INDEX.sub("*", name)
    folded = folded if folded != name else _BLOCK.sub("*", name)
    return _SEGMENT.sub(SEGMENT_PATTERN, folded)


def latency_s(group: LayerGroup) -> float:
    """What `grouped` ranks by unless told otherwise."""
    return group.latency_s


def grouped(layers: Iterable[LayerCost], limit: int, by: Callable[[LayerGroup], float] = latency_s) -> list[LayerGroup]:
    """At most `limit` groups in trace order: single layers if they fit, else repeated blocks folded, else the largest.

    The layers that are too small to be shown stand in one last group, "N more".
    """
    rows = list(layers)
    groups = [group([layer], layer.name) for layer in rows]
    if len(groups) > limit:
        groups = fold_blocks(rows)
    return groups if len(groups) <= limit else _largest(groups, limit, by)


FoldKey = tuple[str, str, str, tuple[tuple[str, int], ...]]


def fold_key(name: str, phase: str, kind: str, dims: Mapping[str, int]) -> FoldKey:
    """What layers must share to be folded: all but the index of their block, and in a generation the token's number.

    The steps of a generation differ in one dimension, the tokens cached so far: their sizes may differ.
    """
    folded = pattern(name)
    sizes = () if folded.startswith(SEGMENT_PATTERN) else tuple(dims.items())
    return (folded, phase, kind, sizes)


def dim_ranges(dims: Iterable[Mapping[str, int]]) -> dict[str, tuple[int, int]]:
    """Smallest and largest size by dimension."""
    ranges: dict[str, tuple[int, int]] = {}
    for sizes in dims:
        for name, size in sizes.items():
            low, high = ranges.get(name, (size, size))
            ranges[name] = (min(low, size), max(high, size))
    return ranges


def fold_blocks(layers: Iterable[LayerCost]) -> list[LayerGroup]:
    """Layers with the same `fold_key` in one group each, in order of first appearance."""
    members: dict[FoldKey, list[LayerCost]] = {}
    for layer in layers:
        members.setdefault(fold_key(layer.name, layer.phase, layer.kind, layer.dims), []).append(layer)
    return [group(rows, rows[0].name if len(rows) == 1 else key[0]) for key, rows in members.items()]


def group(layers: list[LayerCost], name: str) -> LayerGroup:
    """Totals over `layers`: one, or several of the same phase."""
    first = layers[0]
    return LayerGroup(
        name=name,
        phase=first.phase,
        layers=len(layers),
        occurrences=sum(layer.count for layer in layers),
        dims=dim_ranges(layer.dims for layer in layers),
        latency_s=math.fsum(layer.cost.latency_s * layer.count for layer in layers),
        stall_s=_added(_stall_s(layer) for layer in layers),
        energy_j=_added(_scaled(layer.cost.energy_j, layer.count) for layer in layers),
        macs=sum(layer.cost.macs * layer.count for layer in layers),
        dram_bytes=math.fsum(layer.cost.dram_bytes * layer.count for layer in layers),
        utilization=_utilization(layers),
        bound=_bound(layers),
    )


def _largest(groups: list[LayerGroup], limit: int, by: Callable[[LayerGroup], float]) -> list[LayerGroup]:
    ranked = sorted(range(len(groups)), key=lambda index: (-by(groups[index]), index))
    kept = sorted(ranked[: limit - 1])
    rest = [groups[index] for index in sorted(ranked[limit - 1 :])]
    return [groups[index] for index in kept] + [_rest(rest)]


def _rest(groups: list[LayerGroup]) -> LayerGroup:
    layers = sum(member.layers for member in groups)
    return LayerGroup(
        name=f"{layers} more",
        phase="",
        layers=layers,
        is_rest=True,
        occurrences=sum(member.occurrences for member in groups),
        dims={},
        latency_s=math.fsum(member.latency_s for member in groups),
        stall_s=_added(member.stall_s for member in groups),
        energy_j=_added(member.energy_j for member in groups),
        macs=sum(member.macs for member in groups),
        dram_bytes=math.fsum(member.dram_bytes for member in groups),
        utilization=None,
        bound="",
    )


def _stall_s(layer: LayerCost) -> dict[str, float]:
    """Waiting time over all occurrences, shared among levels as their stalls' cycles are."""
    cost = layer.cost
    waiting_s = (ratio(cost.stall_cycles, cost.cycles) or 0.0) * cost.latency_s * layer.count
    if waiting_s == 0:
        return {}
    cycles = _added({stall.level: float(stall.cycles)} for stall in cost.stalls)
    total = math.fsum(cycles.values())
    if total == 0:
        return {cost.bound: waiting_s}
    return {level: waiting_s * share / total for level, share in cycles.items() if share}


def _scaled(values: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: value * factor for name, value in values.items()}


def _added(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sums by name, in the order the names first appear."""
    sums: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            sums[name] = sums.get(name, 0.0) + value
    return sums


def _utilization(layers: list[LayerCost]) -> float | None:
    done = possible = 0.0
    for layer in layers:
        if layer.cost.utilization:
            done += layer.cost.macs * layer.count
            possible += layer.cost.macs * layer.count / layer.cost.utilization
    return ratio(done, possible)


def _bound(layers: list[LayerCost]) -> str:
    time_s: dict[str, float] = {}
    for layer in layers:
        time_s[layer.cost.bound] = time_s.get(layer.cost.bound, 0.0) + layer.cost.latency_s * layer.count
    longest = max(time_s, key=lambda bound: time_s[bound])
    return longest if len(time_s) == 1 else f"{longest}*"
