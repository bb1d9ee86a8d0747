"""A network as it is built: ops in order, each reading the tensors it is given, and the parameters so far.

Concatenation, splits, reshapes, shuffles of channels and window partitions move no value of their own: they are free,
and what reads their result waits for the ops that made its parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from archsim.workloads.op import AnyOp, Op, Role, VectorKind, VectorOp
from archsim.workloads.vector_costs import vector_costs

Extent = int | tuple[int, ...]
"""One number for every axis, or one for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An activation: the ops that made it, its channels, and its extent in space (height and width, depth before)."""

    sources: tuple[str, ...]
    channels: int
    size: tuple[int, ...]

    @property
    def positions(self) -> int:
        return math.prod(self.size)

    def flat(self) -> Tensor:
        """All values as the channels of one position."""
        return replace(self, channels=self.channels * self.positions, size=(1,) * len(self.size))

    def part(self, channels: int) -> Tensor:
        """Some of the channels."""
        return replace(self, channels=channels)

    def resized(self, size: tuple[int, ...]) -> Tensor:
        """The same values at other positions (padding, cropping, partition)."""
        return replace(self, size=size)


def concat(*tensors: Tensor) -> Tensor:
    """Tensors joined along their channels; all have one size. Raises ValueError where they have not."""
    if len({tensor.size for tensor in tensors}) > 1:
        raise ValueError(f"tensors to join must have one size (got {', '.join(str(t.size) for t in tensors)})")
    channels = sum(tensor.channels for tensor in tensors)
    return Tensor(sources=joined(*tensors), channels=channels, size=tensors[0].size)


def cropped(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors cut to the smallest of them."""
    size = tuple(min(extents) for extents in zip(*(tensor.size for tensor in tensors), strict=True))
    return tuple(tensor.resized(size) for tensor in tensors)


def joined(*tensors: Tensor) -> tuple[str, ...]:
    """The ops that made the tensors, each once."""
    return tuple(dict.fromkeys(name for tensor in tensors for name in tensor.sources))


def spread(extent: Extent, rank: int) -> tuple[int, ...]:
    """One number per axis."""
    return (extent,) * rank if isinstance(extent, int) else tuple(extent)


@dataclass(slots=True)
class Net:
    """Collects the ops of one forward pass over `batch` inputs. Every method returns the tensor it makes."""

    batch: int
    parameters: int = 0
    ops: list[AnyOp] = field(default_factory=list)

    def conv(
        self,
        x: Tensor,
        name: str,
        channels: int,
        *,
        kernel: Extent = 1,
        stride: Extent = 1,
        padding: Extent = 0,
        groups: int = 1,
        bias: bool = False,
        norm: bool = False,
    ) -> Tensor:
        """A convolution over the two or three axes of `x`; output sizes are floored. `norm`: folded batch norm."""
        rank = len(x.size)
        kernels, strides, pads = spread(kernel, rank), spread(stride, rank), spread(padding, rank)
        size = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(x.size, kernels, strides, pads, strict=True))
        weights = x.channels // groups * math.prod(kernels)
        self.parameters += channels * (weights + (2 if norm else 0) + (1 if bias else 0))
        common = {"n": self.batch, "k": channels, "c": x.channels, "groups": groups}
        *depth, p, q = size
        *depth_kernel, r, s = kernels
        *depth_stride, stride_h, stride_w = strides
        flat = {"p": p, "q": q, "r": r, "s": s, "stride_h": stride_h, "stride_w": stride_w}
        if depth:
            deep = {"d": depth[0], "t": depth_kernel[0], "stride_d": depth_stride[0]}
            op = Op.conv3d(name, **common, **flat, **deep, phase="forward", after=x.sources)
        else:
            op = Op.conv(name, **common, **flat, phase="forward", after=x.sources)
        return self._made(op, channels, size)

    def transposed(self, x: Tensor, name: str, channels: int, *, factor: int, bias: bool = False) -> Tensor:
        """A transposed convolution whose stride is its kernel: a 1x1 to every channel of each of the new positions.

        No two of its windows overlap, so this has the same products, operands and results.
        """
        rank = len(x.size)
        self.parameters += channels * (x.channels * factor**rank + (1 if bias else 0))
        before, self.parameters = self.parameters, 0
        made = self.conv(x, name, channels * factor**rank)
        self.parameters = before
        return replace(made, channels=channels, size=tuple(extent * factor for extent in x.size))

    def linear(self, x: Tensor, name: str, outputs: int, *, bias: bool = True) -> Tensor:
        """A product with a weight matrix at every position."""
        self.parameters += outputs * (x.channels + (1 if bias else 0))
        op = Op.gemm(name, m=self.batch * x.positions, n=outputs, k=x.channels, after=x.sources)
        return self._made(op, outputs, x.size)

    def product(
        self, name: str, left: Tensor, right: Tensor, *, b: int, m: int, n: int, k: int, count: int = 1
    ) -> Tensor:
        """A product of two activations: `b` of them for each input, `count` times one after the other."""
        sources = joined(left, right)
        op = Op.gemm(name, b=self.batch * b, m=m, n=n, k=k, weight_role=Role.ACTIVATION, count=count, after=sources)
        return self._made(op, b * n, (m,))

    def vector(
        self,
        x: Tensor,
        name: str,
        *functions: str,
        kind: VectorKind = "elementwise",
        others: tuple[Tensor, ...] = (),
        count: int = 1,
    ) -> Tensor:
        """Functions of the cost table applied in a row to every value of `x`; `others` are read beside it."""
        costs = [vector_costs()[function] for function in functions]
        operations = sum(cost.operations for cost in costs)
        return self._vector(x, name, kind, costs[0].reads, operations, joined(x, *others), count)

    def activation(self, x: Tensor, name: str, function: str | None) -> Tensor:
        """`x` itself where there is no function."""
        return self.vector(x, name, function) if function else x

    def norm(self, x: Tensor, name: str, function: str = "layernorm") -> Tensor:
        """A norm over the channels, with gain (and for layernorm bias); `standardize` has neither."""
        self.parameters += x.channels * {"layernorm": 2, "rmsnorm": 1, "standardize": 0}[function]
        return self.vector(x, name, function, kind="norm")

    def pool(
        self, x: Tensor, name: str, kernel: Extent, stride: Extent, padding: Extent = 0, *, ceil: bool = False
    ) -> Tensor:
        """A pooling layer: every input is read once, every output takes one operation per element of its window."""
        rank = len(x.size)
        kernels, strides, pads = spread(kernel, rank), spread(stride, rank), spread(padding, rank)
        size = tuple(
            (n + 2 * p - k + (s - 1 if ceil else 0)) // s + 1
            for n, k, s, p in zip(x.size, kernels, strides, pads, strict=True)
        )
        made = x.resized(size)
        return self._vector(made, name, "pool", x.positions / made.positions, math.prod(kernels), x.sources)

    def upsample(self, x: Tensor, name: str) -> Tensor:
        """Nearest neighbour, twice as high and wide."""
        return self.vector(x.resized(tuple(2 * extent for extent in x.size)), name, "upsample")

    def _vector(
        self,
        x: Tensor,
        name: str,
        kind: VectorKind,
        reads: float,
        operations: float,
        sources: tuple[str, ...],
        count: int = 1,
    ) -> Tensor:
        op = VectorOp(
            name=name,
            kind=kind,
            elements=self.batch * x.channels * x.positions,
            reads_per_element=reads,
            operations_per_element=operations,
            count=count,
            after=sources,
        )
        return self._made(op, x.channels, x.size)

    def _made(self, op: AnyOp, channels: int, size: tuple[int, ...]) -> Tensor:
        self.ops.append(op)
        return Tensor(sources=(op.name,), channels=channels, size=size)
