"""A trace as the arrays that its schedule is found on, for any accelerator."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace

import numpy as np

from archsim.arch.engines.base import Engine
from archsim.arch.memory import MemoryLevel
from archsim.sim.batch_kernels import DECODE, PREFILL, Variants, Work
from archsim.sim.infeasible import tensor_bits
from archsim.sim.problem import element_bits
from archsim.sim.schedule import dependencies, output_bits, signature
from archsim.sim.totals import decode_steps, peak_memory_bytes
from archsim.workloads.op import Op, Role, Transfer, VectorOp
from archsim.workloads.trace import Trace

MOST_SOURCES = 60
"""Ops that one op reads from; their residence lies in the bits of one number."""
FIRST_ROOM = 64

Variant = tuple[int, int, float]
"""(class, code, share): see `sim.batch_kernels.Variants`."""


class UnsuitableError(Exception):
    """A trace that the arrays cannot say; the plain way evaluates it."""


class TraceTable:
    """A trace by classes of ops of equal cost, in order of appearance, with the variants that have come up."""

    def __init__(
        self, trace: Trace, number: int, number_of: Callable[[Hashable], int], phases: tuple[str, ...] = ()
    ) -> None:
        """`number_of` numbers signatures; ops of `phases` are classes apart: the hardware is another one then."""
        self.number = number
        if not trace.ops:
            raise UnsuitableError
        index: dict[Hashable, int] = {}
        ops: list[Op | VectorOp] = []
        op_class: list[int] = []
        for op in trace.ops:
            if isinstance(op, Transfer):
                raise UnsuitableError
            key: Hashable = (signature(op), op.phase if op.phase in phases else "")
            if key not in index:
                index[key] = len(ops)
                ops.append(op)
            op_class.append(index[key])
        self.classes = tuple(ops)
        self.signatures = tuple(number_of(key) for key in index)
        self.vector_kinds = tuple(dict.fromkeys(op.kind for op in ops if isinstance(op, VectorOp)))
        self.work = _work(trace, ops, op_class, self.vector_kinds)
        self.sample = replace(trace, ops=_pairs(ops))
        """One op for each pair of formats, for what depends on them alone."""
        self.macs = trace.macs
        self.class_macs = [0] * len(ops)
        for op, c in zip(trace.ops, op_class, strict=True):
            self.class_macs[c] += op.macs * op.count
        self._dense_bytes = peak_memory_bytes(trace)
        sparse = any(op.weights.sparsity for op in ops if isinstance(op, Op))
        self._sparse = trace if sparse else None
        self.decode_steps = decode_steps(trace)
        self.output_tokens, self.batch = trace.output_tokens, trace.batch
        self._footprints: dict[Hashable, tuple[float, ...]] = {}
        self.variants = _room(len(ops), FIRST_ROOM)
        self.count = 0
        self._index: dict[Variant, int] = {}
        for c in range(len(ops)):
            self.variant((c, 0, 0.0))

    def variant(self, variant: Variant) -> int:
        """The number of a variant, a new one where it has not come up."""
        found = self._index.get(variant)
        if found is not None:
            return found
        number = self.count
        if number == len(self.variants.code):
            self.variants = _enlarged(self.variants)
        chained = self.variants
        c, code, share = variant
        chained.op_class[number], chained.code[number], chained.share[number] = c, code, share
        chained.following[number] = chained.first[c]
        chained.first[c] = number
        self._index[variant] = number
        self.count += 1
        return number

    def peak_memory_bytes(self, engine: Engine) -> float:
        """Bytes that the network needs at once, as `engine` stores what is sparse."""
        return self._dense_bytes if self._sparse is None else peak_memory_bytes(self._sparse, engine)

    def footprints(self, outermost: MemoryLevel) -> tuple[float, ...]:
        """Bits of each class' tensors that an outermost memory must hold."""
        key = (outermost.operands, outermost.roles)
        if key not in self._footprints:
            self._footprints[key] = tuple(float(sum(tensor_bits(op, outermost).values())) for op in self.classes)
        return self._footprints[key]

    def largest_footprint(self, outermost: MemoryLevel) -> float:
        """The most bits that any op's tensors take in an outermost memory."""
        return max(self.footprints(outermost))


def _pairs(ops: list[Op | VectorOp]) -> tuple[Op, ...]:
    pairs: dict[Hashable, Op] = {}
    for op in ops:
        if isinstance(op, Op):
            pairs.setdefault((op.weights.format, op.inputs.format), op)
    return tuple(pairs.values())


def _room(classes: int, variants: int) -> Variants:
    return Variants(
        first=np.full(classes, -1, np.int64),
        following=np.full(variants, -1, np.int64),
        op_class=np.zeros(variants, np.int64),
        code=np.zeros(variants, np.int64),
        share=np.zeros(variants),
    )


def _enlarged(old: Variants) -> Variants:
    new = _room(len(old.first), 2 * len(old.code))
    new.first[:] = old.first
    for before, after in zip(old[1:], new[1:], strict=True):
        after[: len(before)] = before
    return new


def _work(trace: Trace, ops: list[Op | VectorOp], op_class: list[int], kinds: tuple[str, ...]) -> Work:
    producers, consumers = dependencies(trace)
    if max((len(sources) for sources in producers), default=0) > MOST_SOURCES:
        raise UnsuitableError
    blocked = [any(_as_weights(trace, j, producers[j], i) for j in readers) for i, readers in enumerate(consumers)]
    phases = {"prefill": PREFILL, "decode": DECODE}
    return Work(
        op_class=np.array(op_class, np.int64),
        counts=np.array([op.count for op in trace.ops], np.int64),
        phase=np.array([phases.get(op.phase, 0) for op in trace.ops], np.int64),
        first_source=np.cumsum([0, *(len(sources) for sources in producers)], dtype=np.int64),
        source=np.array([source for sources in producers for source in sources] or [0], np.int64),
        last_reader=np.array([max(readers, default=-1) for readers in consumers], np.int64),
        blocked=np.array(blocked, np.bool_),
        result_bits=np.array([output_bits(op) for op in trace.ops], np.float64),
        kind=np.array([kinds.index(op.kind) if isinstance(op, VectorOp) else -1 for op in ops], np.int64),
        all_sources=np.array([isinstance(op, Op) and op.weights.role is Role.PARAMETER for op in ops], np.bool_),
        vector=np.array([_numbers(op) for op in ops], np.float64),
    )


def _as_weights(trace: Trace, j: int, sources: tuple[int, ...], i: int) -> bool:
    """Whether op j takes the result of op i as its weights: keys and values go through the cache, off chip."""
    reader = trace.ops[j]
    return isinstance(reader, Op) and reader.weights.role is not Role.PARAMETER and i in sources[1:]


def _numbers(op: Op | VectorOp) -> tuple[float, ...]:
    if isinstance(op, Op):
        return (0.0,) * 6
    return (
        float(op.elements),
        float(op.operations_per_element),
        float(op.reads_per_element),
        float(op.writes_per_element),
        element_bits(op.input_format),
        element_bits(op.format),
    )
