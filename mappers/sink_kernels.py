"""Tiles that stand below loops that reuse them, where the level above has shorter steps for it."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import inlined_kernel
from archsim.mappers.space_kernels import ARG, LEFT, OP, PASSED, PLACE, SPREAD
from archsim.mappers.state_kernels import Case, Walk
from archsim.mappers.time_kernels import step_share
from archsim.sim.kernels import Ints

WHOLE = -1
"""In place of the factor of a loop: a node is placed whole."""


@inlined_kernel
def _stops(row: int, operand: int, case: Case, walk: Walk) -> bool:
    """Whether a tile of an operand cannot pass what a row of the walk put there."""
    step = case.steps[walk.step[row]]
    stops = step[OP] == PLACE and case.space.nodes[step[ARG], 1] == operand
    for d in range(walk.tile.shape[1]):
        if walk.tile[row + 1, d] > walk.tile[row, d]:
            stops = stops or step[OP] == SPREAD or case.shape.relevant[operand, d]
    return bool(stops)


@inlined_kernel
def _sunk_share(operand: int, row: int, whole: float, case: Case, walk: Walk) -> float:
    """Array tiles in a tile of an operand that is placed after `row`, on average and at least, however far it sinks.

    `whole`: where it does not.
    """
    inner = row
    while inner > 0 and not _stops(inner - 1, operand, case, walk):
        inner -= 1
    for d in range(walk.tile.shape[1]):
        if walk.tile[inner, d] < walk.tile[row, d]:
            passed = case.steps[walk.step[row]][PASSED]
            return step_share(passed, walk.tile[inner], case.shape, case.space, case.start)
    return whole


@inlined_kernel
def share_sunk(row: int, step: Ints, case: Case, walk: Walk) -> None:
    """Fill in array tiles in a step of the level that feeds the node placed in a row, at least.

    The tile that stands furthest in decides. One that is still to come may sink below what is here, down to the tile of
    its operand in the next level inside.
    """
    nodes, node, placed = case.space.nodes, step[ARG], walk.factor[row] == WHOLE
    whole = step_share(step[PASSED], walk.tile[row + 1], case.shape, case.space, case.start)
    least = whole
    for k in range(nodes.shape[0]):
        if nodes[k, 2] != nodes[node, 2] or nodes[k, 0] < 0:
            continue
        share, child, comes = whole, nodes[k, 5], (step[LEFT] >> k) & 1
        if k == node:
            if not placed:
                share = _sunk_share(nodes[k, 1], row, whole, case, walk)
            walk.sunk[k] = share
        elif not comes:
            share = walk.sunk[k]
        elif child < 0 or not (step[LEFT] >> child) & 1:
            share = _sunk_share(nodes[k, 1], row, whole, case, walk)
        least = min(least, share)
    walk.shares[row + 1, nodes[node, 2]] = least
