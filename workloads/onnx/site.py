"""A node in the walk, as the builders of ops see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archsim.arch.formats import Format
from archsim.workloads.onnx.contrib import shape
from archsim.workloads.onnx.graph import Node
from archsim.workloads.onnx.values import EmptyError, Kind, UnsupportedError, Value
from archsim.workloads.op import Op, Operand, Phase, Role, VectorKind, VectorOp
from archsim.workloads.table_columns import LARGEST


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Site:
    """A node with what is known of its inputs and outputs; `count` is how often it runs."""

    node: Node
    inputs: tuple[Value | None, ...]
    outputs: tuple[Kind, ...]
    phase: Phase = "forward"
    count: int = 1

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of an input. Raises UnsupportedError where it is missing or not known."""
        return shape(self.inputs, index)

    def value(self, index: int) -> Value:
        """An input with a known shape. Raises UnsupportedError where there is none."""
        self.shape(index)
        value = self.inputs[index]
        assert value is not None
        return value

    def optional(self, index: int) -> Value | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def result(self, index: int = 0) -> tuple[int, ...]:
        """The shape of an output. Raises UnsupportedError where it is not known."""
        found = self.outputs[index].shape
        if found is None:
            raise UnsupportedError(self.outputs[index].why or "the shape of its result is not known")
        return found

    @property
    def after(self) -> tuple[str, ...]:
        """Every op whose result the node reads, once each."""
        return joined(self.inputs)


def joined(values: Sequence[Value | None]) -> tuple[str, ...]:
    """The ops that values are made of, in order, once each."""
    return tuple(dict.fromkeys(name for value in values if value is not None for name in value.after))


def role_of(value: Value) -> Role:
    """What a tensor is to a product: a parameter, part of the cache, or an activation."""
    if value.constant:
        return Role.PARAMETER
    return Role.KV if value.cache else Role.ACTIVATION


def product(
    site: Site,
    name: str,
    *,
    sizes: tuple[int, int, int, int],
    inputs: Value | None,
    weights: Value | None,
    after: tuple[str, ...] | None = None,
    count: int = 1,
    output: Format | None = None,
) -> Op:
    """A GEMM of (b, m, n, k) on two tensors; None stands for what an op of the same node has just made."""
    b, m, n, k = sizes
    if 0 in sizes:
        raise EmptyError
    op = Op.gemm(name, b=b, m=m, n=n, k=k, count=count * site.count, phase=site.phase)
    return dressed(op, inputs, weights, site.after if after is None else after, output)


def dressed(
    op: Op, inputs: Value | None, weights: Value | None, after: tuple[str, ...], output: Format | None = None
) -> Op:
    """The op with the roles and formats of the tensors it reads. Raises UnsupportedError beyond 64-bit counts."""
    if op.macs > LARGEST:
        raise UnsupportedError(f"it has more than {LARGEST} multiply-accumulates")
    return replace(
        op,
        inputs=_operand(op.inputs, inputs),
        weights=_operand(replace(op.weights, role=Role.ACTIVATION), weights),
        outputs=replace(op.outputs, format=output),
        after=after,
    )


def _operand(operand: Operand, value: Value | None) -> Operand:
    if value is None:
        return operand
    return replace(operand, role=role_of(value), format=value.format)


def vector(
    site: Site,
    name: str,
    kind: VectorKind,
    *,
    elements: int,
    operations: float,
    reads: float,
    after: tuple[str, ...] | None = None,
    count: int = 1,
    source: Value | None = None,
    output: Format | None = None,
) -> VectorOp:
    """An op of the vector unit that reads `source`; its role is a parameter's where that is a constant."""
    if elements < 1:
        raise EmptyError
    return VectorOp(
        name=name,
        kind=kind,
        elements=elements,
        operations_per_element=float(operations),
        reads_per_element=float(reads),
        count=count * site.count,
        phase=site.phase,
        after=site.after if after is None else after,
        input_format=None if source is None else source.format,
        format=output,
        role=Role.PARAMETER if source is not None and source.constant else Role.ACTIVATION,
    )
