"""Cycles of one GEMM that is one tile of the array."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import plain_kernel
from archsim.sim.kernels import Bools, Floats, Ints, Nest, Shape
from archsim.sim.pass_kernels import group_folds, pass_cycles


@plain_kernel
def passes_of_gemm(
    groups: Ints,
    array: Ints,
    shape: Shape,
    nest: Nest,
    together: Bools,
    folds: Ints,
    timing: Floats,
    count: Floats,
) -> float:
    """Cycles of all passes. `groups` (3, 3): dimensions on rows, on columns, and streamed; `folds` (3, 7) is filled."""
    for which in range(3):
        unit = array[which] if which < 2 else 1
        group_folds(groups[which], unit, shape, nest, 0, together, folds[which])
    stream = float(folds[2, 1])
    total, _ = pass_cycles(folds[0], folds[1], array[0], array[1], 1, stream, stream, 1.0, timing, count)
    return total
