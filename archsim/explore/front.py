"""The front of a run: its best designs for any objectives under any constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from archsim.core.errors import InputError, Problem, unknown_name
from archsim.core.spelling import spelled
from archsim.explore.archive import evenly
from archsim.explore.pareto import Floats, bulges, crowding, hypervolume, knee_points, non_dominated
from archsim.explore.run_table import RunTable
from archsim.explore.study import Constraint, Objective, Sense
from archsim.explore.table import cell
from archsim.reports.sweep_front import Cloud, FrontDesign, RunDesign, ScaledObjective, SweepFront

LARGER_IS_BETTER = frozenset({"throughput_per_s", "tops", "tops_per_w", "utilization", "accuracy"})
"""Totals that are maximised where no sense is stated; all others are minimised."""
WIDE = 10.0
"""Objectives of one sign whose feasible values span this factor or more are compared on a logarithmic scale."""


def front_of(
    table: RunTable,
    objectives: Sequence[Objective] | None = None,
    constraints: Sequence[Constraint] = (),
    *,
    log: Sequence[str] | None = None,
    reference: Mapping[str, float] | None = None,
    knees: int = 1,
    colour: str | None = None,
) -> SweepFront:
    """The designs of a run that no other feasible design beats in every objective.

    `objectives`: None, those of the run. `constraints` are added to the run's. `log` names the objectives on a
    logarithmic scale; None: those that span a factor of 10. `reference`: the corner that the covered volume is measured
    from; where it says nothing, the worst feasible value. `colour` names the axis whose values a plot tells apart.

    Raises:
        InputError: an objective, a constraint or an axis that the run does not have.
    """
    chosen = chosen_objectives(table, objectives)
    bounds = [*table.constraints, *constraints]
    values = table.minimised(chosen)
    feasible = table.feasible(bounds) & ~np.isnan(values).any(axis=1)
    scaled = scaled_objectives(chosen, values[feasible], log)
    rows = np.flatnonzero(feasible)[non_dominated(values[feasible])]
    rows = rows[np.lexsort((table.indices[rows], *values[rows].T[::-1]))]
    corner = _corner(chosen, values[feasible], reference)
    covered = _covered(values[rows], corner)
    return SweepFront(
        run=table.name,
        points=len(table),
        further=int((table.indices < 0).sum()),
        failed=table.failures,
        feasible=int(feasible.sum()),
        objectives=scaled,
        constraints=tuple(str(bound) for bound in bounds),
        axes=table.space.keys,
        designs=_designs(table, rows, on_scale(values[rows], scaled), knees),
        hypervolume=covered[0],
        covered_fraction=covered[1],
        reference={
            one.name: float(value if one.sense == "min" else -value) for one, value in zip(chosen, corner, strict=False)
        },
        cloud=_cloud(table, chosen, np.flatnonzero(feasible), rows, colour),
    )


def chosen_objectives(table: RunTable, objectives: Sequence[Objective] | None) -> tuple[Objective, ...]:
    """The objectives asked for, else those of the run. Raises InputError for one that no point has."""
    chosen = tuple(table.objectives if objectives is None else objectives)
    problems: list[Problem] = []
    for objective in chosen:
        try:
            table.column(objective.name, "--objectives")
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    if not chosen:
        raise InputError(Problem(key="--objectives", message="a front needs an objective"))
    return chosen


def parse_objectives(text: str, table: RunTable | None = None) -> tuple[Objective, ...]:
    """Objectives from a text such as ``latency_s,throughput_per_s:max``.

    Without a sense it is the run's, else what is usual for the total. Raises InputError for another sense, or a total
    named twice.
    """
    usual: dict[str, Sense] = {one.name: one.sense for one in (() if table is None else table.objectives)}
    found: dict[str, Objective] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, sense = part.partition(":")
        if sense not in ("", "min", "max"):
            message = f"{name}: must be min or max (got {spelled(sense)})"
            raise InputError(Problem(key="--objectives", message=message))
        if name in found:
            raise InputError(Problem(key="--objectives", message=f"{name} is named twice"))
        stated: Sense = "max" if sense == "max" else "min"
        found[name] = Objective(name=name, sense=stated if sense else usual.get(name, usual_sense(name)))
    return tuple(found.values())


def usual_sense(name: str) -> Sense:
    """Whether a total is better large or small.

    >>> usual_sense("tops"), usual_sense("prefill.utilization"), usual_sense("latency_s")
    ('max', 'max', 'min')
    """
    return "max" if name.rpartition(".")[2] in LARGER_IS_BETTER else "min"


def scaled_objectives(
    objectives: Sequence[Objective], values: Floats, log: Sequence[str] | None
) -> tuple[ScaledObjective, ...]:
    """Objectives with their scales; `values` (N, M) are the points that are compared, minimised."""
    names = [one.name for one in objectives]
    for name in log or ():
        if name not in names:
            raise InputError(unknown_name("objective", name, names, key="--log"))
    found = []
    for one, column in zip(objectives, values.T, strict=True):
        sizes = np.abs(column)
        one_sign = len(column) > 0 and bool((column > 0).all() or (column < 0).all()) and bool(np.isfinite(sizes).all())
        if log is not None and one.name in log and not one_sign:
            message = f"{one.name}: a logarithmic scale needs values above 0"
            raise InputError(Problem(key="--log", message=message))
        wide = one_sign and bool(sizes.max() >= WIDE * sizes.min())
        found.append(ScaledObjective(name=one.name, sense=one.sense, log=wide if log is None else one.name in log))
    return tuple(found)


def on_scale(values: Floats, objectives: Sequence[ScaledObjective]) -> Floats:
    """Minimised values (N, M), those on a logarithmic scale by their logarithms."""
    return np.where([one.log for one in objectives], evenly(values), values) if len(values) else values


def run_design(table: RunTable, row: int) -> RunDesign:
    """One point of a run for a report."""
    index = int(table.indices[row])
    return RunDesign(
        index=None if index < 0 else index,
        point_id=table.ids[row],
        axes=table.point_values(row),
        values={name: _number(column[row]) for name, column in table.values.items()},
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _designs(table: RunTable, rows: NDArray[np.int64], scaled: Floats, knees: int) -> tuple[FrontDesign, ...]:
    finite = np.isfinite(scaled).all(axis=1)
    heights = np.full(len(rows), np.nan)
    heights[finite] = bulges(scaled[finite])
    bends = np.flatnonzero(finite)[knee_points(scaled[finite], knees)]
    lonely = crowding(scaled)
    return tuple(
        FrontDesign(
            design=run_design(table, int(row)),
            knee=place in bends,
            bulge=float(heights[place]),
            crowding=float(lonely[place]),
        )
        for place, row in enumerate(rows)
    )


def _corner(objectives: Sequence[Objective], values: Floats, reference: Mapping[str, float] | None) -> Floats:
    """What the covered volume is measured from, minimised; empty without a feasible point."""
    names = [one.name for one in objectives]
    for name in reference or {}:
        if name not in names:
            raise InputError(unknown_name("objective", name, names, key="reference"))
    if not len(values):
        return np.empty(0)
    corner = values.max(axis=0)
    for place, one in enumerate(objectives):
        if reference is not None and one.name in reference:
            corner[place] = reference[one.name] * (1.0 if one.sense == "min" else -1.0)
    return np.asarray(corner, float)


def _covered(front: Floats, corner: Floats) -> tuple[float | None, float | None]:
    """The covered volume, and its share of the box between the best of each objective and the corner."""
    if not len(front) or not np.isfinite(front).all() or not np.isfinite(corner).all():
        return None, None
    volume = hypervolume(front, corner)
    box = float(np.prod(corner - front.min(axis=0)))
    return volume, volume / box if box > 0 else None


def _cloud(
    table: RunTable, objectives: Sequence[Objective], rows: NDArray[np.int64], front: NDArray[np.int64], key: str | None
) -> Cloud:
    values = {one.name: table.column(one.name)[rows] for one in objectives}
    on_front = np.isin(rows, front)
    if key is None:
        return Cloud(values=values, on_front=on_front)
    axis = next((axis for axis in table.space.axes if axis.key == key), None)
    if axis is None:
        raise InputError(unknown_name("axis", key, table.space.keys, key="--color"))
    order = tuple(dict.fromkeys(str(cell(value, "string")) for value in axis.values))
    stated = (table.point_values(int(row)).get(key) for row in rows)
    colours = tuple("-" if value is None else str(cell(value, "string")) for value in stated)
    return Cloud(values=values, on_front=on_front, colour_key=key, colours=colours, order=order)
