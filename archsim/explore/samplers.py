"""Which points of a space a run takes: all of them, or a sample that does not depend on who evaluates it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.core.errors import ArchsimError
from archsim.explore.chunks import Chunk, Genes, spans
from archsim.explore.space import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from archsim.explore.options import SearchOptions

_LISTED = 4
"""A sample of more than one in four points is taken from the list of all: drawing would meet too many again."""
_IDLE_DRAWS = 64
"""Batches of draws without a new point, after which a sample is given up."""
_BATCH_POWER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The points of a run in order. Its size is known before, unlike that of a search."""

    count: int
    genes: NDArray[np.int32] | None = None
    """(count, free axes); None: the whole grid."""

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The points in chunks of up to `size`."""
        for first, count in spans(0, self.count, size):
            yield Chunk(first, count, None if self.genes is None else _tuples(self.genes[first : first + count]))


def _tuples(rows: Any) -> Genes:
    return tuple(tuple(row) for row in rows.tolist())


def sample(space: Space, search: SearchOptions) -> Sample:
    """The sample that `[search]` asks for: the same for the same seed.

    Random points are equally likely, each at most once. Sobol points fill the axes evenly (scrambled sequence; a point
    that comes again, or differs only in axes that do not exist there, is skipped).
    Source: Owen, "Scrambling Sobol' and Niederreiter-Xing points", 1998; Joe, Kuo, "Constructing Sobol sequences with
    better two-dimensional projections", 2008.
    """
    if search.method == "grid" or search.points is None:
        return Sample(count=space.size)
    if search.method == "sobol":
        genes = _distinct(space, search.points, _sobol(space, search.seed))
    elif search.points * _LISTED > space.size:
        genes = _listed(space, search.points, search.seed)
    else:
        genes = _distinct(space, search.points, _random(space, search.seed))
    return Sample(count=len(genes), genes=genes)


def _listed(space: Space, points: int, seed: int) -> NDArray[np.int32]:
    """Points drawn from the list of all, in the order of the list."""
    import numpy as np

    chosen = np.sort(np.random.default_rng(seed).choice(space.size, points, replace=False))
    return np.array([space.grid(int(index)).genes for index in chosen], np.int32).reshape(points, -1)


def _random(space: Space, seed: int) -> Iterator[Iterable[tuple[int, ...]]]:
    """Batches of points that are equally likely: places in the grid, or genes where there are too many to number."""
    import numpy as np

    random = np.random.default_rng(seed)
    while True:
        if space.size < 2**63:
            yield [space.grid(int(index)).genes for index in random.integers(0, space.size, 2**_BATCH_POWER)]
        else:
            yield _tuples(random.integers(0, space.cardinalities, (2**_BATCH_POWER, len(space.free))))


def _sobol(space: Space, seed: int) -> Iterator[Iterable[tuple[int, ...]]]:
    import numpy as np
    from scipy.stats import qmc

    sizes = np.array(space.cardinalities)
    engine = qmc.Sobol(len(sizes), scramble=True, rng=np.random.default_rng(seed))
    while True:
        yield _tuples(np.minimum((engine.random_base2(_BATCH_POWER) * sizes).astype(np.int64), sizes - 1))


def _distinct(space: Space, points: int, batches: Iterator[Iterable[tuple[int, ...]]]) -> NDArray[np.int32]:
    """The first different points of batches. Raises ArchsimError when no new ones come."""
    import numpy as np

    known: dict[tuple[int, ...], None] = {}
    idle = 0
    while len(known) < points and idle < _IDLE_DRAWS:
        before = len(known)
        for genes in next(batches):
            known.setdefault(space.point(genes).genes)
        idle = idle + 1 if len(known) == before else 0
    if len(known) < points:
        raise ArchsimError(f"the sample found {len(known)} different points of {points}: use method 'random' or 'grid'")
    return np.array(list(known)[:points], np.int32).reshape(points, -1)
