"""Designs of a run from within: evaluated again, as the sweep evaluated them, to show their layers and rooflines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archsim.api.evaluate import evaluate
from archsim.core.errors import ArchsimError
from archsim.explore.evaluate_points import PointEvaluator
from archsim.explore.op_costs import text_of
from archsim.explore.results import Values, combined, evaluation_values
from archsim.explore.space import Point
from archsim.explore.study import Sweep
from archsim.reports.evaluation import Evaluation
from archsim.reports.page.detail import design_detail
from archsim.reports.page.record import DesignDetail

BASE = Point(index=-1, genes=(), values=())
"""The design that the sweep starts from: no axis sets anything."""
Progress = Callable[[int, int], None]
_RELATIVE = 1e-9


@dataclass(frozen=True, slots=True)
class Wanted:
    """A point to evaluate again: its row in the page (None: none of them) and what the run says of it."""

    point: Point
    row: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What evaluating again gave: details in the order asked for, the values of the base design, what went wrong."""

    details: tuple[DesignDetail, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    """In the order of `details`."""
    base: Values | None = None
    warnings: tuple[str, ...] = ()


def evaluate_again(sweep: Sweep, wanted: Sequence[Wanted], progress: Progress | None = None) -> Evaluated:
    """The designs of points, each with every workload. A point that cannot be evaluated any more is a warning."""
    evaluator = PointEvaluator(sweep.spec)
    details: list[DesignDetail] = []
    evaluations: list[Evaluation] = []
    warnings: list[str] = []
    base: Values | None = None
    for number, one in enumerate(wanted):
        if progress is not None:
            progress(number, len(wanted))
        try:
            found = _evaluations(evaluator, sweep, one.point)
        except ArchsimError as error:
            if one.row is not None:
                warnings.append(f"#{one.point.index} cannot be evaluated again: {text_of(error)}")
            continue
        values = _values(sweep, found)
        if one.row is None:
            base = values
        warnings.extend(_differences(one, values))
        for name, evaluation in found:
            evaluations.append(evaluation)
            details.append(design_detail(evaluation, row=one.row, name=_name(one, name)))
    return Evaluated(
        details=tuple(details), evaluations=tuple(evaluations), base=base, warnings=tuple(dict.fromkeys(warnings))
    )


def _name(one: Wanted, workload: str) -> str:
    parts = [*(["base design"] if one.row is None else []), *([workload] if workload else [])]
    return ", ".join(parts)


def _evaluations(evaluator: PointEvaluator, sweep: Sweep, point: Point) -> list[tuple[str, Evaluation]]:
    workloads = sweep.spec.workloads
    return [(workload.name, evaluate(evaluator.design(point, workload))) for workload in workloads]


def _values(sweep: Sweep, found: Sequence[tuple[str, Evaluation]]) -> Values:
    parts = [
        (workload.name, workload.weight, evaluation_values(evaluation.to_dict()))
        for workload, (_, evaluation) in zip(sweep.spec.workloads, found, strict=True)
    ]
    return combined(parts) if sweep.spec.combined else parts[0][2]


def _differences(one: Wanted, values: Values) -> Iterator[str]:
    """A figure that is not the run's any more: another version computes it, or files have changed."""
    for name, before in one.values.items():
        now = values.get(name)
        if not math.isnan(before) and (now is None or not math.isclose(before, now, rel_tol=_RELATIVE, abs_tol=0.0)):
            yield f"#{one.point.index} gives {name} = {now:.6g} now, {before:.6g} in the run: its layers are of now"
            return
