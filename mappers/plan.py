"""What a search of one problem goes through: nodes, programs and ways to begin.

None of it depends on capacities, bandwidths, energies or widths. Plans are kept, so that searches that differ in those
alone (a sweep's) share one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.core.memo import Memo
from archsim.mappers.constraints import Constraints
from archsim.mappers.factors import divisors_of
from archsim.mappers.nodes import Nodes, Skipped, nodes_of
from archsim.mappers.programs import program_of
from archsim.mappers.space_kernels import Space, Ways
from archsim.mappers.starts import choices
from archsim.sim.kernels import OUTPUTS, Ints
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

MOST_BYTES = 1 << 26
"""Of plans that are kept. One of a large array with many ways to unroll takes a megabyte."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Arrays as the search takes them, shared by all searches of the plan: not to be written to."""

    space: Space
    """Without what the operands that are kept whole take: see `space_for`."""
    ways: Ways
    steps: Ints
    jumps: Ints
    complete: bool
    """Whether all ways to begin are there."""
    whole: tuple[tuple[int, int, int], ...]
    """(level, operand, elements) of the operands that levels hold whole."""

    def space_for(self, problem: Problem) -> Space:
        """The space with the bits that operands kept whole take of each level."""
        taken = np.zeros(len(problem.levels_used))
        bits: list[float] = problem.bits.tolist()
        for level, operand, elements in self.whole:
            width = bits[operand] if operand != OUTPUTS else min(bits[2], bits[3])
            taken[level] += elements * width
        return self.space._replace(taken=taken)

    @property
    def nbytes(self) -> int:
        arrays = (*self.ways, self.steps, self.jumps, self.space.divisors, self.space.fixed)
        return sum(array.nbytes for array in arrays)


_PLANS: Memo[Plan] = Memo(most_bytes=MOST_BYTES, size_of=lambda plan: plan.nbytes)


def plan_of(problem: Problem, constraints: Constraints, skipped: Skipped, *, perfect: bool, even: bool) -> Plan:
    """The plan of a problem. `constraints` are the op's, `skipped` is passed by, `perfect`: factors must divide."""
    key = (problem.frame, tuple(problem.op.loops.values()), constraints, skipped, perfect, even)
    return _PLANS.get(key, lambda: _planned(problem, constraints, skipped, perfect=perfect, even=even))


def _planned(problem: Problem, constraints: Constraints, skipped: Skipped, *, perfect: bool, even: bool) -> Plan:
    chosen = choices(problem, perfect=perfect, constraints=constraints)
    nodes = nodes_of(problem.frame, tuple(chosen.slot_stage.tolist()), skipped)
    sizes = tuple(problem.op.loops.values())
    fixed = _fixed(problem, nodes, constraints)
    steps, jumps = program_of(nodes, sizes, fixed, even=even)
    return Plan(
        space=Space(
            nodes=nodes.table,
            divisors=_divisors(sizes) if perfect else np.zeros((1, 1), np.int64),
            perfect=int(perfect),
            n_bounds=nodes.n_bounds,
            serial=nodes.serial,
            pools=nodes.pools,
            fixed=fixed,
            placed=nodes.placed,
            innermost=nodes.innermost,
            homes=nodes.homes,
            taken=np.zeros(len(problem.levels_used)),
        ),
        ways=Ways(
            tiles=chosen.tiles,
            dims=chosen.dims,
            factors=chosen.factors,
            slot_axis=chosen.slot_axis,
            slot_bound=nodes.slot_bound,
        ),
        steps=steps,
        jumps=jumps,
        complete=chosen.complete,
        whole=_whole(problem, nodes.homes),
    )


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


def _divisors(sizes: tuple[int, ...]) -> Ints:
    """(D, longest): divisors of each size, ascending, 0 behind them."""
    rows = [divisors_of(size) for size in sizes]
    longest = max(len(row) for row in rows)
    return np.array([row + (0,) * (longest - len(row)) for row in rows], np.int64)
