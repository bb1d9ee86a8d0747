"""One pass through a transformer as ops: every block expanded, with exact dependencies.

The names are the same in every model: ``layers.0.q_proj``, ``layers.0.qk``, ``layers.0.down_proj``, ``lm_head``, ...
The decode segments of a generation carry a prefix: ``decode1.layers.0.q_proj``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from archsim.workloads.op import AnyOp, Op, Phase, Role, VectorKind, VectorOp
from archsim.workloads.transformer_config import TransformerConfig
from archsim.workloads.vector_costs import vector_costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One run through all layers: `tokens` new tokens in each of `batch` sequences, attending to `kv_len` tokens."""

    phase: Phase
    batch: int
    tokens: int
    kv_len: int
    head_rows: int
    """Rows of the head's product: one per sequence, or one per token in the forward pass of a language model."""
    count: int = 1
    prefix: str = ""
    start: tuple[str, ...] = ()
    """What the embedding waits for."""

    @property
    def rows(self) -> int:
        return self.batch * self.tokens


def pass_ops(config: TransformerConfig, step: Pass) -> tuple[AnyOp, ...]:
    """The ops of one pass in order: embedding, layers, final norm, head."""
    emit = _Emitter(config=config, step=step)
    stream = _patch_embedding(emit) if config.vision else _token_embedding(emit)
    for index in range(config.layers):
        stream = _layer(emit, f"layers.{index}.", stream)
    if config.final_norm:
        stream = emit.norm("final_norm", stream)
    _head(emit, stream)
    return tuple(emit.ops)


@dataclass(slots=True)
class _Emitter:
    """Collects ops of one pass. Every method takes a plain name and gives the op's full name back."""

    config: TransformerConfig
    step: Pass
    ops: list[AnyOp] = field(default_factory=list)

    def gemm(self, name: str, *after: str, n: int, k: int, m: int | None = None) -> str:
        """A product with a weight matrix: one row per token unless `m` says otherwise."""
        return self._add(
            Op.gemm(
                self.step.prefix + name,
                m=self.step.rows if m is None else m,
                n=n,
                k=k,
                count=self.step.count,
                phase=self.step.phase,
                after=after,
            )
        )

    def product(self, name: str, *after: str, n: int, k: int) -> str:
        """An attention product: the query heads that share keys and values are rows of one GEMM."""
        config, step = self.config, self.step
        return self._add(
            Op.gemm(
                step.prefix + name,
                b=step.batch * config.kv_heads,
                m=config.heads // config.kv_heads * step.tokens,
                n=n,
                k=k,
                weight_role=Role.KV if config.causal else Role.ACTIVATION,
                count=step.count,
                phase=step.phase,
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
        extra_reads: int = 0,
        role: Role = Role.ACTIVATION,
    ) -> str:
        """A vector operation that applies `functions` of the cost table in a row; only the first reads operands."""
        costs = [vector_costs()[function] for function in functions]
        return self._add(
            VectorOp(
                name=self.step.prefix + name,
                kind=kind,
                elements=elements,
                reads_per_element=costs[0].reads + extra_reads,
                operations_per_element=sum(cost.operations for cost in costs),
                count=self.step.count,
                phase=self.step.phase,
                after=after,
                role=role,
            )
        )

    def norm(self, name: str, source: str) -> str:
        elements = self.step.rows * self.config.hidden
        return self.vector(name, source, elements=elements, functions=(self.config.norm,), kind="norm")

    def residual(self, name: str, branch: str, source: str) -> str:
        return self.vector(name, branch, source, elements=self.step.rows * self.config.hidden, functions=("add",))

    def _add(self, op: AnyOp) -> str:
        self.ops.append(op)
        return op.name


def _token_embedding(emit: _Emitter) -> str:
    config, step = emit.config, emit.step
    elements = step.rows * config.hidden
    stream = emit.vector(
        "embed", *step.start, elements=elements, functions=("gather",), kind="gather", role=Role.PARAMETER
    )
    if config.positions == "learned":
        tables = 1 + (1 if config.token_types else 0)
        functions = ("add",) * tables
        stream = emit.vector("pos_embed", stream, elements=elements, functions=functions, extra_reads=tables - 1)
    return emit.norm("embed_norm", stream) if config.embed_norm else stream


def _patch_embedding(emit: _Emitter) -> str:
    config, step, vision = emit.config, emit.step, emit.config.vision
    assert vision is not None
    side = vision.patches_per_side
    patches = Op.conv(
        step.prefix + "patch_embed",
        n=step.batch,
        k=config.hidden,
        c=vision.channels,
        p=side,
        q=side,
        r=vision.patch,
        s=vision.patch,
        stride_h=vision.patch,
        stride_w=vision.patch,
        count=step.count,
        phase=step.phase,
        after=step.start,
    )
    emit.ops.append(patches)
    return emit.vector("pos_embed", patches.name, elements=step.rows * config.hidden, functions=("add",))


def _layer(emit: _Emitter, at: str, source: str) -> str:
    """One block; norms stand before the two branches, or after their sums in post-norm models."""
    pre = emit.config.norm_placement == "pre"
    attended = _attention(emit, at, emit.norm(at + "input_norm", source) if pre else source)
    middle = emit.residual(at + "attn_add", attended, source)
    normed = emit.norm(at + "post_norm", middle)
    output = emit.residual(at + "mlp_add", _mlp(emit, at, normed), middle if pre else normed)
    return output if pre else emit.norm(at + "output_norm", output)


def _attention(emit: _Emitter, at: str, source: str) -> str:
    config, step = emit.config, emit.step
    query = emit.gemm(at + "q_proj", source, n=config.query_width, k=config.hidden)
    key = emit.gemm(at + "k_proj", source, n=config.kv_width, k=config.hidden)
    value = emit.gemm(at + "v_proj", source, n=config.kv_width, k=config.hidden)
    operands: tuple[str, ...] = (query, key)
    if config.positions == "rotary":
        widths = {"q_rope": (query, config.query_width), "k_rope": (key, config.kv_width)}
        operands = tuple(
            emit.vector(at + name, source, elements=step.rows * width, functions=("rope",))
            for name, (source, width) in widths.items()
        )
    scores = emit.product(at + "qk", *operands, n=step.kv_len, k=config.head_dim)
    elements = config.heads * step.rows * step.kv_len
    weights = emit.vector(at + "softmax", scores, elements=elements, functions=("softmax",), kind="softmax")
    mixed = emit.product(at + "av", weights, value, n=config.head_dim, k=step.kv_len)
    return emit.gemm(at + "o_proj", mixed, n=config.hidden, k=config.query_width)


def _mlp(emit: _Emitter, at: str, source: str) -> str:
    config = emit.config
    elements = emit.step.rows * config.ffn
    if not config.gated:
        up = emit.gemm(at + "fc1", source, n=config.ffn, k=config.hidden)
        act = emit.vector(at + "act", up, elements=elements, functions=(config.activation,))
        return emit.gemm(at + "fc2", act, n=config.hidden, k=config.ffn)
    gate = emit.gemm(at + "gate_proj", source, n=config.ffn, k=config.hidden)
    up = emit.gemm(at + "up_proj", source, n=config.ffn, k=config.hidden)
    functions = (config.activation, "gate")
    act = emit.vector(at + "act", gate, up, elements=elements, functions=functions, extra_reads=1)
    return emit.gemm(at + "down_proj", act, n=config.hidden, k=config.ffn)


def _head(emit: _Emitter, source: str) -> None:
    config, rows = emit.config, emit.step.head_rows
    match config.head:
        case "lm" | "lm-tied":
            emit.gemm("lm_head", source, n=config.vocab, k=config.hidden, m=rows)
        case "classifier" if config.vision:
            emit.gemm("head", source, n=config.vision.classes, k=config.hidden, m=rows)
        case "pooler":
            pooled = emit.gemm("pooler", source, n=config.hidden, k=config.hidden, m=rows)
            emit.vector("pooler_act", pooled, elements=rows * config.hidden, functions=("tanh",))
        case _:
            return
