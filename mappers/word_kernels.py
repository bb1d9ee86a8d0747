"""Tiles that fill the words they move in, where whole words are moved."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import inlined_kernel
from archsim.mappers.price_kernels import units_between
from archsim.mappers.space_kernels import box
from archsim.mappers.state_kernels import Case
from archsim.sim.kernels import OUTPUTS, Ints


@inlined_kernel
def words_left(node: int, case: Case, tile: Ints) -> int:
    """How many tiles of a node fill the words it moves in; 1 where they are full."""
    shape, machine, nodes = case.shape, case.machine, case.space.nodes
    level, operand, parent = nodes[node, 0], nodes[node, 1], nodes[node, 2]
    held = box(operand, shape.sizes, shape.relevant, shape.windows, tile) * machine.bits[operand]
    most = 1
    for word in (machine.words[level, 1], machine.words[parent, 0], machine.words[level, 0], machine.words[parent, 1]):
        if word > 0.0 and held % word > 0.0:
            most = max(most, int(word))
    return most


@inlined_kernel
def _gcd(a: int, b: int) -> int:
    while b > 0:
        a, b = b, a % b
    return a


@inlined_kernel
def filling(node: int, case: Case, tile: Ints) -> int:
    """The least number of tiles of a node that fills whole words, whatever moves; 0 where widths are no whole bits."""
    shape, machine, nodes = case.shape, case.machine, case.space.nodes
    level, operand, parent = nodes[node, 0], nodes[node, 1], nodes[node, 2]
    held = box(operand, shape.sizes, shape.relevant, shape.windows, tile)
    whole = 1
    for width in range(operand, 4, 4 if operand != OUTPUTS else 1):
        bits = held * machine.bits[width]
        for place in range(4):
            word = machine.words[level if place < 2 else parent, place % 2]
            if word > 0.0:
                if bits % 1.0 > 0.0 or word % 1.0 > 0.0:
                    return 0
                least = int(word) // _gcd(int(word), int(bits))
                whole *= least // _gcd(whole, least)
    return whole


@inlined_kernel
def fills_words(node: int, passed: int, held: float, case: Case) -> bool:
    """Whether tiles of `held` elements fill the words in which they move."""
    nodes, machine = case.space.nodes, case.machine
    level, operand, parent = nodes[node, 0], nodes[node, 1], nodes[node, 2]
    sent = held * machine.bits[operand] * units_between(operand, passed, nodes[node, 4], case)
    read, written = machine.words[parent, 0], machine.words[level, 1]
    if read > 0.0 and machine.words[parent, 1] > 0.0 and sent % read > 0.0:
        return False
    return not (written > 0.0 and machine.words[level, 0] > 0.0 and held * machine.bits[operand] % written > 0.0)
