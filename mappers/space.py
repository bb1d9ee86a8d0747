"""The space of mappings of one problem as flat arrays: ways to begin, and programs that say in which order tiles come.

docs/mapper.md describes the space and why nothing outside it is better.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from archsim.mappers.constraints import Constraints
from archsim.mappers.space_kernels import BOUND, BRANCH, CLOSE, FILL, GROW, LEAF, PLACE, SPREAD, Space
from archsim.sim.kernels import (
    DOUBLE_BUFFER,
    INPUTS,
    MAC_HOLDS,
    NESTED_REUSE,
    OUTPUTS,
    TRANSFERRED,
    WORDS,
    Bools,
    Floats,
    Ints,
)
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

Step = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where tiles and spatial loops stand. L levels, B boundaries (innermost first), K nodes."""

    space: Space
    slot_bound: Ints
    placed: Ints
    """(L,): boundaries inside each level."""
    parents: Ints
    """(L,): the level that the nodes of a level come from (the first of them); -1 without nodes."""
    holds: Bools
    """(L, 3): which level holds which operand."""


def layout(
    problem: Problem,
    slot_stage: Ints,
    *,
    perfect: bool,
    skipped: frozenset[tuple[str, str]] = frozenset(),
    constraints: Constraints = Constraints(),  # noqa: B008
) -> Layout:
    """Nodes and boundaries of a problem; `skipped` (level, operand) pairs are bypassed."""
    holds = (problem.level_stage >= 0) | problem.resident
    for i, level in enumerate(problem.levels_used):
        for j, operand in enumerate(("inputs", "weights", "outputs")):
            if (level.name, operand) in skipped:
                holds[i, j] = False
    stage = problem.level_stage.max(axis=1)
    bounds = sorted({int(s) for s in slot_stage}, reverse=True)
    placed = np.array([sum(s > stage[i] for s in bounds) for i in range(len(stage))], np.int64)
    homes = np.full(holds.shape, -1, np.int64)
    nodes: list[tuple[int, int, int, int, int]] = []
    innermost = np.full(3, -1, np.int64)
    parents = np.full(len(stage), -1, np.int64)
    for j in range(3):
        chain = [int(i) for i in np.flatnonzero(holds[:, j])]
        if not chain:
            continue
        homes[chain[0], j] = 0
        innermost[j] = chain[-1]
        for at in range(1, len(chain)):
            child = chain[at + 1] if at + 1 < len(chain) else -1
            nodes.append((chain[at], j, chain[at - 1], child, int(placed[chain[at - 1]])))
            if parents[chain[at]] < 0:
                parents[chain[at]] = chain[at - 1]
    nodes.sort(key=lambda node: (-stage[node[0]], -node[0], node[1]))
    if problem.machine.counting[MAC_HOLDS] and not problem.flow[0]:
        # What a PE holds while its loops stand still is a tile inside all levels.
        for j in (0, 1):
            if innermost[j] >= 0:
                nodes.insert(0, (-1, j, int(innermost[j]), -1, int(placed[innermost[j]])))
    index = {(node[0], node[1]): k for k, node in enumerate(nodes)}
    rows = [(*node, index.get((node[3], node[1]), -1)) for node in nodes]
    table = np.array(rows, np.int64).reshape(len(nodes), 6)
    return Layout(
        space=Space(
            nodes=table,
            divisors=_divisors(problem.sizes) if perfect else np.zeros((1, 1), np.int64),
            perfect=int(perfect),
            n_bounds=len(bounds),
            serial=_serial(problem, holds),
            pools=_pools(table, placed),
            fixed=_fixed(problem, table, constraints),
            placed=placed,
            innermost=innermost,
            homes=homes,
            taken=_taken(problem, homes),
        ),
        slot_bound=np.array([bounds.index(int(s)) for s in slot_stage], np.int64),
        placed=placed,
        parents=parents,
        holds=holds,
    )


def _fixed(problem: Problem, nodes: Ints, constraints: Constraints) -> Ints:
    """Sizes that tiles must have, of the dimensions that index their operand."""
    fixed = np.zeros((len(nodes), len(problem.dims)), np.int64)
    for k, node in enumerate(nodes):
        if node[0] < 0:
            continue
        sizes = constraints.tile_sizes(problem.levels_used[node[0]].name, OPERANDS[node[1]])
        for d, dim in enumerate(problem.dims):
            if problem.shape.relevant[node[1], d]:
                fixed[k, d] = sizes.get(dim, 0)
    return fixed


def _pools(nodes: Ints, placed: Ints) -> Ints:
    """Nodes that are bounded together: those of one level, and the rest by how far in they lie among their operand's.

    Any set with at most one node of each operand makes an admissible bound; these are the sets that compete for room.
    """
    inside = [int(placed[node[0]]) if node[0] >= 0 else 0 for node in nodes]
    by_level: dict[int, list[int]] = {}
    for k, node in enumerate(nodes):
        by_level.setdefault(int(node[0]), []).append(k)
    groups = [(level, members) for level, members in by_level.items() if level >= 0 and len(members) > 1]
    shared = {k for _, members in groups for k in members}
    single = [[k for k in range(len(nodes)) if nodes[k, 1] == j and k not in shared] for j in range(3)]
    groups.extend((-1, [k for k in abreast if k is not None]) for abreast in itertools.zip_longest(*single))
    rows = []
    for level, members in groups:
        row = [-1, -1, -1]
        for k in members:
            row[int(nodes[k, 1])] = k
        above = {int(nodes[k, 2]) for k in members}
        rows.append((*row, level, above.pop() if len(above) == 1 else -1, min(inside[k] for k in members)))
    return np.array(rows, np.int64).reshape(len(rows), 6)


def _serial(problem: Problem, holds: Bools) -> Ints:
    """1 where a level feeds one without double buffer."""
    serial = np.zeros(holds.shape, np.int64)
    for j in range(3):
        chain = np.flatnonzero(holds[:, j])
        for above, below in itertools.pairwise(chain):
            serial[above, j] = int(problem.machine.levels[below, DOUBLE_BUFFER] == 0)
    return serial


def _divisors(sizes: Ints) -> Ints:
    rows = [divisors_of(int(size)) for size in sizes]
    longest = max(len(row) for row in rows)
    return np.array([row + (0,) * (longest - len(row)) for row in rows], np.int64)


@lru_cache(maxsize=4096)
def divisors_of(size: int) -> tuple[int, ...]:
    """All divisors, ascending.

    >>> divisors_of(12)
    (1, 2, 3, 4, 6, 12)
    """
    low = [step for step in range(1, math.isqrt(size) + 1) if size % step == 0]
    return (*low, *(size // step for step in reversed(low) if step * step != size))


def _taken(problem: Problem, homes: Ints) -> Floats:
    taken = np.zeros(homes.shape[0])
    for i, j in np.argwhere(homes == 0):
        width = problem.bits[j] if j != OUTPUTS else min(problem.bits[2], problem.bits[3])
        taken[i] += problem.op.elements(("inputs", "weights", "outputs")[j]) * width
    return taken


_PROGRAMS: dict[tuple[object, ...], tuple[Ints, Ints]] = {}


def program(problem: Problem, where: Layout, *, even: bool = False) -> tuple[Ints, Ints]:
    """Every order of the nodes that can matter, as one program that branches, and where its branches lead.

    It depends on the hardware and on which dimensions an op has, not on their sizes: programs are kept.
    """
    key = (
        where.space.nodes.tobytes(),
        where.placed.tobytes(),
        where.space.n_bounds,
        problem.shape.relevant.tobytes(),
        problem.shape.windows[:, (0, 2)].tobytes(),
        (problem.sizes > 1).tobytes(),
        problem.machine.counting.tobytes(),
        (where.space.fixed > 0).tobytes(),
        even,
    )
    if key not in _PROGRAMS:
        if even:
            lines = list(_even_programs(problem, where)) or [_Writer(problem, where).ended()]
        else:
            lines = [line for order in _orders(where) for line in _program(problem, where, order)]
        _PROGRAMS[key] = _branching(lines)
    return _PROGRAMS[key]


def _branching(lines: list[list[Step]]) -> tuple[Ints, Ints]:
    steps: list[Step] = []
    jumps: list[int] = []
    _write_branches(lines, 0, steps, jumps)
    return np.array(steps, np.int64), np.array(jumps or [0], np.int64)


def _write_branches(lines: list[list[Step]], at: int, steps: list[Step], jumps: list[int]) -> None:
    """Write what `lines` have in common from step `at` on, then a branch, then each way on."""
    while True:
        following = dict.fromkeys(line[at] for line in lines if at < len(line))
        if not following:
            return
        if len(following) > 1:
            break
        steps.append(next(iter(following)))
        at += 1
    first = len(jumps)
    jumps += [-1] * len(following)
    steps.append((BRANCH, first, len(following), -1, lines[0][at][4], 0, 0, 0, 0, 0))
    for i, step in enumerate(following):
        jumps[first + i] = len(steps)
        _write_branches([line for line in lines if line[at] == step], at, steps, jumps)


def _orders(where: Layout) -> Iterator[tuple[int, ...]]:
    """Interleavings of the operands' nodes, innermost first; a node inside a boundary comes before those outside."""
    nodes = where.space.nodes
    regions: dict[int, list[int]] = {}
    for k in range(len(nodes)):
        regions.setdefault(_inside(where, k), []).append(k)
    parts = [
        list(_interleavings([_chain(nodes, members, j) for j in range(3)])) for _, members in sorted(regions.items())
    ]
    for choice in itertools.product(*parts):
        yield tuple(itertools.chain.from_iterable(choice))


def _inside(where: Layout, node: int) -> int:
    """Boundaries inside a node; none inside what a PE holds."""
    level = int(where.space.nodes[node, 0])
    return int(where.placed[level]) if level >= 0 else 0


def _chain(nodes: Ints, members: list[int], operand: int) -> tuple[int, ...]:
    """Nodes of one operand, innermost first."""
    own = [k for k in members if nodes[k, 1] == operand]
    return tuple(sorted(own, key=lambda k: -int(nodes[k, 0]) if nodes[k, 0] >= 0 else -len(nodes) - 99))


def _interleavings(chains: list[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    if not any(chains):
        yield ()
        return
    for i, chain in enumerate(chains):
        if chain:
            rest = [*chains]
            rest[i] = chain[1:]
            for tail in _interleavings(rest):
                yield (chain[0], *tail)


class _Writer:
    """Steps of one program while they are written."""

    def __init__(self, problem: Problem, where: Layout) -> None:
        self.problem, self.where = problem, where
        self.steps: list[Step] = []
        self.left = self.open = (1 << len(where.space.nodes)) - 1
        self.ahead = (1 << len(where.space.pools)) - 1
        self.passed = 0
        self.segment = 0
        self.pending: list[tuple[int, int]] = []
        """Nodes whose traffic is not counted yet, with the boundaries passed when they were placed."""
        self.beside: list[tuple[int, int]] = []
        """Nodes of other operands at the same tile, that the pending ones are reused past."""

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

    def grow(self, dims: list[int], op: int = GROW) -> None:
        for d in dims:
            self.add(op, d)

    def place(self, node: int, *, beside: bool = False) -> None:
        """Place a node; `beside`: at the tile of the pending ones, whose reuse goes on."""
        table, pools = self.where.space.nodes, self.where.space.pools
        pool = int(np.flatnonzero((pools[:, :3] == node).any(axis=1))[0])
        placed = {step[1] for step in self.steps if step[0] == PLACE}
        missing = [j for j in range(3) if pools[pool, j] >= 0 and int(pools[pool, j]) not in placed]
        self.add(BOUND, pool, sum(1 << operand for operand in missing), int(pools[pool, 4]))
        same = not self.pending or table[self.pending[0][0], 1] == table[node, 1]
        (self.beside if beside and not same else self.pending).append((node, self.passed))
        closed = {step[1] for step in self.steps if step[0] == CLOSE}
        self.add(PLACE, node, int(int(table[node, 5]) in closed))

    def close(self, *, fill: bool = False, keep: bool = False) -> int:
        """Loops that reuse the pending operand, and its traffic; the operand, -1 when nothing is pending.

        `keep`: its reuse goes on, only the traffic of the nodes beside it is counted.
        """
        if not self.pending:
            return -1
        operand = int(self.where.space.nodes[self.pending[0][0], 1])
        self.segment += 1
        self.grow(_lacking(self.problem, operand), FILL if fill else GROW)
        for node, placed in (*(() if keep else self.pending), *self.beside):
            self.add(CLOSE, node, placed)
        self.pending, self.beside = self.pending if keep else [], []
        return operand

    def ended(self) -> list[Step]:
        """The rest of a program whose tiles are all placed."""
        self.spread_to(self.where.space.n_bounds)
        self.close(fill=True)
        return self.finished()

    def finished(self) -> list[Step]:
        self.segment += 1
        self.add(LEAF)
        return self.steps


def _lacking(problem: Problem, operand: int) -> list[int]:
    """Dimensions that do not index an operand."""
    return [d for d in range(len(problem.dims)) if problem.sizes[d] > 1 and not problem.shape.relevant[operand, d]]


def _window_dims(problem: Problem) -> list[int]:
    dims = [
        int(problem.shape.windows[w, column]) for w in range(2) for column in (0, 2) if problem.shape.windows[w, 0] >= 0
    ]
    return [d for d in dims if problem.sizes[d] > 1]


def _program(problem: Problem, where: Layout, order: tuple[int, ...]) -> list[list[Step]]:
    """The programs of an order.

    Where an operand's nodes follow each other, the outer tile may grow between them or not. Where units lie between two
    nodes, the inner one may be reused past some of those outside it: one program for each number of these.
    """
    nodes = where.space.nodes
    choices: list[list[tuple[int, int]]] = []
    for i in range(1, len(order)):
        if nodes[order[i], 1] == nodes[order[i - 1], 1] and any(_gains(problem, where, order[i], order[i:])):
            choices.append([(i, 0), (i, -1)])
        if _inside(where, order[i]) != _inside(where, order[i - 1]):
            rest = [k for k in order[i:] if _inside(where, k) == _inside(where, order[i])]
            nested = problem.machine.counting[NESTED_REUSE] > 0
            counts = [n for n in range(1 if nested else len(rest) + 1) if sorted(rest[:n]) == rest[:n]]
            choices.append([(i, n) for n in counts])
    variants = []
    for chosen in itertools.product(*choices):
        apart = {i for i, n in chosen if n < 0}
        past = {i: n for i, n in chosen if n > 0}
        variants.append(_write(problem, where, order, apart, past))
    return variants


def _write(
    problem: Problem, where: Layout, order: tuple[int, ...], apart: set[int], past: dict[int, int]
) -> list[Step]:
    nodes = where.space.nodes
    windows = _window_dims(problem)
    writer = _Writer(problem, where)
    before, waiting = -1, 0
    for i, node in enumerate(order):
        writer.spread_to(_inside(where, node))
        operand = int(nodes[node, 1])
        pending = int(nodes[writer.pending[0][0], 1]) if writer.pending else -1
        waiting = past.get(i, waiting)
        if waiting > 0:
            waiting -= 1
            if pending >= 0:
                _grow_beside(writer, node, pending)
            writer.place(node, beside=True)
            continue
        chained = pending == operand and i not in apart and not writer.beside
        if pending >= 0 and not chained:
            before = writer.close()
            if before == INPUTS and operand != INPUTS and windows:
                # Inputs may slide along a window before the next tile is placed.
                writer.segment += 1
                writer.grow([d for d in windows if d not in _lacking(problem, operand)])
        if not chained:
            _grow_before(writer, node, order[i:], before)
        writer.place(node)
    writer.spread_to(where.space.n_bounds)
    writer.close(fill=True)
    return writer.finished()


def _grow_before(writer: _Writer, node: int, rest: tuple[int, ...], before: int) -> None:
    """Loops over dimensions that a node's tile gains from though they index it; `rest`: the nodes not placed yet."""
    problem = writer.problem
    reused = _lacking(problem, before) if before >= 0 else []
    gains, filled = _gains(problem, writer.where, node, rest)
    writer.segment += 1
    writer.grow([d for d in gains if d not in reused])
    for d in filled:
        if d not in (*reused, *gains):
            writer.add(GROW, d, parent=node)


def _gains(problem: Problem, where: Layout, node: int, rest: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Dimensions that index a node and that it gains from: (in any case, as long as words are to be filled).

    The former: windows, fixed sizes, and those along which an operand is reused whose next tile lies beyond the units
    above this node (elsewhere that tile would come before these loops).
    """
    nodes = where.space.nodes
    if nodes[node, 0] < 0:
        return [], []
    operand, here = int(nodes[node, 1]), _inside(where, node)
    gains = set(_window_dims(problem)) if operand == INPUTS else set()
    gains |= {d for d in range(len(problem.dims)) if where.space.fixed[node, d] > 0}
    relevant = {d for d in range(len(problem.dims)) if problem.sizes[d] > 1 and problem.shape.relevant[operand, d]}
    for other in range(3):
        own = [k for k in rest if nodes[k, 1] == other]
        if own and all(_inside(where, k) > here for k in own):
            gains |= relevant.intersection(_lacking(problem, other))
    filled = relevant - gains if problem.machine.counting[WORDS] == TRANSFERRED else set()
    return sorted(gains), sorted(filled)


def _grow_beside(writer: _Writer, node: int, pending: int) -> None:
    """Loops that the pending operand is reused along, and that a node placed beside it gains from."""
    problem, nodes = writer.problem, writer.where.space.nodes
    operand = int(nodes[node, 1])
    reused = [d for d in _lacking(problem, pending) if problem.shape.relevant[operand, d]]
    slides = _window_dims(problem) if operand == INPUTS else []
    fixed = writer.where.space.fixed[node]
    filled = problem.machine.counting[WORDS] == TRANSFERRED
    writer.segment += 1
    writer.grow([d for d in reused if d in slides or fixed[d] > 0])
    if filled:
        for d in reused:
            if d not in slides and fixed[d] <= 0:
                writer.add(GROW, d, parent=node)


def _even_programs(problem: Problem, where: Layout) -> Iterator[list[Step]]:
    """Programs in which all operands of a level share one tile: any of them may be the one that is reused first.

    An operand that is reused may be so past the tiles of levels further out, whether these hold it or not.
    """
    nodes = where.space.nodes
    for groups in _group_orders(where):
        for reused in itertools.product(range(3), repeat=len(groups)):
            held = [{int(nodes[k, 1]) for k in group} for group in groups]
            ways = [
                [past for past in (False, True) if past <= (again == operand) and (past or again in held[i + 1])]
                for i, (operand, again) in enumerate(itertools.pairwise(reused))
            ]
            if groups and reused[0] in held[0]:
                for past in itertools.product(*ways):
                    yield _write_even(problem, where, groups, reused, past)


def _group_orders(where: Layout) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Nodes by level, in every order that keeps each operand's own; what a PE holds is of one operand each."""
    nodes = where.space.nodes
    levels: dict[int, list[int]] = {}
    for k in range(len(nodes)):
        levels.setdefault(int(nodes[k, 0]) if nodes[k, 0] >= 0 else -1 - k, []).append(k)
    groups = [tuple(members) for members in levels.values()]
    rank = {k: at for j in range(3) for at, k in enumerate(_chain(nodes, list(range(len(nodes))), j))}

    def inner(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        if _inside(where, a[0]) != _inside(where, b[0]):
            return _inside(where, a[0]) < _inside(where, b[0])
        return any(nodes[i, 1] == nodes[k, 1] and rank[i] < rank[k] for i in a for k in b)

    def extend(left: list[tuple[int, ...]]) -> Iterator[tuple[tuple[int, ...], ...]]:
        if not left:
            yield ()
        for group in left:
            rest = [other for other in left if other is not group]
            if not any(inner(other, group) for other in rest):
                for tail in extend(rest):
                    yield (group, *tail)

    return extend(groups)


def _write_even(
    problem: Problem,
    where: Layout,
    groups: tuple[tuple[int, ...], ...],
    reused: tuple[int, ...],
    past: tuple[bool, ...],
) -> list[Step]:
    """One even program; `past[i]`: the operand reused at group i is reused past the next group too."""
    writer = _Writer(problem, where)
    dims = [d for d in range(len(problem.dims)) if problem.sizes[d] > 1]
    for i, (operand, members) in enumerate(zip(reused, groups, strict=True)):
        kept = i > 0 and past[i - 1]
        inside = _inside(where, members[0])
        if i > 0 and inside > writer.passed:
            # Inputs may slide along a window below the units.
            writer.segment += 1
            writer.grow(_window_dims(problem))
        writer.spread_to(inside)
        before = writer.close(keep=kept) if i > 0 else -1
        if not kept:
            lacking = _lacking(problem, before) if before >= 0 else []
            writer.segment += 1
            writer.grow([d for d in dims if d not in lacking])
        for node in sorted(members, key=lambda k: where.space.nodes[k, 1] != operand):
            writer.place(node, beside=int(where.space.nodes[node, 1]) != operand)
    writer.spread_to(where.space.n_bounds)
    writer.close(fill=True)
    return writer.finished()
