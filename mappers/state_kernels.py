"""What a search is given, what a walk through one program looks at, and what it writes."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

from archsim.mappers.goal_kernels import Goal
from archsim.mappers.space_kernels import Space, Start, Ways
from archsim.sim.kernels import Bools, Floats, Ints, Machine, Nest, Scratch, Shape

DOWN, IN, UP_FINAL, UP_PARTIAL, OUT_FINAL, OUT_PARTIAL = range(6)
"""Kinds of transfer of a node: its parent is read, its own level filled; of outputs the parent is written with results
and with partial sums, and the own level read for both. Down come partial sums, of other operands elements."""
N_PRICES = 6
AS_PLACED, LIFTED, SUNK = range(3)
"""Where tiles stand among loops that reuse them: as they are placed, as far out or (if it is better) in as they can."""


class Task(NamedTuple):
    """One search: a problem, its space, and how long to look."""

    shape: Shape
    machine: Machine
    space: Space
    ways: Ways
    steps: Ints
    """(steps, 10): the program, see `space_kernels.OP`."""
    jumps: Ints
    rows: int
    """Steps of the longest way through the program."""
    goal: Goal
    passes: Floats
    """(passes, 3): leap, share of the budget, share for each start (see `branch_kernels.search`)."""
    most_steps: int
    stand: int
    """See `AS_PLACED`."""
    most_streamed: float
    """Starts whose operands stream for more cycles than this are left out: they use too few units."""


class Lines(NamedTuple):
    """What each of K nodes costs, at least, from the present start."""

    least: Floats
    """(K,): energy of one visit of each tile."""
    slopes: Floats
    """(K,): energy of a further visit to all tiles; 0 where it may fall."""
    steady: Bools
    """(K,): more visits always cost more energy."""
    rates: Floats
    """(K,): bits through the parent's ports of a further visit."""
    bits: Floats
    """(K, 4): bits of one visit that the parent reads and writes and the level reads and writes."""
    prices: Floats
    """(K, 6): pJ of an element, for each kind of transfer (see `DOWN`), at least."""
    widths: Floats
    """(K, 6): bits of an element in them, at least."""
    refills: Floats
    """(K,): pJ of an element whose sum goes down from an output node's tile, at most; to PEs, exactly."""
    firsts: Floats
    """(K,): cycles of its first load (of outputs: of the last write-back), with the smallest tile."""
    excess: Floats
    """(pools,): energy that the nodes of a pool cost above one visit each."""
    traffic: Floats
    """(pools,): bits that they move through their parent's ports above that."""


class Ports(NamedTuple):
    """Which row of what moves (see `time_kernels.least_time`) counts an operand's bits through a level's ports."""

    row: Ints
    """(L, 3): of the level's shared ports, L further where nothing overlaps, from 2 L on of a port of the operand's."""
    own: Ints
    """(P, 3): level, operand, whether nothing overlaps, of the rows from 2 L on."""


class Case(NamedTuple):
    """One start of a search: all that stays as it is while its program is walked."""

    shape: Shape
    machine: Machine
    space: Space
    ports: Ports
    start: Start
    lines: Lines
    steps: Ints
    jumps: Ints
    goal: Goal
    stand: int


class Walk(NamedTuple):
    """The state of a walk through one program: a row per step, so that going back is going up a row."""

    tile: Ints
    """(S, D): sizes of the tile."""
    counts: Ints
    """(S, D): how many of it each dimension has."""
    step: Ints
    """(S,): the step of the program in each row."""
    factor: Ints
    """(S,): the factor of a loop, the alternative of a branch."""
    energy: Floats
    need: Floats
    """(S, L): bits taken of each level."""
    reading: Floats
    """(S, 2 L + P): bits, as `least_time` takes them."""
    writing: Floats
    firsts: Floats
    """(S,): cycles of first loads and last write-backs."""
    shares: Floats
    """(S, L): array tiles in one step of a level that feeds others, at least; 0 for the other levels."""
    elements: Floats
    """(K,): elements of all tiles of a placed node, as its level takes them."""
    sent: Floats
    """(K,): and as its parent sends them, where one access serves several units."""
    visits: Floats
    """(K,): how often each tile of a closed node is visited."""
    prices: Floats
    """(K, 6): pJ of an element of a placed node, for each kind of transfer."""
    widths: Floats
    """(K, 6): bits of an element in them."""
    position: Ints
    """(K,): loops inside each node."""
    tile_scrap: Ints
    read_scrap: Floats
    write_scrap: Floats
    tiles: Ints
    segment: Ints
    nest: Nest
    sunk: Floats
    """(K,): array tiles in a placed node's tile, where it stands as far in as it can."""


class Room(NamedTuple):
    """Everything a search writes but its result."""

    ports: Ports
    start: Start
    lines: Lines
    walk: Walk
    scratch: Scratch
