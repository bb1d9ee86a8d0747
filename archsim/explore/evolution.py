"""Evolutionary search as a run: every batch that the search asks for is stored like any other points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from archsim.explore.chunks import CHUNKS, Chunk, spans
from archsim.explore.options import SearchOptions
from archsim.explore.study import Sweep
from archsim.explore.tally import column, objective_values

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
    from archsim.explore.evolve import evolve
    from archsim.explore.run_table import search_space

    search = sweep.search
    numbers = _Numbers()

    def evaluate(genes: NDArray[np.int64]) -> Outcomes:
        return _outcomes(sweep, list(tables(list(numbers.chunks(genes, size)))))

    evolve(
        search_space(sweep.space),
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


def _outcomes(sweep: Sweep, found: list[tuple[Chunk, pa.Table]]) -> Outcomes:
    """Objectives and what constraints miss, relative to their bounds, in the order of the points."""
    import numpy as np
    import pyarrow as pa

    from archsim.explore.archive import Outcomes
    from archsim.explore.run_table import violations

    ordered = sorted(found, key=lambda item: item[0].first)
    table = pa.concat_tables([item.replace_schema_metadata(None) for _, item in ordered])
    missed = [violations(column(table, constraint.name), constraint) for constraint in sweep.constraints]
    return Outcomes(objectives=objective_values(table, sweep), violations=np.stack(missed, axis=1) if missed else None)
