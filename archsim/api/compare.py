"""Comparing two designs, or two runs of designs, that lie in files or in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import spelled
from archsim.reports import comparison as differences
from archsim.reports.comparison import Comparison, Side
from archsim.reports.document import SCHEMA
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
    document = _read_json(summary)
    if document.get("schema") != SCHEMA:
        raise _wrong(summary, f"is not an {SCHEMA} document (its schema: {document.get('schema')!r})")
    _check_document(document, summary)
    resolved = summary.with_name(RESOLVED)
    if not resolved.is_file():
        return Side(document=document)
    design = _read_json(resolved).get("design")
    if not isinstance(design, dict):
        raise _wrong(resolved, "has no table 'design'")
    return Side(document=document, resolved=design)


def _check_document(document: dict[str, Any], path: Path) -> None:
    """What the comparison reads must be there: a summary edited by hand may lack it."""
    problems = [
        Problem(file=str(path), key=key, message=f"must be {words}")
        for key, kind, words in (
            ("design", str, "a text"),
            ("archsim", str, "a text"),
            ("totals", dict, "a table"),
            ("energy_j", dict, "a table"),
            ("layers", list, "a list"),
        )
        if not isinstance(document.get(key), kind)
    ]
    if not problems:
        needed = {"name", "phase", "count", "formats", "macs", "cycles", "compute_cycles", "stall_cycles"}
        needed |= {"latency_s", "energy_j", "bound", "dram_bytes", "mapping"}
        for index, layer in enumerate(document["layers"]):
            missing = sorted(needed - set(layer)) if isinstance(layer, dict) else ["a table"]
            if missing:
                problems.append(Problem(file=str(path), key=f"layers[{index}]", message=f"lacks {', '.join(missing)}"))
    if problems:
        raise InputError(problems)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _wrong(path, "no such file", "pass a design file, a run folder or its summary.json") from None
    except UnicodeDecodeError as error:
        raise _wrong(path, f"is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise InputError(Problem(file=str(path), line=error.lineno, message=f"is not JSON: {error.msg}")) from None
    except RecursionError:
        raise _wrong(path, "is nested too deeply") from None
    if not isinstance(document, dict):
        raise _wrong(path, "must hold one JSON object")
    return document


def _wrong(path: Path, message: str, hint: str | None = None) -> InputError:
    return InputError(Problem(file=str(path), message=message, hint=hint))
