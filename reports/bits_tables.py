"""A network's bits on a bit-serial array, as terminal tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archsim.reports.tables import plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = (
    ("layer", "left"), ("runs", "right"), ("steps", "right"), ("waiting", "right"), ("array cycles", "right"),
    ("closed form", "right"), ("speedup", "right"), ("memory", "right"), ("array", "text"),
)  # fmt: skip


def bits_tables(document: Mapping[str, Any]) -> list[RenderableType]:
    """What `archsim bits` prints: a row for each layer (equal ones as one), and the sums."""
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for layer in document["layers"]:
        alike.setdefault(_alike(layer), []).append(layer)
    found = [_row(layers) for layers in alike.values()]
    totals = document["totals"]
    found.append(
        (
            "all",
            "",
            "",
            "",
            f"{totals['array_cycles']:,.0f}",
            f"{totals['closed_form_cycles']:,.0f}",
            f"{totals['speedup']:.3f}",
            f"{totals['cycles']:,.0f}",
            "",
        )
    )
    title = (
        f"{document['design']}: steps of a group of lanes, cycles of one run; memory: the longer of array and weights"
    )
    tables = [plain_table(title, list(COLUMNS), found)]
    if document["estimates"]:
        lines = [(line.removeprefix("estimate:").strip(),) for line in document["estimates"]]
        tables.append(plain_table("Estimates", [("rests on", "text")], lines))
    return tables


def _alike(layer: Mapping[str, Any]) -> tuple[Any, ...]:
    return layer["array_cycles"], layer["memory_cycles"], layer["dense_cycles"], layer["count"]


def _row(layers: list[Mapping[str, Any]]) -> tuple[str, ...]:
    layer, runs = layers[0], sum(layer["count"] for layer in layers)
    more = "" if len(layers) == 1 else f" and {len(layers) - 1} more"
    shape = layer["shape"]
    return (
        f"{layer['name']}{more}",
        str(runs),
        f"{layer['steps_per_group']:.2f}",
        f"{100 * layer['waiting']:.1f} %",
        f"{layer['array_cycles']:,.0f}",
        f"{layer['closed_form_cycles']:,.0f}",
        f"{layer['dense_cycles'] / layer['array_cycles']:.3f}",
        f"{layer['cycles']:,.0f}",
        f"{shape['rows']}x{shape['cols']}x{shape['lanes']}",
    )
