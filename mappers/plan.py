"""What a search of one problem goes through: nodes, programs and ways to begin.

None of it depends on capacities, bandwidths, energies or widths. Plans are kept, so that searches that differ in those
alone (a sweep's) share one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.core.memo import Memo
from archsim.mappers.constraints import Constraints
from archsim.mappers.factors import divisors_of
from archsim.mappers.nodes import Nodes, Skipped, nodes_of
from archsim.mappers.pack_kernels import packed_flags, packed_plan
from archsim.mappers.program_writer import never_reused
from archsim.mappers.programs import Unrolled, program_of
from archsim.mappers.room_kernels import Extents
from archsim.mappers.space_kernels import Space, Ways
from archsim.mappers.starts import Choices, choices, cramped, in_any_order
from archsim.sim.kernels import NESTED_REUSE, OUTPUTS, TRANSFERRED, WORDS, Bools, Floats, Ints
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

Idle = tuple[int, ...]
"""Stages at which no units are used."""

MOST_BYTES = 1 << 26
"""Of plans that are kept. One of a large array with many ways to unroll takes a megabyte."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Arrays as the search takes them, shared by all searches of the plan: not to be written to."""

    packed: Ints
    """Space, ways to begin and program: see `pack_kernels`."""
    flags: Bools
    nothing_taken: Floats
    """(L,) zeros."""
    extents: Extents
    complete: bool
    """Whether all ways to begin are there."""
    whole: tuple[tuple[int, int, int], ...]
    """(level, operand, elements) of the operands that levels hold whole."""
    idle: tuple[Idle, ...]
    """Stages of units that stand between tiles and that some ways to begin leave unused: each set has its own plan."""

    def taken(self, problem: Problem) -> Floats:
        """(L,): bits that operands kept whole take of each level."""
        if not self.whole:
            return self.nothing_taken
        taken = np.zeros(len(problem.levels_used))
        bits: list[float] = problem.bits.tolist()
        for level, operand, elements in self.whole:
            width = bits[operand] if operand != OUTPUTS else min(bits[2], bits[3])
            taken[level] += elements * width
        return taken


_PLANS: Memo[tuple[Plan, ...]] = Memo(
    most_bytes=MOST_BYTES, size_of=lambda plans: sum(plan.packed.nbytes for plan in plans)
)


def plans_of(
    problem: Problem, constraints: Constraints, skipped: Skipped, *, perfect: bool, even: bool
) -> tuple[Plan, ...]:
    """The plan of a problem, and those of the ways to begin that leave units unused which stand between tiles.

    `constraints` are the op's, `skipped` is passed by, `perfect`: factors must divide.

    Units in use hold the tiles inside them below all tiles outside. Where one unit alone works, nothing does: a tile of
    its own memory may stand above one of another operand further out. The first plan has these ways too, with the
    tiles apart: most of them lose to others, and what it finds bounds them. Where tiles are kept only while others
    stand still, those inside units lie inside all outside of them, used or not: the first plan is all there is.
    """
    key = (problem.frame, tuple(problem.op.loops.values()), constraints, skipped, perfect, even, cramped(problem))
    return _PLANS.get(key, lambda: _planned(problem, constraints, skipped, perfect=perfect, even=even))


def _planned(
    problem: Problem, constraints: Constraints, skipped: Skipped, *, perfect: bool, even: bool
) -> tuple[Plan, ...]:
    main = _plan_of(problem, constraints, skipped, perfect=perfect, even=even)
    rest = [_plan_of(problem, constraints, skipped, perfect=perfect, even=even, idle=idle) for idle in main.idle]
    return (main, *rest)


def _plan_of(
    problem: Problem, constraints: Constraints, skipped: Skipped, *, perfect: bool, even: bool, idle: Idle = ()
) -> Plan:
    """One plan. `idle`: of the ways to begin that use no units at these stages: tiles stand as if there were none."""
    chosen = choices(problem, perfect=perfect, constraints=constraints)
    chosen = chosen if perfect else in_any_order(problem, chosen)
    nodes = nodes_of(problem.frame, tuple(chosen.slot_stage.tolist()), skipped)
    unused, which = _idle_stages(chosen, nodes)
    if idle:
        kept = which == (unused.index(idle) if idle in unused else -1)
        chosen = replace(chosen, dims=chosen.dims[kept], factors=chosen.factors[kept])
        nodes = nodes_of(problem.frame, _stages_without(idle, chosen, problem), skipped)
    sizes = tuple(problem.op.loops.values())
    fixed = _fixed(problem, nodes, constraints)
    steps, jumps, rows = program_of(nodes, sizes, fixed, _unrolled(chosen, nodes), perfect=perfect, even=even)
    taken = np.zeros(len(problem.levels_used))
    space = Space(
        nodes=nodes.table,
        divisors=_divisors(sizes) if perfect else np.zeros((1, 1), np.int64),
        perfect=int(perfect),
        edges=int(problem.frame.counting[WORDS] == TRANSFERRED),
        n_bounds=nodes.n_bounds,
        serial=nodes.serial,
        pools=nodes.pools,
        fixed=fixed,
        placed=nodes.placed,
        innermost=nodes.innermost,
        homes=nodes.homes,
        taken=taken,
        alone=_alone(nodes, tuple([d for d, size in enumerate(sizes) if size > 1]), fixed, even=even),
    )
    ways = Ways(
        tiles=chosen.tiles,
        dims=chosen.dims,
        factors=chosen.factors,
        slot_axis=chosen.slot_axis,
        slot_bound=nodes.slot_bound,
    )
    return Plan(
        packed=packed_plan(problem.shape, problem.machine, space, ways, steps, jumps, rows),
        flags=packed_flags(problem.shape, problem.machine),
        nothing_taken=taken,
        extents=Extents(
            dims=len(sizes),
            levels=len(taken),
            axes=problem.machine.multicast.shape[1],
            bounds=nodes.n_bounds,
            slots=chosen.dims.shape[1],
            nodes=len(nodes.table),
            pools=len(nodes.pools),
            rows=rows + 1,
        ),
        complete=chosen.complete,
        whole=_whole(problem, nodes.homes),
        idle=() if idle or problem.frame.counting[NESTED_REUSE] else tuple(sorted(set(unused) - {()})),
    )


def _unrolled(chosen: Choices, nodes: Nodes) -> Unrolled:
    """Of each boundary the dimensions that some spatial option unrolls there."""
    dims: list[set[int]] = [set() for _ in range(nodes.n_bounds)]
    for i in np.flatnonzero((chosen.factors > 1).any(axis=0)):
        dims[int(nodes.slot_bound[i])].add(int(chosen.dims[0, i]))
    return tuple([frozenset(own) for own in dims])


def _idle_stages(chosen: Choices, nodes: Nodes) -> tuple[list[Idle], Ints]:
    """The stages with tiles both inside and outside whose units some spatial option does not use, and whose each is."""
    stage = nodes.frame.level_stage.max(axis=1)
    held = [int(stage[nodes.level(k)]) for k in range(len(nodes.table)) if nodes.level(k) >= 0]
    between = [s for s in sorted(set(chosen.slot_stage.tolist())) if any(h >= s for h in held) and min(held) < s]
    used = np.array([(chosen.factors[:, chosen.slot_stage == s] > 1).any(axis=1) for s in between], np.bool_)
    rows = used.reshape(len(between), len(chosen.factors)).T
    codes = rows @ (1 << np.arange(len(between), dtype=np.int64))
    found, which = np.unique(codes, return_inverse=True)
    stages = [tuple(s for place, s in enumerate(between) if not code >> place & 1) for code in found.tolist()]
    return stages, which.astype(np.int64)


def _stages_without(idle: Idle, chosen: Choices, problem: Problem) -> tuple[int, ...]:
    """The stage of each slot where those in `idle` stand at none of their own: beside others, or inside all tiles."""
    stages: list[int] = chosen.slot_stage.tolist()
    inside = max((s for s in stages if s not in idle), default=problem.frame.n_stages)
    return tuple(inside if s in idle else s for s in stages)


def _whole(problem: Problem, homes: Ints) -> tuple[tuple[int, int, int], ...]:
    return tuple((int(i), int(j), problem.op.elements(OPERANDS[j])) for i, j in np.argwhere(homes == 0))


def _fixed(problem: Problem, nodes: Nodes, constraints: Constraints) -> Ints:
    """(K, D): sizes that tiles must have, of the dimensions that index their operand; 0: free."""
    fixed = np.zeros((len(nodes.table), len(problem.dims)), np.int64)
    for k in range(len(nodes.table)) if constraints.tiles else ():
        if nodes.level(k) < 0:
            continue
        operand = nodes.operand(k)
        sizes = constraints.tile_sizes(problem.levels_used[nodes.level(k)].name, OPERANDS[operand])
        for d, dim in enumerate(problem.dims):
            if problem.shape.relevant[operand, d]:
                fixed[k, d] = sizes.get(dim, 0)
    return fixed


def _alone(nodes: Nodes, long: tuple[int, ...], fixed: Ints, *, even: bool) -> Ints:
    """`Space.alone` of an op whose dimensions `long` have loops.

    A node may have to stand above loops that reuse an operand without a node beside it, or at a tile that is fixed.
    """
    operands, insides = nodes.table[:, 1].tolist(), [nodes.inside(k) for k in range(len(nodes.table))]
    free = {j for j in range(3) if not any(fixed[k].any() for k, own in enumerate(operands) if own == j)}
    alone, found = never_reused(nodes.frame, long), []
    for k, (operand, inside) in enumerate(zip(operands, insides, strict=True)):
        beside = {own for own, there in zip(operands, insides, strict=True) if there == inside}
        early = not even and operand in free and len(beside) == 3 and nodes.level(k) >= 0
        found.append(0 if operand not in alone else 2 if early else 1)
    return np.array(found, np.int64)


def _divisors(sizes: tuple[int, ...]) -> Ints:
    """(D, longest): divisors of each size, ascending, 0 behind them."""
    rows = [divisors_of(size) for size in sizes]
    longest = max(len(row) for row in rows)
    return np.array([row + (0,) * (longest - len(row)) for row in rows], np.int64)
