"""A comparison as terminal tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from archsim.reports.tables import plain_table
from archsim.reports.values import MISSING, binary_bytes, engineering, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from archsim.reports.comparison import Change, Comparison

LAYERS = 15
"""Layers shown: those whose time differs most."""
KEYS = 40
"""Changed keys of the design shown."""

_TEXTS: dict[str, tuple[str, Callable[[float | None], str]]] = {
    "latency_s": ("latency", lambda value: engineering(value, "s")),
    "cycles": ("cycles", engineering),
    "energy_j": ("energy", lambda value: engineering(value, "J")),
    "area_mm2": ("area", lambda value: MISSING if value is None else f"{value:.4g} mm²"),
    "power_w": ("power", lambda value: engineering(value, "W")),
    "edp_js": ("energy-delay product", lambda value: engineering(value, "J·s")),
    "macs": ("MACs", engineering),
    "utilization": ("utilization", percent),
    "dram_bytes": ("DRAM traffic", binary_bytes),
    "peak_memory_bytes": ("peak memory", binary_bytes),
    "throughput_per_s": ("inferences per second", engineering),
    "tops": ("TOPS", engineering),
    "tops_per_w": ("TOPS/W", engineering),
    "ttft_s": ("time to first token", lambda value: engineering(value, "s")),
    "tpot_s": ("time per output token", lambda value: engineering(value, "s")),
}


def comparison_tables(result: Comparison) -> list[RenderableType]:
    """What `archsim compare` prints: findings, totals, energy, changed keys, layers that differ most."""
    names = f"a = {result.a.name}, b = {result.b.name}"
    tables: list[RenderableType] = [_totals(result, names), _energy(result)]
    if result.design:
        tables.append(_design(result))
    if any(layer.change_s or layer.why for layer in result.layers):
        tables.append(_layers(result))
    for side, only in (("a", result.only_a), ("b", result.only_b)):
        if only:
            tables.append(plain_table(f"Layers only in {side}", [("layer", "left")], _cut([(name,) for name in only])))
    return [*tables, "\n".join(_findings(result))]


def _findings(result: Comparison) -> list[str]:
    lines = list(result.findings)
    if result.design is None:
        lines.append("what changed in the design is not known: a side has no design.resolved.json")
    elif not result.design:
        lines.append("the resolved designs are equal")
    return lines


def _totals(result: Comparison, title: str) -> RenderableType:
    rows = []
    for change in result.totals:
        label, text = _TEXTS.get(change.name, (change.name, engineering))
        if change.a is not None or change.b is not None:
            rows.append((label, text(change.a), text(change.b), _factor(change)))
    return plain_table(title, [("", "left"), ("a", "right"), ("b", "right"), ("b/a", "right")], rows)


def _energy(result: Comparison) -> RenderableType:
    rows = [(c.name, engineering(c.a, "J"), engineering(c.b, "J"), _factor(c)) for c in result.energy_j]
    return plain_table("Energy by component", [("", "left"), ("a", "right"), ("b", "right"), ("b/a", "right")], rows)


def _design(result: Comparison) -> RenderableType:
    rows = [(change.key, _value(change.a), _value(change.b)) for change in result.design or ()]
    return plain_table("What changed in the design", [("key", "left"), ("a", "left"), ("b", "left")], _cut(rows))


def _layers(result: Comparison) -> RenderableType:
    columns = [("layer", "left"), ("a", "right"), ("b", "right"), ("b/a", "right"), ("why", "text")]
    rows = [
        (
            layer.name,
            engineering(layer.latency_s.a, "s"),
            engineering(layer.latency_s.b, "s"),
            _factor(layer.latency_s),
            "; ".join(layer.why) or MISSING,
        )
        for layer in result.layers
        if layer.change_s or layer.why
    ]
    return plain_table("Layers whose time differs most (over all runs)", columns, _cut(rows, LAYERS))


def _cut(rows: Sequence[tuple[str, ...]], limit: int = KEYS) -> Sequence[tuple[str, ...]]:
    if len(rows) <= limit:
        return rows
    return [*rows[:limit], (f"{len(rows) - limit} more", *[""] * (len(rows[0]) - 1))]


def _factor(change: Change) -> str:
    return MISSING if change.ratio is None else f"×{change.ratio:.3g}"


def _value(value: Any) -> str:
    return MISSING if value is None else value if isinstance(value, str) else json.dumps(value)
