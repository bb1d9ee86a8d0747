"""What the hardware must do: loop nests over named dimensions, and their simpler siblings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, get_args

from archsim.arch.formats import Format
from archsim.workloads.sizes import Sizes

OperandName = Literal["inputs", "weights", "outputs"]
OPERANDS: tuple[OperandName, OperandName, OperandName] = ("inputs", "weights", "outputs")

Phase = Literal["prefill", "decode", "forward", "training"]
VectorKind = Literal["softmax", "norm", "elementwise", "pool", "gather", "quantize", "dequantize", "scale", "rotate"]
VECTOR_KINDS: tuple[VectorKind, ...] = get_args(VectorKind)


class Role(StrEnum):
    """What an operand is, apart from where it stands: decides its format, residence and lifetime."""

    PARAMETER = "parameter"
    ACTIVATION = "activation"
    KV = "kv"


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of an index: `coefficient` times the loop variable of `dim`."""

    dim: str
    coefficient: int = 1


Axis = tuple[Term, ...]
"""One index of an operand: the sum of its terms. A sum of two terms is a sliding window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """One operand of an op: its index expressions, role, format and sparsity."""

    axes: tuple[Axis, ...]
    role: Role = Role.ACTIVATION
    format: Format | None = None
    """None until a quantization policy has decided."""
    sparsity: str | None = None

    @property
    def dims(self) -> frozenset[str]:
        return frozenset(term.dim for axis in self.axes for term in axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """A loop nest of multiply-accumulates: ``outputs[...] += inputs[...] * weights[...]``.

    `loops` are the nest's dimensions with their sizes. `rows`, `columns`, `reduction` and `batch` name them as one GEMM
    sees them (innermost first): for a conv, rows are (q, p, n), columns (k,), reduction (s, r, c), batch (g,); 3-D
    convs have d (output depth) among their rows and t (kernel depth) in their reduction.
    `dims` are the dimensions as a user writes them (conv's k and c over all groups) with its options (strides, ...).
    """

    name: str
    kind: Literal["gemm", "conv"]
    dims: Mapping[str, int]
    loops: Mapping[str, int]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    reduction: tuple[str, ...]
    batch: tuple[str, ...]
    inputs: Operand
    weights: Operand
    outputs: Operand
    count: int = 1
    phase: Phase = "forward"
    after: tuple[str, ...] | None = None
    """Names of the ops whose outputs this one reads; None: the op before it in the trace; (): nothing."""
    stats: str | None = None
    """The side file with the bit statistics of its operands, beside the trace's file."""

    def __post_init__(self) -> None:
        if min(self.loops.values(), default=1) < 1:
            dim = min(self.loops, key=self.loops.__getitem__)
            raise ValueError(f"op {self.name!r}: dimension {dim} must be at least 1 (got {self.loops[dim]})")
        if self.count < 1:
            raise ValueError(f"op {self.name!r}: count must be at least 1 (got {self.count})")
        for field in ("dims", "loops"):  # an op made from another shares its sizes
            sizes = getattr(self, field)
            if type(sizes) is not Sizes:
                object.__setattr__(self, field, Sizes(sizes))

    @classmethod
    def gemm(
        cls,
        name: str,
        *,
        m: int,
        n: int,
        k: int,
        b: int = 1,
        weight_role: Role = Role.PARAMETER,
        input_role: Role = Role.ACTIVATION,
        output_role: Role = Role.ACTIVATION,
        count: int = 1,
        phase: Phase = "forward",
        after: tuple[str, ...] | None = None,
    ) -> Op:
        """``outputs[b, m, n] += inputs[b, m, k] * weights[b, k, n]``; k is the reduction."""
        dims = {"b": b, "m": m, "n": n, "k": k}
        b_, m_, n_, k_ = ((Term(dim),) for dim in dims)
        return cls(
            name=name,
            kind="gemm",
            dims=dims,
            loops=dims,
            rows=("m",),
            columns=("n",),
            reduction=("k",),
            batch=("b",),
            inputs=Operand(axes=(b_, m_, k_), role=input_role),
            weights=Operand(axes=(b_, k_, n_), role=weight_role),
            outputs=Operand(axes=(b_, m_, n_), role=output_role),
            count=count,
            phase=phase,
            after=after,
        )

    @classmethod
    def conv(
        cls,
        name: str,
        *,
        n: int = 1,
        k: int,
        c: int,
        p: int,
        q: int,
        r: int,
        s: int,
        stride_h: int = 1,
        stride_w: int = 1,
        dilation_h: int = 1,
        dilation_w: int = 1,
        groups: int = 1,
        count: int = 1,
        phase: Phase = "forward",
        after: tuple[str, ...] | None = None,
    ) -> Op:
        """``outputs[n, g, k, p, q] += inputs[n, g, c, p*stride + r*dilation, ...] * weights[g, k, c, r, s]``.

        k (output channels) and c (input channels) are over all groups; p, q are the output's height and width,
        so padding is already in them.
        """
        if groups < 1 or k % groups or c % groups:
            raise ValueError(f"op {name!r}: groups must divide k and c (got groups={groups}, k={k}, c={c})")
        dims = {"n": n, "k": k, "c": c, "p": p, "q": q, "r": r, "s": s}
        options = {
            "stride_h": stride_h,
            "stride_w": stride_w,
            "dilation_h": dilation_h,
            "dilation_w": dilation_w,
            "groups": groups,
        }
        for key, value in options.items():
            if value < 1:
                raise ValueError(f"op {name!r}: {key} must be at least 1 (got {value})")
        height = (Term("p", stride_h), Term("r", dilation_h))
        width = (Term("q", stride_w), Term("s", dilation_w))
        n_, g_, k_, c_, p_, q_, r_, s_ = ((Term(dim),) for dim in "ngkcpqrs")
        return cls(
            name=name,
            kind="conv",
            dims=dims | options,
            loops={"g": groups, **dims, "k": k // groups, "c": c // groups},
            rows=("q", "p", "n"),
            columns=("k",),
            reduction=("s", "r", "c"),
            batch=("g",),
            inputs=Operand(axes=(n_, g_, c_, height, width)),
            weights=Operand(axes=(g_, k_, c_, r_, s_), role=Role.PARAMETER),
            outputs=Operand(axes=(n_, g_, k_, p_, q_)),
            count=count,
            phase=phase,
            after=after,
        )

    @classmethod
    def conv3d(
        cls,
        name: str,
        *,
        n: int = 1,
        k: int,
        c: int,
        d: int,
        p: int,
        q: int,
        t: int,
        r: int,
        s: int,
        stride_d: int = 1,
        stride_h: int = 1,
        stride_w: int = 1,
        dilation_d: int = 1,
        dilation_h: int = 1,
        dilation_w: int = 1,
        groups: int = 1,
        count: int = 1,
        phase: Phase = "forward",
        after: tuple[str, ...] | None = None,
    ) -> Op:
        """A conv with a third window: output depth d (or frames), kernel depth t; the rest as `conv`."""
        flat = cls.conv(
            name,
            n=n,
            k=k,
            c=c,
            p=p,
            q=q,
            r=r,
            s=s,
            stride_h=stride_h,
            stride_w=stride_w,
            dilation_h=dilation_h,
            dilation_w=dilation_w,
            groups=groups,
            count=count,
            phase=phase,
            after=after,
        )
        depth_options = {"stride_d": stride_d, "dilation_d": dilation_d}
        for key, value in depth_options.items():
            if value < 1:
                raise ValueError(f"op {name!r}: {key} must be at least 1 (got {value})")
        depth = (Term("d", stride_d), Term("t", dilation_d))
        n_, g_, c_, height, width = flat.inputs.axes
        return replace(
            flat,
            dims={**flat.dims, "d": d, "t": t, **depth_options},
            loops={**flat.loops, "d": d, "t": t},
            rows=("q", "p", "d", "n"),
            reduction=("s", "r", "t", "c"),
            inputs=replace(flat.inputs, axes=(n_, g_, c_, depth, height, width)),
            weights=replace(flat.weights, axes=(*flat.weights.axes[:3], (Term("t"),), *flat.weights.axes[3:])),
            outputs=replace(flat.outputs, axes=(*flat.outputs.axes[:3], (Term("d"),), *flat.outputs.axes[3:])),
        )

    def operand(self, name: OperandName) -> Operand:
        match name:
            case "inputs":
                return self.inputs
            case "weights":
                return self.weights
            case "outputs":
                return self.outputs

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates of one occurrence."""
        product = 1
        for size in self.loops.values():
            product *= size
        return product

    def elements(self, name: OperandName) -> int:
        """Distinct elements of an operand; a sliding window counts the box it spans, at most what it touches."""
        product = 1
        for axis in self.operand(name).axes:
            span = 1 + sum(term.coefficient * (self.loops[term.dim] - 1) for term in axis)
            touched = 1
            for term in axis:
                touched *= self.loops[term.dim]
            product *= min(span, touched)
        return product

    def size(self, dims: tuple[str, ...]) -> int:
        """Product of the sizes of `dims`."""
        product = 1
        for dim in dims:
            product *= self.loops[dim]
        return product

    def with_formats(self, *, inputs: Format, weights: Format, outputs: Format) -> Op:
        return replace(
            self,
            inputs=replace(self.inputs, format=inputs),
            weights=replace(self.weights, format=weights),
            outputs=replace(self.outputs, format=outputs),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorOp:
    """An operation on the vector unit: `elements` results, each from `reads_per_element` operands.

    `operations_per_element` counts vector-lane operations (one multiply, add, compare, exponential, ... each). With
    neither reads nor writes it works inside the stream of a product (its weights on their way in, its accumulators on
    their way out) and occupies lanes only.
    """

    name: str
    kind: VectorKind
    elements: int
    reads_per_element: float = 1.0
    operations_per_element: float = 1.0
    writes_per_element: float = 1.0
    count: int = 1
    phase: Phase = "forward"
    after: tuple[str, ...] | None = None
    format: Format | None = None
    input_format: Format | None = None
    role: Role = Role.ACTIVATION
    """Role of what it reads: PARAMETER for an embedding gather."""

    def __post_init__(self) -> None:
        if self.elements < 1:
            raise ValueError(f"op {self.name!r}: elements must be at least 1 (got {self.elements})")
        if self.count < 1:
            raise ValueError(f"op {self.name!r}: count must be at least 1 (got {self.count})")

    @property
    def macs(self) -> int:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Bytes moved over a named link: a collective, an offload, a cache read."""

    name: str
    bytes: int
    link: str
    count: int = 1
    phase: Phase = "forward"
    after: tuple[str, ...] | None = None

    @property
    def macs(self) -> int:
        return 0


AnyOp = Op | VectorOp | Transfer
