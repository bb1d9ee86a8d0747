"""One mapping on many machines of the same structure."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

from archsim.core.kernels import plain_kernel
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.kernels import Bools, Floats, Ints, Machine, Nest, Scratch, Shape


class Machines(NamedTuple):
    """P machines, as `Machine` says, with a first axis over them where they may differ."""

    flow: Ints
    array: Ints
    """(P, 2)"""
    timing: Floats
    """(P, 9)"""
    counting: Floats
    multicast: Bools
    levels: Floats
    """(P, L, 7)"""
    bits: Floats
    """(P, 4)"""
    stored_bits: Floats
    """(P, L, 4), as the energies"""
    read_pj: Floats
    write_pj: Floats
    words: Floats
    """(P, L, 2)"""
    word_pj: Floats
    operand_bw: Floats
    """(P, L, 3)"""


class Counts(NamedTuple):
    """The closed form for each machine: traffic (P, planes, L, 3), out (P, N_OUT), used (P, L), fits (P,)."""

    traffic: Floats
    out: Floats
    used: Floats
    fits: Bools


@plain_kernel
def recost_each(
    shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machines: Machines, scratch: Scratch, counts: Counts
) -> None:
    """Fill `counts` with the cost of one mapping on each machine, and whether every level holds its tiles."""
    for p in range(counts.fits.shape[0]):
        machine = Machine(
            machines.flow,
            machines.array[p],
            machines.timing[p],
            machines.counting,
            machines.multicast,
            machines.levels[p],
            machines.bits[p],
            machines.stored_bits[p],
            machines.read_pj[p],
            machines.write_pj[p],
            machines.words[p],
            machines.word_pj[p],
            machines.operand_bw[p],
        )
        cost(shape, nest, n_loops, tiles, machine, scratch)
        for plane in range(scratch.traffic.shape[0]):
            for level in range(tiles.shape[0]):
                for operand in range(3):
                    counts.traffic[p, plane, level, operand] = scratch.traffic[plane, level, operand]
        for i in range(scratch.out.shape[0]):
            counts.out[p, i] = scratch.out[i]
        for level in range(tiles.shape[0]):
            counts.used[p, level] = scratch.used[level]
        counts.fits[p] = fits(shape, nest, n_loops, tiles, machine, scratch)
