"""How much each axis moves each objective: one at a time around a design, and Sobol indices over the space."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from archsim.core.errors import InputError, Problem
from archsim.explore import sobol
from archsim.explore.axes import Axis, is_ordered
from archsim.explore.front import chosen_objectives, on_scale, run_design, scaled_objectives
from archsim.explore.further import EvaluatePoints, Further
from archsim.explore.neighbours import Gene, Genes, rows_of
from archsim.explore.pareto import Flags, Floats
from archsim.explore.run_table import RunTable
from archsim.explore.scales import axis_numbers
from archsim.explore.study import Objective
from archsim.reports.sensitivity import AxisResponse, AxisStep, Sensitivity, SobolIndex, SobolIndices
from archsim.reports.sweep_front import ScaledObjective

LARGEST_DESIGN = 2**14
"""Rows of an evaluated design, at most."""
SEED_STREAM = 2


def sensitivity_of(
    table: RunTable,
    centre: int,
    objectives: Sequence[Objective] | None = None,
    *,
    centre_name: str = "design",
    log: Sequence[str] | None = None,
    evaluate: EvaluatePoints | None = None,
    budget: int = 0,
    seed: int = 0,
) -> Sensitivity:
    """What each axis does to each objective, around the point in row `centre` and over the space.

    The points come from the run. With `evaluate`, up to `budget` further ones are evaluated: first those that differ
    from the centre in one axis, then, for the Sobol indices, the rest of the space if the budget has that many, else a
    design of Saltelli. `log`: see `front_of`.

    Raises:
        InputError: an objective that the run does not have; a centre that failed.
    """
    chosen = chosen_objectives(table, objectives)
    if not table.ok[centre]:
        raise InputError(Problem(key="--around", message=f"this design failed: {table.reasons[centre]}"))
    further = Further(table, evaluate, budget)
    responses = tuple(_responses(further, centre, [one.name for one in chosen]))
    question = _Indices(further, chosen, log, seed)
    indices = question.indices()
    return Sensitivity(
        objectives=question.scaled(),
        centre_name=centre_name,
        centre=run_design(table, centre),
        responses=responses,
        sobol=indices,
        evaluated=further.spent,
    )


def _responses(further: Further, centre: int, names: Sequence[str]) -> Iterator[AxisResponse]:
    """Each free axis alone; values of axes that do not exist at the centre change nothing and are left out."""
    space = further.table.space
    own = tuple(further.table.genes[centre].tolist())
    present = {key for key, _ in space.point(own).values}
    for place, axis in enumerate(space.free):
        if axis.key in present and len(axis.values) > 1:
            genes = [(*own[:place], value, *own[place + 1 :]) for value in range(len(axis.values))]
            spelled = [space.point(gene).genes for gene in genes]
            rows = further.rows(spelled)
            yield _response(further.table, axis, own[place], rows, names)


def _response(table: RunTable, axis: Axis, own: int, rows: Sequence[int | None], names: Sequence[str]) -> AxisResponse:
    steps = tuple(
        _step(table, value, row, names, place == own)
        for place, (value, row) in enumerate(zip(axis.values, rows, strict=True))
    )
    numbers = axis_numbers(axis.values)
    return AxisResponse(
        key=axis.key,
        steps=steps,
        factors={name: _factor([step.values.get(name) for step in steps]) for name in names},
        elasticities={name: _elasticity(numbers, [step.values.get(name) for step in steps], own) for name in names},
    )


def _step(table: RunTable, value: object, row: int | None, names: Sequence[str], centre: bool) -> AxisStep:
    if row is None:
        return AxisStep(value=value, values={}, status="not evaluated", reason=None, centre=centre)
    if not table.ok[row]:
        return AxisStep(value=value, values={}, status="failed", reason=table.reasons[row], centre=centre)
    found = {name: table.values[name][row] for name in names}
    values = {name: None if math.isnan(number) else float(number) for name, number in found.items()}
    return AxisStep(value=value, values=values, status="ok", reason=None, centre=centre)


def _factor(values: Sequence[float | None]) -> float | None:
    """Largest over smallest.

    >>> _factor([2.0, None, 1.0, 8.0]), _factor([1.0, None]), _factor([0.0, 1.0])
    (8.0, None, None)
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2 or min(known) <= 0:
        return None
    return max(known) / min(known)


def _elasticity(numbers: Sequence[float] | None, values: Sequence[float | None], own: int) -> float | None:
    """Slope of the logarithms between the nearest values on both sides that are known, the centre where there is none.

    >>> round(_elasticity([1, 2, 4], [8.0, 4.0, 2.0], 1), 6)
    -1.0
    """
    if numbers is None:
        return None
    known = [place for place, value in enumerate(values) if value is not None and value > 0 and numbers[place] > 0]
    low = max((place for place in known if place < own), default=own)
    high = min((place for place in known if place > own), default=own)
    above, below = values[high], values[low]
    if low == high or above is None or below is None or own not in known or numbers[low] == numbers[high]:
        return None
    return math.log(above / below) / math.log(numbers[high] / numbers[low])


class _Indices:
    """Sobol indices of every free axis with more than one value."""

    def __init__(self, further: Further, objectives: Sequence[Objective], log: Sequence[str] | None, seed: int) -> None:
        self.further, self.objectives, self.log, self.seed = further, objectives, log, seed
        self.axes = [(place, axis) for place, axis in enumerate(further.table.space.free) if len(axis.values) > 1]

    def indices(self) -> SobolIndices:
        """From all points of the space, from points evaluated for it, or from those of the run: the best there is."""
        space = self.further.table.space
        if len(self.further.table) + self.further.left >= space.size:
            self.further.rows(space.grid(index).genes for index in range(space.size))
            return self.of_grid()
        return self.of_sample() if self.further.left < 1 else self.evaluated()

    def scaled(self) -> tuple[ScaledObjective, ...]:
        """The objectives with the scales that the points known by now give them."""
        values = self.further.table.minimised(self.objectives)
        return scaled_objectives(self.objectives, values[self._known(values)], self.log)

    def _known(self, values: Floats) -> Flags:
        return self.further.table.ok & np.isfinite(values).all(axis=1)

    def _values(self) -> tuple[Flags, Floats]:
        """Rows with all objectives, and the values on their scales, NaN elsewhere."""
        values = self.further.table.minimised(self.objectives)
        known = self._known(values)
        found = np.full(values.shape, np.nan)
        found[known] = on_scale(values[known], self.scaled())
        return known, found

    def of_grid(self) -> SobolIndices:
        """From all points of the space."""
        table = self.further.table
        known, values = self._values()
        genes = table.genes[known]
        indices = {
            one.name: {axis.key: sobol.of_grid(genes, values[known, k], place) for place, axis in self.axes}
            for k, one in enumerate(self.objectives)
        }
        failed = int((~known).sum())
        note = "over the points that did not fail: the axes are then not independent" if failed else None
        return SobolIndices(method="grid", samples=int(known.sum()), failed=failed, indices=indices, note=note)

    def of_sample(self) -> SobolIndices:
        """From the points of the run alone."""
        table = self.further.table
        known = self._values()[0]
        random = np.random.default_rng((self.seed, SEED_STREAM))
        indices = {
            one.name: {axis.key: self._sampled(k, place, axis, random) for place, axis in self.axes}
            for k, one in enumerate(self.objectives)
        }
        missing = any(index.total is None for axes in indices.values() for index in axes.values())
        note = "what is missing needs further points: --evaluate 500" if missing else None
        failed = len(table) - int(known.sum())
        return SobolIndices(method="sample", samples=int(known.sum()), failed=failed, indices=indices, note=note)

    def _sampled(self, objective: int, place: int, axis: Axis, random: np.random.Generator) -> SobolIndex:
        known, values = self._values()
        if known.sum() < sobol.GROUP_SIZE:
            return sobol.UNKNOWN
        genes, y = self.further.table.genes[known], values[known, objective]
        return sobol.of_sample(genes, y, place, len(axis.values), is_ordered(axis), random)

    def evaluated(self) -> SobolIndices:
        """From points chosen for it: as many rows of a Saltelli design as the budget has points for."""
        before = self.further.spent
        a, b, mixed = self._design()
        rows = np.stack([self._rows(genes) for genes in (a, b, *mixed)])
        values = self._values()[1]
        complete = (rows >= 0).all(axis=0)
        y = np.where((rows >= 0)[..., None], values[rows], np.nan)
        usable = complete & ~np.isnan(y).any(axis=(0, 2))
        failed = len({int(row) for row in rows[:, complete].flat if np.isnan(values[row]).any()})
        indices = {
            one.name: {axis.key: self._paired(y[:, usable, k], number) for number, (_, axis) in enumerate(self.axes)}
            for k, one in enumerate(self.objectives)
        }
        text = (
            f"{int(usable.sum())} of {len(a)} rows of the design are complete; {self.further.spent - before} new points"
        )
        return SobolIndices(
            method="evaluated", samples=int(usable.sum()) * len(rows), failed=failed, indices=indices, note=text
        )

    def _paired(self, y: Floats, number: int) -> SobolIndex:
        if y.shape[1] < 2:
            return sobol.UNKNOWN
        return sobol.of_pairs(y[0], y[1], y[2 + number], np.random.default_rng((self.seed, SEED_STREAM)))

    def _design(self) -> tuple[Genes, Genes, list[Genes]]:
        """A, B, and A with each axis of B; as many rows as need no more new points than are left."""
        space = self.further.table.space
        a, b = sobol.saltelli_genes(space.cardinalities, LARGEST_DESIGN, self.seed)
        mixed = []
        for place, _ in self.axes:
            one = a.copy()
            one[:, place] = b[:, place]
            mixed.append(one)
        new: set[Gene] = set()
        rows = 0
        for row in range(len(a)):
            genes = [space.point(part[row].tolist()).genes for part in (a, b, *mixed)]
            new |= {gene for gene in genes if self.further.table.row(gene) is None}
            if len(new) > self.further.left:
                break
            rows = row + 1
        return a[:rows], b[:rows], [one[:rows] for one in mixed]

    def _rows(self, genes: Genes) -> NDArray[np.int64]:
        space = self.further.table.space
        found = self.further.rows(space.point(gene).genes for gene in rows_of(genes))
        return np.array([-1 if row is None else row for row in found], np.int64)
