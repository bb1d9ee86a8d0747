"""What builders of transformer passes share: one pass, and a collector that names and shapes its ops."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from archsim.workloads.op import AnyOp, Op, Phase, Role, VectorKind, VectorOp
from archsim.workloads.request import LatentForm
from archsim.workloads.routing import Routing, UniformRouting
from archsim.workloads.vector_costs import vector_costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One run through all layers: `tokens` new tokens in each of `batch` sequences, attending to `kv_len` tokens."""

    phase: Phase
    batch: int
    tokens: int
    kv_len: int
    """Tokens that the last query could see without a window, its own with them."""
    head_rows: int
    """Rows of the head's product: one per sequence, or one per token in the forward pass of a language model."""
    count: int = 1
    prefix: str = ""
    start: tuple[str, ...] = ()
    """What the embedding waits for."""
    routing: Routing = field(default_factory=UniformRouting)
    latent: LatentForm = "absorbed"

    @property
    def rows(self) -> int:
        return self.batch * self.tokens

    def seen(self, window: int | None) -> int:
        """Keys that the queries touch: all, or a sliding window's width and what it slides over."""
        return self.kv_len if window is None else min(self.kv_len, window + self.tokens - 1)


@dataclass(slots=True)
class Emitter:
    """Collects ops of one pass. Every method takes a plain name and gives the op's full name back."""

    step: Pass
    ops: list[AnyOp] = field(default_factory=list)

    def gemm(
        self,
        name: str,
        *after: str,
        n: int,
        k: int,
        m: int | None = None,
        b: int = 1,
        role: Role = Role.PARAMETER,
        input_role: Role = Role.ACTIVATION,
    ) -> str:
        """A product, with a weight matrix unless `role` says otherwise: one row per token unless `m` does."""
        return self.add(
            Op.gemm(
                name,
                b=b,
                m=self.step.rows if m is None else m,
                n=n,
                k=k,
                weight_role=role,
                input_role=input_role,
                after=after,
            )
        )

    def vector(
        self,
        name: str,
        *after: str,
        elements: int,
        functions: tuple[str, ...],
        kind: VectorKind = "elementwise",
        extra_reads: float = 0,
        role: Role = Role.ACTIVATION,
    ) -> str:
        """A vector operation that applies `functions` of the cost table in a row; only the first reads operands."""
        costs = [vector_costs()[function] for function in functions]
        return self.add(
            VectorOp(
                name=name,
                kind=kind,
                elements=elements,
                reads_per_element=costs[0].reads + extra_reads,
                operations_per_element=sum(cost.operations for cost in costs),
                after=after,
                role=role,
            )
        )

    def add(self, op: AnyOp) -> str:
        """Take an op with the pass's count, phase and prefix."""
        step = self.step
        self.ops.append(replace(op, name=step.prefix + op.name, count=step.count, phase=step.phase))
        return step.prefix + op.name
