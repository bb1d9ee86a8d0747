"""Trace CSV: leading ``# key: value`` lines with the trace's metadata, a header, one op a row."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from archsim.core.errors import InputError, Problem
from archsim.workloads.scalesim import is_topology, topology_trace
from archsim.workloads.table_columns import COLUMNS
from archsim.workloads.table_rows import op_row
from archsim.workloads.table_trace import METADATA, Row, build_trace, column_problems, metadata, raise_all
from archsim.workloads.trace import Trace

Line = tuple[int, list[str]]
"""A line number and its cells."""


def read_csv(content: bytes, file: Path) -> Trace:
    """The trace of a CSV file's bytes: archsim's columns or a SCALE-Sim topology, by the header."""
    text = _decoded(content, file)
    header, body_start = _metadata(text)
    lines = _lines(text, body_start, file)
    if not lines:
        raise_all([Problem(message="is empty: expected a header and one op a row")], file)
    number, names = lines[0]
    if is_topology(names):
        return topology_trace(lines, file)
    columns = [name.strip() for name in names]
    problems = column_problems(columns, number)
    raise_all(problems, file)
    rows = []
    for line, cells in lines[1:]:
        if any(cell.strip() for cell in cells[len(columns) :]):
            problems.append(Problem(line=line, message=f"has {len(cells)} cells, the header {len(columns)}"))
        filled = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name and cell.strip()}
        rows.append(Row(cells=filled, line=line))
    return build_trace(rows, header, file, problems)


def write_csv(trace: Trace) -> bytes:
    """A trace as the bytes of a CSV file, with the columns that some op fills."""
    rows = [op_row(op) for op in trace.ops]
    used = {column for row in rows for column in row}
    columns = [name for name in COLUMNS if name in used or name in ("name", "kind")]
    text = io.StringIO()
    for key, value in metadata(trace).items():
        text.write(f"# {key}: {_quoted(value)}\n")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _decoded(content: bytes, file: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        problem = Problem(file=str(file), line=line, message=f"is not UTF-8 (byte 0x{byte:02x})")
        raise InputError(problem) from None


def _metadata(text: str) -> tuple[dict[str, str], int]:
    """Known keys of the leading comment lines, and how many lines those are. Other comments are comments."""
    header: dict[str, str] = {}
    count = 0
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        count += 1
        key, _, value = line[1:].partition(":")
        if key.strip() in METADATA:
            header[key.strip()] = _unquoted(value.strip())
    return header, count


def _lines(text: str, skip: int, file: Path) -> list[Line]:
    """Non-blank lines with their numbers, from line `skip` on."""
    body = text.split("\n", skip)[skip] if skip <= text.count("\n") else ""
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=_delimiter(body), strict=True)
    lines: list[Line] = []
    try:
        lines.extend((reader.line_num + skip, cells) for cells in reader if any(cell.strip() for cell in cells))
    except csv.Error as error:
        raise_all([Problem(line=reader.line_num + skip, message=f"is not CSV: {error}")], file)
    return lines


def _delimiter(body: str) -> str:
    """The comma, or what spreadsheets write in its place where the first line has none."""
    first = next((line for line in body.splitlines() if line.strip()), "")
    return next((mark for mark in ",;\t" if mark in first), ",")


def _quoted(value: str | int) -> str:
    """The value as it stands, or as a JSON string where its edges or line breaks would be lost."""
    text = str(value)
    plain = text.isprintable() and text == text.strip() and not text.startswith('"')
    return text if plain else json.dumps(text)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        return text
