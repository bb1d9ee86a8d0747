"""Every way to cut a pair of products that runs as one: what it moves, what it holds, and what it cannot beat.

A pair is X · W1 -> S, element-wise work on S, S · W2 -> Y, with S never off the chip. Its loops are b (batch or heads),
m (rows), f (columns of S), k (reduction of the first product) and n (columns of the last). `tiles` cut them; the order
of m and f is the caller's: rows outside (keys and values, or weights, pass by for every block of rows) or columns
outside. docs/fusion.md has the formulae.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.core.kernels import inner_kernel, kernel
from archsim.sim.kernels import Floats, Ints

B, M, F, K, N = 0, 1, 2, 3, 4
ROWS_OUTSIDE, COLUMNS_OUTSIDE = 0, 1
X, W1, W2, Y = 0, 1, 2, 3
BITS_X, BITS_W1, BITS_S, BITS_W2, BITS_Y, BITS_SUM, BITS_HELD_Y = 0, 1, 2, 3, 4, 5, 6
LATENCY, ENERGY, EDP, WEIGHTED, TRAFFIC = 0, 1, 2, 3, 4


class Pair(NamedTuple):
    """A pair on a machine. Level 0 is where X, S and Y stay, `weight_level` (0 or 1) that of W1 and W2."""

    sizes: Ints
    firsts: int
    """Products that S is made of: 2 with a gate."""
    softmax: bool
    read_first: bool
    """Whether the first visit of a partial sum reads it too."""
    bits: Floats
    """(7,): widths of X, W1, S (while held), W2, Y, an incomplete sum, and of Y while it is held."""
    room: Floats
    """(2,): bits of each level that the chain may take."""
    double: Ints
    """(2,): 1 where a level holds a second tile of what comes and goes."""
    weight_level: int
    x_stays: bool
    y_stays: bool
    """Whether all of X or Y is in level 0 anyway."""


class Price(NamedTuple):
    """What moves cost at least, for bounds: energies in pJ an element, times in cycles a bit."""

    pj: Floats
    """(6,): X, W1, W2 read; Y written; Y partial read, partial written."""
    read_cycles: float
    write_cycles: float
    shared: bool
    flows: Ints
    """(D, 3): GEMM group (0 rows, 1 columns, 2 reduction) on the array's rows, its columns, and streamed."""
    timing: Floats
    """(D, 9): as in `sim.problem.timing_array`; no rows for an engine without passes."""
    array: Ints
    near_pj: Floats
    """(2, 3): on chip, reading an input and a weight, writing a result; of the first product and the last."""
    direct: Floats
    """(3,): 1 for operands that the array takes from that level itself, once per fold."""
    units: float
    """Arrays that share the work."""
    peak: float
    fixed_cycles: float
    fixed_pj: float
    pj_per_cycle: float
    objective: int
    exponents: Floats


@inner_kernel
def count(size: int, tile: int) -> int:
    return (size + tile - 1) // tile


@kernel
def pair_times(sizes: Ints, tiles: Ints, order: int, times: Ints) -> None:
    """How often X, W1 and W2 are read whole and Y is visited, into `times`: 1 when each element moves once.

    A tensor comes again for every pass of a loop that does not index it, when a loop inside that one does.
    """
    m, f = count(sizes[M], tiles[M]), count(sizes[F], tiles[F])
    k, n = count(sizes[K], tiles[K]), count(sizes[N], tiles[N])
    if order == ROWS_OUTSIDE:
        times[X] = f if k > 1 else 1
        times[W1] = m if f > 1 or k > 1 else 1
        times[W2] = m if f > 1 or n > 1 else 1
        times[Y] = f if n > 1 else 1
    else:
        times[X] = f if m > 1 or k > 1 else 1
        times[W1] = m if k > 1 else 1
        times[W2] = m if n > 1 else 1
        times[Y] = f if m > 1 or n > 1 else 1


@kernel
def pair_moves(pair: Pair, tiles: Ints, order: int, moved: Ints) -> None:
    """Elements that cross the chip's border into `moved`: X, W1 (each first product), W2, Y complete, Y partial reads,
    Y partial writes, row statistics read, row statistics written.

    The statistics (two a row of an attention: maximum and sum) travel with partial sums of Y, and stay with it else.
    """
    sizes = pair.sizes
    times = np.zeros(4, np.int64)
    pair_times(sizes, tiles, order, times)
    b, m, f, k, n = sizes[B], sizes[M], sizes[F], sizes[K], sizes[N]
    visits = times[Y]
    again = visits if pair.read_first and visits > 1 else visits - 1
    moved[0] = 0 if pair.x_stays else b * m * k * times[X]
    moved[1] = b * k * f * times[W1]
    moved[2] = b * f * n * times[W2]
    moved[3:] = 0
    if pair.y_stays:
        return
    moved[3] = b * m * n
    moved[4] = b * m * n * again
    moved[5] = b * m * n * (visits - 1)
    stats = 2 * b * m if pair.softmax and visits > 1 else 0
    moved[6] = stats * again
    moved[7] = stats * visits


@kernel
def pair_held(pair: Pair, tiles: Ints, held: Ints) -> None:
    """Elements and copies of what is held, into `held` (6, 2): X, W1 (all first products), S, W2, Y, statistics."""
    sizes = pair.sizes
    b, m, f = count(sizes[B], tiles[B]), count(sizes[M], tiles[M]), count(sizes[F], tiles[F])
    k, n = count(sizes[K], tiles[K]), count(sizes[N], tiles[N])
    here, there = 1 + pair.double[0], 1 + pair.double[pair.weight_level]
    held[:, 1] = 1
    if pair.x_stays:
        held[0, 0] = sizes[B] * sizes[M] * sizes[K]
    else:
        held[0, 0] = tiles[B] * tiles[M] * tiles[K]
        held[0, 1] = here if b * m * k > 1 else 1
    held[1, 0] = pair.firsts * tiles[B] * tiles[K] * tiles[F]
    held[1, 1] = there if b * k * f > 1 else 1
    held[2, 0] = pair.firsts * tiles[B] * tiles[M] * tiles[F]
    held[3, 0] = tiles[B] * tiles[F] * tiles[N]
    held[3, 1] = there if b * f * n > 1 else 1
    if pair.y_stays:
        held[4, 0] = sizes[B] * sizes[M] * sizes[N]
    else:
        held[4, 0] = tiles[B] * tiles[M] * tiles[N]
        held[4, 1] = here if b * m * n > 1 else 1
    held[5, 0] = 2 * tiles[B] * tiles[M] if pair.softmax and f > 1 else 0


@kernel
def pair_fits(pair: Pair, tiles: Ints, held: Ints) -> bool:
    """Whether every level holds its tiles. Sums over several tiles take the width of sums."""
    pair_held(pair, tiles, held)
    sizes, bits = pair.sizes, pair.bits
    summed_s = tiles[K] < sizes[K]
    summed_y = tiles[F] < sizes[F]
    wide_s = max(bits[BITS_S], bits[BITS_SUM]) if summed_s else bits[BITS_S]
    wide_y = max(bits[BITS_HELD_Y], bits[BITS_SUM]) if summed_y else bits[BITS_HELD_Y]
    weights = held[1, 0] * held[1, 1] * bits[BITS_W1] + held[3, 0] * held[3, 1] * bits[BITS_W2]
    home = held[0, 0] * held[0, 1] * bits[BITS_X] + held[2, 0] * wide_s + held[5, 0] * bits[BITS_SUM]
    home += held[4, 0] * held[4, 1] * wide_y
    if pair.weight_level == 0:
        return bool(home + weights <= pair.room[0])
    return bool(home <= pair.room[0] and weights <= pair.room[1])


@inner_kernel
def _product_least(price: Price, which: int, b: int, m: int, n: int, k: int) -> tuple[float, float]:
    """(cycles, pJ on chip) that one tile of a product takes at least, with all its operands on chip."""
    pj, direct = price.near_pj[which], price.direct
    inputs, weights, outputs = b * m * k * pj[0], b * k * n * pj[1], b * m * n * pj[2]
    cycles = np.ceil(b * m * n * k / price.peak - 1e-9)
    if price.flows.shape[0] == 0:
        return cycles, inputs + weights + outputs
    group = (m, n, k)
    fastest, thriftiest = np.inf, np.inf
    for d in range(price.flows.shape[0]):
        flow, timing = price.flows[d], price.timing[d]
        rows, columns = group[flow[0]], group[flow[1]]
        row_folds, column_folds = count(rows, price.array[0]), count(columns, price.array[1])
        passes = row_folds * column_folds
        streamed = timing[0] * group[flow[2]] * passes
        once = timing[2] * price.array[0] + timing[5]
        if timing[7] == 0.0 and timing[8] == 0.0:
            streamed += once * passes + (timing[1] + timing[3]) * rows * column_folds + timing[4] * columns * row_folds
            once = 0.0
        fastest = min(fastest, streamed * b / price.units + once)
        # Of an operand, the group it lacks: n (1) for inputs, m (0) for weights, k (2) for outputs.
        total = inputs * (1.0 + direct[0] * (_folds(flow, 1, row_folds, column_folds) - 1.0))
        total += weights * (1.0 + direct[1] * (_folds(flow, 0, row_folds, column_folds) - 1.0))
        total += outputs * (1.0 + direct[2] * (_folds(flow, 2, row_folds, column_folds) - 1.0))
        thriftiest = min(thriftiest, total)
    return max(fastest, cycles), thriftiest


@inner_kernel
def _folds(flow: Ints, lacking: int, row_folds: int, column_folds: int) -> int:
    """How often the array takes an operand: once per fold of the group that it lacks."""
    if flow[0] == lacking:
        return row_folds
    return column_folds if flow[1] == lacking else 1


@kernel
def pair_bound(pair: Pair, price: Price, tiles: Ints, order: int, moved: Ints) -> float:
    """What the objective is at least under one cut: exact moves, and no more of the tiles than their bare passes."""
    pair_moves(pair, tiles, order, moved)
    bits = pair.bits
    read = moved[0] * bits[BITS_X] + pair.firsts * moved[1] * bits[BITS_W1] + moved[2] * bits[BITS_W2]
    read += (moved[4] + moved[6]) * bits[BITS_SUM]
    written = moved[3] * bits[BITS_Y] + (moved[5] + moved[7]) * bits[BITS_SUM]
    if price.objective == TRAFFIC:
        return float(read + written)
    read_time, write_time = read * price.read_cycles, written * price.write_cycles
    transfers = read_time + write_time if price.shared else max(read_time, write_time)
    busy, near_pj = _busy(pair, price, tiles)
    cycles = max(price.fixed_cycles + busy, transfers)
    pj = price.fixed_pj + near_pj + moved[0] * price.pj[0] + moved[2] * price.pj[2]
    pj += pair.firsts * moved[1] * price.pj[1]
    pj += moved[3] * price.pj[3] + (moved[4] + moved[6]) * price.pj[4] + (moved[5] + moved[7]) * price.pj[5]
    pj += cycles * price.pj_per_cycle
    if price.objective == LATENCY:
        return float(cycles)
    if price.objective == ENERGY:
        return float(pj)
    if price.objective == EDP:
        return float(cycles * pj)
    return float(cycles ** price.exponents[0] * pj ** price.exponents[1])


@inner_kernel
def _busy(pair: Pair, price: Price, tiles: Ints) -> tuple[float, float]:
    """(cycles, pJ on chip) of all tiles of all products at least, whole tiles and edges apart.

    Bit i of `edges` says whether the last, smaller tile of loop i is meant. One flat loop: nested ones of two rounds
    each are unrolled, and take half a minute to compile.
    """
    sizes = pair.sizes
    cycles, energy = 0.0, 0.0
    for which in range(2):
        columns, reduction = (F, K) if which == 0 else (N, F)
        copies = pair.firsts if which == 0 else 1
        for edges in range(16):
            b, n_b = _edge(sizes[B], tiles[B], edges & 1)
            m, n_m = _edge(sizes[M], tiles[M], edges >> 1 & 1)
            n, n_n = _edge(sizes[columns], tiles[columns], edges >> 2 & 1)
            k, n_k = _edge(sizes[reduction], tiles[reduction], edges >> 3 & 1)
            times = copies * n_b * n_m * n_n * n_k
            if times > 0:
                time, pj = _product_least(price, which, b, m, n, k)
                cycles += times * time
                energy += times * pj
    return cycles, energy


@inner_kernel
def _edge(size: int, tile: int, which: int) -> tuple[int, int]:
    """(size, how many) of the whole tiles, or of the last, smaller one."""
    if which == 0:
        return tile, size // tile
    rest = size % tile
    return max(rest, 1), 1 if rest else 0


@kernel
def pair_space(
    pair: Pair, price: Price, blocks: Ints, m_tiles: Ints, f_tiles: Ints, k_tiles: Ints, n_tiles: Ints,
    table: Ints, values: Floats,
) -> int:  # fmt: skip
    """Every cut that fits into `table` (order, then tiles of b, m, f, k, n), its bound into `values`; how many.

    For each tile of k (given falling) the largest of n that fits, unless a larger k leaves as much to n. More than one
    block of b only where all of m and f lies in a tile, or where several arrays share out b (the second of `blocks`).
    """
    tiles, moved = np.ones(5, np.int64), np.zeros(8, np.int64)
    held = np.zeros((6, 2), np.int64)
    found = 0
    for order in range(2):
        for im in range(len(m_tiles)):
            for jf in range(len(f_tiles)):
                whole = m_tiles[im] == pair.sizes[M] and f_tiles[jf] == pair.sizes[F]
                for ib in range(len(blocks)):
                    if ib > 1 and not whole:
                        break
                    tiles[B], tiles[M], tiles[F] = blocks[ib], m_tiles[im], f_tiles[jf]
                    widest = 0
                    for i in range(len(k_tiles)):
                        tiles[K] = k_tiles[i]
                        for j in range(len(n_tiles)):
                            tiles[N] = n_tiles[j]
                            if n_tiles[j] <= widest:
                                break
                            if not pair_fits(pair, tiles, held):
                                continue
                            table[found, 0] = order
                            table[found, 1:] = tiles
                            values[found] = pair_bound(pair, price, tiles, order, moved)
                            found += 1
                            widest = n_tiles[j]
                            break
                        if widest == n_tiles[0]:
                            break
    return found
