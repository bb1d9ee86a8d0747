"""`archsim.mapping_front`: what energy costs in time, or in the size of a memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from archsim.api.dataflows import outcome_of, work_text
from archsim.api.design import Design
from archsim.api.map import Work, chosen_design, chosen_work, search, without_workload
from archsim.core.errors import InfeasibleError, InputError, Problem, nearest
from archsim.core.spelling import brief
from archsim.reports.dataflows import Outcome
from archsim.reports.front import Front, Point
from archsim.reports.mapping import PJ_PER_J
from archsim.workloads.op import Op

EXPONENTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Of time, with energy to the power of 1: each is the objective of one point of the front."""
FRONT_POINTS = 256
"""Of one op's front, at most."""
ROUNDING = 1e-12
"""Relative difference that is none."""
SMALLEST_BYTES = 64
OCTAVES_UP = 4
"""A memory is swept up to 16 times its capacity; its size in the design is not special to the sweep."""


def mapping_front(
    design: Design | Mapping[str, Any] | str | Path,
    memory: str | None = None,
    *,
    layer: str | None = None,
    op: Op | None = None,
    overrides: Sequence[str] = (),
) -> Front:
    """The front of energy and time of the ops that `layer` or `op` name, else of the whole workload.

    With `memory`, the capacity of that memory is swept in powers of two and the objective is the design's: the front
    is of energy and size. Energies per access follow the size where the design leaves them to the component model.

    Raises:
        InputError: wrong input; no such memory, or one without a limit.
        InfeasibleError: nothing fits.
    """
    chosen = chosen_design(design, overrides, workload_required=op is None)
    work = chosen_work(chosen, layer, op)
    if memory is not None:
        return _sizes(chosen, work, memory)
    points = list(_weighted(chosen, work))
    if len(work) == 1:
        points += _searched(chosen, work[0])
    return Front(design_name=chosen.name, work=work_text(chosen, work), points=tuple(distinct(points)))


def distinct(points: Sequence[Point]) -> list[Point]:
    """By rising time; of points that differ by rounding alone, as sums in another order do, a proven one."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cycles, point.energy_pj, not point.optimal)):
        last = kept[-1] if kept else None
        same = last is not None and math.isclose(last.cycles, point.cycles, rel_tol=ROUNDING)
        if last is None or not same or not math.isclose(last.energy_pj, point.energy_pj, rel_tol=ROUNDING):
            kept.append(point)
        elif point.optimal and not last.optimal:
            kept[-1] = point
    return kept


def _weighted(design: Design, work: list[Work]) -> Iterator[Point]:
    """Optima of time to some power times energy: with every exponent one point of the front."""
    settings = [["mapper.objective=latency"]]
    settings += [
        ["mapper.objective=weighted", f"mapper.weights={{latency = {exponent}, energy = 1.0}}"]
        for exponent in EXPONENTS
    ]
    for overrides in settings:
        yield _point(outcome_of(work, [without_workload(design, [*overrides, "mapper.tolerance=0.0"])]))


def _searched(design: Design, work: Work) -> list[Point]:
    """The front of the one op: exact where the search comes to its end."""
    clock, count = design.accelerator.clock_hz, work.count
    found = search(without_workload(design, ["mapper.objective=energy"]), work.op, front=FRONT_POINTS)
    return [
        Point(
            cycles=cycles * count,
            energy_pj=energy * count,
            latency_s=cycles * count / clock,
            optimal=found.optimal,
            gap=0.0 if found.optimal else None,
        )
        for energy, cycles in found.pareto
    ]


def _point(outcome: Outcome, capacity_bytes: float | None = None) -> Point:
    return Point(
        cycles=outcome.cycles,
        energy_pj=outcome.total_j * PJ_PER_J,
        latency_s=outcome.latency_s,
        optimal=outcome.optimal,
        gap=outcome.gap,
        capacity_bytes=capacity_bytes,
    )


def _sizes(design: Design, work: list[Work], memory: str) -> Front:
    names = [level.name for level in design.accelerator.memories]
    if memory not in names:
        near = nearest(memory, names)
        hint = f"did you mean '{near}'?" if near else f"memories: {', '.join(names)}"
        raise InputError(Problem(key="--pareto", message=f"no memory '{brief(memory)}'", hint=hint))
    capacity = design.accelerator.memory(memory).capacity_bits / 8
    if not math.isfinite(capacity) or design.accelerator.memory(memory).off_chip:
        message = f"{memory} is off chip or has no limit: there is no size to trade"
        raise InputError(Problem(key="--pareto", message=message))
    points: list[Point] = []
    reason: InfeasibleError | InputError | None = None
    for size in _powers(capacity):
        try:
            changed = without_workload(design, [f"hardware.memory.{memory}.capacity='{size} B'"])
            points.append(_point(outcome_of(work, [changed]), float(size)))
        except (InfeasibleError, InputError) as error:  # nothing fits, or no such memory can be built
            reason = error
    if not points:
        assert reason is not None
        raise reason
    return Front(
        design_name=design.name,
        work=work_text(design, work),
        points=tuple(points),
        memory=memory,
        capacity_bytes=capacity,
    )


def _powers(capacity: float) -> list[int]:
    """
    >>> _powers(100.0)
    [64, 128, 256, 512, 1024]
    """
    last = math.floor(math.log2(capacity)) + OCTAVES_UP
    return [2**exponent for exponent in range(int(math.log2(SMALLEST_BYTES)), max(last, 6) + 1)]
