"""Writing one program: its steps, and what they may grow along.

A program is an order of the nodes with the loops between them; `space_kernels.OP` describes its steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from archsim.mappers.nodes import Nodes
from archsim.mappers.space_kernels import BOUND, CLOSE, FILL, GROW, LEAF, PLACE, SPREAD
from archsim.sim.frame import Frame
from archsim.sim.kernels import EQUAL, HALO_MULTICAST, INPUTS, NESTED_REUSE, TRANSFERRED, WEIGHTS, WORDS, Ints

Step = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What programs are written for: nodes, and of the sizes only which dimensions have any loops."""

    nodes: Nodes
    long: tuple[int, ...]
    """Dimensions of more than one."""
    fixed: Ints
    """(K, D): sizes that a node's tile must have; 0: free."""
    unrolled: tuple[frozenset[int], ...]
    """Of each boundary, the dimensions that some way to begin unrolls there."""
    uneven: bool = False
    """Whether pieces of a dimension may be smaller than others where tiles are lifted."""
    whole_is_less: bool = False
    """Whether all of an operand may take less room than one of its tiles and the next one."""

    @cached_property
    def operands(self) -> list[int]:
        """The operand of each node."""
        return [int(operand) for operand in self.nodes.table[:, 1]]

    @cached_property
    def insides(self) -> list[int]:
        """Boundaries inside each node."""
        return [self.nodes.inside(node) for node in range(len(self.nodes.table))]

    @cached_property
    def children(self) -> list[int]:
        """The node next inside of the same operand, -1 for none."""
        return [int(child) for child in self.nodes.table[:, 5]]

    @cached_property
    def pools(self) -> list[list[int]]:
        return [[int(entry) for entry in row] for row in self.nodes.pools]

    @cached_property
    def pool_of(self) -> list[int]:
        """The pool of each node."""
        return [next(i for i, pool in enumerate(self.pools) if k in pool[:3]) for k in range(len(self.nodes.table))]

    @cached_property
    def _relevant(self) -> list[set[int]]:
        return [{d for d in self.long if self.nodes.frame.relevant[operand, d]} for operand in range(3)]

    @cached_property
    def _lacking(self) -> list[list[int]]:
        return [[d for d in self.long if not self.nodes.frame.relevant[operand, d]] for operand in range(3)]

    def relevant(self, operand: int) -> set[int]:
        """Dimensions that index an operand."""
        return self._relevant[operand]

    def lacking(self, operand: int) -> list[int]:
        """Dimensions that do not index an operand."""
        return self._lacking[operand]

    @cached_property
    def placed_first(self) -> tuple[int, ...]:
        """Those of `alone` that no words or stated sizes want further out: what they cost depends on no tile."""
        free = () if self.fills_words else self.alone
        return tuple([j for j in free if not any(self.fixed[k].any() for k in self._nodes_of(j))])

    @cached_property
    def alone(self) -> tuple[int, ...]:
        """See `never_reused`."""
        return never_reused(self.nodes.frame, self.long)

    def _nodes_of(self, operand: int) -> list[int]:
        return [k for k, own in enumerate(self.operands) if own == operand]

    @cached_property
    def fixed_dims(self) -> list[set[int]]:
        """Of each node, the dimensions whose size is fixed."""
        return [{int(d) for d in np.flatnonzero(row > 0)} for row in self.fixed]

    @cached_property
    def gains(self) -> dict[tuple[int, int], tuple[list[int], list[int]]]:
        """What `programs` has found of each node and those not placed yet."""
        return {}

    @cached_property
    def window_dims(self) -> list[int]:
        """Dimensions along which the first two windows slide: of a window of one row nothing overlaps."""
        return _window_dims(self.nodes.frame, self.long)

    @cached_property
    def slides(self) -> list[list[int]]:
        """Of each boundary, the dimensions of windows whose loops in time may stand directly inside its units.

        A tile slides past the loops of its unit, and not past units unrolled along the same dimension. Where equal
        windows are sent once, such loops make windows of units equal.
        """
        inside = [self.insides[k] for k, j in enumerate(self.operands) if j == INPUTS and self.nodes.level(k) >= 0]
        return [
            [d for d in self.window_dims if d in dims] if self.meets or min(inside, default=b + 1) <= b else []
            for b, dims in enumerate(self.unrolled)
        ]

    @cached_property
    def passes(self) -> list[bool]:
        """Of each boundary, whether it matters if a loop stands inside or outside its units.

        It does where their windows overlap, and where the last piece of a dimension may leave some without work.
        """
        dims = self.long if self.uneven else self.window_dims
        return [any(d in own for d in dims) for own in self.unrolled]

    @cached_property
    def meets(self) -> bool:
        """Whether units that are unrolled along both dimensions of a window may have equal ones, sent once."""
        anywhere = frozenset[int]().union(*self.unrolled)
        pairs = [set(self.window_dims[i : i + 2]) for i in range(0, len(self.window_dims), 2)]
        return bool(self.nodes.frame.counting[HALO_MULTICAST] == EQUAL) and any(pair <= anywhere for pair in pairs)

    @cached_property
    def nested(self) -> bool:
        """Whether a tile is reused below all tiles of its parent only."""
        return bool(self.nodes.frame.counting[NESTED_REUSE] > 0)

    @cached_property
    def fills_words(self) -> bool:
        """Whether words that are partly filled cost as much as full ones."""
        return bool(self.nodes.frame.counting[WORDS] == TRANSFERRED)


def never_reused(frame: Frame, long: tuple[int, ...]) -> tuple[int, ...]:
    """Inputs or weights that every loop indexes, as weights of one row: each of their tiles is visited once.

    `long` are the dimensions of more than one. Inputs that slide along a window are reused.
    """
    slides = (INPUTS,) if _window_dims(frame, long) else ()
    return tuple([j for j in (INPUTS, WEIGHTS) if j not in slides and all(frame.relevant[j, d] for d in long)])


def _window_dims(frame: Frame, long: tuple[int, ...]) -> list[int]:
    pairs = [(int(row[0]), int(row[2])) for row in frame.windows[:2]]
    return [d for pair in pairs if set(pair) <= set(long) for d in pair]


class Writer:
    """Steps of one program while they are written."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.steps: list[Step] = []
        self.left = self.open = (1 << len(ground.nodes.table)) - 1
        self.ahead = (1 << len(ground.nodes.pools)) - 1
        self.passed = 0
        """Boundaries below the step that is written next."""
        self.segment = 0
        self.pending: list[tuple[int, int]] = []
        """Nodes whose traffic is not counted yet, with the boundaries passed when they were placed."""
        self.beside: list[tuple[int, int]] = []
        """Nodes of other operands at the same tile, that the pending ones are reused past."""
        self.past_alone = False
        """Whether the pending ones are reused past one whose traffic is counted already."""

    @property
    def operand(self) -> int:
        """Of the nodes whose traffic is not counted yet; -1 where there are none."""
        return self.ground.operands[self.pending[0][0]] if self.pending else -1

    def add(self, op: int, arg: int = -1, placed: int = -1, parent: int = -1) -> None:
        back = 0
        if op == CLOSE:
            at = len(self.steps) - 1
            while at >= 0 and self.steps[at][0] == CLOSE:
                at -= 1
            back = len(self.steps) - at if at >= 0 and self.steps[at][0] == GROW else 0
            self.open &= ~(1 << arg)
        elif op == PLACE:
            self.left &= ~(1 << arg)
        elif op == BOUND:
            self.ahead &= ~(1 << arg)
        masks = (self.left, self.open, self.ahead)
        self.steps.append((op, arg, placed, parent, self.passed, back, self.segment, *masks))

    def spread_to(self, bounds: int) -> None:
        while self.passed < bounds:
            self.add(SPREAD, self.passed)
            self.passed += 1

    def grow(self, dims: list[int], op: int = GROW, *, least: int = -1) -> None:
        """Loops of any factor, of `least` at least."""
        for d in dims:
            self.add(op, d, least)

    def place(self, node: int, *, beside: bool = False, together: bool = False) -> None:
        """Place a node; `beside`: at the tile of the pending ones, whose reuse goes on.

        The traffic of what is never reused is known at once; `together`: it waits for that of others all the same.
        """
        ground = self.ground
        pool = ground.pools[ground.pool_of[node]]
        missing = sum(1 << j for j in range(3) if pool[j] >= 0 and self.left >> pool[j] & 1)
        self.add(BOUND, ground.pool_of[node], missing, pool[4])
        child, alone = ground.children[node], ground.operands[node] in ground.alone and not together
        self.add(PLACE, node, int(child >= 0 and not self.open >> child & 1))
        if alone:
            self.add(CLOSE, node, self.passed)
            self.past_alone = bool(self.pending)
            return
        same = self.operand in (-1, ground.operands[node])
        (self.beside if beside and not same else self.pending).append((node, self.passed))

    def close(self, *, fill: bool = False, keep: bool = False, still: bool = False) -> int:
        """Loops that reuse the pending operand, and its traffic; the operand, -1 when nothing is pending.

        `keep`: its reuse goes on, only the traffic of the nodes beside it is counted. `still`: without further loops.
        """
        if not self.pending:
            return -1
        operand = self.operand
        self.segment += 1
        loops = [] if still else self.ground.lacking(operand)
        if len(loops) > 1 and not fill:
            self._look_ahead()
        self.grow(loops, FILL if fill else GROW)
        for node, placed in (*(() if keep else self.pending), *self.beside):
            self.add(CLOSE, node, placed)
        self.pending, self.beside, self.past_alone = self.pending if keep else [], [], False
        return operand

    def _look_ahead(self) -> None:
        """Look at pools to come before several loops, whose every choice would be left for what these pools cost."""
        for i, pool in enumerate(self.ground.pools):
            missing = sum(1 << j for j in range(3) if pool[j] >= 0 and self.left >> pool[j] & 1)
            if self.ahead >> i & 1 and missing.bit_count() > 1:
                masks = (self.left, self.open, self.ahead & ~(1 << i))
                self.steps.append((BOUND, i, missing, pool[4], self.passed, 0, self.segment, *masks))

    def ended(self) -> list[Step]:
        """The rest of a program whose tiles are all placed."""
        self.spread_to(self.ground.nodes.n_bounds)
        self.close(fill=True)
        return self.finished()

    def finished(self) -> list[Step]:
        self.segment += 1
        self.add(LEAF)
        return self.steps
