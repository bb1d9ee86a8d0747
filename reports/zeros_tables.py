"""A network's masks on a sparse array, as a terminal table."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from archsim.reports.tables import plain_table
from archsim.reports.values import percent

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = (
    ("layer", "left"), ("runs", "right"), ("weights", "right"), ("inputs", "right"), ("expected MACs", "right"),
    ("played", "right"), ("expected speed", "right"), ("played", "right"), ("waiting", "right"),
)  # fmt: skip
NUMBERS = ("weight_density", "input_density", "expected_occupancy", "expected_speedup", "occupancy", "speedup")


def zeros_tables(document: Mapping[str, Any]) -> list[RenderableType]:
    """What `archsim zeros` prints: a row for each layer, equal neighbours as one, and one for all."""
    rows = [_row(list(layers)) for _, layers in groupby(document["layers"], key=_alike)]
    if document["totals"]:
        runs = sum(layer["count"] for layer in document["layers"])
        rows.append(("all, by MACs", str(runs), *_numbers(document["totals"])))
    title = f"{document['design']}: MACs without a zero and speed against dense operands, in closed form and on masks"
    return [plain_table(title, list(COLUMNS), rows)]


def _alike(layer: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(layer[name] for name in NUMBERS)


def _row(layers: list[Mapping[str, Any]]) -> tuple[str, ...]:
    layer = layers[0]
    more = "" if len(layers) == 1 else f" and {len(layers) - 1} more"
    return (
        f"{layer['name']}{more}",
        str(sum(other["count"] for other in layers)),
        *_numbers(layer),
    )


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        percent(row["weight_density"]),
        percent(row["input_density"]),
        f"{100 * row['expected_occupancy']:.2f} %",
        f"{100 * row['occupancy']:.2f} %",
        f"{row['expected_speedup']:.3f}",
        f"{row['speedup']:.3f}",
        percent(row["waiting"]),
    )
