"""What may be passed by: the choices of levels that operands are not kept in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from archsim.mappers.constraints import Constraints
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

Skipped = frozenset[tuple[str, str]]
"""Pairs of level and operand that are passed by."""


def bypasses(problem: Problem, constraints: Constraints) -> Iterator[Skipped]:
    """What may be passed by: forced by a constraint, else every choice that the hardware leaves."""
    forced: set[tuple[str, str]] = set()
    free: list[tuple[str, str]] = []
    for i, level in enumerate(problem.levels_used):
        for j, operand in enumerate(OPERANDS):
            if problem.level_stage[i, j] <= 0:
                continue
            if operand in constraints.bypassed(level.name):
                forced.add((level.name, operand))
            elif operand in level.bypass:
                free.append((level.name, operand))
    for n in range(len(free) + 1):
        for chosen in itertools.combinations(free, n):
            yield frozenset((*forced, *chosen))
