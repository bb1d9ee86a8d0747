"""The chains of an evaluation as a table: which run as one, what that does, and why others do not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from archsim.reports.tables import plain_table
from archsim.reports.values import MISSING, binary_bytes, engineering, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.sim.records import ChainRow


def fusion_tables(chains: Iterable[ChainRow], *, held: bool = False) -> list[RenderableType]:
    """One row a chain; `held` adds for each how it is cut and what every level holds."""
    rows = list(chains)
    header = [("chain", "left"), ("runs", "right"), ("cycles", "right"), ("energy", "right"), ("DRAM", "right"),
              ("runs as one", "text")]  # fmt: skip
    tables = [plain_table("Chains (one run: op by op -> as one)", header, [_cells(row) for row in rows])]
    return tables + [held_table(row) for row in rows if held and row.held]


def _cells(row: ChainRow) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.count:,}" if row.count else MISSING,
        _both(row.separate_cycles, row.fused_cycles, lambda value: f"{value:,.0f}"),
        _both(row.separate_energy_j, row.fused_energy_j, lambda value: engineering(value, "J")),
        _both(row.separate_dram_bytes, row.fused_dram_bytes, binary_bytes),
        f"yes: {cut_text(row)}" if row.taken else f"no: {row.why_not}",
    )


def _both(before: float | None, after: float | None, text: Callable[[float], str]) -> str:
    if before is None:
        return MISSING
    return text(before) if after is None else f"{text(before)} -> {text(after)}"


def cut_text(row: ChainRow) -> str:
    """The loops that are cut, outermost first, and how.

    >>> from archsim.sim.records import ChainRow, FusedTiles
    >>> tiles = FusedTiles(kind="attention", loops=(("b", 8, 1), ("m", 512, 128), ("k", 64, 64)), choice="rows outside")
    >>> cut_text(ChainRow(name="a", names=("a",), kind="attention", ops=(), count=1, taken=True, tiles=tiles))
    'b 8 by 1, m 512 by 128; rows outside'
    """
    if row.tiles is None:
        return MISSING
    cut = ", ".join(f"{dim} {size} by {tile}" for dim, size, tile in row.tiles.loops if tile < size)
    return f"{cut or 'whole'}; {row.tiles.choice}"


def held_table(row: ChainRow) -> RenderableType:
    """What every level holds while a chain runs: with the level's other tensors this is at most its capacity."""
    header = [("level", "left"), ("tensor", "left"), ("tiles", "right"), ("bytes", "right"), ("full", "right")]
    cells = [(item.level, item.tensor, str(item.copies), f"{item.bytes:,.0f}", "") for item in row.held]
    for level, capacity in {item.level: item.capacity_bytes for item in row.held}.items():
        total = sum(item.bytes for item in row.held if item.level == level)
        cells.append((level, "all", "", f"{total:,.0f}", percent(total / capacity)))
        cells.append((level, "its capacity", "", f"{capacity:,.0f}" if math.isfinite(capacity) else "unlimited", ""))
    proof = "the best of all cuts" if row.optimal else f"{row.evaluated} of {row.space:,} cuts mapped"
    if not row.optimal and row.value and row.bound:
        proof += f", at most {percent(row.value / row.bound - 1)} above the best"
    return plain_table(f"{row.name}: {cut_text(row)} ({proof})", header, cells)
