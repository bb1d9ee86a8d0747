"""Points of a sweep as rows: many at once where that can be, else one by one as `archsim evaluate` would.

A row is the same either way, to the bit; what is wrong with a point is said by the plain way alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from archsim.api.design import design_from_document
from archsim.api.evaluate import evaluate
from archsim.api.overrides import parse_overrides
from archsim.core.errors import ArchsimError, InfeasibleError
from archsim.explore.bases import Bases
from archsim.explore.batch import BatchEvaluator
from archsim.explore.batch_rows import Row
from archsim.explore.identity import canonical
from archsim.explore.kept import kept_cost
from archsim.explore.points import as_overrides
from archsim.explore.reasons import reason_of
from archsim.explore.results import PointResult, Values, combined, evaluation_values
from archsim.reports.document import evaluation_document
from archsim.sim.published import refuse_published

if TYPE_CHECKING:
    from archsim.api.design import Design
    from archsim.explore.space import Point
    from archsim.explore.study import EvaluatorSpec, WeightedWorkload

__all__ = ["UNEXPECTED", "PointEvaluator", "file_digest", "reason_of", "texts"]

UNEXPECTED = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
"""What a combination that no one thought of may raise in the model: its row says so, and the sweep goes on."""


class PointEvaluator:
    """Evaluates points of one sweep; made once in each process."""

    def __init__(self, spec: EvaluatorSpec) -> None:
        self.spec = spec
        self._base = parse_overrides(spec.overrides)
        self._digests: dict[str, str | None] = {}
        self._opening, self._closing = _frame_of(spec)
        stated = [[*self._base, *as_overrides(workload.overrides)] for workload in spec.workloads]
        self._bases = [Bases(spec.design, spec.path, own) if spec.mappings == "fixed" else None for own in stated]
        self._batches = [
            BatchEvaluator(spec.design, spec.path, own, self._files, bases)
            for own, bases in zip(stated, self._bases, strict=True)
        ]
        self._alone = Lock()

    def evaluate(self, points: Sequence[Point]) -> list[PointResult]:
        """One row for each point, in their order; the same rows whatever the points come together with.

        Threads take turns: what one has found is there for the next.
        """
        values = [point.values for point in points]
        with self._alone:
            columns = [batch.rows(values) for batch in self._batches]
        return [self._joined(point, rows) for point, rows in zip(points, zip(*columns, strict=True), strict=True)]

    @property
    def searches(self) -> int:
        """How many mappings were searched for in batches."""
        return sum(batch.costs.searches for batch in self._batches)

    def evaluate_plainly(self, points: Sequence[Point]) -> list[PointResult]:
        """The same rows, each by an evaluation of its own."""
        return [self._row(point) for point in points]

    def _joined(self, point: Point, rows: Sequence[Row | None]) -> PointResult:
        """The row of a point from those of its workloads; the plain way where one has none."""
        known = [row for row in rows if row is not None]
        if len(known) < len(rows):
            return self._row(point)
        files = sorted({file for row in known for file in row.files})
        point_id = self._hash([row.text for row in known], files)
        reason = next((row.reason for row in known if row.reason is not None), None)
        if reason is not None:
            return PointResult(point_id=point_id, point=point, status="failed", reason=reason)
        values = known[0].values
        if self.spec.combined:
            named = zip(self.spec.workloads, known, strict=True)
            values = combined([(workload.name, workload.weight, row.values) for workload, row in named])
        return PointResult(point_id=point_id, point=point, status="ok", values=values)

    def _hash(self, designs: Sequence[str], files: Sequence[tuple[str, str]]) -> str:
        """SHA-256 of designs, as canonical texts, with the files that they name and all that the sweep fixes."""
        text = f'{self._opening}[{",".join(designs)}],"files":{canonical(files) if files else "[]"}{self._closing}'
        return hashlib.sha256(text.encode()).hexdigest()

    def design(self, point: Point, workload: WeightedWorkload) -> Design:
        """The design of a point with one of the workloads. Raises InputError when it is none."""
        overrides = [*self._base, *as_overrides(workload.overrides), *as_overrides(point.values)]
        return design_from_document(self.spec.design, overrides, self.spec.path)

    def _row(self, point: Point) -> PointResult:
        designs: list[Design] = []
        parts = []
        try:
            designs.extend(self.design(point, workload) for workload in self.spec.workloads)
            for workload, design, bases in zip(self.spec.workloads, designs, self._bases, strict=True):
                parts.append((workload.name, workload.weight, _values(design, bases, point)))
        except ArchsimError as error:
            return self._failed(point, designs, reason_of(error))
        except UNEXPECTED as error:
            return self._failed(point, designs, f"unexpected {type(error).__name__}: {error}")
        values = combined(parts) if self.spec.combined else parts[0][2]
        return PointResult(point_id=self._id(point, designs), point=point, status="ok", values=values)

    def _failed(self, point: Point, designs: Sequence[Design], reason: str) -> PointResult:
        return PointResult(point_id=self._id(point, designs), point=point, status="failed", reason=reason)

    def _id(self, point: Point, designs: Sequence[Design]) -> str:
        """SHA-256 of the resolved designs (of what was written, where there is none) and the model version."""
        if len(designs) == len(self.spec.workloads):
            stated: list[Any] = [{k: v for k, v in design.resolved.items() if k != "design"} for design in designs]
        else:
            stated = [self.spec.design.values, self.spec.overrides, point.values]
        return self._hash([canonical(item) for item in stated], self._files(stated))

    def _files(self, values: object) -> tuple[tuple[str, str], ...]:
        """Files that a design names, with the hashes of what they hold."""
        found = ((name, self._digest(name)) for name in sorted(set(texts(values))))
        return tuple((name, digest) for name, digest in found if digest is not None)

    def _digest(self, name: str) -> str | None:
        """The hash of the file that a text names; None where it names none."""
        if name not in self._digests:
            self._digests[name] = file_digest(name, self.spec.path)
        return self._digests[name]


def file_digest(name: str, design: Path | None) -> str | None:
    """SHA-256 of the file of this name (``file:`` before it does not count) beside a design; None without such a file.

    Folders, as checkpoints are, count by the names and sizes of their files.
    """
    folder = Path() if design is None else design.parent
    try:
        path = folder / name.removeprefix("file:")
        if path.is_dir():
            entries = sorted((str(item.relative_to(path)), item.stat().st_size) for item in path.rglob("*"))
            return hashlib.sha256(repr(entries).encode()).hexdigest()
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    except (OSError, ValueError):  # a text that no file system takes as a name
        return None


def texts(values: object) -> Iterator[str]:
    """Every text in a design that may name a file."""
    if isinstance(values, str):
        if "." in values or "/" in values:
            yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from texts(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from texts(value)


def _values(design: Design, bases: Bases | None, point: Point) -> Values:
    """The columns of one design, with mappings of its own or with its base's."""
    if bases is None:
        return evaluation_values(evaluate(design).to_dict())
    refuse_published(design.simulation.convention, "keeping mappings")
    if design.mapper.fusion != "none" or design.simulation.fidelity != "analytic":
        raise InfeasibleError("mappings can be kept where ops run by themselves and are not simulated cycle by cycle")
    cost = kept_cost(design, bases.kept(point.values, design.trace))
    return evaluation_values(evaluation_document(design_name=design.name, archsim_version="", cost=cost))


def _frame_of(spec: EvaluatorSpec) -> tuple[str, str]:
    """The text that identifies a point, before its designs and after its files."""
    workloads = [(workload.name, workload.weight, workload.overrides) for workload in spec.workloads]
    fixed = [] if spec.mappings == "best" else [spec.mappings, spec.design.values, spec.overrides]
    return (
        '{"designs":',
        f',"mappings":{canonical(fixed)},"model":{canonical(spec.model_version)},"workloads":{canonical(workloads)}}}',
    )
