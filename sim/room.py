"""What other tensors can have of a memory beside a mapping, and the best mapping of an op beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from archsim.sim.kernels import CAPACITY
from archsim.sim.problem import Problem
from archsim.sim.raw import Raw
from archsim.sim.records import OpCost, Room
from archsim.sim.room_kernels import level_bits

Kept = TypeVar("Kept")


def room_of(problem: Problem, raw: Raw) -> Room:
    """What a mapping takes of the level that holds other tensors too, and what that level has."""
    home, machine = problem.frame.home, problem.machine
    if home < 0:
        return Room()
    return Room(
        needed_bits=level_bits(home, problem.shape, raw.nest, raw.n_loops, raw.tiles, machine),
        capacity_bits=float(machine.levels[home, CAPACITY]),
    )


def best_beside(found: Callable[[float], Kept | None], room: Callable[[Kept], Room | None], bits: float) -> Kept | None:
    """The best that was found where other tensors take so many bits of a level; None where nothing fits.

    `found(bits)` searches. What is best with the whole level, and fits beside the tensors, is best there too: nothing
    that fits beside them does not fit without them. So the search with the whole level comes first, and serves all
    tensors that it leaves room for.
    """
    alone = found(0.0)
    if alone is None or bits == 0.0:
        return alone
    left = room(alone)
    return alone if left is not None and left.leaves(bits) else found(bits)


def room_left(cost: OpCost) -> Room | None:
    """What the mapping of a cost leaves."""
    return cost.room
