"""What a mapping takes of one level."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import kernel
from archsim.sim.cost_kernels import held_bits
from archsim.sim.kernels import Ints, Machine, Nest, Shape, scratch


@kernel
def level_bits(level: int, shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine) -> float:
    """Bits that the tiles of all operands take of a level, added up as `fits` does."""
    room = _new_scratch(shape.sizes.shape[0], tiles.shape[0], machine.multicast.shape[1])
    need = 0.0
    for operand in range(3):
        if tiles[level, operand] >= 0:
            need += held_bits(level, operand, shape, nest, n_loops, tiles, machine, room)
    return float(need)


_new_scratch = kernel(scratch)
