"""Layers by how much they suffer from few bits: the first of them keep a wider format."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem, nearest, unknown_name
from archsim.core.spelling import brief
from archsim.workloads.globs import matches
from archsim.workloads.layers import layer_name
from archsim.workloads.op import Op, Role
from archsim.workloads.trace import Trace

COLUMNS = ("layer", "sensitivity")
LARGEST_FILE = 1 << 24
"""Bytes of an order file."""

KEY = "quantization.sensitivity.order"


def sensitive_formats(
    trace: Trace, order: Sequence[str], keep: Sequence[tuple[float, Format]]
) -> tuple[dict[str, Format], tuple[str, ...]]:
    """The format of weights of each layer that is kept wider, by layer name, and warnings.

    `order` lists globs from the most sensitive layer on; layers of one glob follow in the trace's order. Each pair of
    fraction and format in `keep` takes the next layers of the order while their share of all weights is at most the
    fraction, and ends at the first that is too large. Layers count once however often they run.
    """
    sizes = weight_counts(trace)
    ranked = list(dict.fromkeys(layer for glob in order for layer in sizes if matches(glob, layer)))
    idle = [glob for glob in order if not any(matches(glob, layer) for layer in sizes)]
    warnings = [_idle(glob, trace, sizes) for glob in idle]
    formats: dict[str, Format] = {}
    total, at = sum(sizes.values()), 0
    for number, (fraction, fmt) in enumerate(keep):
        room = Fraction(str(fraction)) * total
        start = at
        while at < len(ranked) and sizes[ranked[at]] <= room:
            room -= sizes[ranked[at]]
            formats[ranked[at]] = fmt
            at += 1
        if at == start and at < len(ranked) and fraction:
            share = sizes[ranked[at]] / total
            warnings.append(
                f"quantization.sensitivity.keep[{number}]: {fraction:g} of the weights is less than {ranked[at]} has "
                f"({share:.3g}): no layer is kept in {fmt.name}"
            )
    return formats, tuple(warnings)


def weight_counts(trace: Trace) -> dict[str, int]:
    """Weights of each layer with parameters, over the equal layers it stands for, in the trace's order.

    A layer that runs several times (in prefill and in decode segments) counts once.
    """
    found: dict[str, int] = {}
    for op in trace.ops:
        if isinstance(op, Op) and op.weights.role is Role.PARAMETER:
            name, size = layer_name(op.name), op.elements("weights") * op.count
            found[name] = min(found.get(name, size), size)
    return found


def read_order(path: Path) -> tuple[str, ...]:
    """Layers of a CSV file with a column `layer`, in its order, or by its column `sensitivity`, the largest first.

    Raises InputError with every wrong line.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(Problem(file=path.name, message=f"is larger than {LARGEST_FILE} bytes"))
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(Problem(file=path.name, message=f"cannot be read as CSV: {error}")) from None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    problems = [unknown_name("column", name, COLUMNS, file=path.name, line=1) for name in header if name not in COLUMNS]
    if "layer" not in header:
        hint = "the first line is layer,sensitivity or layer"
        problems.append(Problem(file=path.name, line=1, message="has no column layer", hint=hint))
    if problems:
        raise InputError(problems)
    return _ordered(path, header, rows[1:])


def _ordered(path: Path, header: list[str], rows: list[list[str]]) -> tuple[str, ...]:
    problems: list[Problem] = []
    found: list[tuple[float, str]] = []
    for line, row in enumerate(rows, 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            message = f"has {len(row)} cells for {len(header)} columns"
            problems.append(Problem(file=path.name, line=line, message=message))
            continue
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        rank = _number(cells.get("sensitivity", "0"))
        if rank is None or not cells["layer"]:
            what = "layer: must not be empty" if rank is not None else "sensitivity: must be a finite number"
            problems.append(Problem(file=path.name, line=line, message=f"{what} (got {brief(row[0])!r})"))
            continue
        found.append((-rank, cells["layer"]))
    if not found and not problems:
        problems.append(Problem(file=path.name, message="lists no layers"))
    if problems:
        raise InputError(problems)
    return tuple(layer for _, layer in sorted(found, key=lambda item: item[0]))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _idle(glob: str, trace: Trace, sizes: dict[str, int]) -> str:
    near = nearest(glob, sizes)
    hint = f" (did you mean {near!r}?)" if near else ""
    return f"{KEY}: {glob!r} matches no layer with weights of {trace.name}{hint}"
