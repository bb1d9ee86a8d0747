"""Points evaluated one by one, as `archsim evaluate` would evaluate each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.api.design import design_from_document
from archsim.api.evaluate import evaluate
from archsim.api.overrides import Override, parse_overrides
from archsim.api.places import PYTHON, Origin
from archsim.core.errors import ArchsimError, InputError
from archsim.core.toml import parse_key
from archsim.explore.results import PointResult, combined, evaluation_values

if TYPE_CHECKING:
    from archsim.api.design import Design
    from archsim.explore.axes import Value
    from archsim.explore.space import Point
    from archsim.explore.study import EvaluatorSpec, WeightedWorkload

UNEXPECTED = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
"""What a combination that no one thought of may raise in the model: its row says so, and the sweep goes on."""


class PointEvaluator:
    """Evaluates points of one sweep; made once in each process."""

    def __init__(self, spec: EvaluatorSpec) -> None:
        self.spec = spec
        self._base = parse_overrides(spec.overrides)
        self._digests: dict[str, str | None] = {}

    def evaluate(self, points: Sequence[Point]) -> list[PointResult]:
        """One row for each point, in their order; the same rows whatever the points come together with."""
        return [self._row(point) for point in points]

    def design(self, point: Point, workload: WeightedWorkload) -> Design:
        """The design of a point with one of the workloads. Raises InputError when it is none."""
        overrides = [*self._base, *_overrides(workload.overrides), *_overrides(point.values)]
        return design_from_document(self.spec.design, overrides, self.spec.path)

    def _row(self, point: Point) -> PointResult:
        designs: list[Design] = []
        parts = []
        try:
            designs.extend(self.design(point, workload) for workload in self.spec.workloads)
            for workload, design in zip(self.spec.workloads, designs, strict=True):
                parts.append((workload.name, workload.weight, evaluation_values(evaluate(design).to_dict())))
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
            stated: Any = [{k: v for k, v in design.resolved.items() if k != "design"} for design in designs]
        else:
            stated = [self.spec.design.values, self.spec.overrides, point.values]
        document = {
            "model": self.spec.model_version,
            "workloads": [(workload.name, workload.weight, workload.overrides) for workload in self.spec.workloads],
            "designs": stated,
            "files": self._files(stated),
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _files(self, values: object) -> list[tuple[str, str]]:
        """Files that a design names, with the hashes of what they hold."""
        found = ((name, self._digest(name)) for name in sorted(set(texts(values))))
        return [(name, digest) for name, digest in found if digest is not None]

    def _digest(self, name: str) -> str | None:
        """The hash of the file that a text names; None where it names none."""
        if name not in self._digests:
            self._digests[name] = file_digest(name, self.spec.path)
        return self._digests[name]


def reason_of(error: ArchsimError) -> str:
    """An error in one line without places: every point of a sweep has the same."""
    if isinstance(error, InputError):
        return "; ".join(": ".join(filter(None, (problem.key, problem.message))) for problem in error.problems)
    return "; ".join(str(error).splitlines())


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


def _overrides(values: Sequence[tuple[str, Value]]) -> list[Override]:
    sweep = Origin(PYTHON, ())
    return [Override(parse_key(key) or (key,), deepcopy(value), f"{key}={value}", sweep) for key, value in values]
