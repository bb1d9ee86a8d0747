"""What one element costs in each transfer of a node: energy and bits, in whole words where these are counted."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import math

from archsim.core.kernels import inlined_kernel
from archsim.mappers.state_kernels import DOWN, IN, OUT_FINAL, OUT_PARTIAL, UP_FINAL, UP_PARTIAL, Case
from archsim.sim.kernels import OUTPUTS, PORT_WORDS, PSUM_REREADS, TRANSFERRED, WORDS, Floats, Machine

READ, WRITE = 0, 1
PARTIAL = 3
"""The width of partial sums, behind those of the operands."""


@inlined_kernel
def _price(level: int, side: int, width: int, amount: float, machine: Machine) -> tuple[float, float]:
    """(pJ, bits) of an element in transfers of `amount` elements; at least, whatever the amount, where that is 0."""
    bits, word = machine.bits[width], machine.words[level, side]
    if machine.counting[WORDS] != TRANSFERRED or machine.words[level, READ] == 0 or machine.words[level, WRITE] == 0:
        return (machine.read_pj if side == READ else machine.write_pj)[level, width], bits
    moved = bits
    if amount > 0.0:
        # The expression that costing has: both round alike.
        moved = math.ceil(amount * bits / word) * word / amount
    return moved * machine.word_pj[level, side] / word, moved if machine.counting[PORT_WORDS] else bits


@inlined_kernel
def least_price(level: int, side: int, width: int, machine: Machine) -> float:
    """pJ of an element in any transfer, at least."""
    price, _ = _price(level, side, width, 0.0, machine)
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
def set_prices(node: int, passed: int, one: float, case: Case, prices: Floats, widths: Floats) -> None:
    """Fill in a node's prices and widths, with tiles of `one` element above `passed` boundaries; `one` 0: not known."""
    nodes, machine = case.space.nodes, case.machine
    level, operand, parent = nodes[node, 0], nodes[node, 1], nodes[node, 2]
    together = one * units_between(operand, passed, nodes[node, 4], case)
    down = PARTIAL if operand == OUTPUTS else operand
    prices[node, DOWN], widths[node, DOWN] = _price(parent, READ, down, together, machine)
    if level < 0:
        return
    prices[node, IN], widths[node, IN] = _price(level, WRITE, down, one, machine)
    if operand == OUTPUTS:
        prices[node, UP_FINAL], widths[node, UP_FINAL] = _price(parent, WRITE, OUTPUTS, together, machine)
        prices[node, UP_PARTIAL], widths[node, UP_PARTIAL] = _price(parent, WRITE, PARTIAL, together, machine)
        prices[node, OUT_FINAL], widths[node, OUT_FINAL] = _price(level, READ, OUTPUTS, one, machine)
        prices[node, OUT_PARTIAL], widths[node, OUT_PARTIAL] = _price(level, READ, PARTIAL, one, machine)
        # Completed sums may have to move as partial ones.
        widths[node, UP_FINAL] = min(widths[node, UP_FINAL], widths[node, UP_PARTIAL])
        widths[node, OUT_FINAL] = min(widths[node, OUT_FINAL], widths[node, OUT_PARTIAL])


@inlined_kernel
def most_refill(node: int, placed: int, case: Case) -> float:
    """pJ of an element whose partial sum goes on from an output node's tile to the next one inside it, at most.

    To PEs, exactly: the tile stands above `placed` boundaries.
    """
    nodes, machine = case.space.nodes, case.machine
    level, child = nodes[node, 0], nodes[node, 3]
    if child >= 0:
        # No transfer takes more words than one of a single element.
        filled, _ = _price(child, WRITE, PARTIAL, 1.0, machine)
        read, _ = _price(level, READ, PARTIAL, 1.0, machine)
        return filled + read
    if not machine.counting[PSUM_REREADS]:
        return 0.0
    amount = 1.0 if machine.flow[0] else units_between(OUTPUTS, 0, placed, case)
    read, _ = _price(level, READ, PARTIAL, amount, machine)
    return read
