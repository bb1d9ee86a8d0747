"""Rows of two convolutions in a row, along one axis: what each tile of the last result needs of those before it.

Coordinates of the middle tensor are its own rows, 0 to `middle` - 1; those of the first input are padded ones, as an
`Op` counts them. Padding of the last convolution is no row of the middle tensor: it is neither made nor kept.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from archsim.workloads.op import Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A sliding window: filter taps, stride and dilation along one axis."""

    taps: int
    stride: int
    dilation: int

    @property
    def reach(self) -> int:
        return self.dilation * (self.taps - 1) + 1

    def rows(self, outputs: int) -> int:
        """Input rows under `outputs` neighbouring results: the box they span, at most what they touch."""
        return min(self.stride * (outputs - 1) + self.reach, outputs * self.taps) if outputs else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Rows that one tile makes and needs: of the last result, of the middle (made now, in its window), of the input."""

    last: int
    made: int
    window: int
    fetched: int
    box: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HaloAxis:
    """One axis of two convolutions: sizes of the middle tensor and of the last result, and both windows."""

    middle: int
    last: int
    first_window: Window
    last_window: Window

    @property
    def padding(self) -> int:
        """Padding rows before the middle tensor: half of what the last convolution reads beyond it, rounded up.

        Source: with symmetric padding the rows before are all read, those after only as far as strides reach.
        """
        read = self.last_window.stride * (self.last - 1) + self.last_window.reach
        return math.ceil((read - self.middle) / 2)

    def tiles(self, size: int, *, keep: bool) -> tuple[Tile, ...]:
        """The tiles in order when the last result is cut in pieces of `size`.

        `keep`: rows of the middle tensor and of the input that the tile before had too are still there; without, every
        tile makes and fetches all it needs.
        """
        return tuple(self._tile(start, min(self.last, start + size), start > 0 and keep, size)
                     for start in range(0, self.last, size))  # fmt: skip

    def _tile(self, start: int, end: int, keep: bool, size: int) -> Tile:
        low, high = self._needed(start, end)
        old = self._needed(start - size, start)[1] if keep else low
        new = max(low, old)
        made = max(0, high - new)
        first = self.first_window
        box = first.rows(made)
        fetched = box
        if keep and made and new > 0:
            before = (new - 1) * first.stride + first.reach
            fetched = min(box, (high - 1) * first.stride + first.reach - max(before, new * first.stride))
        return Tile(last=end - start, made=made, window=max(0, high - low), fetched=fetched, box=box)

    def _needed(self, start: int, end: int) -> tuple[int, int]:
        """Rows of the middle tensor, from and to (not included), under rows `start` to `end` of the last result."""
        window, shift = self.last_window, self.padding
        low = start * window.stride - shift
        high = (end - 1) * window.stride + window.reach - shift
        return min(max(0, low), self.middle), min(max(0, high), self.middle)


def halo_axes(first: Op, last: Op) -> tuple[HaloAxis, HaloAxis]:
    """The height and the width of two convolutions in a row."""
    height, width = (
        HaloAxis(
            middle=first.dims[rows],
            last=last.dims[rows],
            first_window=Window(taps=first.dims[taps], stride=first.dims[stride], dilation=first.dims[dilation]),
            last_window=Window(taps=last.dims[taps], stride=last.dims[stride], dilation=last.dims[dilation]),
        )
        for rows, taps, stride, dilation in (
            ("p", "r", "stride_h", "dilation_h"),
            ("q", "s", "stride_w", "dilation_w"),
        )
    )
    return height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisCut:
    """One cut of an axis: its tiles by shape with how often each occurs, and their sums and maxima."""

    size: int
    count: int
    made: int
    fetched: int
    window: int
    box: int
    shapes: tuple[tuple[tuple[int, int], int], ...]
    """((rows of the last result, rows made of the middle), tiles of that shape)."""


def axis_cut(axis: HaloAxis, size: int, *, keep: bool) -> AxisCut:
    """The cut of an axis in pieces of `size`."""
    tiles = axis.tiles(size, keep=keep)
    shapes = Counter((tile.last, tile.made) for tile in tiles)
    return AxisCut(
        size=size,
        count=len(tiles),
        made=sum(tile.made for tile in tiles),
        fetched=sum(tile.fetched for tile in tiles),
        window=max(tile.window for tile in tiles),
        box=max(tile.box for tile in tiles),
        shapes=tuple(shapes.items()),
    )
