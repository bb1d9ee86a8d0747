"""Traces as SCALE-Sim topologies, and a list of what that format cannot say.

Lines end in a comma, as that tool drops what stands behind the last one. A trace of GEMMs alone becomes a GEMM topology
(run with `-i gemm`), any other a conv topology, in which a GEMM is a 1 x 1 convolution of an m x 1 image. What takes
several matrices (counts, batches, groups) becomes that many lines.
Source: SCALE-Sim 3.0.0, its topology reader.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from archsim.core.errors import InputError, Problem
from archsim.workloads.op import Op, Role, VectorOp
from archsim.workloads.scalesim import CONV_TITLES, DEPTHWISE, GEMM_TITLES, unique_name
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.trace import Trace

MOST_LINES = 100_000
"""Layers of a topology. Source: estimate: the tool takes minutes for one of them."""
_DENSE = "1:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A topology file's text, and one line for each thing of the trace that it cannot say."""

    text: str
    gemm: bool
    """Whether the tool must be told that layers are GEMMs (`-i gemm`)."""
    lost: tuple[str, ...]


def write_topology(trace: Trace, path: str | os.PathLike[str]) -> Topology:
    """Write a trace's products as a topology, complete or not at all. Raises InputError as `topology`."""
    file = Path(path)
    made = topology(trace)
    part = file.with_name(f"{file.name}.part")
    part.write_text(made.text, encoding="utf-8", newline="\n")
    part.replace(file)
    return made


def topology(trace: Trace) -> Topology:
    """The products of a trace as a topology. Raises InputError for a trace without any, or with too many."""
    products = [op for op in trace.ops if isinstance(op, Op)]
    if not products:
        raise InputError(Problem(message=f"{trace.name} has no GEMM and no convolution: nothing for a topology"))
    lines = sum(_copies(op) for op in products)
    if lines > MOST_LINES:
        message = f"{trace.name} takes {lines:,} lines as a topology (at most {MOST_LINES:,}): one for each matrix"
        raise InputError(Problem(message=message, hint="export one phase, or fewer repetitions"))
    gemm = all(op.kind == "gemm" for op in products)
    writer = _Writer(gemm=gemm, sparse=any(_ratio(op) != _DENSE for op in products))
    rows = [row for op in products for row in writer.rows(op)]
    header = GEMM_TITLES if gemm else CONV_TITLES
    titles = (*header, "Sparsity") if writer.sparse else header
    text = "".join(",".join(cells) + ",\n" for cells in [titles, *rows])
    return Topology(text=text, gemm=gemm, lost=(*_other_ops(trace), *writer.losses(), *_unsaid(products)))


def _copies(op: Op) -> int:
    """Lines that an op takes."""
    if op.kind == "gemm":
        return op.count * op.dims["b"]
    depthwise = op.dims["groups"] == op.dims["c"]
    return op.count * op.dims["n"] * (1 if depthwise else op.dims["groups"])


def _ratio(op: Op) -> str:
    """The weights' N:M; dense where it is another pattern."""
    if op.weights.sparsity is None:
        return _DENSE
    pattern = parse_sparsity(op.weights.sparsity)
    return pattern.text if pattern.structured and pattern.density < 1 else _DENSE


@dataclass(slots=True, kw_only=True)
class _Writer:
    """Lines of a topology, and what was lost on the way: a remark and the ops it is about."""

    gemm: bool
    sparse: bool
    names: dict[str, int] = field(default_factory=dict)
    lost: dict[str, list[str]] = field(default_factory=dict)

    def rows(self, op: Op) -> Iterator[list[str]]:
        sizes = self._gemm(op) if op.kind == "gemm" else self._conv(op)
        if (copies := _copies(op)) > 1:
            self._note("a line for each matrix of a count, batch or group", op)
        name = self._name(op)
        for _ in range(copies):
            yield [unique_name(name, self.names), *map(str, sizes), *([_ratio(op)] if self.sparse else [])]

    def losses(self) -> list[str]:
        return [f"{remark}: {_some(names)}" for remark, names in self.lost.items()]

    def _gemm(self, op: Op) -> tuple[int, ...]:
        m, n, k = (op.dims[dim] for dim in "mnk")
        if self.gemm:
            return (m, n, k)
        self._note("GEMMs written as 1 x 1 convolutions", op)
        return (m, 1, 1, 1, k, n, 1)

    def _conv(self, op: Op) -> tuple[int, ...]:
        """Sizes of one line: the image that the outputs and a common stride need."""
        dims = op.dims
        if dims["stride_h"] != dims["stride_w"]:
            self._note("one stride for both directions, the image narrowed or widened to keep the outputs", op)
        if dims["dilation_h"] > 1 or dims["dilation_w"] > 1:
            self._note("no dilation, the image shrunk to keep the outputs", op)
        stride, groups = dims["stride_h"], dims["groups"]
        image = ((dims["p"] - 1) * stride + dims["r"], (dims["q"] - 1) * stride + dims["s"])
        channels = dims["c"] if self._is_depthwise(op) else dims["c"] // groups
        return (*image, dims["r"], dims["s"], channels, dims["k"] // groups, stride)

    @staticmethod
    def _is_depthwise(op: Op) -> bool:
        return op.kind == "conv" and op.dims["groups"] == op.dims["c"] > 1

    def _name(self, op: Op) -> str:
        """The name without commas; DP in it means depthwise to the tool, so that it is added or taken away."""
        name = op.name.replace(",", "_").replace('"', "'").replace("#", "_")
        if self._is_depthwise(op) and DEPTHWISE not in name:
            name = f"{name}_{DEPTHWISE}"
        elif not self._is_depthwise(op) and not self.gemm:
            name = name.replace(DEPTHWISE, DEPTHWISE.lower())
        if name != op.name:
            self._note("names changed (DP marks depthwise layers, commas end a cell)", op)
        return name

    def _note(self, remark: str, op: Op) -> None:
        self.lost.setdefault(remark, []).append(op.name)


def _other_ops(trace: Trace) -> Iterator[str]:
    """Ops that are left out, by kind."""
    kinds = Counter(op.kind if isinstance(op, VectorOp) else "transfer" for op in trace.ops if not isinstance(op, Op))
    if kinds:
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        yield f"left out, as they are no products: {listed}"


def _unsaid(products: list[Op]) -> Iterator[str]:
    """What products say that a topology has no column for."""
    patterns = {op.weights.sparsity for op in products if op.weights.sparsity and _ratio(op) == _DENSE}
    checks = {
        "formats": any(None not in (op.inputs.format, op.weights.format, op.outputs.format) for op in products),
        "phases": any(op.phase != "forward" for op in products),
        "dependencies other than in a row": any(op.after is not None for op in products),
        "roles other than weights": any(op.weights.role is not Role.PARAMETER for op in products),
        "sparsity of inputs or outputs": any(op.inputs.sparsity or op.outputs.sparsity for op in products),
        f"patterns other than N:M ({', '.join(sorted(patterns))})": bool(patterns),
    }
    lost = [what for what, is_lost in checks.items() if is_lost]
    if lost:
        yield f"not said: {', '.join(lost)}"


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest
