"""The real weights of a network: tensors of safetensors files, matched with the ops of the trace of their config.json.

Checkpoints name their tensors in several ways; `_PARTS` maps the ends of those names to the ops of a block. Matrices
that a checkpoint stores fused are cut into the ops they belong to. Source: the module names of Hugging Face
Transformers 4 (recalled), checked against the shapes of the ops.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from archsim.core.errors import Problem
from archsim.core.spelling import brief
from archsim.workloads.layers import layer_name
from archsim.workloads.op import Op, Role, VectorOp
from archsim.workloads.safetensors import StoredTensor, stored_tensors
from archsim.workloads.table_trace import raise_all
from archsim.workloads.trace import Trace

CONFIG = "config.json"

_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)\.(.+)$")
_EXPERT = re.compile(r"experts\.(\d+)\.(.+)$")
_SUFFIX = ".weight"

_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "attention.output.dense": ("o_proj",),
        "attention.self.query": ("q_proj",),
        "attention.self.key": ("k_proj",),
        "attention.self.value": ("v_proj",),
        "attention.attention.query": ("q_proj",),
        "attention.attention.key": ("k_proj",),
        "attention.attention.value": ("v_proj",),
        "attn.c_attn": ("q_proj", "k_proj", "v_proj"),
        "attn.c_proj": ("o_proj",),
        "mlp.c_fc": ("fc1",),
        "mlp.c_proj": ("fc2",),
        "qkv_proj": ("q_proj", "k_proj", "v_proj"),
        "query_key_value": ("q_proj", "k_proj", "v_proj"),
        "gate_up_proj": ("gate_proj", "up_proj"),
        "dense_h_to_4h": ("fc1",),
        "dense_4h_to_h": ("fc2",),
        "self_attention.dense": ("o_proj",),
        "attention.dense": ("o_proj",),
        "self_attn.dense": ("o_proj",),
        "self_attn.out_proj": ("o_proj",),
        "attention.out_lin": ("o_proj",),
        "q_lin": ("q_proj",),
        "k_lin": ("k_proj",),
        "v_lin": ("v_proj",),
        "ffn.lin1": ("fc1",),
        "ffn.lin2": ("fc2",),
        "intermediate.dense": ("fc1",),
        "output.dense": ("fc2",),
        "mlp.gate": ("router",),
        "block_sparse_moe.gate": ("router",),
        "kv_a_proj_with_mqa": ("kv_a_proj",),
        **{f"SelfAttention.{part}": (f"{part}_proj",) for part in "qkvo"},
        **{f"EncDecAttention.{part}": (f"cross_{part}_proj",) for part in "qkvo"},
        "DenseReluDense.wi": ("fc1",),
        "DenseReluDense.wi_0": ("gate_proj",),
        "DenseReluDense.wi_1": ("up_proj",),
        "DenseReluDense.wo": ("fc2",),
        "w1": ("gate_proj",),
        "w2": ("down_proj",),
        "w3": ("up_proj",),
    }
)
"""Ends of tensor names inside a block, the longest first, and the ops whose weights they hold. Ends that are the name
of an op stand for themselves."""
_TRANSPOSED = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
"""Matrices stored with the reduction first (GPT-2's Conv1D)."""
_INTERLEAVED = ("query_key_value",)
"""Fused matrices in which queries, keys and values alternate by head (GPT-NeoX, BLOOM, Falcon)."""
_OUTER: Mapping[str, str] = MappingProxyType(
    {
        "embed_tokens": "embed",
        "shared": "embed",
        "word_embeddings": "embed",
        "wte": "embed",
        "wpe": "pos_embed",
        "position_embeddings": "pos_embed",
        "embed_positions": "pos_embed",
        "patch_embeddings.projection": "patch_embed",
        "pooler.dense": "pooler",
        "classifier": "head",
        "lm_head": "lm_head",
        "embed_out": "lm_head",
    }
)
"""Ends of tensor names outside the blocks, and their ops."""
_GATED = {"fc1": "up_proj", "fc2": "down_proj"}
"""Matrices that a checkpoint calls the same with and without a gate."""
_FIRST_GROUP = "group0"
"""Of experts that a trace groups by load; which experts are in which group is not known, so this one has them all."""
_GROUP = re.compile(r"\.experts\.group[1-9]\d*\.")
_TIED = ("lm_head", "embed")
"""A head without a tensor of its own reads the embedding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """An op's share of an interleaved matrix: rows are groups of `size` heads of `head_dim` rows each."""

    groups: int
    size: int
    head_dim: int
    first: int
    last: int
    """The head behind the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpWeights:
    """The stored weights of one op, or one expert's share of them."""

    op: str
    """As in the trace, without the prefix of a decode segment."""
    tensor: StoredTensor
    transposed: bool = False
    rows: tuple[int, int] | None = None
    """Of a fused matrix: the first row, and the row behind the last."""
    heads: Heads | None = None

    def load(self) -> NDArray[Any]:
        """Values mapped from the file, read-only, the reduction last: [n, k], conv [k, c/groups, r, s].

        A share of an interleaved matrix is [groups, heads, head_dim, k].
        """
        values = self.tensor.load()
        if self.transposed:
            values = values.T
        if self.rows is not None:
            values = values[self.rows[0] : self.rows[1]]
        if self.heads is not None:
            share = self.heads
            values = values.reshape(share.groups, share.size, share.head_dim, -1)[:, share.first : share.last]
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The tensors of a checkpoint: those of ops, and the others (norms, biases, scales)."""

    tensors: tuple[StoredTensor, ...]
    matched: tuple[OpWeights, ...]
    unmatched: tuple[str, ...]
    """Names of tensors that are no op's weights."""
    missing: tuple[str, ...] = ()
    """Ops with weights for which the checkpoint has no tensor."""


def iter_weights(path: str | os.PathLike[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Pairs of an op's name and its weights: a safetensors file, an index, or a folder of such files.

    With a config.json in the folder, names are those of its trace, and an op with several experts comes once for each.
    Without one, they are the tensors' own (without `.weight`), and vectors are left out. Arrays are mapped from the
    file, read-only, in its element type, the reduction last (see `OpWeights.load`).
    Raises InputError for damaged files, and for tensors that do not fit their op.
    """
    for weights in read_weights(path).matched:
        yield weights.op, weights.load()


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """The tensors of a checkpoint, matched with the ops of the config.json in its folder, if there is one."""
    tensors = stored_tensors(path)
    config = config_beside(path)
    if config is None:
        return _unnamed(tensors)
    from archsim.workloads.huggingface import trace_from_config

    return match_weights(tensors, trace_from_config(config))


def config_beside(path: str | os.PathLike[str]) -> Path | None:
    """The config.json of a checkpoint: in the folder, or beside the file; None without one."""
    place = Path(path)
    config = (place if place.is_dir() else place.parent) / CONFIG
    return config if config.is_file() else None


def match_weights(tensors: tuple[StoredTensor, ...], trace: Trace) -> Weights:
    """Each tensor with the op of `trace` whose weights it holds, in the order of the tensors.

    Raises InputError for tensors whose shape is not that of their op.
    """
    matcher = _Matcher(trace)
    matched: list[OpWeights] = []
    unmatched: list[str] = []
    problems: list[Problem] = []
    for tensor in tensors:
        shares = matcher.shares(tensor)
        matched += shares
        if not shares:
            unmatched.append(tensor.name)
        problems += [problem for share in shares if (problem := matcher.misfit(share))]
    raise_all(problems, tensors[0].file.parent if tensors else Path())
    found = {share.op for share in matched}
    head, embedding = _TIED
    if head in matcher.ops and head not in found:
        matched += [replace(share, op=head) for share in matched if share.op == embedding]
        found = {share.op for share in matched}
    missing = tuple(name for name in matcher.ops if name not in found and not _GROUP.search(name))
    return Weights(tensors=tensors, matched=tuple(matched), unmatched=tuple(unmatched), missing=missing)


def _unnamed(tensors: tuple[StoredTensor, ...]) -> Weights:
    matrices = [tensor for tensor in tensors if len(tensor.shape) > 1]
    return Weights(
        tensors=tensors,
        matched=tuple(OpWeights(op=tensor.name.removesuffix(_SUFFIX), tensor=tensor) for tensor in matrices),
        unmatched=tuple(tensor.name for tensor in tensors if len(tensor.shape) <= 1),
    )


class _Matcher:
    """The ops of a trace that have weights, and where a tensor's name leads among them."""

    def __init__(self, trace: Trace) -> None:
        self.ops: dict[str, Op | VectorOp] = {}
        self.products = {layer_name(op.name): op for op in trace.ops if isinstance(op, Op)}
        for op in trace.ops:
            role = op.weights.role if isinstance(op, Op) else op.role if isinstance(op, VectorOp) else None
            if role is Role.PARAMETER and isinstance(op, Op | VectorOp):
                self.ops.setdefault(layer_name(op.name), op)
        self.taken: set[str] = set()

    def shares(self, tensor: StoredTensor) -> list[OpWeights]:
        """The ops whose weights the tensor holds, each with its part; empty when it is no op's."""
        stem = tensor.name.removesuffix(_SUFFIX)
        block = _LAYER.search(stem)
        if block is None:
            outer = [_OUTER[end] for end in _ends(stem) if end in _OUTER] + list(_ends(stem))
            name = next((name for name in outer if name in self.ops), None)
            return [] if name is None or self._is_taken(tensor, [name]) else [OpWeights(op=name, tensor=tensor)]
        rest = block[2]
        end = next((end for end in _ends(rest) if end in _PARTS), rest.rsplit(".", 1)[-1])
        names = [self._op_name(stem[: block.start()], block[1], rest, part) for part in _PARTS.get(end, (end,))]
        known = [name for name in names if name is not None]
        if len(known) < len(names) or self._is_taken(tensor, known):
            return []
        whole = OpWeights(op=known[0], tensor=tensor, transposed=end in _TRANSPOSED)
        if len(known) == 1:
            return [whole]
        scores = self.products.get(f"{known[0].rpartition('.')[0]}.qk")
        if end in _INTERLEAVED and scores is not None:
            return self._interleaved(whole, known, scores.dims["k"])
        return self._stacked(whole, known)

    def misfit(self, share: OpWeights) -> Problem | None:
        """What is wrong with the shape of an op's weights."""
        op = self.ops[share.op]
        if not isinstance(op, Op):
            return None
        wanted = op.elements("weights")
        parts = {wanted, wanted // op.size(op.batch)} if op.kind == "gemm" else {wanted}
        if self._elements(share) in parts:
            return None
        shape = " x ".join(str(size) for size in share.tensor.shape)
        packed = share.tensor.dtype in ("U8", "I8", "I32", "U32")
        hint = "packed formats are not unpacked: give the checkpoint before quantization" if packed else None
        message = f"{share.tensor.dtype} of shape {shape} does not fit {share.op}, which has {wanted:,} weights"
        return Problem(key=brief(share.tensor.name), message=message, hint=hint)

    def _is_taken(self, tensor: StoredTensor, names: list[str]) -> bool:
        """Whether another tensor holds these ops' weights already (experts share an op); notes them if not."""
        taken = any(name in self.taken for name in names) and _EXPERT.search(tensor.name) is None
        self.taken.update(names)
        return taken

    def _op_name(self, before: str, index: str, rest: str, part: str) -> str | None:
        """The op of a block's part: of an expert, a stack (encoder, decoder), or plainly of the layer."""
        expert = _EXPERT.search(rest)
        owners = [rest.rsplit(".", count)[0] for count in (1, 2) if rest.count(".") >= count]
        parts = [f"{owner.rsplit('.', 1)[-1]}.{part}" for owner in owners] + [part]
        if expert is not None:
            parts = [f"experts.{expert[1]}.{part}", f"experts.{part}", f"experts.{_FIRST_GROUP}.{part}"]
        elif part in _GATED:
            parts.append(_GATED[part])
        stack = before.rsplit(".", 1)[-1]
        names = [f"{prefix}layers.{index}.{name}" for name in parts for prefix in (f"{stack}.", "")]
        return next((name for name in names if name in self.ops), None)

    def _stacked(self, whole: OpWeights, names: list[str]) -> list[OpWeights]:
        """Ops whose rows stand one behind the other."""
        shares, row = [], 0
        for name in names:
            rows = _rows(self.ops[name])
            shares.append(replace(whole, op=name, rows=(row, row + rows)))
            row += rows
        return shares

    def _interleaved(self, whole: OpWeights, names: list[str], head_dim: int) -> list[OpWeights]:
        """Queries, keys and values of one group of heads after the other."""
        queries, keys, _ = (_rows(self.ops[name]) for name in names)
        groups, shared = keys // head_dim, queries // keys
        ranges = ((0, shared), (shared, shared + 1), (shared + 1, shared + 2))
        return [
            replace(whole, op=name, heads=Heads(groups=groups, size=shared + 2, head_dim=head_dim, first=a, last=b))
            for name, (a, b) in zip(names, ranges, strict=True)
        ]

    def _elements(self, share: OpWeights) -> int:
        """Elements of a share; -1 when the tensor has not the rows that its ops need."""
        shape = share.tensor.shape[::-1] if share.transposed else share.tensor.shape
        columns = share.tensor.elements // shape[0] if shape and shape[0] else 0
        if share.rows is not None:
            return (share.rows[1] - share.rows[0]) * columns if share.rows[1] <= shape[0] else -1
        if share.heads is not None:
            heads = share.heads
            whole = heads.groups * heads.size * heads.head_dim
            return whole // heads.size * (heads.last - heads.first) * columns if whole == shape[0] else -1
        return share.tensor.elements


def _ends(name: str) -> Iterator[str]:
    """The name, then what is left as its parts are taken from the front: the longest end first."""
    while name:
        yield name
        _, _, name = name.partition(".")


def _rows(op: Op | VectorOp) -> int:
    return op.dims["n"] if isinstance(op, Op) else op.elements
