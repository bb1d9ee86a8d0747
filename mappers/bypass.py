"""What may be passed by: the choices of levels that operands are not kept in."""

from __future__ import annotations

import itertools
from functools import lru_cache

from archsim.mappers.constraints import BypassConstraint, Constraints
from archsim.mappers.nodes import Skipped
from archsim.sim.frame import Frame
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS


def bypasses(problem: Problem, constraints: Constraints) -> tuple[Skipped, ...]:
    """What may be passed by: forced by a constraint, else every choice that the hardware leaves."""
    return _bypasses(problem.frame, constraints.bypass)


@lru_cache(maxsize=1024)
def _bypasses(frame: Frame, stated: tuple[BypassConstraint, ...]) -> tuple[Skipped, ...]:
    forced: set[tuple[str, str]] = set()
    free: list[tuple[str, str]] = []
    constraints = Constraints(bypass=stated)
    for i, place in enumerate(frame.places):
        for j, operand in enumerate(OPERANDS):
            if frame.level_stage[i, j] <= 0:
                continue
            if operand in constraints.bypassed(place.name):
                forced.add((place.name, operand))
            elif operand in place.bypass:
                free.append((place.name, operand))
    return tuple(
        frozenset((*forced, *chosen)) for n in range(len(free) + 1) for chosen in itertools.combinations(free, n)
    )
