"""Optima under AccelForge's rules: every tile of one memory lies inside every tile of the one above, of any operand.

The rules of its study of GEMMs are written out again here and every chain of nested tiles is tried: what moves between
two memories follows from the size of each operand's tile along the dimension that does not index it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest

from archsim.api.evaluate import mapper_settings
from archsim.mappers.factors import divisors_of
from archsim.mappers.search import find_mapping
from archsim.workloads.op import Op
from tests.validation.machines import machine, with_bits

M, N, K = range(3)
INDEXED = ((M, K), (K, N), (M, N))
"""Dimensions of inputs, weights and outputs."""
LACKED = (N, M, K)
Size = tuple[int, int, int]
REGISTERS = 64
SIDE = 16
"""Units along each of the two axes."""


def nested(sizes: Size, capacity: int) -> Iterator[tuple[Size, Size, Size]]:
    """Tiles of the three operands in one memory, each inside the next: (smallest, largest, reuse of each operand)."""
    tiles = list(itertools.product(*map(divisors_of, sizes)))
    around = {
        tile: [larger for larger in tiles if all(b % a == 0 for a, b in zip(tile, larger, strict=True))]
        for tile in tiles
    }
    for first, second, third in itertools.permutations(range(3)):
        for inner in tiles:
            taken1 = _elements(first, inner)
            for middle in around[inner] if taken1 < capacity else ():
                taken2 = taken1 + _elements(second, middle)
                for outer in around[middle] if taken2 < capacity else ():
                    if taken2 + _elements(third, outer) <= capacity:
                        reuse = {first: inner, second: middle, third: outer}
                        yield inner, outer, tuple(reuse[j][LACKED[j]] for j in range(3))  # type: ignore[misc]


def _elements(operand: int, tile: Size) -> int:
    return math.prod(tile[d] for d in INDEXED[operand])


def memory_pj(sizes: Size, capacity: int) -> dict[Size, float]:
    """Least energy of all that moves between the DRAM and the shared memory, by its smallest tile."""
    macs, sums = math.prod(sizes), sizes[M] * sizes[N]
    least: dict[Size, float] = {}
    for inner, _, (inputs, weights, outputs) in nested(sizes, capacity):
        filled = macs / inputs + macs / weights + macs / outputs - sums
        energy = 64 * (filled + macs / outputs) + 7 * filled + 6 * macs / outputs
        least[inner] = min(energy, least.get(inner, math.inf))
    return least


def registers_pj(sizes: Size) -> dict[Size, float]:
    """Machine A: least energy inside the shared memory, by all that its units work on at once."""
    macs, sums = math.prod(sizes), sizes[M] * sizes[N]
    chains = {chain[1:] for chain in nested(sizes, REGISTERS)}
    on_axis = [row for row in itertools.product(*(divisors_of(size) for size in sizes)) if math.prod(row) <= SIDE]
    units = {tuple(a * b for a, b in zip(x, y, strict=True)) for x, y in itertools.product(on_axis, repeat=2)}
    least: dict[Size, float] = {}
    for spread in units:
        for outer, (inputs, weights, outputs) in chains:
            work = tuple(a * b for a, b in zip(spread, outer, strict=True))
            if any(size % part for size, part in zip(sizes, work, strict=True)):
                continue
            read = macs / (inputs * spread[N]) + macs / (weights * spread[M]) + macs / (outputs * spread[K]) - sums
            filled = macs / inputs + macs / weights + macs / outputs - sums * spread[K]
            energy = 6 * read + 7 * macs / (outputs * spread[K]) + 0.2 * macs
            energy += 0.12 * (filled + macs) + 0.1 * (3 * macs - sums * spread[K] + macs / outputs)
            least[work] = min(energy, least.get(work, math.inf))
    return least


def stationary_pj(sizes: Size) -> dict[Size, float]:
    """Machine B: each unit holds one weight, which a loop over m reuses; n lies along one axis, k along the other."""
    macs, sums = math.prod(sizes), sizes[M] * sizes[N]
    least = {}
    for m, n, k in itertools.product(*map(divisors_of, sizes)):
        if max(n, k) <= SIDE:
            read, filled = macs / n + macs / m + macs / k - sums, macs / m
            least[m, n, k] = 6 * read + 7 * macs / k + 0.12 * filled + 0.1 * macs + 0.2 * macs
    return least


def optimum_pj(letter: str, sizes: Size, capacity: int) -> float:
    inside = registers_pj(sizes) if letter == "a" else stationary_pj(sizes)
    return min(
        above + below
        for tile, above in memory_pj(sizes, capacity).items()
        for work, below in inside.items()
        if all(size % part == 0 for size, part in zip(tile, work, strict=True))
    )


CASES: list[tuple[str, int, Size]] = [
    ("a", 64, (6, 8, 16)),
    ("a", 64, (1, 16, 8)),
    ("a", 64, (9, 1, 6)),
    ("a", 64, (5, 5, 4)),
    ("a", 80, (4, 6, 16)),
    ("a", 96, (24, 4, 5)),
    ("a", 128, (6, 10, 10)),
    ("a", 192, (8, 8, 16)),
    ("a", 1024, (8, 8, 16)),
    ("b", 64, (6, 8, 16)),
    ("b", 64, (1, 32, 24)),
    ("b", 96, (7, 10, 18)),
]


@pytest.mark.parametrize(("letter", "capacity", "sizes"), CASES)
def test_small_memories_are_never_better_than_nested_tiles_allow(letter: str, capacity: int, sizes: Size) -> None:
    """Where one unit alone works, its tiles lie inside those of the shared memory as they do where many work."""
    design = machine(f"accelforge-{letter}", f"hardware.memory.glb.capacity={capacity} B")
    m, n, k = sizes
    op = with_bits(Op.gemm("gemm", m=m, n=n, k=k))
    found = find_mapping(
        op, design.accelerator, mapper_settings(design), design.simulation.switches, design.accumulator
    )
    assert found is not None
    assert found.optimal
    assert found.cost.total_energy_j * 1e12 == pytest.approx(optimum_pj(letter, sizes, capacity), rel=1e-9)
