"""The tilings that ANT's simulator tries for a layer, all at once, and the one that it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BATCH, WIDTH, HEIGHT, INPUTS, OUTPUTS = range(5)
"""Loops over tiles: samples, output columns and rows, input and output channels."""
WEIGHTS, ACTIVATIONS, RESULTS = range(3)
_INDEXED = {
    WEIGHTS: (INPUTS, OUTPUTS),
    ACTIVATIONS: (BATCH, WIDTH, HEIGHT, INPUTS),
    RESULTS: (BATCH, WIDTH, HEIGHT, OUTPUTS),
}
"""Loops that lead to another tile of an operand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer as the simulator takes it: square outputs and kernels; a linear layer has output and kernel 1."""

    batch: int
    output: int
    kernel: int
    input_channels: int
    output_channels: int
    input_bits: int
    weight_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """The array and its buffers: N rows by M columns, by how much narrow operands lengthen and widen it."""

    rows: int
    columns: int
    more_rows: int
    """Inputs side by side in a PE."""
    more_columns: int
    """Weights side by side in a PE."""
    weight_stationary: bool
    buffer_bits: tuple[float, float, float]
    """Capacity for weights, activations and results; half of it holds tiles."""
    bits_per_cycle: float
    result_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """pJ by which tilings of equal time are told apart: a PE array's cycle at work, and bits read and written."""

    core_cycle_pj: float
    buffer_read_pj: tuple[float, float, float]
    buffer_write_pj: tuple[float, float, float]
    dram_read_pj: float
    dram_write_pj: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Cycles, and bits of weights, activations and results read from and written to buffers, and of DRAM."""

    compute: int
    stalls: int
    buffer_reads: tuple[int, int, int]
    buffer_writes: tuple[int, int, int]
    dram_reads: int
    dram_writes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tilings:
    """Every tiling that fits the buffers, as columns: sizes of tiles and how many there are of each loop."""

    size: tuple[Ints, Ints, Ints, Ints]
    """Samples, output side, input channels, output channels of a tile."""
    number: tuple[Ints, ...]
    """Tiles of each loop."""
    tiles: tuple[Ints, Ints, Ints]
    """Bits of a tile of each operand."""


@lru_cache(maxsize=4096)
def best_counts(layer: Layer, array: Array, prices: Prices) -> Counts | None:
    """Counts of the tiling and order of loops with the fewest cycles, then the least energy; None where none fits.

    Tiles are powers of two of each dimension, or all of it; kernels are not cut. An operand's tile grows by the loops
    outside it as long as it stays within half its buffer; beyond, it is fetched again for each of them.
    """
    tilings = _tilings(layer, array)
    if tilings.tiles[0].size == 0:
        return None
    compute = _compute(layer, array, tilings)
    reads, writes = _inner(layer, array, tilings)
    best: tuple[float, float, Counts] | None = None
    for order in permutations(range(5)):
        fetched, first = _promoted(tilings, order, array)
        total, stalls = _cycles(compute, fetched, first, array.bits_per_cycle)
        dram_reads, dram_writes = fetched[0] + fetched[1], fetched[2]
        energy = (total - stalls) * prices.core_cycle_pj
        energy += dram_reads * prices.dram_read_pj + dram_writes * prices.dram_write_pj
        reads_now = (reads[0], reads[1], reads[2] + fetched[2])
        writes_now = (fetched[0], fetched[1], writes)
        for operand in range(3):
            energy = energy + reads_now[operand] * prices.buffer_read_pj[operand]
            energy += writes_now[operand] * prices.buffer_write_pj[operand]
        shortest = total.min()
        i = int(np.flatnonzero(total == shortest)[np.argmin(energy[total == shortest])])
        if best is None or (float(shortest), float(energy[i])) < best[:2]:
            counts = Counts(
                compute=int(compute[i]),
                stalls=int(stalls[i]),
                buffer_reads=(int(reads_now[0][i]), int(reads_now[1][i]), int(reads_now[2][i])),
                buffer_writes=(int(writes_now[0][i]), int(writes_now[1][i]), int(writes_now[2][i])),
                dram_reads=int(dram_reads[i]),
                dram_writes=int(dram_writes[i]),
            )
            best = (float(shortest), float(energy[i]), counts)
    return None if best is None else best[2]


def _tilings(layer: Layer, array: Array) -> _Tilings:
    dims = (layer.batch, layer.output, layer.input_channels, layer.output_channels)
    choices = list(product(*(_powers(size) for size in dims)))
    b, o, i, c = (np.array(column, np.int64) for column in zip(*choices, strict=True))
    taps = layer.kernel**2
    down, across = array.rows * array.more_columns, array.columns * array.more_rows
    tiles = (
        _ceil(taps * i, down) * down * c * layer.weight_bits,
        o * o * _ceil(taps * i, across) * across * b * layer.input_bits,
        o * o * c * b * array.result_bits,
    )
    fits = (tiles[0] <= array.buffer_bits[0] / 2) & (tiles[1] <= array.buffer_bits[1] / 2)
    numbers = [_ceil(np.int64(size), tile) for size, tile in zip(dims, (b, o, i, c), strict=True)]
    by_loop = (numbers[0], numbers[1], numbers[1], numbers[2], numbers[3])
    return _Tilings(
        size=(b[fits], o[fits], i[fits], c[fits]),
        number=tuple(number[fits] for number in by_loop),
        tiles=(tiles[0][fits], tiles[1][fits], tiles[2][fits]),
    )


def _powers(size: int) -> list[int]:
    """1, 2, 4, ... and the size itself."""
    return [min(1 << n, size) for n in range(math.ceil(math.log2(size)) + 1)]


def _ceil(a: Ints | np.int64, b: Ints | int) -> Ints:
    return np.asarray(-(-a // b))


def _compute(layer: Layer, array: Array, tilings: _Tilings) -> Ints:
    """Cycles of the array for all tiles."""
    b, o, i, c = tilings.size
    taps, pixels = layer.kernel**2, b * o * o
    number = np.prod(np.array(tilings.number), axis=0)
    columns = _ceil(c, array.columns * array.more_columns)
    rows = array.rows * array.more_rows
    if array.weight_stationary:
        return np.asarray(number * pixels * columns * _ceil(taps * i, rows))
    return np.asarray(number * _ceil(pixels, rows) * columns * taps * i)


def _inner(layer: Layer, array: Array, tilings: _Tilings) -> tuple[tuple[Ints, Ints, Ints], Ints]:
    """Bits that the array reads of each operand's buffer for all tiles, and that it writes of results."""
    b, o, i, c = tilings.size
    number = np.prod(np.array(tilings.number), axis=0)
    macs = number * (c * o * o * b) * (layer.kernel**2 * i)
    if array.weight_stationary:
        weights = number * (c * layer.kernel**2 * i) * layer.weight_bits
        results = macs * array.result_bits
    else:
        weights = macs * layer.weight_bits
        results = number * (c * o * o * b) * array.result_bits
    return (weights, macs * layer.input_bits, results), results


def _promoted(tilings: _Tilings, order: tuple[int, ...], array: Array) -> tuple[list[Ints], list[Ints]]:
    """Bits moved between DRAM and each buffer, and those of the first fetch or the last write-back, by operand.

    Results that stay for another loop lose their last write-back: a slip of the simulator that is kept.
    """
    moved, first = [], []
    for operand in (WEIGHTS, ACTIVATIONS, RESULTS):
        bits = tilings.tiles[operand].copy()
        largest = bits.copy()
        stays = np.ones(bits.shape, np.bool_)
        for loop in reversed(order):
            number = tilings.number[loop]
            indexed = loop in _INDEXED[operand]
            grows = stays if indexed else np.zeros_like(stays)
            bits = np.where(grows | ~stays, bits * number, bits)
            fits = bits <= array.buffer_bits[operand] / 2
            largest = np.where(grows & fits, 0 if operand == RESULTS else bits, largest)
            stays = stays & (fits | ~grows)
        moved.append(bits)
        first.append(largest)
    return moved, first


def _cycles(compute: Ints, moved: list[Ints], first: list[Ints], bits_per_cycle: float) -> tuple[Ints, Ints]:
    """Total cycles, and those of them in which the array waits for DRAM."""
    width = int(bits_per_cycle)
    latency = _ceil(first[0] + first[1], width) + _ceil(first[2], width)
    between = sum(moved) - sum(first)
    stalls = np.maximum(0, _ceil(np.asarray(between), width) - compute) + latency
    return np.asarray(compute + stalls), np.asarray(stalls)
