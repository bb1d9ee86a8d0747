"""Nodes and boundaries of a space: which tiles there are to choose, and where spatial loops stand among them.

A node is the tile of one operand at one level, or what a PE holds of it. A boundary is a height of the nest at which
units lie side by side. docs/mapper.md describes the space and why nothing outside it is better.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from archsim.sim.frame import Frame
from archsim.sim.kernels import MAC_HOLDS, Bools, Ints
from archsim.workloads.op import OPERANDS

Skipped = frozenset[tuple[str, str]]
"""Pairs of level and operand that are passed by."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nodes:
    """Where tiles and spatial loops stand, whatever the sizes. L levels, K nodes, B boundaries (innermost first).

    Remembered like frames; the arrays are as `Space` and `Ways` take them, shared, and must not be written to.
    """

    frame: Frame
    table: Ints
    """(K, 6)"""
    pools: Ints
    n_bounds: int
    slot_bound: Ints
    """(slots,): the boundary that each slot's spatial loop belongs to."""
    serial: Ints
    placed: Ints
    innermost: Ints
    homes: Ints

    def inside(self, node: int) -> int:
        """Boundaries inside a node; none inside what a PE holds."""
        level = int(self.table[node, 0])
        return int(self.placed[level]) if level >= 0 else 0

    def level(self, node: int) -> int:
        """The level of a node; -1 for what a PE holds."""
        return int(self.table[node, 0])

    def operand(self, node: int) -> int:
        return int(self.table[node, 1])


@lru_cache(maxsize=1024)
def nodes_of(frame: Frame, slot_stage: tuple[int, ...], skipped: Skipped) -> Nodes:
    """Nodes and boundaries of a frame whose spatial loops stand at the stages `slot_stage`."""
    holds = _holds(frame, skipped)
    stage = frame.level_stage.max(axis=1)
    bounds = sorted(set(slot_stage), reverse=True)
    placed = np.array([sum(s > stage[i] for s in bounds) for i in range(len(stage))], np.int64)
    chains = [[int(i) for i in np.flatnonzero(holds[:, j])] for j in range(3)]
    innermost = np.array([chain[-1] if chain else -1 for chain in chains], np.int64)
    homes = np.full(holds.shape, -1, np.int64)
    for j, chain in enumerate(chains):
        homes[chain[:1], j] = 0
    table = _table(frame, chains, stage, placed)
    return Nodes(
        frame=frame,
        table=table,
        pools=_pools(table, placed),
        n_bounds=len(bounds),
        slot_bound=np.array([bounds.index(s) for s in slot_stage], np.int64),
        serial=_serial(frame, chains),
        placed=placed,
        innermost=innermost,
        homes=homes,
    )


def _holds(frame: Frame, skipped: Skipped) -> Bools:
    """(L, 3): which level holds which operand."""
    holds: Bools = (frame.level_stage >= 0) | frame.resident
    for i, place in enumerate(frame.places):
        for j, operand in enumerate(OPERANDS):
            if (place.name, operand) in skipped:
                holds[i, j] = False
    return holds


def _table(frame: Frame, chains: list[list[int]], stage: Ints, placed: Ints) -> Ints:
    """The nodes, innermost first: every level of an operand but its outermost, which holds all of it."""
    nodes: list[tuple[int, int, int, int, int]] = []
    for j, chain in enumerate(chains):
        for at in range(1, len(chain)):
            child = chain[at + 1] if at + 1 < len(chain) else -1
            nodes.append((chain[at], j, chain[at - 1], child, int(placed[chain[at - 1]])))
    nodes.sort(key=lambda node: (-stage[node[0]], -node[0], node[1]))
    if frame.counting[MAC_HOLDS] and not frame.flow[0]:
        # What a PE holds while its loops stand still is a tile inside all levels.
        for j in (0, 1):
            if chains[j]:
                nodes.insert(0, (-1, j, chains[j][-1], -1, int(placed[chains[j][-1]])))
    index = {(node[0], node[1]): k for k, node in enumerate(nodes)}
    rows = [(*node, index.get((node[3], node[1]), -1)) for node in nodes]
    return np.array(rows, np.int64).reshape(len(nodes), 6)


def _pools(nodes: Ints, placed: Ints) -> Ints:
    """Nodes that are bounded together: those of one level, and the rest by how far in they lie among their operand's.

    Two operands in one level compete with the third in a level of its own beside it, filled from the same memory:
    tiles that are reused further out hold what others are reused over, inside units and outside.

    Any set with at most one node of each operand makes an admissible bound; these are the sets that compete for room.
    """
    inside = [int(placed[node[0]]) if node[0] >= 0 else 0 for node in nodes]
    by_level: dict[int, list[int]] = {}
    for k, node in enumerate(nodes):
        by_level.setdefault(int(node[0]), []).append(k)
    groups = [(level, members) for level, members in by_level.items() if level >= 0 and len(members) > 1]
    shared = {k for _, members in groups for k in members}
    single = [
        [k for k in range(len(nodes)) if nodes[k, 1] == j and k not in shared and not _joined(k, groups, nodes)]
        for j in range(3)
    ]
    groups += [(-1, [k for k in abreast if k is not None]) for abreast in itertools.zip_longest(*single)]
    rows = []
    for level, members in groups:
        row = [-1, -1, -1]
        for k in members:
            row[int(nodes[k, 1])] = k
        above = {int(nodes[k, 2]) for k in members}
        rows.append((*row, level, above.pop() if len(above) == 1 else -1, min(inside[k] for k in members)))
    return np.array(rows, np.int64).reshape(len(rows), 6)


def _joined(node: int, groups: list[tuple[int, list[int]]], nodes: Ints) -> bool:
    """Join a node to those of a level that lack its operand and are filled from the same memory."""
    for _, members in groups:
        beside = all(nodes[k, 2] == nodes[node, 2] for k in members)
        if beside and len(members) == 2 and all(nodes[k, 1] != nodes[node, 1] for k in members):
            members.append(node)
            return True
    return False


def _serial(frame: Frame, chains: list[list[int]]) -> Ints:
    """(L, 3): 1 where a level feeds one without double buffer."""
    serial = np.zeros((len(frame.places), 3), np.int64)
    for j, chain in enumerate(chains):
        for above, below in itertools.pairwise(chain):
            serial[above, j] = int(not frame.places[below].double_buffer)
    return serial


def chain(nodes: Ints, members: list[int], operand: int) -> tuple[int, ...]:
    """Nodes of one operand, innermost first."""
    own = [k for k in members if nodes[k, 1] == operand]
    return tuple(sorted(own, key=lambda k: -int(nodes[k, 0]) if nodes[k, 0] >= 0 else -len(nodes) - 99))
