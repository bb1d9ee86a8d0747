"""Bit statistics of a network: its trace, the tensors of a file or a drawing, counted in some formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path

from archsim.api.formats import parse_formats
from archsim.api.inherit import inside
from archsim.api.trace import Request, choices_of, trace_of
from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem
from archsim.workloads.op import Op, Role
from archsim.workloads.statistics.records import TensorStatistics, TraceStatistics, combined
from archsim.workloads.statistics.sources import (
    ARRAY_SUFFIXES,
    ONNX_SUFFIX,
    Drawing,
    Tensor,
    drawn_inputs,
    drawn_weights,
    products,
    weight_tensors,
)
from archsim.workloads.statistics.tensor import DEFAULT_LANES, check_lanes, tensor_statistics
from archsim.workloads.trace import Trace

DEFAULT_FORMATS = ("int8",)
WEIGHT_SUFFIXES = (ONNX_SUFFIX, ".safetensors", ".safetensors.index.json", *ARRAY_SUFFIXES)
"""Files that hold weights themselves."""
LISTED = 5
"""Layers that a note names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Statistics, and the trace they belong to; None for weights without a network."""

    statistics: TraceStatistics
    trace: Trace | None

    def linked(self, side_file: str) -> Trace:
        """The trace with `stats` naming the side file, for the products that were counted. There must be a trace."""
        assert self.trace is not None
        layers = {tensor.layer for tensor in self.statistics.tensors}
        by_name = {op.name: layer for layer, op in _all_products(self.trace)}
        ops = tuple(
            replace(op, stats=side_file) if isinstance(op, Op) and by_name[op.name] in layers else op
            for op in self.trace.ops
        )
        return replace(self.trace, ops=ops)


def trace_statistics(
    source: str | Path,
    formats: Iterable[str | Format] = DEFAULT_FORMATS,
    *,
    weights: str | Path | None = None,
    samples: str | Path | None = None,
    groups: Sequence[int] = DEFAULT_LANES,
    request: Request | None = None,
    overrides: Sequence[str] = (),
) -> Counted:
    """The statistics of the network that `source` names: a model, or a file of any kind.

    `weights` is a file (`.onnx`, safetensors, `.npz` with an array per layer) or ``synthetic:DISTRIBUTION[:SEED]``;
    without it, the weights that `source` itself holds. `samples` is an `.npz` of model inputs, for an ONNX model that
    is then run, or ``synthetic:DISTRIBUTION[:SEED]``: drawn model inputs for an ONNX model, drawn activations for
    others. Groups of lanes are powers of two. `overrides` are the `--set` keys below `workload`. Raises InputError with
    what is wrong; what was left out is in the notes.
    """
    chosen, lanes = parse_formats(formats), check_lanes(groups)
    path = Path(source)
    asked = request or Request()
    trace = None if path.suffix.lower() in ARRAY_SUFFIXES else _trace(path, str(source), asked, overrides)
    sampled = samples is not None
    activations = _activations(path, samples, trace, asked, overrides)
    tensors = chain(_weights(path, weights, trace, drawn_only=sampled), activations)
    return _counted(path.stem, trace, tensors, chosen, lanes, sampled=sampled)


def _trace(path: Path, source: str, request: Request, overrides: Sequence[str]) -> Trace | None:
    """The trace; None for weights without a network."""
    from archsim.workloads.checkpoint import NoNetworkError

    try:
        return trace_of(source, request, overrides)
    except NoNetworkError:
        return None


def _weights(path: Path, weights: str | Path | None, trace: Trace | None, *, drawn_only: bool) -> Iterator[Tensor]:
    if weights is not None and (drawing := Drawing.parse(str(weights))) is not None:
        if trace is None:
            raise InputError(Problem(key="weights", message="are drawn for the ops of a network, and there is none"))
        return drawn_weights(trace, drawing)
    if weights is not None:
        return weight_tensors(weights, trace)
    if path.is_dir() or path.name.lower().endswith(WEIGHT_SUFFIXES):
        return weight_tensors(path, trace)
    if drawn_only:
        return iter(())
    hint = "give --weights FILE (.npz, .onnx, .safetensors), or draw them with --weights synthetic:laplace"
    raise InputError(Problem(message=f"{path.name} has no weights of its own", hint=hint))


def _activations(
    path: Path, samples: str | Path | None, trace: Trace | None, request: Request, overrides: Sequence[str]
) -> Iterator[Tensor]:
    if samples is None:
        return iter(())
    drawing = Drawing.parse(str(samples))
    if path.suffix.lower() == ONNX_SUFFIX:
        from archsim.workloads.onnx.dims import Sizes
        from archsim.workloads.statistics.activations import activation_tensors

        choices = choices_of(overrides)
        sizes = Sizes(dims=choices.dims, values=choices.values, batch=request.batch, context=request.context)
        return activation_tensors(path, drawing or samples, sizes)
    if drawing is None or trace is None:
        hint = "activations come from running an ONNX model; for others draw them: --samples synthetic:student-t"
        raise InputError(Problem(key="samples", message=f"{path.name} cannot be run", hint=hint))
    return drawn_inputs(trace, drawing)


def _counted(
    name: str,
    trace: Trace | None,
    tensors: Iterable[Tensor],
    formats: list[Format],
    lanes: tuple[int, ...],
    *,
    sampled: bool,
) -> Counted:
    counted: list[TensorStatistics] = []
    notes: list[str] = []
    drawn: dict[tuple[str, ...], TensorStatistics] = {}
    for _, same in groupby(tensors, key=lambda tensor: (tensor.layer, tensor.operand)):
        parts = []
        for tensor in same:
            try:
                parts.append(_count(tensor, formats, lanes, drawn))
            except InputError as error:
                notes += [f"left out: {problem}" for problem in error.problems]
        if parts:
            counted.append(combined(parts))
    if not counted:
        hint = "names of arrays are those of layers, which `archsim trace` prints" if trace else None
        why = "; ".join(notes[:LISTED]) or "no tensor belongs to one of its products"
        raise InputError(Problem(message=f"there is nothing to count for {name}: {why}", hint=hint))
    if trace is not None:
        notes += _missing(trace, counted, sampled=sampled)
    notes += sorted({tensor.source for tensor in counted if tensor.source.startswith("estimate:")})
    statistics = TraceStatistics(name=trace.name if trace else name, tensors=tuple(counted), notes=tuple(notes))
    return Counted(statistics=statistics, trace=trace)


def _count(
    tensor: Tensor, formats: list[Format], lanes: tuple[int, ...], drawn: dict[tuple[str, ...], TensorStatistics]
) -> TensorStatistics:
    """The statistics of a tensor; equal drawings are counted once and kept in `drawn`."""
    key = (tensor.source, str(tensor.array.shape))
    if tensor.drawn and key in drawn:
        return replace(drawn[key], layer=tensor.layer, operand=tensor.operand)
    found = tensor_statistics(
        tensor.array, formats, layer=tensor.layer, operand=tensor.operand, source=tensor.source, lanes=lanes
    )
    if tensor.drawn:
        drawn[key] = found
    return found


def _missing(trace: Trace, counted: list[TensorStatistics], *, sampled: bool) -> list[str]:
    """Notes on products whose weights are parameters but were not found, and on those whose inputs were not seen."""
    notes = []
    for operand in ("weights", "inputs"):
        found = {tensor.layer for tensor in counted if tensor.operand == operand}
        if not (found or (operand == "inputs" and sampled)):
            continue
        missing = [
            layer
            for layer, op in products(trace).items()
            if layer not in found and (operand == "inputs" or op.weights.role is Role.PARAMETER)
        ]
        if missing:
            more = f" and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
            notes.append(f"no {operand} for {', '.join(missing[:LISTED])}{more}")
    return notes


def _all_products(trace: Trace) -> Iterator[tuple[str, Op]]:
    from archsim.workloads.layers import layer_name

    return ((layer_name(op.name), op) for op in trace.ops if isinstance(op, Op))


def statistics_of(trace_file: str | Path) -> TraceStatistics:
    """The statistics that the `stats` column of a trace file names.

    Raises InputError when it names none or several files, or one outside the trace's folder.
    """
    from archsim.workloads.statistics.side_file import read_statistics
    from archsim.workloads.table import read_trace

    path = Path(trace_file)
    named = sorted({op.stats for op in read_trace(path).ops if isinstance(op, Op) and op.stats is not None})
    if len(named) != 1:
        got = ", ".join(named) or "none"
        raise InputError(Problem(file=str(path), key="stats", message=f"must name one side file (got {got})"))
    return read_statistics(inside(named[0], path.parent))
