"""A page's record as one block of text: JSON for what is little, typed arrays for what is many, gzipped, in base64.

Layout of the block before compression: the length of the JSON (uint32, little-endian), the JSON in UTF-8, then the
arrays. A column is constant, or an array of small indices into its distinct values, or an array of float64 whose bytes
stand plane by plane (all first bytes, all second bytes, ...), which compresses better. Nothing is rounded.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.reports.page.record import Column, DesignDetail, FloatArray, SweepPage
from archsim.reports.values import plain

DISTINCT = 2**16
"""Columns of fewer distinct values are stored as indices into them."""


class _Arrays:
    """Arrays one after the other, each known by where it begins."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, array: npt.NDArray[Any]) -> dict[str, Any]:
        """Where `array` begins, and of what it is; the bytes of items wider than one stand plane by plane."""
        item = array.dtype.newbyteorder("<")
        raw = np.ascontiguousarray(array, dtype=item).view(np.uint8).reshape(-1, item.itemsize).T.tobytes()
        place = {"type": f"{item.kind}{8 * item.itemsize}", "offset": self._length, "length": int(array.size)}
        self._parts.append(raw)
        self._length += len(raw)
        return place

    def bytes(self) -> bytes:
        return b"".join(self._parts)


def encoded(page: SweepPage) -> str:
    """The record of a page in base64: characters that mean nothing to HTML."""
    arrays = _Arrays()
    text = json.dumps(plain(_head(page, arrays)), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    head = text.encode("utf-8", "replace")
    block = len(head).to_bytes(4, "little") + head + arrays.bytes()
    return base64.b64encode(gzip.compress(block, compresslevel=6, mtime=0)).decode("ascii")


def _head(page: SweepPage, arrays: _Arrays) -> dict[str, Any]:
    return {
        "title": page.title,
        "subtitle": page.subtitle,
        "findings": page.findings,
        "facts": page.facts,
        "points": page.points,
        "columns": [_column(column, arrays) for column in page.columns],
        "index": arrays.add(page.index.astype(np.uint32)),
        "reason": arrays.add(page.reason.astype(np.uint16)),
        "reasons": page.reasons,
        "feasible": arrays.add(page.feasible.astype(np.uint8)),
        "fronts": [{"name": front.name, "rows": arrays.add(front.rows.astype(np.uint32))} for front in page.fronts],
        "knees": page.knees,
        "command": page.command,
        "base": page.base,
        "bounds": [dataclasses.asdict(bound) for bound in page.bounds],
        "designs": [_design(design) for design in page.designs],
        "pairs": [dataclasses.asdict(pair) for pair in page.pairs],
        "tables": [dataclasses.asdict(table) for table in page.tables],
        "evidence": dataclasses.asdict(page.evidence),
    }


def _column(column: Column, arrays: _Arrays) -> dict[str, Any]:
    return {
        "key": column.key,
        "label": column.quantity.label,
        "unit": column.quantity.unit,
        "style": "text" if column.categories is not None and column.positions is None else column.quantity.style,
        "role": column.role,
        "goal": column.goal,
        "categories": column.categories,
        "positions": column.positions,
        "values": _values(column.values, arrays),
    }


def _values(values: FloatArray, arrays: _Arrays) -> dict[str, Any]:
    """One of ``{constant}``, ``{distinct, codes}``, ``{array}``."""
    distinct, codes = np.unique(values, return_inverse=True)
    if distinct.size == 1:
        only = float(distinct[0])
        return {"constant": only if math.isfinite(only) else None}
    if distinct.size <= DISTINCT and 2 * distinct.size < max(values.size, 2):
        narrow = np.uint8 if distinct.size <= 2**8 else np.uint16
        return {"distinct": arrays.add(distinct), "codes": arrays.add(codes.astype(narrow))}
    return {"array": arrays.add(values.astype(np.float64))}


def _design(design: DesignDetail) -> dict[str, Any]:
    """Names that recur over the layers are given once: parts of a bar are lists in the order of `parts`."""
    parts = list(dict.fromkeys(name for layer in design.layers for name in layer.parts_s))
    components = list(dict.fromkeys(name for layer in design.layers for name in layer.energy_j))
    return {
        "row": design.row,
        "name": design.name,
        "note": design.note,
        "totals": design.totals,
        "energy": dict(design.energy_j),
        "area": dict(design.area_mm2),
        "parts": parts,
        "components": components,
        "layers": [
            {
                "name": layer.name,
                "phase": layer.phase,
                "runs": layer.runs,
                "dims": layer.dims,
                "time": layer.time_s,
                "parts": [layer.parts_s.get(name, 0.0) for name in parts],
                "energy": [layer.energy_j.get(name, 0.0) for name in components],
                "bound": layer.bound,
                "utilization": layer.utilization,
                "dram": layer.dram_bytes,
                "rest": layer.is_rest,
            }
            for layer in design.layers
        ],
        "roofline": _roofline(design),
        "timeline": [
            [span.name, span.phase, span.bound, span.runs, span.start_s, span.duration_s] for span in design.timeline
        ],
        "resolved": design.resolved,
        "warnings": design.warnings,
        "estimates": design.estimates,
        "sources": design.sources,
    }


def _roofline(design: DesignDetail) -> dict[str, Any]:
    data = design.roofline
    slopes = [roof for roof in (data.memory, data.memory_both_ways) if roof is not None]
    return {
        "points": [
            [point.name, point.intensity_ops_per_byte, point.performance_ops_per_s, point.time_s, point.bound]
            for point in data.points
        ],
        "peaks": data.compute_ops_per_s,
        "slopes": [[roof.label, roof.bytes_per_s] for roof in slopes],
        "ridge": data.ridge_ops_per_byte,
    }
