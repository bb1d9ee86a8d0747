"""What a mapping takes of one level."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import plain_kernel
from archsim.sim.cost_kernels import held_bits
from archsim.sim.kernels import Ints, Machine, Nest, Scratch, Shape


@plain_kernel
def level_bits(
    level: int, shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine, scratch: Scratch
) -> float:
    """Bits that the tiles of all operands take of a level, added up as `fits` does."""
    need = 0.0
    for operand in range(3):
        if tiles[level, operand] >= 0:
            need += held_bits(level, operand, shape, nest, n_loops, tiles, machine, scratch)
    return float(need)
