"""What one element costs in each transfer of a node: energy and bits, in whole words where these are counted."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import math

import numpy as np

from archsim.core.kernels import inlined_kernel
from archsim.mappers.space_kernels import partial_sums
from archsim.mappers.state_kernels import DOWN, IN, OUT_FINAL, OUT_PARTIAL, UP_FINAL, UP_PARTIAL, Case
from archsim.sim.kernels import (
    CAPACITY,
    FIRST_PARTIAL_READ,
    OUTPUTS,
    PORT_WORDS,
    PSUM_REREADS,
    REFILL_ALL,
    RESERVED,
    TRANSFERRED,
    WORDS,
    Floats,
    Machine,
)

READ, WRITE = 0, 1
PARTIAL = 3
"""The width of partial sums, behind those of the operands."""


@inlined_kernel
def _price(level: int, side: int, width: int, amount: float, most: float, machine: Machine) -> tuple[float, float]:
    """(pJ, bits) of an element in transfers of `amount` elements; where that is 0, in any of up to `most`, at least."""
    bits, word = machine.bits[width], machine.words[level, side]
    if machine.counting[WORDS] != TRANSFERRED or machine.words[level, READ] == 0 or machine.words[level, WRITE] == 0:
        return (machine.read_pj if side == READ else machine.write_pj)[level, width], bits
    moved = bits
    if amount > 0.0:
        # The expression that costing has: both round alike.
        moved = math.ceil(amount * bits / word) * word / amount
    elif most * bits < word:
        moved = word / most
    return moved * machine.word_pj[level, side] / word, moved if machine.counting[PORT_WORDS] else bits


@inlined_kernel
def least_price(level: int, side: int, width: int, machine: Machine) -> float:
    """pJ of an element in any transfer, at least."""
    price, _ = _price(level, side, width, 0.0, np.inf, machine)
    return price


@inlined_kernel
def units_between(operand: int, begin: int, end: int, case: Case) -> float:
    """Units between two boundaries that are not served by one access."""
    shape, start = case.shape, case.start
    product = 1.0
    for b in range(begin, end):
        for d in range(shape.sizes.shape[0]):
            product *= start.every[b, d]
            if not shape.relevant[operand, d]:
                product /= start.shared[b, operand, d]
    return product


@inlined_kernel
def set_prices(node: int, passed: int, one: float, most: float, case: Case, prices: Floats, widths: Floats) -> None:
    """Fill in a node's prices and widths, with tiles of `one` element above `passed` boundaries.

    Where that is 0, it is not known: then they are of up to `most` elements, and prices and widths the least.
    """
    nodes, machine = case.space.nodes, case.machine
    level, operand, parent = nodes[node, 0], nodes[node, 1], nodes[node, 2]
    units = units_between(operand, passed, nodes[node, 4], case)
    together, at_most = one * units, most * units
    down = PARTIAL if operand == OUTPUTS else operand
    prices[node, DOWN], widths[node, DOWN] = _price(parent, READ, down, together, at_most, machine)
    if level < 0:
        return
    prices[node, IN], widths[node, IN] = _price(level, WRITE, down, one, most, machine)
    if operand == OUTPUTS:
        prices[node, UP_FINAL], widths[node, UP_FINAL] = _price(parent, WRITE, OUTPUTS, together, at_most, machine)
        prices[node, UP_PARTIAL], widths[node, UP_PARTIAL] = _price(parent, WRITE, PARTIAL, together, at_most, machine)
        prices[node, OUT_FINAL], widths[node, OUT_FINAL] = _price(level, READ, OUTPUTS, one, most, machine)
        prices[node, OUT_PARTIAL], widths[node, OUT_PARTIAL] = _price(level, READ, PARTIAL, one, most, machine)
        # Completed sums may have to move as partial ones.
        widths[node, UP_FINAL] = min(widths[node, UP_FINAL], widths[node, UP_PARTIAL])
        widths[node, OUT_FINAL] = min(widths[node, OUT_FINAL], widths[node, OUT_PARTIAL])


@inlined_kernel
def most_elements(node: int, placed: int, case: Case) -> float:
    """Elements of a node's tile, at most: as its level has room for, where it stands above `placed` boundaries."""
    shape, machine, space, start = case.shape, case.machine, case.space, case.start
    level, operand = space.nodes[node, 0], space.nodes[node, 1]
    if level < 0:
        return 1.0
    stored, levels = machine.stored_bits[level], machine.levels[level]
    width = stored[operand]
    if operand == OUTPUTS:
        # Nothing is known of the tiles inside: whether they bring partial sums is asked of the innermost alone.
        partial = partial_sums(node, placed, shape.sizes, shape.relevant, space, start, start.totals, False)
        width = stored[PARTIAL] if partial else min(stored[OUTPUTS], stored[PARTIAL])
    room = levels[CAPACITY] - levels[RESERVED] - space.taken[level]
    return float(max(1.0, math.floor(room / width * (1.0 + 1e-12))))


@inlined_kernel
def most_refill(node: int, placed: int, case: Case) -> float:
    """pJ of an element whose partial sum goes on from an output node's tile to those inside it, at most.

    To PEs, exactly: the tile stands above `placed` boundaries.
    """
    nodes, machine, most = case.space.nodes, case.machine, 0.0
    level, inner = nodes[node, 0], nodes[node, 5]
    while inner >= 0:
        # No transfer takes more words than one of a single element.
        filled, _ = _price(nodes[inner, 0], WRITE, PARTIAL, 1.0, np.inf, machine)
        read, _ = _price(level, READ, PARTIAL, 1.0, np.inf, machine)
        most += filled + read
        if not zero_all_the_way(machine):
            return most
        level, inner = nodes[inner, 0], nodes[inner, 5]
        placed = int(case.space.placed[level])
    if not machine.counting[PSUM_REREADS]:
        return most
    amount = 1.0 if machine.flow[0] else units_between(OUTPUTS, 0, placed, case)
    read, _ = _price(level, READ, PARTIAL, amount, np.inf, machine)
    return most + read


@inlined_kernel
def zero_all_the_way(machine: Machine) -> bool:
    """Whether a sum that starts at zero in a tile, not fetched from further out, starts at zero in all inside it too.

    Else every level refills its own.
    """
    return bool(machine.counting[FIRST_PARTIAL_READ] == 0.0 and machine.counting[REFILL_ALL] == 0.0)
