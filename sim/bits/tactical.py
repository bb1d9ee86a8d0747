"""Bit-Tactical: weights that are zero give their places to later ones; inputs are then taken apart bit by bit.

A filter's lanes see the inputs of `lookahead` further steps, and the next step's of `lookaside` neighbouring lanes. The
schedule is made once for each tile of filters, which move on together. Source: Delmas Lascorz et al., "Bit-Tactical: A
Software/Hardware Approach to Exploiting Value and Bit Sparsity in Neural Networks", ASPLOS 2019 (recalled: lookahead 2,
lookaside 5 in a T shape).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.sim.bits.engine import BitEngine, Dots

Slots = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class TacticalGrid:
    """A tile of `rows` filters that share a schedule and `columns` windows, `lanes` of the reduction each."""

    rows: int
    columns: int
    lanes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tactical:
    """`inputs` says how inputs are taken apart (Bit-Pragmatic: TCLe, Dynamic-Stripes: TCLp); None: in one step."""

    inputs: BitEngine | None = None
    lookahead: int = 2
    lookaside: int = 5

    def schedule(self, weights: NDArray[Any], lanes: int) -> Slots:
        """Which weight of the reduction each lane takes [steps, filters, lanes], -1 for none, for one tile of filters.

        `weights` are [filters, reduction]. Each weight that is not zero is taken once, in its filter.
        """
        from archsim.sim.bits.tactical_kernels import schedule_tile

        filters, length = weights.shape
        times = -(-length // lanes)
        marks = np.zeros((filters, times * lanes), dtype=np.bool_)
        marks[:, :length] = weights != 0
        out = np.empty((times, filters, lanes), dtype=np.int32)
        steps = schedule_tile(marks.reshape(filters, times, lanes), self.lookahead, self.lookaside, out)
        return out[:steps]

    def value_steps(self, weights: NDArray[Any], rows: int, lanes: int) -> int:
        """Steps of weights [filters, reduction] in tiles of `rows` filters, if an input took one step."""
        tiles = range(0, weights.shape[0], rows)
        return sum(len(self.schedule(weights[start : start + rows], lanes)) for start in tiles)

    def dots(self, weights: NDArray[Any], inputs: NDArray[Any], lanes: int) -> Dots:
        """Products of one tile's weights [filters, reduction] with inputs [reduction], and the cycles of the tile.

        All filters wait for the slowest input that any of their lanes has in a step.
        """
        slots = self.schedule(weights, lanes)
        taken = np.maximum(slots, 0)
        idle = slots < 0
        own = np.arange(weights.shape[0])[None, :, None]
        w = np.where(idle, 0, weights.astype(np.int64)[own, taken])
        a = np.where(idle, 0, inputs.astype(np.int64)[taken])
        cycles = np.ones(len(slots), dtype=np.int64)
        products = (w * a).sum(axis=(0, 2))
        if self.inputs is not None:
            made = self.inputs.dots(a.reshape(-1, lanes), w.reshape(-1, lanes))
            products = made.products.reshape(len(slots), -1).sum(axis=0)
            cycles = made.steps.reshape(len(slots), -1).max(axis=1)
        return Dots(products=products, steps=np.full_like(products, int(cycles.sum())))

    def play(self, weights: NDArray[Any], inputs: NDArray[Any], grid: TacticalGrid) -> int:
        """Cycles of weights [filters, reduction] with inputs [windows, reduction], tile by tile.

        All filters and windows of a tile wait for the largest input that any of them takes in a step.
        """
        terms = np.ones(inputs.shape, dtype=np.int64)
        if self.inputs is not None:
            terms = self.inputs.steps(inputs, 1).astype(np.int64)
        tiles = range(0, len(inputs), grid.columns)
        most = np.array([terms[start : start + grid.columns].max(axis=0) for start in tiles])
        total = 0
        for start in range(0, weights.shape[0], grid.rows):
            slots = self.schedule(weights[start : start + grid.rows], grid.lanes)
            slots = slots.reshape(len(slots), -1)
            for row in most:
                total += int(np.maximum(np.where(slots < 0, 0, row[np.maximum(slots, 0)]).max(axis=1), 1).sum())
        return total
