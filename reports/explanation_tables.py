"""An explanation of one layer as terminal text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.reports.mapping_tables import (
    energy_split,
    limit_lines,
    occupancy_table,
    port_table,
    times,
    traffic_table,
)
from archsim.reports.tables import plain_table
from archsim.reports.values import engineering, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.arch.engines.data import DataRate
    from archsim.reports.explanation import Effect, Explanation


def explanation_tables(explained: Explanation) -> list[RenderableType]:
    """What `archsim explain` prints: costs, what binds, the mapping, and what would help."""
    from rich.text import Text

    cost = explained.layer.cost
    tables: list[RenderableType] = [_summary(explained), Text("\n".join(limit_lines(cost, explained.ports)))]
    if explained.loop_nest is not None:
        tables += [Text(explained.loop_nest.rstrip()), occupancy_table(explained.occupancy)]
    tables.append(traffic_table(cost))
    if explained.ports:
        tables.append(port_table(explained.ports, cost))
    if explained.effects:
        tables.append(_effects(explained.effects))
    return tables


def _summary(explained: Explanation) -> RenderableType:
    layer, cost = explained.layer, explained.layer.cost
    formats = ", ".join(f"{name} {fmt}" for name, fmt in layer.formats.items() if fmt is not None)
    rows = [
        ("size", " ".join(f"{dim}={size}" for dim, size in layer.dims.items())),
        ("formats", formats),
        ("latency", f"{engineering(cost.latency_s, 's')}  ({cost.cycles:,} cycles, {cost.stall_cycles:,} stalled)"),
        ("energy", f"{engineering(cost.total_energy_j, 'J')}  ({energy_split(cost.energy_j)})"),
        ("utilization", percent(cost.utilization)),
        (
            "of the workload",
            f"{percent(explained.time_share)} of the time, {percent(explained.energy_share)} of the energy "
            f"({layer.count:,} run{'s' * (layer.count > 1)})",
        ),
    ]
    if explained.data is not None:
        rows.insert(4, ("data", _data(explained.data)))
    title = f"{layer.name} on {explained.design_name} (one run)"
    return plain_table(title, [("", "left"), ("", "text")], rows)


def _data(data: DataRate) -> str:
    """What the engine makes of zeros or bits, in words."""
    skipped = max(0.0, 1.0 - data.executed - data.gated)
    found = [(data.executed, "of the MACs executed"), (data.gated, "gated"), (skipped, "skipped")]
    text = ", ".join(f"{percent(share)} {what}" for share, what in found if share > 0)
    return text + (f"; lanes wait {percent(data.imbalance)} of their time" if data.imbalance > 0 else "")


def _effects(effects: tuple[Effect, ...]) -> RenderableType:
    ranked = sorted(effects, key=lambda item: (-item.speedup * item.energy_gain, item.change))
    rows = [
        (
            item.change,
            times(item.speedup),
            times(item.energy_gain),
            item.bound,
            times(item.total_speedup),
            times(item.total_energy_gain),
        )
        for item in ranked
    ]
    heads = ("change", "layer time", "layer energy", "then bound by", "total time", "total energy")
    kinds = ("text", "right", "right", "left", "right", "right")
    title = "What would help (the design evaluated anew; > 1 is better)"
    return plain_table(title, list(zip(heads, kinds, strict=True)), rows)
