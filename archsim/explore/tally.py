"""What is known of a run so far: how many points, why some failed, and the front; without keeping the points."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from archsim.explore.study import Sweep

_VARYING = re.compile(r"\d[\w.]*(?:\s?(?:[KMGTP]i?)?(?:B|bit)\b)?|'[^']*'")
_LONGEST_LIST = re.compile(r"(…(?:, …)+)")


def kind_of(reason: str) -> str:
    """A reason without the numbers and names in it, which differ from point to point.

    >>> kind_of("op 'fc1': its smallest tile does not fit the memories (glb 1.00 KiB)")
    'op …: its smallest tile does not fit the memories (glb …)'
    """
    return _LONGEST_LIST.sub("…", _VARYING.sub("…", reason))


def feasible_rows(table: pa.Table, sweep: Sweep) -> NDArray[np.bool_]:
    """Rows that did not fail and meet every constraint."""
    import numpy as np

    holds: NDArray[np.bool_] = np.array(table["status"].to_pylist()) == "ok"
    for constraint in sweep.constraints:
        holds &= np.array([constraint.holds(value) for value in table[constraint.name].to_pylist()], bool)
    return holds


def column(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A total of every row; NaN where it does not exist."""
    import numpy as np

    return np.array(table[name].to_pylist(), np.float64)


def objective_values(table: pa.Table, sweep: Sweep) -> NDArray[np.float64]:
    """(rows, objectives), smaller is better; NaN for a value that does not exist."""
    import numpy as np

    columns = []
    for objective in sweep.objectives:
        values = column(table, objective.name)
        columns.append(values if objective.sense == "min" else -values)
    return np.stack(columns, axis=1)


@dataclass(slots=True)
class Tally:
    """Adds up tables of a run, in any order."""

    sweep: Sweep
    points: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    feasible: int = 0
    """Points that did not fail and meet every constraint."""
    valued: int = 0
    """Of those, the ones that have all objectives."""
    met: Counter[str] = field(default_factory=Counter)
    """Points that did not fail by the constraint that they meet."""
    known: Counter[str] = field(default_factory=Counter)
    """Points that have an objective, by its name."""
    _front: pa.Table | None = None

    def add(self, table: pa.Table) -> None:
        """Count a chunk, and keep those of its points that the front needs."""
        import numpy as np
        import pyarrow as pa

        from archsim.explore.pareto import non_dominated

        self.points += table.num_rows
        self.failed.update(kind_of(reason) for reason in table["reason"].to_pylist() if reason is not None)
        feasible = feasible_rows(table, self.sweep)
        self.feasible += int(feasible.sum())
        objectives = objective_values(table, self.sweep)
        candidates = feasible & ~np.isnan(objectives).any(axis=1)
        self.valued += int(candidates.sum())
        self._count(table, objectives)
        if not candidates.any():
            return
        found = table.filter(pa.array(candidates)).replace_schema_metadata(None)
        both = found if self._front is None else pa.concat_tables([self._front, found])
        self._front = both.filter(pa.array(non_dominated(objective_values(both, self.sweep)))).combine_chunks()

    def _count(self, table: pa.Table, objectives: NDArray[np.float64]) -> None:
        import numpy as np

        for constraint in self.sweep.constraints:
            self.met[str(constraint)] += sum(map(constraint.holds, table[constraint.name].to_pylist()))
        exist = (~np.isnan(objectives)).sum(axis=0).tolist()
        for objective, count in zip(self.sweep.objectives, exist, strict=True):
            self.known[objective.name] += count

    @property
    def front(self) -> list[dict[str, Any]]:
        """The rows of the front, by the number of their points."""
        if self._front is None:
            return []
        return sorted(self._front.to_pylist(), key=lambda row: row["index"])

    @property
    def front_size(self) -> int:
        return 0 if self._front is None else self._front.num_rows

    def best(self) -> dict[str, float]:
        """The best value of each objective on the front."""
        if self._front is None:
            return {}
        values = objective_values(self._front, self.sweep).min(axis=0)
        pairs = zip(self.sweep.objectives, values.tolist(), strict=True)
        return {objective.name: value if objective.sense == "min" else -value for objective, value in pairs}
