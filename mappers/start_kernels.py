"""What a start costs before any tile is chosen: compute cycles, and what moves between the innermost levels and PEs."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import kernel
from archsim.mappers.space_kernels import Starts
from archsim.sim.cost_kernels import cost
from archsim.sim.kernels import (
    COMPUTE,
    ENERGY_PJ,
    FILLS,
    MAC_HOLDS,
    OUTPUTS,
    READS,
    READS_PARTIAL,
    STREAMED,
    UPDATES,
    WRITES_PARTIAL,
    Ints,
    Machine,
    Scratch,
    Shape,
    empty_nest,
    whole_elements,
)


@kernel
def cost_starts(
    shape: Shape,
    starts: Starts,
    n_bounds: int,
    placed: Ints,
    innermost: Ints,
    machine: Machine,
    scratch: Scratch,
) -> None:
    """Fill the cost arrays of `starts`: the closed form of a nest whose tiles are those of the innermost levels alone.

    What it counts there no choice of tiles further out makes less (sums that start at zero are credited to those).
    """
    n_dims, n_levels = shape.sizes.shape[0], machine.levels.shape[0]
    nest = empty_nest(n_dims)
    tiles = np.full((n_levels, 3), -1, np.int64)
    after = np.zeros(n_bounds + 1, np.int64)
    for s in range(starts.base.shape[0]):
        n = 0
        for d in range(n_dims):
            nest.base[d] = starts.base[s, d]
            inside = starts.base[s, d]
            for b in range(n_bounds):
                inside *= starts.every[s, b, d]
            steps = (shape.sizes[d] + inside - 1) // inside
            if steps > 1:
                nest.dim[n], nest.factor[n], nest.axis[n] = d, steps, -1
                n += 1
        after[n_bounds] = n
        for back in range(n_bounds):
            b = n_bounds - 1 - back
            for i in range(starts.slot_axis.shape[0]):
                if starts.slot_bound[i] == b and starts.slot_dim[s, i] >= 0 and starts.slot_factor[s, i] > 1:
                    nest.dim[n], nest.factor[n] = starts.slot_dim[s, i], starts.slot_factor[s, i]
                    nest.axis[n] = starts.slot_axis[i]
                    n += 1
            after[b] = n
        for operand in range(3):
            if innermost[operand] >= 0 and (operand == OUTPUTS or machine.flow[0] or not machine.counting[MAC_HOLDS]):
                tiles[innermost[operand], operand] = after[placed[innermost[operand]]]
        cost(shape, nest, n, tiles, machine, scratch)
        starts.compute[s] = np.ceil(scratch.out[COMPUTE] - 1e-9)
        starts.streamed[s] = scratch.out[STREAMED]
        starts.energy[s] = scratch.out[ENERGY_PJ]
        starts.sums[s] = 1.0
        if innermost[OUTPUTS] >= 0:
            elements = whole_elements(OUTPUTS, shape)
            starts.sums[s] = scratch.traffic[UPDATES, innermost[OUTPUTS], OUTPUTS] / elements
        for level in range(n_levels):
            starts.used[s, level] = 1.0
            for b in range(placed[level], n_bounds):
                for d in range(n_dims):
                    starts.used[s, level] *= starts.every[s, b, d]
            starts.reading[s, level], starts.writing[s, level] = _port_bits(level, machine, scratch)


@kernel
def _port_bits(level: int, machine: Machine, scratch: Scratch) -> tuple[float, float]:
    """Bits read from and written to a level, at least: partial sums read back are left out."""
    traffic, bits = scratch.traffic, machine.bits
    read, written = 0.0, 0.0
    for operand in range(2):
        read += traffic[READS, level, operand] * bits[operand]
        written += traffic[FILLS, level, operand] * bits[operand]
    partial = traffic[WRITES_PARTIAL, level, OUTPUTS]
    written += (traffic[UPDATES, level, OUTPUTS] - partial) * min(bits[OUTPUTS], bits[3]) + partial * bits[3]
    read += (traffic[READS, level, OUTPUTS] - traffic[READS_PARTIAL, level, OUTPUTS]) * bits[OUTPUTS]
    return read, written
