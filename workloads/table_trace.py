"""Rows with their lines to a checked trace, and a trace's metadata: what CSV and Parquet share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archsim.core.errors import InputError, Problem, unknown_name
from archsim.workloads.layers import layer_name
from archsim.workloads.op import AnyOp, Op, Role
from archsim.workloads.table_columns import COLUMNS, Cells, Column, parse_cell
from archsim.workloads.table_graph import Node, graph_problems
from archsim.workloads.table_rows import KvUse, RowError, RowOps, row_ops
from archsim.workloads.trace import Trace

PROBLEM_LIMIT = 200
"""Problems of one file that are listed; the rest is counted."""

_NUMBERS = {"parameters": 0, "kv_elements_per_token": 0, "kv_tokens": 0, "output_tokens": 0, "batch": 1}
METADATA = ("name", *_NUMBERS, "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Non-empty cells by column, and the line (or row of a Parquet file) they come from."""

    cells: Cells
    line: int


def metadata(trace: Trace) -> dict[str, str | int]:
    """What a trace says beside its ops, by key of the file's header."""
    return {key: getattr(trace, key) for key in METADATA}


def build_trace(rows: Sequence[Row], header: Mapping[str, str], file: Path, found: Sequence[Problem] = ()) -> Trace:
    """The trace of a file's rows and metadata. Raises InputError with `found` and every problem of the rows."""
    problems = list(found)
    parsed: list[tuple[Row, RowOps]] = []
    broken: list[Row] = []
    for row in rows:
        try:
            parsed.append((row, row_ops(row.cells)))
        except RowError as error:
            broken.append(row)
            problems += [replace(problem, line=row.line) for problem in error.problems]
    ops, nodes = _resolved(parsed)
    numbers, wrong = _numbers(header)
    problems += wrong + graph_problems(sorted(nodes + _named(broken), key=lambda node: node.line))
    if not rows and not problems:
        problems.append(Problem(message="has no rows"))
    raise_all(problems, file)
    kv = _kv(parsed)
    defaults = {
        "parameters": distinct_parameters(ops),
        "kv_elements_per_token": kv.elements_per_token,
        "kv_tokens": kv.tokens,
        "output_tokens": 0,
        "batch": 1,
    }
    name, source = header.get("name", file.stem), header.get("source", "")
    counted = defaults | numbers
    return Trace(name=name, ops=ops, source=source, **counted)  # type: ignore[arg-type]


def distinct_parameters(ops: Iterable[AnyOp]) -> int:
    """Weights that parameters hold, each layer once; a layer's count stands for that many equal layers."""
    seen: dict[str, int] = {}
    for op in ops:
        if isinstance(op, Op) and op.weights.role is Role.PARAMETER:
            seen.setdefault(layer_name(op.name), op.elements("weights") * op.count)
    return sum(seen.values())


def column_problems(names: Sequence[str], line: int | None) -> list[Problem]:
    """Unknown and repeated columns of a header, and those that every table needs."""
    problems = [unknown_name("column", name, COLUMNS, line=line) for name in names if name and name not in COLUMNS]
    repeated = {name for name in names if name and names.count(name) > 1}
    problems += [Problem(line=line, message=f"column {name!r} stands twice") for name in sorted(repeated)]
    missing = [name for name in ("name", "kind") if name not in names]
    problems += [Problem(line=line, message=f"column {name!r} is missing") for name in missing]
    return problems


def raise_all(problems: Sequence[Problem], file: Path) -> None:
    """Raise the problems, in the order of their lines, as one InputError."""
    if not problems:
        return
    ordered = sorted(problems, key=lambda problem: problem.line or 0)
    placed = [replace(problem, file=str(file)) for problem in ordered[:PROBLEM_LIMIT]]
    if len(ordered) > PROBLEM_LIMIT:
        placed.append(Problem(file=str(file), message=f"and {len(ordered) - PROBLEM_LIMIT} more problems"))
    raise InputError(placed)


def _resolved(parsed: Sequence[tuple[Row, RowOps]]) -> tuple[tuple[AnyOp, ...], list[Node]]:
    """The ops with rows' names in `after` replaced by the ops that make the rows' results, and the graph's nodes."""
    result = {str(row.cells["name"]): row_of.ops[-1].name for row, row_of in parsed if len(row_of.ops) > 1}
    ops: list[AnyOp] = []
    nodes = []
    for row, row_of in parsed:
        for op in row_of.ops:
            if op.after is not None and any(name in result for name in op.after):
                op = replace(op, after=tuple(result.get(name, name) for name in op.after))
            ops.append(op)
            nodes.append(Node(name=op.name, after=op.after or (), line=row.line))
    return tuple(ops), nodes


def _named(broken: Sequence[Row]) -> list[Node]:
    """Nodes of rows that did not parse, so that others may still name them."""
    return [Node(name=str(row.cells["name"]), after=(), line=row.line) for row in broken if "name" in row.cells]


def _numbers(header: Mapping[str, str]) -> tuple[dict[str, int], list[Problem]]:
    numbers: dict[str, int] = {}
    problems = []
    for key, least in _NUMBERS.items():
        if key in header:
            value = parse_cell(Column(name=key, least=least), header[key])
            if isinstance(value, Problem):
                problems.append(value)
            else:
                numbers[key] = int(value)
    return numbers, problems


def _kv(parsed: Sequence[tuple[Row, RowOps]]) -> KvUse:
    """The cache that attention rows imply: the sum over one phase's rows (prefill and decode share it)."""
    elements: dict[str, int] = {}
    tokens = 0
    for _, row_of in parsed:
        if row_of.kv:
            phase = row_of.ops[0].phase
            elements[phase] = elements.get(phase, 0) + row_of.kv.elements_per_token
            tokens = max(tokens, row_of.kv.tokens)
    return KvUse(elements_per_token=max(elements.values(), default=0), tokens=tokens)
