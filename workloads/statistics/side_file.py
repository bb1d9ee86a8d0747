"""The side file of a trace: its statistics as one Parquet table, a row for each histogram and each number.

Columns: `layer`, `operand`, `source`, `format` (null for what does not depend on it), `statistic`, `lanes`, `position`
(bit position, else null), `counts` (list of int64) for histograms, `value` (float64) for numbers, `text`. The schema's
metadata hold the file's kind (`archsim.statistics/1`), the name of the trace, and its notes, one a line.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief
from archsim.workloads.statistics.records import (
    Counts,
    FormatStatistics,
    TensorStatistics,
    TraceStatistics,
    ValueStatistics,
    frozen,
)

SCHEMA = "archsim.statistics/1"
BY_POSITION = ("column_ones", "twos_column_ones")
"""Histograms with a row per bit position."""
LARGEST_FILE_BYTES = 1 << 31
_VALUE_NUMBERS = ("elements", "zeros", "mean", "deviation", "largest")
_VALUE_HISTOGRAMS = ("sigmas", "larger", "smaller")
_FORMAT_NUMBERS = ("width", "signed", "zero_values", "entropy_bits", "lowest")
_VIEW, _ROWS, _LENGTH = "view", "rows", "length"


class Line(TypedDict):
    """One row of the table, as it is read; cells that are left out when it is written are read as None."""

    layer: str
    operand: str
    source: str
    format: str | None
    statistic: str
    lanes: int | None
    position: int | None
    counts: Sequence[int] | None
    value: float | None
    text: str | None


def write_statistics(statistics: TraceStatistics, path: str | os.PathLike[str]) -> None:
    """Write the side file; it appears complete or not at all."""
    import pyarrow.parquet

    lines = [line for tensor in statistics.tensors for line in _tensor_lines(tensor)]
    header = {"schema": SCHEMA, "name": statistics.name, "notes": "\n".join(statistics.notes)}
    table = pyarrow.Table.from_pylist(lines, schema=_schema(header))
    target = Path(path)
    beside = target.with_name(f"{target.name}.part")
    try:
        pyarrow.parquet.write_table(table, beside, compression="zstd")
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def read_statistics(path: str | os.PathLike[str]) -> TraceStatistics:
    """The statistics of a side file. Raises InputError for a file that is missing, damaged or of another kind."""
    import pyarrow
    import pyarrow.parquet

    file = Path(path)
    if not file.is_file():
        raise _wrong(file, "no such file")
    if file.stat().st_size > LARGEST_FILE_BYTES:
        raise _wrong(file, f"has more than {LARGEST_FILE_BYTES:,} bytes")
    try:
        source = pyarrow.parquet.ParquetFile(file)
        _check_size(file, source.metadata)
        table = source.read()
        lines = table.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _wrong(file, f"is not a readable Parquet file: {str(error).splitlines()[0]}") from None
    header = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in _metadata(table)}
    if header.get("schema") != SCHEMA or not table.schema.equals(_schema({}), check_metadata=False):
        got = header.get("schema") or "another table"
        raise _wrong(file, f"is no side file of statistics: needs {SCHEMA} (got {brief(got)})")
    try:
        tensors = tuple(_tensor(group) for group in _grouped(lines, ("layer", "operand")))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _wrong(file, f"lacks a row, or has a wrong one: {brief(str(error))}") from None
    notes = tuple(header.get("notes", "").split("\n")) if header.get("notes") else ()
    return TraceStatistics(name=header.get("name", file.stem), tensors=tensors, notes=notes)


def _check_size(file: Path, metadata: Any) -> None:
    """Refuse a file that unpacks to more than may be read."""
    unpacked = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    if unpacked > LARGEST_FILE_BYTES:
        raise _wrong(file, f"unpacks to {unpacked:,} bytes (at most {LARGEST_FILE_BYTES:,})")


def _metadata(table: Any) -> list[tuple[bytes, bytes]]:
    return list((table.schema.metadata or {}).items())


def _schema(header: Mapping[str, str]) -> Any:
    import pyarrow

    words = pyarrow.string()
    columns = [(name, words) for name in ("layer", "operand", "source", "format", "statistic")]
    columns += [("lanes", pyarrow.int32()), ("position", pyarrow.int32()), ("counts", pyarrow.list_(pyarrow.int64()))]
    columns += [("value", pyarrow.float64()), ("text", words)]
    return pyarrow.schema(columns, metadata=dict(header) or None)


def _tensor_lines(tensor: TensorStatistics) -> Iterator[dict[str, Any]]:
    start: dict[str, Any] = {"layer": tensor.layer, "operand": tensor.operand, "source": tensor.source}
    yield {**start, "statistic": _ROWS, "value": tensor.shape[0]}
    yield {**start, "statistic": _LENGTH, "value": tensor.shape[1]}
    if tensor.values is not None:
        for name in _VALUE_NUMBERS:
            yield {**start, "statistic": name, "value": float(getattr(tensor.values, name))}
        for name in _VALUE_HISTOGRAMS:
            yield {**start, "statistic": name, "counts": getattr(tensor.values, name).tolist()}
    for found in tensor.formats:
        yield from _format_lines({**start, "format": found.format}, found)


def _format_lines(start: dict[str, Any], found: FormatStatistics) -> Iterator[dict[str, Any]]:
    yield {**start, "statistic": _VIEW, "text": found.view}
    for name in _FORMAT_NUMBERS:
        number = getattr(found, name)
        if number is not None:
            yield {**start, "statistic": name, "value": float(number)}
    for name in ("codes", "exponents"):
        counts = getattr(found, name)
        if counts is not None:
            yield {**start, "statistic": name, "counts": counts.tolist()}
    for lanes, histograms in found.groups.items():
        for name, counts in histograms.items():
            if name in BY_POSITION:
                for position, row in enumerate(counts.tolist()):
                    yield {**start, "statistic": name, "lanes": lanes, "position": position, "counts": row}
            else:
                yield {**start, "statistic": name, "lanes": lanes, "counts": counts.tolist()}


def _grouped(lines: Sequence[Line], keys: tuple[str, ...]) -> list[list[Line]]:
    """Lines with the same cells under `keys`, in the order of the first of each."""
    groups: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        groups.setdefault(tuple(line.get(key) for key in keys), []).append(line)
    return list(groups.values())


def _tensor(lines: Sequence[Line]) -> TensorStatistics:
    first = lines[0]
    own = {str(line["statistic"]): line for line in lines if line["format"] is None}
    formats = _grouped([line for line in lines if line["format"] is not None], ("format",))
    return TensorStatistics(
        layer=str(first["layer"]),
        operand=str(first["operand"]),
        source=str(first["source"]),
        shape=(_whole(own, _ROWS), _whole(own, _LENGTH)),
        values=_values(own) if "elements" in own else None,
        formats=tuple(_format(group) for group in formats),
    )


def _values(own: Mapping[str, Line]) -> ValueStatistics:
    return ValueStatistics(
        elements=_whole(own, "elements"),
        zeros=_whole(own, "zeros"),
        mean=_number(own, "mean"),
        deviation=_number(own, "deviation"),
        largest=_number(own, "largest"),
        sigmas=_counts(own["sigmas"]),
        larger=_counts(own["larger"]),
        smaller=_counts(own["smaller"]),
    )


def _format(lines: Sequence[Line]) -> FormatStatistics:
    own = {str(line["statistic"]): line for line in lines if line["lanes"] is None}
    groups = _grouped([line for line in lines if line["lanes"] is not None], ("lanes",))
    return FormatStatistics(
        format=str(lines[0]["format"]),
        view=str(own[_VIEW]["text"]),
        width=_whole(own, "width"),
        signed=bool(_whole(own, "signed")),
        zero_values=_whole(own, "zero_values"),
        entropy_bits=_number(own, "entropy_bits") if "entropy_bits" in own else None,
        lowest=_whole(own, "lowest"),
        codes=_counts(own["codes"]) if "codes" in own else None,
        exponents=_counts(own["exponents"]) if "exponents" in own else None,
        groups={int(group[0]["lanes"] or 0): frozen(_histograms(group)) for group in groups},
    )


def _histograms(lines: Sequence[Line]) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for same in _grouped(lines, ("statistic",)):
        name = str(same[0]["statistic"])
        found[name] = np.stack([_counts(line) for line in same]) if name in BY_POSITION else _counts(same[0])
    return found


def _counts(line: Line) -> Counts:
    counts = np.array(line["counts"], dtype=np.int64)
    if counts.ndim != 1 or counts.size == 0 or int(counts.min()) < 0:
        raise ValueError(f"counts of {line['statistic']!r}")
    return counts


def _number(own: Mapping[str, Line], name: str) -> float:
    value = own[name]["value"]
    if value is None or math.isnan(value):
        raise ValueError(f"value of {name!r}")
    return value


def _whole(own: Mapping[str, Line], name: str) -> int:
    return int(_number(own, name))


def _wrong(file: Path, message: str) -> InputError:
    return InputError(Problem(file=str(file), message=message))
