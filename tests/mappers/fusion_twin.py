"""Fused nests walked tile by tile in plain Python, one tile of each tensor held: what crosses the chip's border."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence


def blocks(size: int, tile: int) -> list[range]:
    return [range(start, min(size, start + tile)) for start in range(0, size, tile)]


def area(*ranges: range) -> int:
    product = 1
    for one in ranges:
        product *= len(one)
    return product


class Held:
    """The tile of one tensor that is on chip: asking for another one moves it in."""

    def __init__(self) -> None:
        self.tile: tuple[range, ...] | None = None
        self.read = 0

    def need(self, *tile: range) -> None:
        if tile != self.tile:
            self.read += area(*tile)
            self.tile = tile


class HeldSums:
    """The tile of sums on chip: a tile that leaves is written, one that comes again is read."""

    def __init__(self, *, read_first: bool) -> None:
        self.tile: tuple[range, ...] | None = None
        self.read_first = read_first
        self.visits: Counter[tuple[range, ...]] = Counter()

    def need(self, *tile: range) -> None:
        if tile != self.tile:
            self.visits[tile] += 1
            self.tile = tile

    def totals(self) -> tuple[int, int, int]:
        """Elements written complete, read as partial sums, written as partial sums."""
        complete = sum(area(*tile) for tile in self.visits)
        partial = sum(area(*tile) * (count - 1) for tile, count in self.visits.items())
        returning = max(self.visits.values(), default=1) > 1
        return complete, partial + (complete if self.read_first and returning else 0), partial


def walk_pair(
    sizes: Sequence[int], tiles: Sequence[int], *, rows_outside: bool, read_first: bool = False, softmax: bool = False
) -> list[int]:
    """What `pair_moves` counts, by walking: X, W1, W2, Y complete, Y partial read and written, statistics the same."""
    b_blocks, m_blocks, f_blocks, k_blocks, n_blocks = (blocks(*pair) for pair in zip(sizes, tiles, strict=True))
    x, w1, w2 = Held(), Held(), Held()
    y = HeldSums(read_first=read_first)
    for b in b_blocks:
        shared: Iterator[tuple[range, range]] = (
            itertools.product(m_blocks, f_blocks)
            if rows_outside
            else ((m, f) for f, m in itertools.product(f_blocks, m_blocks))
        )
        for m, f in shared:
            for k in k_blocks:
                x.need(b, m, k)
                w1.need(b, k, f)
            for n in n_blocks:
                w2.need(b, f, n)
                y.need(b, m, n)
    complete, read, partial = y.totals()
    stats = [0, 0]
    if softmax and partial:
        # The two statistics of a row travel whenever its sums do.
        visits = max(y.visits.values())
        rows = 2 * sizes[0] * sizes[1]
        stats = [rows * (visits if read_first else visits - 1), rows * visits]
    return [x.read, w1.read, w2.read, complete, read, partial, *stats]


def walk_causal(rows: int, columns: int, head_dim: int, row_block: int, column_block: int, *, rows_outside: bool,
                read_first: bool = False) -> dict[str, int]:  # fmt: skip
    """One head of an attention under a causal mask, blocks that no query sees left out."""
    d = range(head_dim)
    x, w1, w2 = Held(), Held(), Held()
    y = HeldSums(read_first=read_first)
    m_blocks, f_blocks = blocks(rows, row_block), blocks(columns, column_block)
    pairs = (
        itertools.product(m_blocks, f_blocks)
        if rows_outside
        else ((m, f) for f, m in itertools.product(f_blocks, m_blocks))
    )
    for m, f in pairs:
        if f[0] > m[-1] + columns - rows:
            continue
        x.need(m, d)
        w1.need(f, d)
        w2.need(f, d)
        y.need(m, d)
    complete, read, partial = y.totals()
    return {"queries": x.read, "keys": w1.read, "values": w2.read, "results_read": read,
            "results_written": complete + partial}  # fmt: skip


def walk_convs(
    first: dict[str, int], last: dict[str, int], *, images: int, rows: int, columns: int, first_channels: int,
    last_channels: int, keep: bool,
) -> dict[str, int]:  # fmt: skip
    """Two convolutions in a row, tile by tile of the last result: elements read and written, and middle ones made.

    `first` and `last`: p, q, r, s, stride, dilation, c, k (groups 1). Middle rows that padding stands for are none;
    input rows are those of the padded input. Tiles run along the height inside, along the width outside; with `keep`
    rows of the middle tensor and of the input that the tile above had are still there.
    """
    counts: Counter[str] = Counter()
    filters = [Held(), Held()]
    for _ in range(images):
        for q in blocks(last["q"], columns):
            had_middle: set[int] = set()
            had_input: set[int] = set()
            for p in blocks(last["p"], rows):
                middle = needed(p, last["r"], last["stride"], last["dilation"], last["p"], first["p"])
                across = needed(q, last["s"], last["stride"], last["dilation"], last["q"], first["q"])
                new = middle - had_middle if keep else middle
                inputs = touched(new, first["r"], first["stride"], first["dilation"])
                wide = touched(across, first["s"], first["stride"], first["dilation"])
                fetched = inputs - had_input if keep else inputs
                counts["inputs"] += first["c"] * len(fetched) * len(wide)
                for k in blocks(first["k"], first_channels):
                    filters[0].need(k, range(first["c"]), range(first["r"]), range(first["s"]))
                    counts["made"] += len(k) * len(new) * len(across)
                for k in blocks(last["k"], last_channels):
                    filters[1].need(k, range(last["c"]), range(last["r"]), range(last["s"]))
                    counts["outputs"] += len(k) * len(p) * len(q)
                had_middle, had_input = middle, inputs | (had_input if keep else set())
    counts["first weights"], counts["last weights"] = filters[0].read, filters[1].read
    return dict(counts)


def needed(outputs: range, taps: int, stride: int, dilation: int, size: int, middle: int) -> set[int]:
    """Rows of the middle tensor between the first and the last that a tile of results reads."""
    read = stride * (size - 1) + dilation * (taps - 1) + 1
    padding = -((middle - read) // 2)
    low = outputs[0] * stride - padding
    high = outputs[-1] * stride + dilation * (taps - 1) - padding
    return set(range(max(0, low), min(middle, high + 1)))


def touched(rows: set[int], taps: int, stride: int, dilation: int) -> set[int]:
    """Rows of the (padded) input under some rows of its result."""
    if not rows:
        return set()
    seen = {row * stride + tap * dilation for row in rows for tap in range(taps)}
    return (
        seen
        if len(seen) < max(seen) - min(seen) + 1 and stride > dilation * (taps - 1) + 1
        else set(range(min(seen), max(seen) + 1))
    )
