"""A trace as the `archsim.trace/1` document: what each op computes and moves."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from archsim.arch.formats import Format
from archsim.workloads.cache import cached_operands
from archsim.workloads.op import OPERANDS, AnyOp, Op, Transfer, VectorOp
from archsim.workloads.trace import Trace

SCHEMA = "archsim.trace/1"
OPERATIONS_PER_MAC = 2


def trace_summary(trace: Trace) -> dict[str, Any]:
    """The trace as plain data: totals, and for each op (one occurrence) its dimensions, MACs and bytes.

    Bytes are elements times the format's bits with their share of group scales; null where no format is chosen yet.
    Totals are over all runs. `ops_per_byte` is the arithmetic intensity with two operations per MAC, every operand
    moved once.
    """
    ops = [_op(op) for op in trace.ops]
    return {
        "schema": SCHEMA,
        "name": trace.name,
        "source": trace.source,
        "batch": trace.batch,
        "parameters": trace.parameters,
        "macs": trace.macs,
        "kv_elements_per_token": trace.kv_elements_per_token,
        "kv_bytes_per_token": kv_bytes_per_token(trace),
        **_totals(ops),
        "ops": ops,
        "warnings": list(trace.warnings),
    }


def kv_bytes_per_token(trace: Trace) -> float | None:
    """Bytes one token adds to the cache; None without a chosen format, 0 without a cache.

    Where layers keep their cache in different formats, each counts by the cache it reads.
    """
    if not trace.kv_elements_per_token:
        return 0.0
    elements, bits = 0, Fraction(0)
    for operand, count in cached_operands(trace):
        if operand.format is None:
            return None
        elements += count
        bits += count * operand.format.bits_per_element
    return float(trace.kv_elements_per_token * bits / elements / 8) if elements else None


def _totals(ops: list[dict[str, Any]]) -> dict[str, Any]:
    """Bytes of weights (keys and values included) and of activations, and the intensity of the products."""
    weights = _total([_over_runs(op, "weight_bytes") for op in ops if "weight_bytes" in op])
    moved = [_over_runs(op, key) for op in ops if "weight_bytes" in op for key in ("input_bytes", "output_bytes")]
    products = [op for op in ops if op["macs"]]
    sizes = [_over_runs(op, f"{stem}_bytes") for op in products for stem in _STEM.values()]
    total = _total(sizes)
    operations = OPERATIONS_PER_MAC * sum(op["macs"] * op["count"] for op in products)
    return {
        "weight_bytes": weights,
        "activation_bytes": _total(moved),
        "ops_per_byte": operations / total if total else None,
    }


def _over_runs(op: dict[str, Any], key: str) -> float | None:
    return None if op[key] is None else op[key] * op["count"]


def _op(op: AnyOp) -> dict[str, Any]:
    common = {"name": op.name, "kind": "transfer", "phase": op.phase, "count": op.count}
    after = {"after": None if op.after is None else list(op.after)}
    match op:
        case Op():
            return common | {"kind": op.kind} | _product(op) | after
        case VectorOp():
            return common | {"kind": op.kind} | _vector(op) | after
        case Transfer():
            return common | {"dims": {}, "macs": 0, "bytes": op.bytes, "link": op.link} | after


def _product(op: Op) -> dict[str, Any]:
    sizes = {f"{_STEM[name]}_bytes": _bytes(op.elements(name), op.operand(name).format) for name in OPERANDS}
    total = _total(list(sizes.values()))
    return {
        "dims": dict(op.dims),
        "macs": op.macs,
        "formats": {name: _name(op.operand(name).format) for name in OPERANDS},
        "roles": {name: str(op.operand(name).role) for name in OPERANDS},
        "sparsity": {name: op.operand(name).sparsity for name in OPERANDS if op.operand(name).sparsity},
        **sizes,
        "ops_per_byte": OPERATIONS_PER_MAC * op.macs / total if total else None,
    }


def _vector(op: VectorOp) -> dict[str, Any]:
    operations = op.elements * op.operations_per_element
    read = _bytes(op.elements * op.reads_per_element, op.input_format)
    written = _bytes(op.elements * op.writes_per_element, op.format)
    total = _total([read, written])
    return {
        "dims": {"elements": op.elements},
        "macs": 0,
        "operations": operations,
        "formats": {"weights": None, "inputs": _name(op.input_format), "outputs": _name(op.format)},
        "weight_bytes": 0.0,
        "input_bytes": read,
        "output_bytes": written,
        "ops_per_byte": operations / total if total else None,
    }


_STEM = {"inputs": "input", "weights": "weight", "outputs": "output"}


def _bytes(elements: float, format: Format | None) -> float | None:
    return None if format is None else float(elements * format.bits_per_element / 8)


def _total(sizes: list[float | None]) -> float | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _name(format: Format | None) -> str | None:
    return None if format is None else format.name
