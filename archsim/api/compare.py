"""Comparing two designs, or two runs of designs, that lie in files or in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archsim.api.runs import read_resolved, read_summary
from archsim.core.errors import InputError, Problem
from archsim.core.spelling import spelled
from archsim.reports import comparison as differences
from archsim.reports.comparison import Comparison, Side
from archsim.reports.evaluation import Evaluation
from archsim.reports.run_folder import RESOLVED, SUMMARY

Comparable = Evaluation | str | Path


def compare(a: Comparable, b: Comparable, *, overrides: Sequence[str] = ()) -> Comparison:
    """What differs between `a` and `b`: each an Evaluation, a design file, a run folder, or its summary.json.

    `overrides` ("dotted.key=value") apply to the sides that are design files.

    Raises:
        InputError: when a side cannot be read; problems of both sides are reported together.
    """
    sides: list[Side] = []
    problems: list[Problem] = []
    for given in (a, b):
        try:
            sides.append(_side(given, overrides))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(dict.fromkeys(problems))
    return differences.comparison(*sides)


def _side(given: Comparable, overrides: Sequence[str]) -> Side:
    if isinstance(given, Evaluation):
        return _evaluated(given)
    if not isinstance(given, str | Path):
        message = f"a side is an Evaluation, a design file, a run folder or its summary.json (got {spelled(given)})"
        raise InputError(Problem(message=message))
    path = Path(given)
    if path.is_dir():
        return _read_run(path / SUMMARY)
    if path.suffix == ".json":
        return _read_run(path)
    from archsim.api.evaluate import evaluate

    return _evaluated(evaluate(path, overrides=overrides))


def _evaluated(evaluation: Evaluation) -> Side:
    return Side(document=evaluation.to_dict(), resolved=evaluation.resolved)


def _read_run(summary: Path) -> Side:
    return Side(document=read_summary(summary), resolved=read_resolved(summary.with_name(RESOLVED)))
