"""Chains of a trace that may run as one, what lies between them never leaving the chip.

Two kinds: a *pair* of products with element-wise work between (attention with its softmax, the two or three products
of an MLP), and two *convolutions* in a row, whose windows make neighbouring tiles overlap. A chain is found by what
reads what, not by names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from archsim.sim.schedule import dependencies
from archsim.workloads.op import Op, VectorOp
from archsim.workloads.trace import Trace

ChainKind = Literal["attention", "mlp", "gated-mlp", "conv-conv"]

WORDS = {"attention": "attn", "mlp": "mlp", "gated-mlp": "mlp"}
"""What a chain is called below the block it stands in."""
ELEMENTWISE = ("elementwise", "dequantize", "scale")
"""Vector operations that need one element at a time."""
BETWEEN = (*ELEMENTWISE, "softmax", "quantize")
"""Those that a chain suggests itself with; a quantizer may need the largest of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Ops in order of the trace: one or two products, the vector operations on their results, the last product."""

    name: str
    kind: ChainKind
    at: int
    """Position of the first op in the trace; the others follow it."""
    firsts: tuple[Op, ...]
    vectors: tuple[VectorOp, ...]
    last: Op

    @property
    def members(self) -> tuple[Op | VectorOp, ...]:
        return (*self.firsts, *self.vectors, self.last)

    @property
    def end(self) -> int:
        """Position after the last op."""
        return self.at + len(self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Ops that look like a chain and cannot run as one."""

    name: str
    kind: ChainKind
    why: str


def find_chains(trace: Trace) -> tuple[tuple[Chain, ...], tuple[Refusal, ...]]:
    """Every chain of a trace in order (they may overlap), and what was refused with the reason."""
    producers, readers = dependencies(trace)
    chains, refusals = [], []
    for last, op in enumerate(trace.ops):
        if not isinstance(op, Op) or not producers[last]:
            continue
        between = _between(trace, producers, last)
        source = producers[between[0]][0] if between else producers[last][0]
        first = trace.ops[source]
        if not isinstance(first, Op) or first.kind != op.kind:
            continue
        firsts = _firsts(trace, producers, source, between)
        found = _Found(trace=trace, producers=producers, readers=readers, firsts=firsts, between=between, last=last)
        kind = found.kind
        if kind is None:
            continue
        why = found.why_not()
        if why is not None:
            refusals.append(Refusal(name=found.name, kind=kind, why=why))
        else:
            chains.append(found.chain())
    return tuple(chains), tuple(refusals)


def _between(trace: Trace, producers: Sequence[tuple[int, ...]], last: int) -> list[int]:
    """The vector operations from a product back to the one before it, in order."""
    found: list[int] = []
    at = producers[last][0]
    while isinstance(trace.ops[at], VectorOp) and producers[at]:
        found.append(at)
        at = producers[at][0]
    return found[::-1]


def _firsts(trace: Trace, producers: Sequence[tuple[int, ...]], source: int, between: list[int]) -> tuple[int, ...]:
    """The product the chain starts with, or both whose results the first vector operation takes (a gate)."""
    both = tuple(dict.fromkeys(producers[between[0]])) if between else (source,)
    return tuple(sorted(both)) if all(isinstance(trace.ops[i], Op) for i in both) else (source,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A candidate: positions in the trace of what would be fused."""

    trace: Trace
    producers: Sequence[tuple[int, ...]]
    readers: Sequence[tuple[int, ...]]
    firsts: tuple[int, ...]
    between: list[int]
    last: int

    def op(self, i: int) -> Op:
        op = self.trace.ops[i]
        assert isinstance(op, Op)
        return op

    @property
    def vectors(self) -> tuple[VectorOp, ...]:
        ops = (self.trace.ops[i] for i in self.between)
        return tuple(op for op in ops if isinstance(op, VectorOp))

    @property
    def kind(self) -> ChainKind | None:
        """None where nothing suggests a chain: shapes that do not follow from each other, norms and pools between."""
        first, last = self.op(self.firsts[0]), self.op(self.last)
        if first.kind == "conv":
            if any(vector.kind not in ELEMENTWISE for vector in self.vectors) or "d" in {*first.dims, *last.dims}:
                return None
            return "conv-conv" if first.dims["k"] == last.dims["c"] and first.dims["n"] == last.dims["n"] else None
        if any(vector.kind not in BETWEEN for vector in self.vectors):
            return None
        a, b = first.loops, last.loops
        if (a["b"], a["m"], a["n"]) != (b["b"], b["m"], b["k"]):
            return None
        if any(vector.kind == "softmax" for vector in self.vectors):
            return "attention"
        return "gated-mlp" if len(self.firsts) == 2 else "mlp"

    @property
    def name(self) -> str:
        first, last = self.op(self.firsts[0]).name, self.op(self.last).name
        head, _, tail = first.rpartition(".")
        other, _, end = last.rpartition(".")
        within = f"{head}." if head and head == other else ""
        if within and self.kind in WORDS:
            return within + WORDS[str(self.kind)]
        return f"{within}{tail}-{end}" if within else f"{first}-{last}"

    def chain(self) -> Chain:
        kind = self.kind
        assert kind is not None
        return Chain(
            name=self.name,
            kind=kind,
            at=self.firsts[0],
            firsts=tuple(self.op(i) for i in self.firsts),
            vectors=self.vectors,
            last=self.op(self.last),
        )

    def why_not(self) -> str | None:
        """Why the ops cannot run as one; None when they can."""
        inner = (*self.firsts, *self.between)
        members = [self.trace.ops[i] for i in (*inner, self.last)]
        for i in inner:
            others = [j for j in self.readers[i] if j not in (*self.between, self.last)]
            if others:
                return f"{self.trace.ops[others[0]].name} reads {self.trace.ops[i].name} too"
        if list(range(self.firsts[0], self.last + 1)) != sorted((*inner, self.last)):
            return "other ops stand between its own"
        if len({(op.count, op.phase) for op in members}) > 1:
            return "its ops do not run equally often"
        if any(i in self.producers[self.last][1:] for i in inner):
            return f"{self.trace.ops[self.last].name} takes a result of the chain as its weights"
        return self._vectors_why_not() or (self._convs_why_not() if self.kind == "conv-conv" else self._gate_why_not())

    def _vectors_why_not(self) -> str | None:
        first = self.op(self.firsts[0])
        softmaxes = 0
        for i, vector in zip(self.between, self.vectors, strict=True):
            softmaxes += vector.kind == "softmax"
            if vector.kind == "quantize":
                return f"{vector.name} may need the largest of a whole row"
            if vector.elements != first.elements("outputs"):
                return f"{vector.name} changes how many elements there are"
            outside = set(self.producers[i]) - {*self.firsts, *self.between}
            if outside:
                return f"{vector.name} reads {self.trace.ops[min(outside)].name} too"
        return "it has two softmaxes" if softmaxes > 1 else None

    def _gate_why_not(self) -> str | None:
        if len(self.firsts) == 1:
            return None
        if len(self.firsts) > 2:
            return "more than two products meet in it"
        one, other = list(self.firsts)
        a, b = self.op(one), self.op(other)
        if dict(a.loops) != dict(b.loops) or self.producers[one][:1] != self.producers[other][:1]:
            return f"{a.name} and {b.name} do not multiply the same input"
        return None

    def _convs_why_not(self) -> str | None:
        if len(self.firsts) > 1:
            return "two convolutions meet in it"
        (alone,) = list(self.firsts)
        first, last = self.op(alone), self.op(self.last)
        for rows, taps, stride, dilation in (
            ("p", "r", "stride_h", "dilation_h"),
            ("q", "s", "stride_w", "dilation_w"),
        ):
            window = last.dims[dilation] * (last.dims[taps] - 1) + 1
            if last.dims[stride] > window:
                return f"{last.name} skips rows of what {first.name} makes"
            if window + last.dims[stride] * (last.dims[rows] - 1) < first.dims[rows]:
                return f"{last.name} leaves some of what {first.name} makes unread"
        return None
