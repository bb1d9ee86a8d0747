"""Evolutionary search as a run: every batch that the search asks for is stored like any other points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from archsim.explore.axes import is_ordered
from archsim.explore.chunks import CHUNKS, Chunk, spans
from archsim.explore.options import SearchOptions
from archsim.explore.study import Sweep
from archsim.explore.tally import objective_values

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from archsim.explore.archive import Outcomes

Tables = Callable[[Sequence[Chunk]], Iterable[tuple[Chunk, "pa.Table"]]]
BATCH_CHUNKS = 8
"""Chunks of a batch, where it has the points: all workers wait for its last one."""


def batch_size(search: SearchOptions) -> int:
    """Points of a run whose chunks are as large as an eighth of a batch."""
    from archsim.explore.evolve import default_population

    return (search.population or default_population(search.points or 1)) * CHUNKS // BATCH_CHUNKS


def evolve_run(sweep: Sweep, tables: Tables, size: int) -> None:
    """Search the space; `tables` gives the table of each chunk, in any order, evaluated or from an earlier session.

    The same seed asks for the same points, so that a run goes on where it stopped by asking again.
    """
    from archsim.explore.evolve import SearchSpace, evolve

    space, search = sweep.space, sweep.search
    numbers = _Numbers()

    def evaluate(genes: NDArray[np.int64]) -> Outcomes:
        return _outcomes(sweep, list(tables(list(numbers.chunks(genes, size)))))

    evolve(
        SearchSpace(
            cardinalities=space.cardinalities,
            ordered=tuple(is_ordered(axis) for axis in space.free),
            canonical=_canonical(sweep) if any(axis.when for axis in space.axes) else None,
        ),
        evaluate,
        objectives=len(sweep.objectives),
        budget=search.points or 1,
        population=search.population,
        seed=search.seed,
        algorithm=search.algorithm,
    )


class _Numbers:
    """Numbers points in the order in which they are asked for."""

    def __init__(self) -> None:
        self.next = 0

    def chunks(self, genes: NDArray[np.int64], size: int) -> Iterator[Chunk]:
        rows = tuple(tuple(row) for row in genes.tolist())
        for first, count in spans(self.next, len(rows), size):
            yield Chunk(first, count, rows[first - self.next : first - self.next + count])
        self.next += len(rows)


def _canonical(sweep: Sweep) -> Callable[[NDArray[np.int64]], NDArray[np.int64]]:
    """Genes with 0 for axes that do not exist at that point."""
    import numpy as np

    def spelled(genes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([sweep.space.point(row).genes for row in genes.tolist()], np.int64).reshape(genes.shape)

    return spelled


def _outcomes(sweep: Sweep, found: list[tuple[Chunk, pa.Table]]) -> Outcomes:
    """Objectives and what constraints miss, relative to their bounds, in the order of the points."""
    import numpy as np
    import pyarrow as pa

    from archsim.explore.archive import Outcomes

    ordered = sorted(found, key=lambda item: item[0].first)
    table = pa.concat_tables([item.replace_schema_metadata(None) for _, item in ordered])
    objectives = objective_values(table, sweep)
    if not sweep.constraints:
        return Outcomes(objectives=objectives)
    missed = [
        [constraint.violation(value) / max(abs(constraint.bound), _SMALLEST_BOUND) for value in values]
        for constraint in sweep.constraints
        for values in [table[constraint.name].to_pylist()]
    ]
    return Outcomes(objectives=objectives, violations=np.array(missed, np.float64).T)


_SMALLEST_BOUND = 1e-12
"""A bound nearer to 0 counts as this, in the total's unit."""
