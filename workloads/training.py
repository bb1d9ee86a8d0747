"""A training step from a forward pass: loss, gradients of every operation backwards, and the optimizer's update.

The transformation knows operations only, so that it serves every network: a product gives two products (the gradients
of its two operands), a convolution two convolutions, a vector operation another vector operation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby

from archsim.workloads.op import AnyOp, Op, Role, Transfer, VectorKind, VectorOp
from archsim.workloads.request import Optimizer, Recompute
from archsim.workloads.trace import Trace
from archsim.workloads.training_costs import training_costs
from archsim.workloads.training_products import input_gradients, weight_gradient

_BLOCK = re.compile(r"^(.*?\.\d+)\.")


def training_trace(forward: Trace, *, optimizer: Optimizer = "adam", recompute: Recompute = "none") -> Trace:
    """One training step on the batch of a forward trace.

    The gradient towards the input (`NAME.dgrad`) is left out where nothing trained stands before; that of weights is
    `NAME.wgrad`, also for the second operand of attention products. Sums only pass gradients on; where an output was
    read several times its gradients are added (`NAME.grad_sum`). The optimizer updates each matrix or kernel when its
    gradient is there (`NAME.update`), and all other parameters at the end (`rest.update`). With `recompute` "blocks"
    nothing within a block (``layers.3``) is kept: its operations run again (`recompute.NAME`) before its gradients.
    The KV cache is not used.
    Ignores: gradient clipping, mixed-precision master copies, collectives between devices other than the forward's.
    """
    ops = tuple(_training_op(op) for op in _with_sources(forward.ops))
    backward = _Backward(ops=ops)
    backward.loss()
    for block, members in groupby(reversed(ops), key=_block_of):
        group = list(members)
        if recompute == "blocks" and block:
            backward.recompute(group[::-1])
        for op in group:
            backward.differentiate(op)
    backward.update(forward.parameters, optimizer)
    return replace(forward, ops=(*ops, *backward.made), kv_tokens=0)


def _block_of(op: AnyOp) -> str:
    """The numbered block that an op belongs to; empty outside of blocks."""
    match = _BLOCK.match(op.name)
    return match.group(1) if match else ""


def _with_sources(ops: Iterable[AnyOp]) -> Iterable[AnyOp]:
    """The ops with their sources spelled out, where they were the op before."""
    before: tuple[str, ...] = ()
    for op in ops:
        yield op if op.after is not None else replace(op, after=before)
        before = (op.name,)


def _training_op(op: AnyOp) -> AnyOp:
    """The forward op in the training step: keys and values are activations, kept for the backward pass."""
    if isinstance(op, Op):
        op = replace(op, inputs=replace(op.inputs, role=_uncached(op.inputs.role)))
        op = replace(op, weights=replace(op.weights, role=_uncached(op.weights.role)))
    elif isinstance(op, VectorOp):
        op = replace(op, role=_uncached(op.role))
    return replace(op, phase="training")


def _uncached(role: Role) -> Role:
    return Role.ACTIVATION if role is Role.KV else role


def _outputs(op: AnyOp) -> int:
    """Elements that an op gives."""
    match op:
        case Op():
            return op.elements("outputs")
        case VectorOp():
            return op.elements
        case Transfer():
            return op.bytes


def _is_sum(op: VectorOp) -> bool:
    """Whether an op adds its operands, told by its cost: one operation less than reads, whose gradient just passes."""
    return op.kind == "elementwise" and op.reads_per_element > 1 and op.operations_per_element < op.reads_per_element


def _trains(op: AnyOp) -> bool:
    """Whether an op holds parameters."""
    return (isinstance(op, Op) and op.weights.role is Role.PARAMETER) or (
        isinstance(op, VectorOp) and op.role is Role.PARAMETER
    )


@dataclass(slots=True)
class _Backward:
    """The backward ops made so far, and for each forward op which of them give the gradient of its output."""

    ops: tuple[AnyOp, ...]
    made: list[AnyOp] = field(default_factory=list)
    gradients: dict[str, list[str]] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    """Forward ops whose output depends on parameters."""
    weight_gradients: list[tuple[str, int, int]] = field(default_factory=list)
    """Ops that give gradients of weight matrices and kernels, with elements and count of these."""
    others: tuple[str, ...] = ()
    """Ops that give gradients of tables."""
    copies: dict[str, str] = field(default_factory=dict)
    """Names of recomputed ops by the forward op's."""

    def __post_init__(self) -> None:
        for op in self.ops:
            if _trains(op) or self.reached.intersection(op.after or ()):
                self.reached.add(op.name)

    def loss(self) -> None:
        """The loss behind every op that none reads."""
        read = {source for op in self.ops for source in op.after or ()}
        cost = training_costs().loss
        for op in self.ops:
            if op.name not in read:
                self._vector(f"{op.name}.loss", (op.name,), op, cost.operations, cost.reads, kind="softmax")
                self.gradients.setdefault(op.name, []).append(self.made[-1].name)

    def recompute(self, block: list[AnyOp]) -> None:
        """Run a block's ops again; what follows reads these copies."""
        waiting: tuple[str, ...] = (self.made[-1].name,)
        for op in block:
            sources = tuple(self.copies.get(source, source) for source in op.after or ())
            copy = replace(op, name=f"recompute.{op.name}", after=tuple(dict.fromkeys((*sources, *waiting))))
            self.copies[op.name] = copy.name
            self.made.append(copy)
            waiting = ()

    def differentiate(self, op: AnyOp) -> None:
        """The gradients of what `op` read, from that of what it gave."""
        if op.name not in self.reached or op.name not in self.gradients:
            return
        gradient = self._gradient(op)
        match op:
            case Op():
                self._product(op, gradient)
            case VectorOp():
                self._elementwise(op, gradient)
            case Transfer():
                self.made.append(replace(op, name=f"{op.name}.grad", after=gradient))
                self._pass(op.after or (), (self.made[-1].name,))

    def update(self, parameters: int, optimizer: Optimizer) -> None:
        """The optimizer's step: one op for each gradient of weights, and one for all other parameters."""
        rest = parameters
        for gradient, elements, count in self.weight_gradients:
            self._update(f"{gradient.removesuffix('.wgrad')}.update", (gradient,), elements, count, optimizer)
            rest -= elements * count
        if rest > 0:
            last = (self.made[-1].name,) if self.made else ()
            self._update("rest.update", self.others or last, rest, 1, optimizer)

    def _update(self, name: str, after: tuple[str, ...], elements: int, count: int, optimizer: Optimizer) -> None:
        """Each result is a parameter or one of its states."""
        cost = training_costs().optimizers[optimizer]
        self.made.append(
            VectorOp(
                name=name,
                kind="elementwise",
                elements=elements * cost.values,
                reads_per_element=cost.reads / cost.values,
                operations_per_element=cost.operations / cost.values,
                count=count,
                phase="training",
                after=after,
            )
        )

    def _gradient(self, op: AnyOp) -> tuple[str, ...]:
        """Names of the ops that give the gradient of an op's output; several are added first."""
        sources = list(dict.fromkeys(self.gradients[op.name]))
        if len(sources) == 1:
            return (sources[0],)
        cost = training_costs().sum
        terms = len(sources) - 1
        self._vector(f"{op.name}.grad_sum", tuple(sources), op, terms * cost.operations, cost.reads + terms - 1)
        return (self.made[-1].name,)

    def _product(self, op: Op, gradient: tuple[str, ...]) -> None:
        """Gradients of a product: the first source is its input, for products of activations the others its weights."""
        sources = op.after or ()
        own = op.weights.role is Role.PARAMETER
        first, others = (sources, ()) if own else (sources[:1], sources[1:])
        if self.reached.intersection(first):
            self._add(input_gradients(op), gradient, kept=others)
            self._pass(first, (self.made[-1].name,))
        if own or self.reached.intersection(others):
            self._add([weight_gradient(op)], gradient, kept=first)
            self._pass(others, (self.made[-1].name,))
            if own:
                self.weight_gradients.append((self.made[-1].name, op.elements("weights"), op.count))

    def _elementwise(self, op: VectorOp, gradient: tuple[str, ...]) -> None:
        sources = op.after or ()
        if _is_sum(op):
            self._pass(sources, gradient)
            return
        operations, reads = training_costs().backward(op)
        kept = tuple(self.copies.get(source, source) for source in sources)
        self._vector(f"{op.name}.grad", (*gradient, *kept), op, operations, reads, kind=op.kind)
        self._pass(sources, (self.made[-1].name,))
        if op.role is Role.PARAMETER:
            self.others += (self.made[-1].name,)

    def _add(self, products: list[Op], gradient: tuple[str, ...], *, kept: tuple[str, ...]) -> None:
        """Take products that wait for a gradient and for what the forward pass kept."""
        saved = tuple(self.copies.get(name, name) for name in kept)
        after = tuple(dict.fromkeys((*gradient, *saved)))
        for product in products:
            self.made.append(replace(product, after=after))
            after = (product.name,)

    def _pass(self, sources: Iterable[str], gradient: tuple[str, ...]) -> None:
        for source in sources:
            if source in self.reached:
                self.gradients.setdefault(source, []).extend(gradient)

    def _vector(
        self,
        name: str,
        after: tuple[str, ...],
        like: AnyOp,
        operations: float,
        reads: float,
        kind: VectorKind = "elementwise",
    ) -> None:
        self.made.append(
            VectorOp(
                name=name,
                kind=kind,
                elements=_outputs(like),
                reads_per_element=reads,
                operations_per_element=operations,
                count=like.count,
                phase="training",
                after=tuple(dict.fromkeys(after)),
            )
        )
